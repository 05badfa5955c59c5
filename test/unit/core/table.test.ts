import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import {
  CONTENT_LENGTH,
  HeaderTable,
  HOST,
  headerId,
  headerName,
  sameName,
  spelledId,
  TE,
} from "../../../modules/core/table.ts";

function table(...fields: string[]): HeaderTable {
  const t = new HeaderTable();
  for (let i = 0; i < fields.length; i += 2) t.add(fields[i]!, fields[i + 1]!);
  return t;
}

test("headerId() knows a name in any case and no other of the same shape", () => {
  for (const name of ["Host", "host", "HOST", "hOsT"]) assert.equal(headerId(name), HOST);
  assert.equal(headerId("Hist"), 0);
  assert.equal(headerId("content-LENGTH"), CONTENT_LENGTH);
  assert.equal(headerId(""), 0);
  assert.equal(headerId("x".repeat(36)), 0);
  assert.equal(headerName(TE), "TE");
});

test("sameName() folds letters only", () => {
  assert.ok(sameName("X-Abc", "x-aBC"));
  assert.ok(!sameName("a^", "a~"));
  assert.ok(!sameName("x_", "x\x7f"));
  assert.ok(!sameName("X-Ab", "X-Abc"));
});

test("HeaderTable get, getAll, has are case-blind and keep the order", () => {
  const t = table("X-A", "1", "Host", "h", "x-a", "2");
  assert.equal(t.get("x-A"), "1");
  assert.deepEqual(t.getAll("X-a"), ["1", "2"]);
  assert.equal(t.get("HOST"), "h");
  assert.equal(t.getId(HOST), "h");
  assert.equal(t.getId(TE), undefined);
  assert.ok(!t.has("te") && !t.has("x-b") && t.has("X-A"));
  assert.deepEqual(
    [...t],
    [
      ["X-A", "1"],
      ["Host", "h"],
      ["x-a", "2"],
    ],
  );
  assert.equal(t.size, 3);
});

test("HeaderTable set replaces the first in place, drops the others, else appends", () => {
  const t = table("a", "1", "Host", "h", "A", "2", "b", "3", "a", "4");
  t.set("A", "9");
  assert.deepEqual(t.fields, ["A", "9", "Host", "h", "b", "3"]);
  t.set("Te", "x");
  assert.deepEqual(t.fields.slice(-2), ["Te", "x"]);
  assert.equal(t.get("te"), "x");
  assert.equal(t.ids.length * 2, t.fields.length);
});

test("HeaderTable merge, unset, clone, clear", () => {
  const t = table("X", "1", "Via", "a", "X", "3");
  assert.equal(t.merge("x", "2"), 0);
  assert.equal(t.merge("new", "n"), 3);
  assert.deepEqual(t.fields, ["X", "1, 2", "Via", "a", "X", "3", "new", "n"]);
  const copy = t.clone();
  t.unset("x");
  assert.deepEqual(t.fields, ["Via", "a", "new", "n"]);
  t.unset("VIA");
  t.unset("absent");
  assert.deepEqual(t.fields, ["new", "n"]);
  assert.equal(copy.size, 4);
  assert.equal(copy.get("via"), "a");
  t.clear();
  assert.equal(t.size, 0);
  assert.ok(!t.has("new"));
  // 33 shares its bit with Host: a set bit alone must not find it
  const bits = table("Accept", "x");
  assert.equal(bits.getId(HOST), undefined);
});

/** A table that a parser filled, of lines as they came. */
function filled(...lines: string[]): HeaderTable {
  const before = "GET / HTTP/1.1\r\n";
  const source = lines.map((line) => `${line}\r\n`).join("");
  const bytes = Buffer.from(before + source, "latin1");
  const marks = new Int32Array(4 * lines.length);
  let at = before.length;
  lines.forEach((line, i) => {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).trim();
    const start = value === "" ? line.length : line.indexOf(value, colon + 1);
    marks.set([at, at + colon, at + start, at + start + value.length], 4 * i);
    at += line.length + 2;
  });
  const t = new HeaderTable();
  t.fill(source, bytes, before.length, marks, lines.length);
  return t;
}

test("spelledId() agrees with headerId()", () => {
  for (const name of [
    "Host",
    "hOST",
    "Hist",
    "content-LENGTH",
    "X-Forwarded-For",
    "X-Forwarded_For",
    "TE",
    "T\x05",
    "a",
  ]) {
    const id = spelledId(Buffer.from(`:${name}:`, "latin1"), 1, 1 + name.length);
    assert.ok(id === (name === headerName(headerId(name)) ? headerId(name) : -headerId(name)), name);
  }
});

test("HeaderTable lines() writes fields as they came, and those in another form anew", () => {
  const t = filled("Host: a", "x-a: 1", "X-B:2", "X-C:  3", "X-D: 4 ", "X-E: 5", "X-F:", "X-G: 7");
  assert.equal(t.lines(0, t.size), "Host: a\r\nx-a: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: 4\r\nX-E: 5\r\nX-F: \r\nX-G: 7\r\n");
  assert.equal(t.lines(1, 3), "x-a: 1\r\nX-B: 2\r\n");
  t.setValueAt(1, "one");
  t.unset("X-C");
  t.add("Z", "9");
  assert.equal(t.lines(0, 3), "Host: a\r\nx-a: one\r\nX-B: 2\r\n");
  assert.equal(t.lines(3, t.size), "X-D: 4\r\nX-E: 5\r\nX-F: \r\nX-G: 7\r\nZ: 9\r\n");
});

test("HeaderTable repeats() sees names that come twice, in any case", () => {
  assert.equal(filled("Host: a", "Accept: b", "X-A: 1", "X-B: 1", "x_a: 2").repeats(), false);
  assert.equal(filled("Accept: a", "X-A: 1", "aCCEPT: b").repeats(), true);
  assert.equal(filled("Host: a", "X-A: 1", "x-a: 2").repeats(), true);
  // 33 shares its bit with Host
  assert.equal(filled("Host: a", "Accept: 1").repeats(), false);
});

test("HeaderTable is the same filled or built field by field, whatever is done to it", () => {
  const names = ["Host", "host", "Accept", "X-A", "x-a", "X-Bb", "Cookie", "Set-Cookie", "Via", "q"];
  let seed = 20261121;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 500; round++) {
    const lines = Array.from(
      { length: random(8) },
      () => `${names[random(names.length)]}:${" ".repeat(random(3))}v${random(9)}`,
    );
    const one = filled(...lines);
    const other = table(
      ...lines.flatMap((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
    );
    for (let step = 0; step < 6; step++) {
      const name = names[random(names.length)]!;
      const what = random(6);
      for (const t of [one, other]) {
        if (what === 0) t.unset(name);
        else if (what === 1) t.set(name, "new");
        else if (what === 2) t.add(name, "more");
        else if (what === 3) t.merge(name, "joined");
        else if (what === 4 && t.size > 0) t.setValueAt(t.size - 1, "last");
        else assert.equal(t.clone().get(name), other.get(name));
      }
      assert.deepEqual(one.fields, other.fields, `seed 20261121, round ${round}`);
      assert.deepEqual(one.ids, other.ids);
      assert.deepEqual(one.getAll(name), other.getAll(name));
      assert.equal(one.lines(0, one.size), other.lines(0, other.size));
    }
  }
});
