/**
 * Whether the certificates of a peer lead to an authority that is trusted. Written out here since the runtimes do not agree on
 * it (see modules/net/node_tls.ts); that the peer has the key of its certificate they do check.
 * Source: RFC 5280 section 6.1; httpd modules/ssl/ssl_engine_kernel.c ssl_callback_SSLVerify; OpenSSL crypto/x509/x509_vfy.c
 */
import { X509Certificate } from "node:crypto";
import { allowsPurpose, authorityDepth, type CertificateFields, hasUnknownCritical, parseCertificate } from "./x509.ts";

export interface Certificate {
  readonly x509: X509Certificate;
  readonly fields: CertificateFields;
}

/** Key usages for `verifyChain`. */
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** What is wrong with a chain. */
export interface VerifyError {
  /** OpenSSL's X509_V_ERR_* number. */
  readonly code: number;
  /** OpenSSL's text. */
  readonly text: string;
  /** The signature is good, but of nobody that is trusted: `optional_no_ca` takes it. */
  readonly untrustedOnly: boolean;
}

const NO_ISSUER = error(20, "unable to get local issuer certificate", true);
const NO_ISSUER_OF_FIRST = error(21, "unable to verify the first certificate", true);
const NOT_YET_VALID = error(9, "certificate is not yet valid");
const EXPIRED = error(10, "certificate has expired");
const SELF_SIGNED = error(18, "self-signed certificate", true);
const SELF_SIGNED_IN_CHAIN = error(19, "self-signed certificate in certificate chain", true);
const TOO_LONG = error(22, "certificate chain too long");
const NO_AUTHORITY = error(79, "invalid CA certificate");
const PATH_LENGTH = error(25, "path length constraint exceeded");
const PURPOSE = error(26, "unsuitable certificate purpose");
const UNKNOWN_CRITICAL = error(34, "unhandled critical extension");
const MALFORMED = error(1, "unspecified certificate verification error");

function error(code: number, text: string, untrustedOnly = false): VerifyError {
  return { code, text, untrustedOnly };
}

/** @throws Error if it is no certificate */
export function certificateOf(der: Uint8Array): Certificate {
  return { x509: new X509Certificate(der), fields: parseCertificate(der) };
}

/**
 * @param chain the peer's, DER, its own first
 * @param roots the trusted authorities; only one that is self-signed ends a chain
 * @param depth how many authorities may stand above the peer's certificate
 * @returns null: trusted
 */
export function verifyChain(
  chain: readonly Uint8Array[],
  roots: readonly Certificate[],
  depth: number,
  purpose: string,
  nowMs: number,
): VerifyError | null {
  let sent: Certificate[];
  try {
    sent = chain.map(certificateOf);
    return walk(sent, roots, depth, purpose, nowMs);
  } catch {
    return MALFORMED;
  }
}

function walk(
  sent: readonly Certificate[],
  roots: readonly Certificate[],
  depth: number,
  purpose: string,
  nowMs: number,
): VerifyError | null {
  let at = sent[0];
  if (at === undefined) return MALFORMED;
  if (!allowsPurpose(at.fields, purpose)) return PURPOSE;
  for (let above = 0; ; above++) {
    const wrong = checkDates(at, nowMs) ?? (hasUnknownCritical(at.fields) ? UNKNOWN_CRITICAL : null);
    if (wrong !== null) return wrong;
    const trusted = contains(roots, at);
    if (isIssuer(at, at)) return trusted ? null : above === 0 ? SELF_SIGNED : SELF_SIGNED_IN_CHAIN;
    if (above >= depth) return TOO_LONG;
    const issuer: Certificate | undefined = findIssuer(at, roots) ?? findIssuer(at, sent);
    if (issuer === undefined) return sent.length === 1 ? NO_ISSUER_OF_FIRST : NO_ISSUER;
    // A root of version 1 has no extensions to say that it is an authority; that it is trusted says so.
    const below = issuer.fields.version < 3 && contains(roots, issuer) ? above : authorityDepth(issuer.fields);
    if (below === null) return NO_AUTHORITY;
    if (above > below) return PATH_LENGTH;
    at = issuer;
  }
}

function checkDates({ fields }: Certificate, nowMs: number): VerifyError | null {
  if (nowMs < fields.notBefore) return NOT_YET_VALID;
  return nowMs > fields.notAfter ? EXPIRED : null;
}

function findIssuer(of: Certificate, among: readonly Certificate[]): Certificate | undefined {
  return among.find((candidate) => candidate !== of && !same(candidate, of) && isIssuer(candidate, of));
}

function isIssuer(candidate: Certificate, of: Certificate): boolean {
  if (!equal(candidate.fields.subjectDer, of.fields.issuerDer)) return false;
  return of.x509.verify(candidate.x509.publicKey);
}

function contains(list: readonly Certificate[], wanted: Certificate): boolean {
  return list.some((certificate) => same(certificate, wanted));
}

function same(a: Certificate, b: Certificate): boolean {
  return equal(a.x509.raw, b.x509.raw);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
