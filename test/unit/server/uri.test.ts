import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalizePath,
  decodePath,
  hasControlOrSpace,
  normalizeDecoded,
  normalizePath,
  parseUrl,
  splitTarget,
  splitUnixUrl,
} from "../../../modules/server/uri.ts";

test("splitTarget: first ?, empty query kept, fragment dropped", () => {
  assert.deepEqual(splitTarget("/a"), { path: "/a", query: null });
  assert.deepEqual(splitTarget("/a?"), { path: "/a", query: "" });
  assert.deepEqual(splitTarget("/a?b?c#d?e"), { path: "/a", query: "b?c" });
  assert.deepEqual(splitTarget("/a#b?c"), { path: "/a", query: null });
});

test("normalizePath", () => {
  const cases: [string, string | null, string | null][] = [
    // path, merged, not merged
    ["/", "/", "/"],
    ["/a/b", "/a/b", "/a/b"],
    ["/a//b///c", "/a/b/c", "/a//b///c"],
    ["//", "/", "//"],
    ["//e/a", "/e/a", "//e/a"],
    ["/a//..", "/", "/a/"],
    ["/a/./b/.", "/a/b/", "/a/b/"],
    ["/a/../b", "/b", "/b"],
    ["/a/b/..", "/a/", "/a/"],
    ["/a/%2e%2E/b", "/b", "/b"],
    ["/a/.%2e", "/", "/"],
    ["/..", null, null],
    ["/a/../../b", null, null],
    ["/%2e%2e/a", null, null],
    ["/...", "/...", "/..."],
    ["/.a/..b", "/.a/..b", "/.a/..b"],
    ["/a%41%7E%2d%20%2F%2541", "/aA~-%20%2F%2541", "/aA~-%20%2F%2541"],
    ["/men/a%41%20%2Fb", "/men/aA%20%2Fb", "/men/aA%20%2Fb"],
    ["/a%", null, null],
    ["/a%4", null, null],
    ["/a%zz", null, null],
    ["*", "*", "*"],
    ["", null, null],
    ["a", null, null],
    ["/a/..;/b", "/a/..;/b", "/a/..;/b"],
  ];
  for (const [path, merged, kept] of cases) {
    assert.equal(normalizePath(path, true), merged, `${path} merged`);
    assert.equal(normalizePath(path, false), kept, `${path} not merged`);
  }
});

test("decodePath", () => {
  assert.equal(decodePath("/a", "off"), "/a");
  assert.equal(decodePath("/%20%2541%3F", "off"), "/ %41?");
  assert.equal(decodePath("/a%2Fb", "off"), 404);
  assert.equal(decodePath("/a%2fb%20", "on"), "/a/b ");
  assert.equal(decodePath("/a%2fb%20%2F", "nodecode"), "/a%2fb %2F");
  assert.equal(decodePath("/%00", "on"), 404);
  assert.equal(decodePath("/%00%zz", "on"), 400);
  assert.equal(decodePath("/%", "off"), 400);
  assert.equal(decodePath("/%c3%a9", "off"), "/\xc3\xa9");
});

test("normalizeDecoded: dot segments that a decoded %2F made; above the root is the root, escapes stay", () => {
  for (const [path, normal] of [
    ["/a/b", "/a/b"],
    ["/a/../b", "/b"],
    ["/a//./b", "/a/b"],
    ["/a/../../../b/..", "/"],
    ["/on/../../on/z", "/on/z"],
    ["/a/%2e%2e/b", "/a/%2e%2e/b"],
  ] as const) {
    assert.equal(normalizeDecoded(path, true), normal, path);
  }
  assert.equal(normalizeDecoded("/a//b/../c", false), "/a//c");
});

test("what a backend gets for what the client wrote", () => {
  const send = (path: string): string =>
    canonicalizePath(decodePath(normalizePath(path, true)!, "off") as string, false) as string;
  for (const [client, backend] of [
    ["/%2541", "/%2541"],
    ["/%25", "/%25"],
    ["/%41", "/A"],
    ["/%7E", "/~"],
    ["/%5Bx%5D", "/%5Bx%5D"],
    ["/[x]", "/%5Bx%5D"],
    ['/|^`"<>\\{}', "/%7C%5E%60%22%3C%3E%5C%7B%7D"],
    ["/\xc3\xa9", "/%C3%A9"],
    ["/%21%2A%27%28%29%2C%3B%3A%40%26%3D%2B%24", "/!*'(),;:@&=+$"],
    ["/%3F", "/%3F"],
    ["/%23", "/%23"],
    ["/%0d%0a", "/%0D%0A"],
    ["/a-b_c.d~e", "/a-b_c.d~e"],
  ] as const)
    assert.equal(send(client), backend, client);
});

test("canonicalizePath with NoDecode", () => {
  assert.equal(canonicalizePath("/a%2fb%2F c", true), "/a%2fb%2F%20c");
  assert.equal(canonicalizePath("/%b%2f", true), 400); // client %25b%2f
  assert.equal(canonicalizePath("/%", true), 400);
  assert.equal(canonicalizePath("/%2f", true), "/%2f"); // client %252f
  assert.equal(canonicalizePath("/%41", true), "/%2541");
});

test("hasControlOrSpace", () => {
  for (const bad of ["a b", "\t", "\0", "\x7f", "a\r\n"]) assert.equal(hasControlOrSpace(bad), true);
  assert.equal(hasControlOrSpace("/a?b=%20\xff"), false);
});

test("worker URLs", () => {
  assert.deepEqual(parseUrl("http://h"), { scheme: "http", host: "h", port: null, path: "" });
  assert.deepEqual(parseUrl("http://[::1]:1/a?b"), { scheme: "http", host: "::1", port: 1, path: "/a?b" });
  for (const bad of [
    "/y",
    "notaurl",
    "http://",
    "http://h:x",
    "http://h:70000",
    "http://[::1",
    "http://[::1]x",
    "http://a b",
    "http://[h]",
    "://h",
  ]) {
    assert.ok("error" in (parseUrl(bad) as object), bad);
  }
});

test("unix: URLs", () => {
  assert.deepEqual(splitUnixUrl("unix:/s|http:"), { socketPath: "/s", url: "http://localhost" });
  assert.deepEqual(splitUnixUrl("unix:/s|http://"), { socketPath: "/s", url: "http://localhost" });
  assert.deepEqual(splitUnixUrl("unix:/s|http:///a"), { socketPath: "/s", url: "http://localhost/a" });
  assert.deepEqual(splitUnixUrl("UNIX:run/s|http://h/a"), { socketPath: "run/s", url: "http://h/a" });
  assert.ok("error" in splitUnixUrl("unix:/s|http")!);
  assert.equal(splitUnixUrl("http://h"), null);
});
