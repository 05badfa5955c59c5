import assert from "node:assert/strict";
import { test } from "node:test";
import { cipherBits, selectSuites, unwantedSuites } from "../../../../plugins/ssl/ciphers.ts";
import { matchesHost, oneLine, rfc2253, timeText } from "../../../../plugins/ssl/names.ts";
import { parseProtocols, withinLimits } from "../../../../plugins/ssl/protocols.ts";

test("SSLCipherSuite as OpenSSL reads it", () => {
  assert.deepEqual(selectSuites("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256"), [
    "AES128-SHA",
    "ECDHE-RSA-AES128-GCM-SHA256",
  ]);
  assert.deepEqual(selectSuites("EECDH+AESGCM"), [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
  ]);
  assert.deepEqual(selectSuites("ECDHE+CHACHA20:!ECDSA"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
  assert.deepEqual(selectSuites("!ECDSA:ECDHE+CHACHA20"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
  assert.deepEqual(selectSuites("kRSA+AES128:+AESGCM"), ["AES128-SHA", "AES128-GCM-SHA256"]);
  assert.deepEqual(selectSuites("AES128-SHA:AES256-SHA:@STRENGTH"), ["AES256-SHA", "AES128-SHA"]);
  assert.deepEqual(selectSuites("NOPE:RC4:aNULL:3DES"), []);
  assert.deepEqual(selectSuites("HIGH:!aNULL:!MD5"), selectSuites("ALL"));
  assert.deepEqual(selectSuites("PROFILE=SYSTEM"), selectSuites("DEFAULT"));
  assert.ok(!selectSuites("HIGH:-AES:AES128-SHA").includes("AES256-SHA"));
  assert.equal(cipherBits("TLS_AES_128_GCM_SHA256"), 128);
  assert.equal(cipherBits("ECDHE-RSA-CHACHA20-POLY1305"), 256);
});

test("suites that a host offers against the list", () => {
  const fixed = ["TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"];
  const both = { tls12: true, tls13: true };
  const rsa = new Set(["rsa"] as const);
  assert.deepEqual(unwantedSuites(fixed, { older: null, tls13: null }, both, rsa), []);
  assert.deepEqual(unwantedSuites(fixed, { older: [], tls13: null }, both, rsa), ["ECDHE-RSA-AES128-GCM-SHA256"]);
  assert.deepEqual(unwantedSuites(fixed, { older: [], tls13: [] }, { tls12: false, tls13: true }, rsa), [
    "TLS_AES_128_GCM_SHA256",
  ]);
});

test("SSLProtocol", () => {
  const parse = (text: string) => parseProtocols("SSLProtocol", text.split(" "));
  assert.deepEqual(parse("all -SSLv3"), { min: "TLSv1", max: "TLSv1.3" });
  assert.deepEqual(parse("all -SSLv3 -TLSv1 -TLSv1.1"), { min: "TLSv1.2", max: "TLSv1.3" });
  assert.deepEqual(parse("-all +TLSv1.2"), { min: "TLSv1.2", max: "TLSv1.2" });
  assert.deepEqual(parse("-ALL +tlsv1.3"), { min: "TLSv1.3", max: "TLSv1.3" });
  assert.equal(parse("TLSv1.4"), "SSLProtocol: Illegal protocol 'TLSv1.4'");
  assert.equal(parse("SSLv2"), "SSLProtocol: SSLv2 is no longer supported");
  assert.match(String(parse("SSLv3")), /No SSL protocols available/);
  const limits = { oldest: "TLSv1.2" } as Parameters<typeof withinLimits>[1];
  assert.deepEqual(withinLimits({ min: "TLSv1", max: "TLSv1.3" }, limits), { min: "TLSv1.2", max: "TLSv1.3" });
  assert.equal(withinLimits({ min: "TLSv1", max: "TLSv1.1" }, limits), null);
});

test("names and times as OpenSSL prints them", () => {
  const name = [
    { oid: "2.5.4.6", value: "DE" },
    { oid: "2.5.4.10", value: 'A, "B" + C' },
    { oid: "2.5.4.3", value: "#x " },
    { oid: "1.2.3", value: "ü" },
  ];
  assert.equal(rfc2253(name), '1.2.3=ü,CN=\\#x\\ ,O=A\\, \\"B\\" \\+ C,C=DE');
  assert.equal(oneLine(name.slice(0, 2)), '/C=DE/O=A, "B" + C');
  assert.equal(timeText(Date.UTC(2026, 0, 2, 3, 4, 5)), "Jan  2 03:04:05 2026 GMT");
});

test("a wildcard stands for one label", () => {
  assert.ok(matchesHost("A.test", "a.TEST"));
  assert.ok(matchesHost("*.a.test", "x.a.test"));
  for (const host of ["a.test", "x.y.a.test", ".a.test"]) assert.equal(matchesHost("*.a.test", host), false, host);
  assert.equal(matchesHost("x*.a.test", "xy.a.test"), false);
});
