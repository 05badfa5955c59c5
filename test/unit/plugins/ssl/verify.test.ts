import assert from "node:assert/strict";
import { test } from "node:test";
import { certificatesOf } from "../../../../plugins/ssl/pem.ts";
import { CLIENT_AUTH, SERVER_AUTH, verifyChain } from "../../../../plugins/ssl/verify.ts";
import { altNames, authorityDepth, parseCertificate } from "../../../../plugins/ssl/x509.ts";
import { pem } from "../../../support/tls.ts";

const NOW = Date.UTC(2027, 0, 1);
const ders = (name: string): Uint8Array[] =>
  certificatesOf(pem(`${name}.pem`)).map(({ x509 }) => new Uint8Array(x509.raw));
const roots = certificatesOf(pem("ca.pem"));
const check = (chain: Uint8Array[], depth = 9, purpose = CLIENT_AUTH, now = NOW, trusted = roots): string =>
  verifyChain(chain, trusted, depth, purpose, now)?.text ?? "ok";

test("chains, good and bad, each for its own reason", () => {
  assert.equal(check(ders("client")), "ok");
  assert.equal(check(ders("client"), 9, SERVER_AUTH), "unsuitable certificate purpose");
  assert.equal(check(ders("server-only")), "unsuitable certificate purpose");
  assert.equal(check(ders("backend"), 9, SERVER_AUTH), "ok");
  assert.equal(check(ders("stranger")), "unable to verify the first certificate");
  assert.equal(check(ders("other-ca")), "self-signed certificate");
  assert.equal(check([...ders("stranger"), ...ders("other-ca")]), "self-signed certificate in certificate chain");
  assert.equal(check(ders("expired")), "certificate has expired");
  assert.equal(check(ders("client"), 9, CLIENT_AUTH, Date.UTC(2020, 0, 1)), "certificate is not yet valid");
  assert.equal(check(ders("deep-chain"), 2), "ok");
  assert.equal(check(ders("deep-chain"), 1), "certificate chain too long");
  assert.equal(check(ders("deep")), "unable to verify the first certificate");
  assert.equal(check(ders("client"), 0), "certificate chain too long");
  assert.equal(check(ders("forged-chain")), "invalid CA certificate");
  assert.equal(check(ders("too-deep-chain")), "path length constraint exceeded");
  assert.equal(check(ders("ca"), 0), "ok");
  assert.equal(check([]), "unspecified certificate verification error");
  assert.equal(check([Uint8Array.of(0x30, 0x82)]), "unspecified certificate verification error");
});

test("an intermediate authority alone ends no chain", () => {
  const trusted = certificatesOf(pem("intermediate.pem"));
  assert.equal(check(ders("deep"), 9, CLIENT_AUTH, NOW, trusted), "unable to verify the first certificate");
  assert.equal(check(ders("deep"), 9, CLIENT_AUTH, NOW, [...trusted, ...roots]), "ok");
});

test("a signature that is not the issuer's", () => {
  const [der] = ders("client");
  const broken = Uint8Array.from(der!);
  broken[broken.length - 1]! ^= 1;
  assert.equal(check([broken]), "unable to verify the first certificate");
});

test("what is read of a certificate", () => {
  const fields = parseCertificate(ders("client")[0]!);
  assert.equal(fields.version, 3);
  assert.deepEqual(
    fields.subject.map(({ value }) => value),
    ["DE", "Org", "client", "c@x.test"],
  );
  assert.deepEqual([altNames(fields, 1), altNames(fields, 2)], [["c@x.test"], ["client.test"]]);
  assert.equal(authorityDepth(fields), null);
  assert.equal(authorityDepth(parseCertificate(ders("intermediate")[0]!)), 0);
  assert.equal(authorityDepth(parseCertificate(ders("ca")[0]!)), Number.POSITIVE_INFINITY);
});

test("a certificate with any byte changed is read, or refused, but never trusted for another reason", () => {
  const [der] = ders("client");
  for (let i = 0; i < der!.length; i += 3) {
    const broken = Uint8Array.from(der!);
    broken[i]! ^= 0x41;
    assert.notEqual(check([broken]), "ok", `byte ${i}`);
  }
});
