import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHost, hostName } from "../../../modules/http/host.ts";

test("checkHost() as HttpProtocolOptions Strict", () => {
  for (const good of [
    "a",
    "a.test",
    "A.Test:80",
    "a.test.",
    "a_b.test",
    "-a.test",
    "1.2.3.4",
    "1.2.3.4:8080",
    "[::1]",
    "[::1]:80",
    "[::ffff:1.2.3.4]",
    "1a.test",
    "0.0.0.0",
    "x:65535",
  ]) {
    assert.ok(checkHost(good), good);
  }
  for (const bad of [
    "",
    "a b",
    "a/b",
    "a\\b",
    "a..b",
    "a, b",
    "123",
    "a:0",
    "a:65536",
    "a:x",
    "a:",
    ":80",
    "1.2.3",
    "1.2.3.4.",
    "01.2.3.4",
    "1.2.3.4.5",
    "a.1b",
    "a.1",
    "[::1",
    "[::1]x",
    "[]",
    "[::1::]",
    "a@b",
    "a\u00e9",
  ]) {
    assert.ok(!checkHost(bad), bad);
  }
});

test("hostName()", () => {
  assert.equal(hostName("WWW.Test.:8080"), "www.test");
  assert.equal(hostName("www.test"), "www.test");
  assert.equal(hostName("[::A]:1"), "[::a]");
  assert.equal(hostName("[::1]"), "[::1]");
});
