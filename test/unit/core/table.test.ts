import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTENT_LENGTH, HeaderTable, HOST, headerId, headerName, sameName, TE } from "../../../modules/core/table.ts";

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
