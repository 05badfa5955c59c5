import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionTokens, isChunked, parseContentLength } from "../../../modules/http/field_value.ts";

test("parseContentLength(), isChunked(), connectionTokens()", () => {
  for (const [value, length] of [
    ["0", 0],
    ["007", 7],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", -1],
    ["", -1],
    ["+3", -1],
    ["3, 3", -1],
    ["-1", -1],
    ["0x1", -1],
    ["1 ", -1],
  ] as const) {
    assert.equal(parseContentLength(value), length, value);
  }
  assert.ok(isChunked("chunked") && isChunked("Chunked") && !isChunked("gzip, chunked") && !isChunked("xchunked"));
  const tokens: string[] = [];
  connectionTokens(" keep-alive ,, X-B,\tclose", (token) => tokens.push(token));
  assert.deepEqual(tokens, ["keep-alive", "X-B", "close"]);
});
