/** The header table, which keeps a head's text and cuts nothing, against a list of names and values. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import {
  bitsOf,
  decimal,
  HeaderTable,
  headerId,
  headerName,
  SET_COOKIE,
  sameName,
} from "../../../modules/core/table.ts";
import { parseRequestHead, RequestHead } from "../../../modules/http/request_head.ts";
import { parseResponseHead, ResponseHead } from "../../../modules/http/response_head.ts";

const LIMITS = { requestLine: 8190, fieldSize: 8190, fields: 100 };
const NAMES = ["Host", "Set-Cookie", "Cookie", "Vary", "Content-Length", "Connection", "X-A", "X-B", "Sec-Fetch-Mode"];
const VALUES = [
  "",
  "1",
  "12",
  "a, b",
  "keep-alive",
  "x=1; y=2",
  "Sun, 06 Nov 1994 08:49:37 GMT",
  "\xe9\xff",
  "a  b\tc",
];

/** A generator of its own, so that a failure can be repeated: the same numbers at each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Model = [name: string, value: string][];

function spelled(name: string, next: (below: number) => number): string {
  const how = next(4);
  return how === 0 ? name.toLowerCase() : how === 1 ? name.toUpperCase() : name;
}

function compare(table: HeaderTable, model: Model, text: string): void {
  const lines = model.map(([name, value]) => `${name}: ${value}\r\n`);
  assert.deepEqual([...table], model, text);
  assert.equal(table.lines(0, table.size), lines.join(""), text);
  for (let from = 0; from < lines.length; from++) {
    assert.equal(table.lines(from, lines.length - 1), lines.slice(from, -1).join(""), text);
    const [name, value] = model[from]!;
    const id = headerId(name);
    assert.equal(table.valueLength(from), value.length, text);
    assert.equal(table.numberAt(from), decimal(value, 0, value.length), text);
    assert.ok(table.valueIs(from, value), text);
    if (id !== 0) assert.equal(table.usualLine(from), `${headerName(id)}: ${value}\r\n`, text);
  }
  for (const name of NAMES) {
    const first = model.find((field) => sameName(field[0], name));
    assert.equal(table.get(name), first?.[1], text);
    const id = headerId(name);
    if (id !== 0) assert.equal(table.getId(id), first?.[1], text);
    if (first !== undefined && id !== 0) assert.ok(table.mayHave(bitsOf(id)), text);
    assert.deepEqual(
      table.getAll(name),
      model.filter((field) => sameName(field[0], name)).map((field) => field[1]),
      text,
    );
  }
}

function without(model: Model, name: string): Model {
  return model.filter((field) => !sameName(field[0], name));
}

function change(table: HeaderTable, model: Model, next: (below: number) => number): Model {
  const name = spelled(NAMES[next(NAMES.length)]!, next);
  const value = VALUES[next(VALUES.length)]!;
  const at = model.findIndex((field) => sameName(field[0], name));
  switch (next(6)) {
    case 0:
      table.add(name, value);
      return [...model, [name, value]];
    case 1:
      table.unset(name);
      return without(model, name);
    case 2: {
      table.set(name, value);
      if (at < 0) return [...model, [name, value]];
      return [...model.slice(0, at), [name, value], ...without(model.slice(at + 1), name)];
    }
    case 3: {
      table.merge(name, value);
      if (at < 0) return [...model, [name, value]];
      return model.map((field, i) => (i === at ? [field[0], `${field[1]}, ${value}`] : field));
    }
    case 4: {
      table.moveToEnd(SET_COOKIE);
      const cookies = model.filter((field) => sameName(field[0], "Set-Cookie"));
      return [...without(model, "Set-Cookie"), ...cookies.map((field): [string, string] => ["Set-Cookie", field[1]])];
    }
    default:
      if (model.length === 0) return model;
      table.setValueAt(model.length - 1, value);
      return model.map((field, i) => (i === model.length - 1 ? [field[0], value] : field));
  }
}

test("a table filled by a parser is what a list of its fields is, through every change", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const next = numbers(seed);
    let model: Model = [];
    let head = "";
    for (let i = next(8); i >= 0; i--) {
      const name = spelled(NAMES[next(NAMES.length)]!, next);
      const value = VALUES[next(VALUES.length)]!;
      head += `${name}:${["", " ", " ", " ", "\t", "  "][next(6)]}${value}${["", "", "", " ", "\t "][next(5)]}\r\n`;
      model.push([name, value.replace(/^[ \t]+|[ \t]+$/g, "")]);
    }
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n`, "latin1") as unknown as Bytes;
    const into = new ResponseHead();
    assert.equal(parseResponseHead(bytes, 0, bytes.length, 8192, "IsError", into), bytes.length);
    const text = `seed ${seed}: ${JSON.stringify(head)}`;
    compare(into.headers, model, text);
    const copy = into.headers.clone();
    const before = model;
    for (let i = 0; i < 8; i++) {
      model = change(into.headers, model, next);
      compare(into.headers, model, text);
    }
    compare(copy, before, text);
  }
});

test("a request's fields of one name are one field, wherever they stand and however they are written", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const next = numbers(seed);
    const names = NAMES.filter((name) => name !== "Host" && name !== "Content-Length");
    const target = `/${["", "a", "a/b;c=1"][next(3)]}${["", "?", "?q=1", "?a=?"][next(4)]}`;
    const merged = new HeaderTable();
    let head = "";
    for (let i = next(10); i >= 0; i--) {
      const name = spelled(names[next(names.length)]!, next);
      const value = VALUES[next(VALUES.length)]!;
      head += `${name}:${["", " ", " ", "\t"][next(4)]}${value}${["", "", " "][next(3)]}\r\n`;
      merged.merge(name, value);
    }
    const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\n${head}\r\n`, "latin1") as unknown as Bytes;
    const into = new RequestHead();
    assert.equal(parseRequestHead(bytes, 0, bytes.length, LIMITS, into), bytes.length);
    compare(
      into.headers,
      merged.fields.flatMap((_, i, all) => (i % 2 ? [] : [[all[i]!, all[i + 1]!]])),
      head,
    );
    const mark = target.indexOf("?");
    assert.equal(into.target, target);
    assert.equal(into.path, mark < 0 ? target : target.slice(0, mark));
    assert.equal(into.query, mark < 0 ? null : target.slice(mark + 1));
  }
});
