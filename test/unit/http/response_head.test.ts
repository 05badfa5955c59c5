import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { HTTP_09, HTTP_10, HTTP_11 } from "../../../modules/http/head.ts";
import { type BadHeader, parseResponseHead, ResponseHead } from "../../../modules/http/response_head.ts";

const FIELD_SIZE = 8192;

/** The text in the middle of a buffer of token characters, so that a read past the end shows. */
function bytes(text: string, before = 3): Bytes {
  return Buffer.from(`${"a".repeat(before)}${text}${"a".repeat(40)}`, "latin1") as unknown as Bytes;
}

function response(
  text: string,
  badHeader: BadHeader = "IsError",
  fieldSize = FIELD_SIZE,
): { n: number; head: ResponseHead } {
  const head = new ResponseHead();
  return { n: parseResponseHead(bytes(text), 3, 3 + text.length, fieldSize, badHeader, head), head };
}

test("parseResponseHead() status lines", () => {
  for (const [line, protocol, status, phrase] of [
    ["HTTP/1.1 200 OK", HTTP_11, 200, "OK"],
    ["HTTP/1.0 404 Not  There", HTTP_10, 404, "Not  There"],
    ["HTTP/1.1 404", HTTP_11, 404, ""],
    ["HTTP/1.1 404 ", HTTP_11, 404, ""],
    ["HTTP/1.1 999 X", HTTP_11, 999, "X"],
  ] as const) {
    const { n, head } = response(`${line}\r\n\r\n`);
    assert.deepEqual([n, head.protocol, head.status, head.phrase], [line.length + 4, protocol, status, phrase]);
  }
  for (const line of ["HTTP/1.1 abc", "HTTP/1.1 99 X", "<html>"]) {
    const { n, head } = response(`${line}\r\nbody`);
    assert.deepEqual([n, head.protocol, head.status, head.line], [line.length + 2, HTTP_09, 200, line]);
  }
  const corrupt = response("HTTP/2.0 200 OK\r\n\r\n");
  assert.deepEqual(
    [corrupt.n, corrupt.head.reason],
    [-502, "Corrupt status line returned by remote server: HTTP/2.0 200 OK"],
  );
  assert.equal(response(`HTTP/1.1 200 ${"x".repeat(9000)}`).n, -502);
  assert.ok(response("\r\nHTTP/1.1 200 OK\r\n\r\n").n > 0);
});

test("parseResponseHead() fields: repeated stay apart, folds keep their blanks, values are trimmed", () => {
  const { n, head } = response(
    "HTTP/1.1 200 OK\nSet-Cookie: a \r\nset-cookie:b\nX: 1  \r\n \t2 \r\nY:\r\n z\r\n\r\nbody",
  );
  assert.ok(n > 0);
  assert.deepEqual(head.headers.fields, ["Set-Cookie", "a", "set-cookie", "b", "X", "1 \t2", "Y", "z"]);
  assert.ok(!head.illegal);
  for (const bad of ["X A: 1", "X : 1", ": 1", "X: \x01"])
    assert.ok(response(`HTTP/1.1 200 OK\r\n${bad}\r\n\r\n`).head.illegal, bad);
});

test("parseResponseHead() ProxyBadHeader and limits", () => {
  const text = "HTTP/1.1 200 OK\r\nA: 1\r\nbogus\r\nB: 2\r\n\r\n";
  const isError = response(text);
  assert.deepEqual([isError.n, isError.head.reason], [-502, ""]);
  const ignore = response(text, "Ignore");
  assert.deepEqual(
    [ignore.n, ignore.head.headers.fields, ignore.head.ignored],
    [text.length, ["A", "1", "B", "2"], ["bogus"]],
  );
  const start = response(text, "StartBody");
  assert.deepEqual([start.n, start.head.headers.fields, start.head.startBody], [text.indexOf("B:"), ["A", "1"], true]);
  const folded = "HTTP/1.1 200 OK\r\nA: 1\r\nbogus\r\n more\r\n\tof it\r\nbody";
  assert.equal(response(folded, "StartBody").n, folded.indexOf("body"));
  assert.ok(response("HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nA: 1\r\n\r\n").n > 0);
  assert.ok(response(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(8188)}\r\n\r\n`).n > 0);
  assert.equal(response(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(8189)}\r\n\r\n`).n, -502);
  assert.equal(response(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(8189)}`).n, -502);
  assert.equal(response("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n").n, -502);
});

test("parseResponseHead() reads the same whatever the pieces", () => {
  const many = Array.from({ length: 70 }, (_, i) => `X-${i}: ${i}\r\n`).join("");
  for (const text of [
    "\r\nHTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nSet-Cookie: a\r\nSet-Cookie: b\nB: \r\n\r\n",
    `HTTP/1.0 404\r\n${many} f\r\n\r\n`,
    "<html>\r\n",
  ]) {
    const whole = response(text);
    assert.equal(whole.n, text.length);
    for (let split = 0; split < text.length; split++) {
      const head = new ResponseHead();
      assert.equal(parseResponseHead(bytes(text.slice(0, split)), 3, 3 + split, FIELD_SIZE, "IsError", head), 0);
      assert.equal(
        parseResponseHead(bytes(text, 5), 5, 5 + text.length, FIELD_SIZE, "IsError", head),
        text.length,
        `${split}`,
      );
      assert.deepEqual(
        [head.status, head.headers.fields, head.line],
        [whole.head.status, whole.head.headers.fields, whole.head.line],
      );
    }
  }
});
