/** What the server of the runtime cannot hold of TLS is an error of the configuration, with the directive's name. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../../support/clock.ts";
import { TestGeneration } from "../../../support/generation.ts";
import { CERTS } from "../../../support/tls.ts";

const onBun = "Bun" in globalThis;

const pair = (name: string): string =>
  `SSLCertificateFile ${CERTS}/${name}.pem\nSSLCertificateKeyFile ${CERTS}/${name}.key`;
const verify = `SSLVerifyClient require\nSSLCACertificateFile ${CERTS}/ca.pem`;
const oneHost = (lines: string): string => `ServerName a.test\nSSLEngine on\n${pair("a")}\n${lines}`;
const twoHosts = (first: string, second: string): string =>
  [first, second]
    .map((lines, i) => `<VirtualHost *:443>\nServerName ${"ab"[i]}.test\nSSLEngine on\n${lines}\n</VirtualHost>`)
    .join("\n");

/** "": it is taken. */
function refusal(text: string): string {
  try {
    new TestGeneration(text, new VirtualClock());
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("the fetch front", () => {
  for (const [conf, onBunText, onDenoText] of [
    [
      oneHost(verify),
      /SSLVerifyClient: Bun.serve takes chains of any length: set SSLVerifyDepth 100/,
      /SSLVerifyClient: Deno.serve asks no client/,
    ],
    [
      oneHost(verify.replace("require", "optional")),
      /SSLVerifyClient optional: Bun.serve does not show/,
      /SSLVerifyClient: Deno.serve asks no client/,
    ],
    [
      oneHost(`${verify}\nSSLVerifyDepth 100\nSSLUserName SSL_CLIENT_S_DN_CN`),
      /SSLUserName: Bun.serve does not show/,
      /SSLVerifyClient: Deno/,
    ],
    [
      twoHosts(pair("a"), `${pair("a")}\n${verify}`),
      /SSLVerifyClient must be the same for all hosts of a port/,
      /SSLVerifyClient must be the same/,
    ],
    [
      twoHosts(pair("a"), pair("b")),
      null,
      /SSLCertificateFile: Deno.serve has one certificate for all hosts of a port/,
    ],
    [twoHosts(`${pair("a")}\n${pair("a-ec")}`, ""), /AH02572/, /AH02572/],
    [oneHost(pair("a-ec")), null, /SSLCertificateFile: Deno.serve has one certificate/],
    [oneHost("SSLProtocol TLSv1.3"), null, /SSLProtocol: Deno.serve speaks TLSv1.2 and TLSv1.3, always/],
    [oneHost("SSLProtocol TLSv1.1"), /SSLProtocol: Bun.serve speaks nothing older than TLSv1.2/, /AH02231/],
    [twoHosts(pair("a"), `${pair("a")}\nSSLProtocol TLSv1.3`), /SSLProtocol must be the same/, /SSLProtocol: Deno/],
    [
      twoHosts(pair("a"), `${pair("a")}\nSSLHonorCipherOrder on`),
      /SSLHonorCipherOrder must be the same for all hosts of a port: Bun.serve settles it before SNI/,
      null,
    ],
    [twoHosts(pair("a"), `${pair("a")}\nSSLSessionTickets off`), /SSLSessionTickets must be the same/, null],
    [oneHost("SSLCipherSuite HIGH"), null, /SSLCipherSuite: Deno.serve has suites of its own, always/],
    [oneHost("SSLStrictSNIVHostCheck on"), /SSLStrictSNIVHostCheck: Bun/, /SSLStrictSNIVHostCheck: Deno/],
    [oneHost("SSLVHostSNIPolicy strict"), /SSLVHostSNIPolicy strict: Bun/, /SSLVHostSNIPolicy strict: Deno/],
    [
      twoHosts(pair("a"), `${pair("a")}\nServerAlias w?w.a.test`),
      /ServerAlias w\?w.a.test: Bun/,
      /ServerAlias w\?w.a.test: Deno/,
    ],
    [oneHost("Protocols h3"), null, /Protocols h3: Deno.serve has no HTTP\/3/],
  ] as const) {
    const expected = onBun ? onBunText : onDenoText;
    it(`${conf.replaceAll(CERTS, "").replaceAll("\n", ", ")}: ${expected === null ? "taken" : "refused"}`, () => {
      const text = refusal(`Listen 127.0.0.1:443\nFront fetch\n${conf}`);
      if (expected === null) assert.equal(text, "");
      else assert.match(text, expected);
    });
  }
});

describe("the net front", () => {
  it("has no HTTP/3", () =>
    assert.match(refusal("Listen 127.0.0.1:443\nProtocols h3 http/1.1"), /^Protocols h3 is for Front fetch, on Bun$/));
});
