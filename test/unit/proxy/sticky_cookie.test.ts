import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStickyCookie } from "../../../modules/proxy/sticky_cookie.ts";

describe("parseStickyCookie()", () => {
  for (const [text, attributes] of [
    ["SRV", "; Path=/"],
    ["SRV;secure;HTTPONLY;samesite=Lax", "; Secure; HttpOnly; SameSite=Lax; Path=/"],
    ["SRV; Path=/app; Domain=.a.test; Max-Age=60", "; Path=/app; Domain=.a.test; Max-Age=60"],
    ["__Host-a;secure;samesite=none;partitioned", "; Secure; SameSite=none; Partitioned; Path=/"],
  ] as const) {
    it(text, () => {
      const parsed = parseStickyCookie(text);
      assert.ok(typeof parsed !== "string");
      assert.equal(parsed.attributes, attributes);
    });
  }

  for (const [text, error] of [
    ["", /name of a cookie/],
    ["a b", /name of a cookie/],
    ["a=1", /name of a cookie/],
    ["a;expires=x", /no attribute 'expires'/],
    ["a;path", /'path' is not valid/],
    ["a;secure=1", /'secure=1' is not valid/],
    ["a;path=x", /is not valid/],
    ["a;path=/\r\nX: 1", /is not valid/],
    ["a;max-age=0", /is not valid/],
    ["a;samesite=none", /needs Secure/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.match(String(parseStickyCookie(text)), error));
  }
});
