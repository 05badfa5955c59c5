/**
 * Names in certificates as text.
 * Source: OpenSSL X509_NAME_print_ex with XN_FLAG_RFC2253, X509_NAME_oneline; httpd modules/ssl/ssl_engine_vars.c
 */
import type { NameAttribute } from "./x509.ts";

const SHORT: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.17": "postalCode",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.46": "dnQualifier",
  "2.5.4.97": "organizationIdentifier",
  "1.2.840.113549.1.9.1": "emailAddress",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
};

/** The last part of variables such as SSL_CLIENT_S_DN_CN. */
export const NAME_PARTS: Readonly<Record<string, string>> = {
  C: "2.5.4.6",
  ST: "2.5.4.8",
  SP: "2.5.4.8",
  L: "2.5.4.7",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  CN: "2.5.4.3",
  T: "2.5.4.12",
  I: "2.5.4.43",
  G: "2.5.4.42",
  S: "2.5.4.4",
  D: "2.5.4.13",
  UID: "0.9.2342.19200300.100.1.1",
  Email: "1.2.840.113549.1.9.1",
};

/** "CN=client,O=Org\, Inc,C=DE": the last attribute first. */
export function rfc2253(name: readonly NameAttribute[]): string {
  return [...name]
    .reverse()
    .map(({ oid, value }) => `${SHORT[oid] ?? oid}=${escapeValue(value)}`)
    .join(",");
}

function escapeValue(value: string): string {
  const text = value.replace(/[,+"\\<>;]/g, "\\$&").replace(/^[ #]/, "\\$&");
  return text.replace(/ $/, "\\ ").replace(/[\x00-\x1f\x7f]/g, (c) => `\\${hexByte(c)}`);
}

/** "/C=DE/O=Org/CN=client" (SSLOptions LegacyDNStringFormat). */
export function oneLine(name: readonly NameAttribute[]): string {
  const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, (c) => `\\x${hexByte(c)}`);
  return name.map(({ oid, value }) => `/${SHORT[oid] ?? oid}=${plain(value)}`).join("");
}

function hexByte(c: string): string {
  return c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "Nov  1 16:21:19 2026 GMT" */
export function timeText(ms: number): string {
  const date = new Date(ms);
  const day = String(date.getUTCDate()).padStart(2, " ");
  return `${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)} ${date.getUTCFullYear()} GMT`;
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.1": "rsaEncryption",
  "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
  "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
  "1.2.840.113549.1.1.10": "rsassaPss",
  "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
  "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
  "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
  "1.2.840.10045.2.1": "id-ecPublicKey",
  "1.2.840.10045.4.1": "ecdsa-with-SHA1",
  "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
  "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
  "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
  "1.3.101.112": "ED25519",
  "1.3.101.113": "ED448",
};

/** OpenSSL's long name of an algorithm, or its number. */
export function algorithmName(oid: string): string {
  return ALGORITHMS[oid] ?? oid;
}

/** Whether a name of a certificate is that host; "*." stands for one label. Source: httpd modssl_X509_match_name */
export function matchesHost(written: string, host: string): boolean {
  const name = written.toLowerCase();
  const wanted = host.toLowerCase();
  if (!name.startsWith("*.")) return name === wanted;
  const dot = wanted.indexOf(".");
  return dot > 0 && wanted.slice(dot) === name.slice(1);
}
