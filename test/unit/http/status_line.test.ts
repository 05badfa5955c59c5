import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { hasReason, reasonPhrase } from "../../../modules/core/status.ts";
import { parseResponseHead, ResponseHead } from "../../../modules/http/response_head.ts";

/** @param pieces what comes with each read */
function read(line: string, fieldSize = 8192): unknown[] {
  const head = new ResponseHead();
  const bytes = Buffer.from(`${line}\r\nA: b\r\n\r\n`, "latin1");
  const taken = parseResponseHead(bytes as unknown as Bytes, 0, bytes.length, fieldSize, "IsError", head);
  return taken < 0
    ? [taken, head.reason]
    : [taken, head.protocol, head.status, head.phrase, head.line, head.lineLength];
}

test("a status with its own reason is read as the same status with another one", () => {
  for (let status = 100; status < 1000; status++) {
    if (!hasReason(status)) continue;
    const reason = reasonPhrase(status);
    for (const minor of [0, 1]) {
      const line = `HTTP/1.${minor} ${status} ${reason}`;
      const protocol = 1000 + minor;
      assert.deepEqual(read(line), [line.length + 10, protocol, status, reason, line, line.length]);
      const other = `${line.slice(0, -1)}?`;
      const phrase = `${reason.slice(0, -1)}?`;
      assert.deepEqual(read(other), [other.length + 10, protocol, status, phrase, other, other.length]);
    }
  }
});

test("what is nearly usual is judged as before", () => {
  assert.deepEqual(read("HTTP/1.1 2 0 OK").slice(1, 3), [9, 200]); // no status line: HTTP/0.9
  assert.deepEqual(read("HTTP/2.0 200 OK"), [-502, "Corrupt status line returned by remote server: HTTP/2.0 200 OK"]);
  assert.deepEqual(read("HTTP/1.1 099 OK")[0], -502);
  assert.deepEqual(read("HTTP/1.1 200 ").slice(2, 4), [200, ""]);
  assert.deepEqual(read("HTTP/1.1 200").slice(2, 4), [200, ""]);
  assert.deepEqual(read("HTTP/1.1 200 OK", 15)[0], -502);
  assert.equal(read("HTTP/1.1 200 OK", 16)[2], 200);
});
