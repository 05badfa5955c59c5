import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { decimal, HeaderTable } from "../../../modules/core/table.ts";
import { detached, flat } from "../../../modules/core/text.ts";
import { parseResponseHead, ResponseHead } from "../../../modules/http/response_head.ts";

const FIELDS = [
  ["Content-Length", "12"],
  ["content-length", "9007199254740992"],
  ["CONTENT-LENGTH", "007"],
  ["Date", "Sun, 06 Nov 1994 08:49:37 GMT"],
  ["Connection", ""],
  ["Connection", "keep-alive"],
  ["X-Other", "1a"],
] as const;
const BLANKS = ["", " ", "\t", "  "];

/** As a parser leaves it. */
function parsed(before: string, after: string): HeaderTable {
  const lines = FIELDS.map(([name, value]) => `${name}:${before}${value}${after}\r\n`).join("");
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`, "latin1");
  const head = new ResponseHead();
  parseResponseHead(bytes as unknown as Bytes, 0, bytes.length, 8192, "IsError", head);
  return head.headers;
}

/** As modules make it. */
function made(): HeaderTable {
  const table = new HeaderTable();
  for (const [name, value] of FIELDS) table.add(name, value);
  return table;
}

test("what is read without a string is what the string says", () => {
  const tables = BLANKS.flatMap((before) => BLANKS.map((after) => () => parsed(before, after)));
  for (const make of [...tables, made]) {
    for (const [i, [, value]] of FIELDS.entries()) {
      for (const cut of [false, true]) {
        const table = make();
        if (cut) table.valueAt(i);
        assert.equal(table.valueLength(i), value.length);
        for (let k = 0; k < value.length; k++) assert.equal(table.valueCharCode(i, k), value.charCodeAt(k));
        assert.equal(table.numberAt(i), decimal(value, 0, value.length));
        for (const [, other] of FIELDS) assert.equal(table.valueIs(i, other), value === other);
        assert.equal(table.valueIs(i, value.slice(1)), value === "");
        for (const [text, from] of [
          ["0", 0],
          ["", 3],
          ["9", 2],
          ["alive", 0],
          ["GMT", 20],
          [", ", 0],
          ["1a", 1],
        ] as const) {
          if (from > value.length) continue;
          assert.equal(table.valueIndexOf(i, text, from), value.indexOf(text, from));
          assert.equal(table.valueStartsWith(i, text, from), value.startsWith(text, from));
          assert.equal(table.valueSlice(i, from, value.length), value.slice(from));
        }
        assert.equal(table.valueAt(i), value);
      }
    }
  }
});

test("usualLine() has the usual name, one blank and the value", () => {
  for (const make of [() => parsed(" ", ""), () => parsed("", "\t"), made]) {
    assert.equal(make().usualLine(0), "Content-Length: 12\r\n");
    assert.equal(make().usualLine(2), "Content-Length: 007\r\n");
    assert.equal(make().usualLine(3), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  }
});

test("decimal() takes digits alone, up to 2^53 - 1", () => {
  for (const [text, number] of [
    ["0", 0],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", -1],
    ["", -1],
    ["+1", -1],
    ["1 ", -1],
    ["0x1", -1],
  ] as const)
    assert.equal(decimal(text, 0, text.length), number, text);
  assert.equal(decimal("a12b", 1, 3), 12);
});

test("kept texts are the same texts", () => {
  for (const text of ["", "a", "www.example.org:8080", "\xe9\xff"]) {
    assert.equal(detached(text), text);
    assert.equal(flat(`${text}${text}`), text + text);
  }
});
