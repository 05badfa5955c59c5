/**
 * The first message of a TLS client, as far as it decides who answers: the name that it asks for, whether it takes an
 * ECDSA certificate, and what it would speak. Read before TLS begins, so that each virtual host has protocols, suites and certificates of its own.
 * Source: RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301 section 3
 */

export interface ClientHello {
  /** From SNI, lower case; "" if the client names none. */
  readonly serverName: string;
  /** It can check signatures of ECDSA, and offers suites that use them. */
  readonly ecdsa: boolean;
  /** The protocols that it offers by ALPN, in its order. */
  readonly protocols: readonly string[];
}

/** The bytes begin a request of plain HTTP. */
export const PLAIN_HTTP = "plain HTTP";
/** More bytes are needed. */
export const INCOMPLETE = "incomplete";

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const SIGNATURE_ALGORITHMS = 13;
const APPLICATION_PROTOCOLS = 16;
const SUPPORTED_VERSIONS = 43;
/** ecdsa_secp256r1_sha256, ecdsa_secp384r1_sha384, ecdsa_secp521r1_sha512 */
const ECDSA_SCHEMES = [0x0403, 0x0503, 0x0603];
/** TLS_ECDHE_ECDSA_WITH_*: those of RFC 8422, 5289 and 7905. */
const ECDSA_SUITES = [0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c, 0xcca9];
/** No hello of a client that means well is larger: key shares and tickets have some KB. */
const MAX_HELLO_BYTES = 65_536;
const NOBODY: ClientHello = { serverName: "", ecdsa: false, protocols: [] };

/** Reads what came first on a connection. What is neither TLS nor HTTP asks for nothing: TLS itself answers it. */
export function parseClientHello(bytes: Uint8Array): ClientHello | typeof PLAIN_HTTP | typeof INCOMPLETE {
  if (bytes[0] !== HANDSHAKE) return beginsRequest(bytes);
  const message = joinRecords(bytes);
  if (message === null) return NOBODY;
  if (message.length < 4) return INCOMPLETE;
  if (message[0] !== CLIENT_HELLO) return NOBODY;
  const length = (message[1]! << 16) | (message[2]! << 8) | message[3]!;
  if (length > MAX_HELLO_BYTES) return NOBODY;
  if (message.length < 4 + length) return INCOMPLETE;
  return readHello(message.subarray(4, 4 + length));
}

/** The methods that OpenSSL knows a lost client by. Source: OpenSSL ssl/record/ssl3_record.c */
const METHODS = ["GET ", "POST ", "HEAD ", "PUT "];

function beginsRequest(bytes: Uint8Array): ClientHello | typeof PLAIN_HTTP | typeof INCOMPLETE {
  const text = String.fromCharCode(...bytes.subarray(0, 5));
  if (METHODS.some((method) => text.startsWith(method))) return PLAIN_HTTP;
  return METHODS.some((method) => method.startsWith(text)) ? INCOMPLETE : NOBODY;
}

/** The payload of the handshake records so far; null: a record is none. */
function joinRecords(bytes: Uint8Array): Uint8Array | null {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let at = 0; at + 5 <= bytes.length; ) {
    if (bytes[at] !== HANDSHAKE) return null;
    const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    if (length === 0 || length > 16_384) return null;
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    size += part.length;
    at += 5 + length;
  }
  if (parts.length === 1) return parts[0]!;
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function readHello(hello: Uint8Array): ClientHello {
  const reader = new Reader(hello);
  reader.skip(34); // version, random
  reader.vector(1); // session
  const suites = reader.numbers(reader.vector(2));
  reader.vector(1); // compression
  let serverName = "";
  let schemes: number[] = [];
  let protocols: string[] = [];
  let modern = false;
  const extensions = new Reader(reader.vector(2));
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const body = new Reader(extensions.vector(2));
    if (type === SERVER_NAME) serverName = readName(new Reader(body.vector(2)));
    else if (type === SIGNATURE_ALGORITHMS) schemes = body.numbers(body.vector(2));
    else if (type === APPLICATION_PROTOCOLS) protocols = readProtocols(new Reader(body.vector(2)));
    else if (type === SUPPORTED_VERSIONS) modern = body.numbers(body.vector(1)).includes(0x0304);
  }
  const takes = schemes.some((scheme) => ECDSA_SCHEMES.includes(scheme));
  const ecdsa = takes && (modern || suites.some((suite) => ECDSA_SUITES.includes(suite)));
  return { serverName, ecdsa, protocols };
}

function readName(list: Reader): string {
  while (!list.atEnd) {
    const type = list.number(1);
    const name = list.vector(2);
    if (type === 0) return String.fromCharCode(...name.subarray(0, 255)).toLowerCase();
  }
  return "";
}

function readProtocols(list: Reader): string[] {
  const names: string[] = [];
  while (!list.atEnd) names.push(String.fromCharCode(...list.vector(1)));
  return names;
}

/** Reads numbers and vectors; beyond the end everything is empty. */
class Reader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  skip(count: number): void {
    this.at += count;
  }

  number(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = (value << 8) | (this.bytes[this.at++] ?? 0);
    return value;
  }

  /** What follows a length of `size` bytes. */
  vector(size: number): Uint8Array {
    const length = this.number(size);
    const body = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return body;
  }

  /** The 16-bit numbers in a vector. */
  numbers(vector: Uint8Array): number[] {
    const list: number[] = [];
    for (let i = 0; i + 1 < vector.length; i += 2) list.push((vector[i]! << 8) | vector[i + 1]!);
    return list;
  }
}
