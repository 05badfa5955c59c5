/**
 * What is read of a certificate besides its key: names in their order, dates, extensions.
 * Source: RFC 5280 section 4.1; ITU-T X.690
 */

/** An attribute of a name, in the order of the certificate. */
export interface NameAttribute {
  readonly oid: string;
  readonly value: string;
}

export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface CertificateFields {
  /** 1 to 3. */
  readonly version: number;
  /** Hexadecimal, upper case. */
  readonly serial: string;
  readonly signatureOid: string;
  readonly issuer: readonly NameAttribute[];
  readonly subject: readonly NameAttribute[];
  /** The names as they are encoded: equal bytes are equal names. */
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly keyOid: string;
  readonly extensions: ReadonlyMap<string, Extension>;
}

interface Element {
  readonly tag: number;
  readonly body: Uint8Array;
  /** Tag and length, too. */
  readonly whole: Uint8Array;
}

const EXTENSIONS = 0xa3;
const VERSION = 0xa0;
const BOOLEAN = 1;
const UTC_TIME = 0x17;
const BMP_STRING = 0x1e;
const UTF8_STRING = 0x0c;

/** @throws Error if it is no certificate */
export function parseCertificate(der: Uint8Array): CertificateFields {
  const [tbs, algorithm] = children(single(der).body) as [Element, Element];
  const fields = children(tbs.body);
  let version = 1;
  if (fields[0]?.tag === VERSION) {
    version = single(fields[0].body).body[0]! + 1;
    fields.shift();
  }
  const [serial, signature, issuer, validity, subject, spki] = fields;
  if (serial === undefined || signature === undefined || issuer === undefined) throw new Error("DER: cut short");
  if (validity === undefined || subject === undefined || spki === undefined) throw new Error("DER: cut short");
  // RFC 5280 section 4.1.1.2: what is signed says how, too. Deno does not compare.
  if (hex(signature.whole) !== hex(algorithm.whole)) throw new Error("two signature algorithms");
  const rest = fields.slice(6);
  const [notBefore, notAfter] = children(validity.body) as [Element, Element];
  const extensions = new Map<string, Extension>();
  const list = rest.find((element) => element.tag === EXTENSIONS);
  if (list !== undefined) for (const entry of children(single(list.body).body)) addExtension(extensions, entry);
  return {
    version,
    serial: hex(serial.body).replace(/^(?:00)+(?=.)/, ""),
    signatureOid: oid(children(algorithm.body)[0]!.body),
    issuer: nameOf(issuer),
    subject: nameOf(subject),
    issuerDer: issuer.whole,
    subjectDer: subject.whole,
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    keyOid: oid(children(children(spki.body)[0]!.body)[0]!.body),
    extensions,
  };
}

function addExtension(extensions: Map<string, Extension>, entry: Element): void {
  const parts = children(entry.body);
  const critical = parts[1]?.tag === BOOLEAN && parts[1].body[0] !== 0;
  extensions.set(oid(parts[0]!.body), { critical, value: parts.at(-1)!.body });
}

/** The elements of a constructed value. @throws Error if one reaches beyond the end */
export function children(bytes: Uint8Array): Element[] {
  const list: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    const tag = bytes[at++]!;
    let length = bytes[at++]!;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 4) throw new Error("DER: no such length");
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (bytes[at++] ?? 0);
    }
    if (length === undefined || at + length > bytes.length) throw new Error("DER: cut short");
    list.push({ tag, body: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) });
    at += length;
  }
  return list;
}

function single(bytes: Uint8Array): Element {
  const first = children(bytes)[0];
  if (first === undefined) throw new Error("DER: empty");
  return first;
}

/** "1.2.840.113549.1.1.11" */
export function oid(bytes: Uint8Array): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      parts.push(first, value - 40 * first);
    } else parts.push(value);
    value = 0;
  }
  return parts.join(".");
}

function nameOf(name: Element): NameAttribute[] {
  const list: NameAttribute[] = [];
  for (const set of children(name.body)) {
    for (const attribute of children(set.body)) {
      const [type, value] = children(attribute.body) as [Element, Element];
      list.push({ oid: oid(type.body), value: textOf(value) });
    }
  }
  return list;
}

function textOf({ tag, body }: Element): string {
  if (tag === UTF8_STRING) return new TextDecoder().decode(body);
  let text = "";
  if (tag === BMP_STRING) {
    for (let i = 0; i + 1 < body.length; i += 2) text += String.fromCharCode((body[i]! << 8) | body[i + 1]!);
  } else for (const byte of body) text += String.fromCharCode(byte);
  return text;
}

/** UTCTime or GeneralizedTime, of the one form that RFC 5280 allows. */
function timeOf({ tag, body }: Element): number {
  const digits = String.fromCharCode(...body);
  const short = tag === UTC_TIME;
  const match = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits);
  if (match === null) throw new Error(`DER: no time: ${digits}`);
  let year = Number(match[1]);
  if (short) year += year < 50 ? 2000 : 1900;
  return Date.UTC(year, Number(match[2]) - 1, Number(match[3]), Number(match[4]), Number(match[5]), Number(match[6]));
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text.toUpperCase();
}

const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SUBJECT_ALT_NAME = "2.5.29.17";
/** What is understood here; anything else that is critical makes a certificate unusable. */
const UNDERSTOOD = new Set([BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME]);
const KEY_CERT_SIGN = 5;
const ANY_USAGE = "2.5.29.37.0";

export function hasUnknownCritical(fields: CertificateFields): boolean {
  for (const [name, { critical }] of fields.extensions) if (critical && !UNDERSTOOD.has(name)) return true;
  return false;
}

/** How many authorities may stand below this one; null: it is none. */
export function authorityDepth(fields: CertificateFields): number | null {
  const extension = fields.extensions.get(BASIC_CONSTRAINTS);
  if (extension === undefined) return null;
  const parts = children(single(extension.value).body);
  if (parts[0]?.tag !== BOOLEAN || parts[0].body[0] === 0) return null;
  if (!maySign(fields)) return null;
  const length = parts[1]?.body;
  return length === undefined ? Number.POSITIVE_INFINITY : length.reduce((sum, byte) => sum * 256 + byte, 0);
}

function maySign({ extensions }: CertificateFields): boolean {
  const usage = extensions.get(KEY_USAGE);
  if (usage === undefined) return true;
  const bits = single(usage.value).body; // the first byte counts unused bits
  return ((bits[1] ?? 0) & (0x80 >> KEY_CERT_SIGN)) !== 0;
}

/** Whether extendedKeyUsage, if there is one, allows a purpose. */
export function allowsPurpose({ extensions }: CertificateFields, purpose: string): boolean {
  const usage = extensions.get(EXTENDED_KEY_USAGE);
  if (usage === undefined) return true;
  return children(single(usage.value).body).some(({ body }) => [purpose, ANY_USAGE].includes(oid(body)));
}

/** Entries of subjectAltName with a tag: 1 e-mail, 2 DNS name. */
export function altNames({ extensions }: CertificateFields, kind: 1 | 2): string[] {
  const extension = extensions.get(SUBJECT_ALT_NAME);
  if (extension === undefined) return [];
  return children(single(extension.value).body)
    .filter(({ tag }) => tag === (0x80 | kind))
    .map(({ body }) => String.fromCharCode(...body));
}
