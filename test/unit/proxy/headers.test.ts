import assert from "node:assert/strict";
import { test } from "node:test";
import { DONE, OK } from "../../../modules/core/status.ts";
import { HeaderTable } from "../../../modules/core/table.ts";
import { type ProxyConfig, proxyConfigSchema } from "../../../modules/proxy/config.ts";
import { checkForwards, requestHead, responseHeaders, rfc1123 } from "../../../modules/proxy/headers.ts";
import { splitProxyUrl } from "../../../modules/proxy/url.ts";
import { exchange, setup, workerFor } from "../../support/exchange.ts";

const URL_ = splitProxyUrl("http://b:8080/t?q");
const KEEP = { length: "", expect: false, keepAlive: true, http10: false, upgrade: "" };

function conf(values: Partial<ProxyConfig> = {}): ProxyConfig {
  return { ...proxyConfigSchema.parse({}), ...values };
}

function request(headers: [string, string][], method = "GET") {
  return exchange(setup(), workerFor(1), { headers, method });
}

test("requestHead() appends to Via and X-Forwarded-For in their place, adds what is new at the end", () => {
  const { r } = request([
    ["Host", "c"],
    ["Via", "1.0 fred"],
    ["A", "1"],
    ["Proxy-Connection", "x"],
    ["Trailer", "y"],
  ]);
  assert.equal(
    requestHead(r, conf({ via: "on" }), URL_, KEEP),
    "GET /t?q HTTP/1.1\r\nHost: b:8080\r\nVia: 1.0 fred, 1.1 proxy.test\r\nA: 1\r\nX-Forwarded-For: 127.0.0.1\r\n" +
      "X-Forwarded-Host: c\r\nX-Forwarded-Server: proxy.test\r\nConnection: Keep-Alive\r\n\r\n",
  );
  assert.doesNotMatch(requestHead(r, conf({ via: "block" }), URL_, KEEP), /Via/);
  assert.match(requestHead(r, conf({ via: "full" }), URL_, KEEP), /proxy\.test \(Apache\/2\.4\.71\)/);
  assert.doesNotMatch(requestHead(r, conf({ addHeaders: false }), URL_, KEEP), /X-Forwarded/);
  assert.match(requestHead(r, conf({ preserveHost: true }), URL_, KEEP), /Host: c\r\n/);
});

test("requestHead() drops what Connection names, adds X-Forwarded-For anew, and handles Expect", () => {
  const { r } = request([
    ["Host", "c:99"],
    ["Connection", "x-forwarded-for, Foo"],
    ["X-Forwarded-For", "evil"],
    ["Foo", "1"],
    ["Expect", "100-continue"],
  ]);
  const head = requestHead(r, conf({ via: "on" }), splitProxyUrl("http://[::1]/t?q"), KEEP);
  assert.match(head, /Host: \[::1\]\r\nVia: 1\.1 proxy\.test:99\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  assert.doesNotMatch(head, /Foo|Expect|evil/);
  assert.match(requestHead(r, conf(), URL_, { ...KEEP, expect: true }), /Expect: 100-continue\r\n/);
  assert.match(requestHead(r, conf(), URL_, { ...KEEP, http10: true }), /^GET \/t\?q HTTP\/1\.0\r\n(?!.*Connection)/s);
});

test("responseHeaders() removes hop-by-hop fields, moves Set-Cookie behind, cleans dates and warnings", () => {
  const { r } = request([["Host", "c"]]);
  const headers = new HeaderTable();
  for (const [name, value] of [
    ["Connection", "close, X-P"],
    ["X-P", "1"],
    ["Set-Cookie", "a"],
    ["Keep-Alive", "t"],
    ["Upgrade", "h2c"],
    ["Date", "Sunday, 06-Nov-94 08:49:37 GMT"],
    ["Set-Cookie", "b"],
    ["Warning", "199 - odd"],
    ["Warning", '110 a "stale" "Sun Nov  6 08:49:37 1994"'],
    ["Z", "1"],
  ] as const)
    headers.add(name, value);
  responseHeaders(r, conf({ via: "on" }), headers);
  assert.deepEqual(
    [...headers],
    [
      ["Date", "Sun, 06 Nov 1994 08:49:37 GMT"],
      ["Z", "1"],
      ["Warning", '110 a "stale" "Sun Nov  6 08:49:37 1994"'],
      ["Set-Cookie", "a"],
      ["Set-Cookie", "b"],
      ["Via", "1.1 proxy.test"],
    ],
  );
  assert.equal(rfc1123("junk"), "junk");
});

test("checkForwards() counts Max-Forwards down and answers at 0", () => {
  const at = (value: string | null, method = "GET", max = -1) => {
    const x = request(
      value === null
        ? [["Host", "c"]]
        : [
            ["Host", "c"],
            ["Max-Forwards", value],
          ],
      method,
    );
    return { status: checkForwards(x.r, conf({ maxForwards: max })), left: x.r.headersIn.get("Max-Forwards"), ...x };
  };
  assert.deepEqual([at("5").status, at("5").left], [OK, "4"]);
  assert.deepEqual([at(null).left, at(null, "GET", 7).left], [undefined, "7"]);
  assert.deepEqual([at("x").status, at("-1").status, at("0").status], [400, 400, 400]);
  const trace = at("0", "TRACE");
  assert.equal(trace.status, DONE);
  assert.match(trace.out.body, /^TRACE \/x HTTP\/1\.1\r\nHost: c\r\nMax-Forwards: 0\r\n\r\n$/);
  assert.equal(at("0", "OPTIONS").r.headersOut.get("Allow"), "TRACE");
});

test("requestHead() keeps the credentials that this proxy asked for, unless Proxy-Chain-Auth passes them on", () => {
  const { r } = request([["Proxy-Authorization", "Basic x"]]);
  assert.match(requestHead(r, conf(), URL_, KEEP), /Proxy-Authorization: Basic x\r\n/);
  r.user = "someone";
  assert.doesNotMatch(requestHead(r, conf(), URL_, KEEP), /Proxy-Authorization/);
  r.setEnv("proxy-chain-auth", "1");
  assert.match(requestHead(r, conf(), URL_, KEEP), /Proxy-Authorization: Basic x\r\n/);
});
