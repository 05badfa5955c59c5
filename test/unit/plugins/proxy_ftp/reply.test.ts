import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEpsv, parseMdtm, parsePasv, parsePwd } from "../../../../plugins/proxy_ftp/reply.ts";

test("parseEpsv() takes any delimiter, and no port that is none", () => {
  assert.equal(parseEpsv("Entering Extended Passive Mode (|||6446|)"), 6446);
  assert.equal(parseEpsv("(!!!1!) ok"), 1);
  for (const text of ["", "(x)", "(||6446|)", "(|||6446)", "(|||0|)", "(|||65536|)", "(|||123456|)"]) {
    assert.equal(parseEpsv(text), 0, text);
  }
});

test("parsePasv() finds the six numbers wherever they are", () => {
  const found = { address: "10.0.0.1", port: 1027 };
  assert.deepEqual(parsePasv("Entering Passive Mode (10,0,0,1,4,3)."), found);
  assert.deepEqual(parsePasv("Entering =10,0,0,1,4,3"), found);
  assert.deepEqual(parsePasv("10,0,0,1,4,3"), found);
  for (const text of ["", "(10,0,0,1,4)", "(10,0,0,1,256,3)"]) assert.equal(parsePasv(text), null, text);
});

test("parsePwd() takes the first word, or what is in quotes", () => {
  assert.equal(parsePwd('"/a ""b""" is current'), '/a "b"');
  assert.equal(parsePwd('"/a\\"b" x'), '/a"b');
  assert.equal(parsePwd("/a/b is current"), "/a/b");
});

test("parseMdtm() makes a date of HTTP", () => {
  assert.equal(parseMdtm("20260102030405.678"), "Fri, 02 Jan 2026 03:04:05 GMT");
  for (const text of ["", "2026010203", "no", "19700101000000"]) assert.equal(parseMdtm(text), "", text);
});
