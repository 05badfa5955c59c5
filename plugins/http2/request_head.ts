/**
 * The fields of a header block → the head of a request, as HTTP/1.1 would have brought it.
 * Source: RFC 9113 sections 8.2 and 8.3; httpd modules/http2/h2_request.c, h2_stream.c h2_stream_add_header
 */
import {
  CONNECTION,
  CONTENT_LENGTH,
  COOKIE,
  decimal,
  FIELD_VALUE,
  type HeaderTable,
  HOST,
  headerId,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  RequestHead,
  type RequestLimits,
  type Status,
  TE,
  TOKEN,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../../modules/mod.ts";
import type { RequestBlock } from "./session.ts";

/** HTTP/2.0 as httpd's proto_num. */
export const HTTP_20 = 2000;

/** What a block was found to be. */
export interface StreamHead {
  readonly head: RequestHead;
  /** 0, or the status to refuse the request with. */
  readonly bad: Status;
  /** From :protocol; "" if there was none. */
  readonly protocol: string;
  /** From Content-Length; -1: it was not told. */
  readonly length: number;
}

interface Pseudo {
  method: string;
  path: string;
  scheme: string;
  authority: string;
  protocol: string;
}

const NAMES: Readonly<Record<string, keyof Pseudo>> = {
  ":method": "method",
  ":path": "path",
  ":scheme": "scheme",
  ":authority": "authority",
  ":protocol": "protocol",
};

/**
 * @param ended no body follows
 * @returns null: it is malformed, and the stream is to be reset
 */
export function readHead(
  block: RequestBlock,
  ended: boolean,
  limits: RequestLimits,
  connectProtocol: boolean,
): StreamHead | null {
  const { fields } = block;
  const pseudo: Partial<Pseudo> = {};
  const head = new RequestHead();
  let at = 0;
  for (; at < fields.length && fields[at]!.charCodeAt(0) === 0x3a; at += 2) {
    const key = NAMES[fields[at]!];
    const value = fields[at + 1]!;
    if (key === undefined || pseudo[key] !== undefined || !isValue(value)) return null;
    pseudo[key] = value;
  }
  const firstField = at;
  let tooLarge = false;
  for (; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (!isName(name) || !isValue(value)) return null;
    if (name.length + value.length > limits.fieldSize) tooLarge = true;
    else if (!addField(head.headers, name, value)) return null;
  }
  const { method, path = "", scheme, authority = "", protocol = "" } = pseudo;
  if (block.cut) {
    // Some of it is not known.
    head.method = method ?? "GET";
    return { head: refused(head, path || "/"), bad: 431, protocol, length: -1 };
  }
  if (method === undefined || method === "" || !isToken(method)) return null;
  const tunnel = method === "CONNECT" && pseudo.protocol === undefined;
  if (pseudo.protocol !== undefined && (method !== "CONNECT" || !connectProtocol)) return null;
  // CONNECT alone has neither scheme nor path.
  if (tunnel ? scheme !== undefined || pseudo.path !== undefined : scheme === undefined || !isPath(path, method))
    return null;
  if (tunnel && authority === "") return null;
  const length = lengthOf(head.headers);
  if (length === BAD_LENGTH || (ended && length > 0)) return null;
  head.method = method;
  if (authority !== "") head.headers.setId(HOST, "Host", authority);
  refused(head, tunnel ? authority : path);
  const fieldCount = (fields.length - firstField) / 2;
  let bad: Status = 0;
  if (path.length > limits.requestLine) bad = 414;
  else if (tooLarge || (limits.fields > 0 && fieldCount > limits.fields)) bad = 431;
  if (bad === 431) {
    head.note = tooLarge
      ? "Size of a request header field exceeds server limit."
      : "The number of request header fields exceeds this server's limit.";
  }
  // How the body's end is told is the stream's business; what reads it is to know that there is one.
  else if (!ended && length < 0 && protocol === "")
    head.headers.addId(TRANSFER_ENCODING, "Transfer-Encoding", "chunked");
  return { head, bad, protocol, length };
}

function refused(head: RequestHead, target: string): RequestHead {
  head.target = target;
  head.protocol = HTTP_20;
  head.requestLine = `${head.method} ${target} HTTP/2.0`;
  return head;
}

/** False: a field that HTTP/2 has not. */
function addField(headers: HeaderTable, name: string, value: string): boolean {
  const id = headerId(name);
  switch (id) {
    case CONNECTION:
    case KEEP_ALIVE:
    case PROXY_CONNECTION:
    case TRANSFER_ENCODING:
    case UPGRADE:
      return false;
    case TE:
      if (value.toLowerCase() !== "trailers") return false;
      break;
    case COOKIE: {
      const at = headers.indexOfId(COOKIE);
      if (at >= 0) {
        headers.setValueAt(at, `${headers.valueAt(at)}; ${value}`);
        return true;
      }
    }
  }
  headers.addId(id, camelCase(name), value);
  return true;
}

const spellings = new Map<string, string>();
const MAX_SPELLINGS = 1000;

/** As httpd writes the names for what is behind: "x-foo-bar" is X-Foo-Bar. */
function camelCase(name: string): string {
  const known = spellings.get(name);
  if (known !== undefined) return known;
  const made = name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
  if (spellings.size < MAX_SPELLINGS && name.length <= 64) spellings.set(name, made);
  return made;
}

const BAD_LENGTH = -2;

/** Of Content-Length fields: -1 if there is none, BAD_LENGTH if they say nothing or contradict each other. */
function lengthOf(headers: HeaderTable): number {
  let length = -1;
  for (let i = headers.indexOfId(CONTENT_LENGTH); i >= 0; i = headers.indexOfId(CONTENT_LENGTH, i + 1)) {
    const value = headers.valueAt(i);
    const bytes = decimal(value, 0, value.length);
    if (bytes < 0 || (length >= 0 && length !== bytes)) return BAD_LENGTH;
    length = bytes;
  }
  return length;
}

/** An origin form, or the asterisk of OPTIONS; no fragment, nothing that ends a word. */
function isPath(path: string, method: string): boolean {
  if (path === "*") return method === "OPTIONS";
  if (path.charCodeAt(0) !== 0x2f) return false;
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    if (c <= 32 || c === 127 || c === 35) return false;
  }
  return true;
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** A token without capitals. */
export function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (TOKEN[c] !== 1 || (c >= 65 && c <= 90)) return false;
  }
  return name.length > 0;
}

/** No control character but HTAB, no blank at either end. */
export function isValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (FIELD_VALUE[value.charCodeAt(i)] !== 1) return false;
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1));
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}
