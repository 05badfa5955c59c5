import assert from "node:assert/strict";
import { test } from "node:test";
import { mapCookie, type ReverseContext, reverseMap } from "../../../modules/proxy/reverse_map.ts";

const ctx: ReverseContext = {
  balancer: (name) => (name === "b" ? [{ name: "http://m1:8001/ctx" }, { name: "http://m2:8002/" }] : undefined),
  baseUrl: () => "http://pub:8080",
};
const map = (value: string, path: string, url: string): string => reverseMap(value, [{ path, url }], ctx);

test("reverseMap", () => {
  for (const [path, url, value, expected] of [
    ["/app", "http://o/x", "http://o/x/foo", "http://pub:8080/app/foo"],
    ["/ext", "http://o/aBc", "http://o/AbCdef", "http://pub:8080/extdef"],
    ["/app", "http://o/", "http://other/", "http://other/"],
    ["/app", "http://o/", "/foo", "/foo"],
    ["/app", "/int", "/INT/a", "http://pub:8080/app/a"],
    ["/app", "/int", "https://any:1/int/a", "http://pub:8080/app/a"],
    ["/app", "/int", "https://any:1", "https://any:1"],
    ["http://pub.example/pp/", "http://o/", "http://o/a", "http://pub.example/pp/a"],
    ["/app", "balancer://b", "HTTP://m1:8001/CTX/foo", "http://pub:8080/app/foo"],
    ["/app/", "BALANCER://B/", "http://m1:8001/ctx/foo", "http://pub:8080/app//foo"],
    ["/", "balancer://b", "http://m1:8001/ctx/foo", "http://pub:8080/foo"],
    ["/", "balancer://b", "http://m2:8002/foo", "http://pub:8080/foo"],
    ["/app", "balancer://b/sub", "http://m2:8002/sub/foo", "http://pub:8080/app/foo"],
    ["/app", "balancer://b/sub", "http://m1:8001/ctx/sub", "http://pub:8080/app"],
    ["/app", "balancer://b/sub", "http://m2:8002/SUB/foo", "http://m2:8002/SUB/foo"],
    ["/app", "balancer://none", "http://m2:8002/foo", "http://m2:8002/foo"],
  ] as const)
    assert.equal(map(value, path, url), expected, `${path} ${url} ${value}`);
  const entries = [
    { path: "/1", url: "http://o/" },
    { path: "/2", url: "http://o/a" },
  ];
  assert.equal(reverseMap("http://o/a", entries, ctx), "http://pub:8080/1a");
});

test("mapCookie", () => {
  const paths = [
    { internal: "/NS", public: "/ns" },
    { internal: "/", public: "/all" },
  ];
  const domains = [{ internal: ".wild.internal", public: "pub.example" }];
  for (const [value, expected] of [
    ["a=b; Path=/NS/q; HttpOnly", "a=b; Path=/ns; HttpOnly"],
    ["a=b;path=/ns", "a=b;path=/all"],
    ["a=b; path =/NS", "a=b; path =/NS"],
    ["a=b; Domain=.WILD.internal.com;  PATH=/NS ;x", "a=b; Domain=pub.example;  PATH=/ns;x"],
    ["a=b; domain=sub.wild.internal", "a=b; domain=sub.wild.internal"],
    ["path=/NS; x", "path=/NS; x"],
    ["a=b; Path=/NS; HttpOnly; path=/NS/y", "a=b; Path=/NS; HttpOnly; path=/ns"],
    ["a=b; path=/NS; path=q", "a=b; path=/NS; path=q"],
    [
      "a=b; domain=.wild.internal; Domain=.wild.internal; path=/",
      "a=b; domain=.wild.internal; Domain=pub.example; path=/all",
    ],
  ] as const)
    assert.equal(mapCookie(value, paths, domains), expected);
});
