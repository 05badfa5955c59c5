import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeWildcards, hasWildcard, isSendable, parseFtpPath } from "../../../../plugins/proxy_ftp/path.ts";

const plain = { fromRoot: false, type: "I", wantsListing: false };

test("parseFtpPath() has a directory for each component, and a name", () => {
  assert.deepEqual(parseFtpPath("/"), { ...plain, directories: [], name: "" });
  assert.deepEqual(parseFtpPath("/a.txt"), { ...plain, directories: [], name: "a.txt" });
  assert.deepEqual(parseFtpPath("/a%20b/c/?x/y"), { ...plain, directories: ["a b", "c"], name: "" });
  assert.deepEqual(parseFtpPath("/a//b"), { ...plain, directories: ["a", ""], name: "b" });
});

test("parseFtpPath() starts at the root for /%2f, and takes it nowhere else", () => {
  const root = { ...plain, fromRoot: true };
  assert.deepEqual(parseFtpPath("/%2Fetc/passwd"), { ...root, directories: ["etc"], name: "passwd" });
  assert.deepEqual(parseFtpPath("/%2f/"), { ...root, directories: [], name: "" });
  assert.match(String(parseFtpPath("/a%2fb")), /only allowed at the base/);
  assert.match(String(parseFtpPath("/a%2fb/c")), /only allowed at the base/);
});

test("parseFtpPath() reads ;type=", () => {
  const type = (target: string): unknown => {
    const path = parseFtpPath(target);
    return typeof path === "string" ? path : `${path.name} ${path.type} ${path.wantsListing}`;
  };
  assert.equal(type("/f;type=a"), "f A false");
  assert.equal(type("/f;type=E?q"), "f E false");
  assert.equal(type("/f;type=i"), "f I false");
  assert.equal(type("/f;type=D"), "f A true");
  assert.equal(type("/f;other=a"), "f I false");
  assert.equal(type("/f;type=z"), `ftp proxy supports only types 'a', 'i', or 'e': "type=z" is invalid.`);
});

test("isSendable() wants one line of ASCII", () => {
  for (const text of ["a\r", "a\n", "a%0db", "a%0Ab", "%00", "\xe9", "%e9"])
    assert.equal(isSendable(text), false, text);
  assert.ok(isSendable("a%20b%7f%zz"));
});

test("wildcards", () => {
  for (const name of ["*", "a?", "[a]", "{a}", "~u", "a\\*"]) assert.ok(hasWildcard(name), name);
  assert.equal(hasWildcard("a]}b"), false);
  assert.equal(escapeWildcards("a*?[{~]"), "a\\*\\?\\[\\{\\~]");
});
