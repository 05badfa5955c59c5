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
import { ENHANCE_YOUR_CALM, PROTOCOL_ERROR } from "./frame.ts";
import type { RequestBlock } from "./header_block.ts";

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
 * @returns a number: it is no request, and the stream is to be reset with that code
 */
export function readHead(
  block: RequestBlock,
  ended: boolean,
  limits: RequestLimits,
  connectProtocol: boolean,
): StreamHead | number {
  const { fields } = block;
  const pseudo: Partial<Pseudo> = {};
  const head = new RequestHead();
  let at = 0;
  for (; at < fields.length && fields[at]!.charCodeAt(0) === 0x3a; at += 2) {
    const key = NAMES[fields[at]!];
    const value = fields[at + 1]!;
    if (key === undefined || pseudo[key] !== undefined || !isValue(value)) return PROTOCOL_ERROR;
    pseudo[key] = value;
  }
  const fieldCount = (fields.length - at) / 2;
  if (limits.fields > 0 && fieldCount > limits.fields + PARDONED) return ENHANCE_YOUR_CALM;
  let tooLarge = false;
  for (; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (!isName(name) || !isValue(value)) return PROTOCOL_ERROR;
    if (name.length + value.length > limits.fieldSize) tooLarge = true;
    else if (!addField(head.headers, name, value)) return PROTOCOL_ERROR;
  }
  const { method, path = "", scheme, authority = "", protocol = "" } = pseudo;
  if (block.cut) {
    // Some of it is not known.
    head.method = method ?? "GET";
    return { head: name(head, path || "/"), bad: 431, protocol, length: -1 };
  }
  if (method === undefined || method === "" || !isToken(method)) return PROTOCOL_ERROR;
  const tunnel = method === "CONNECT" && pseudo.protocol === undefined;
  if (pseudo.protocol !== undefined && (method !== "CONNECT" || !connectProtocol)) return PROTOCOL_ERROR;
  // CONNECT alone has neither scheme nor path.
  if (tunnel ? scheme !== undefined || pseudo.path !== undefined : scheme === undefined || !isPath(path, method))
    return PROTOCOL_ERROR;
  if (!AUTHORITY.test(authority) || (authority === "" && (tunnel || !head.headers.hasId(HOST)))) return PROTOCOL_ERROR;
  const length = lengthOf(head.headers);
  if (length === BAD_LENGTH || (ended && length > 0)) return PROTOCOL_ERROR;
  head.method = method;
  if (authority !== "") head.headers.setId(HOST, "Host", authority);
  const known = tunnel || scheme === "http" || scheme === "https";
  name(head, tunnel ? authority : known ? path : `${scheme}://${authority}${path}`);
  let bad: Status = known && !path.includes("#") ? 0 : 400;
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

function name(head: RequestHead, target: string): RequestHead {
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
  // One field of each name, as apr_table_mergen leaves it.
  headers.mergeId(id, camelCase(name), value);
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

/** So many fields beyond LimitRequestFields are an oversight; more are not. Source: httpd h2_stream.c */
const PARDONED = 100;
/** What may stand in it. Source: RFC 3986 section 3.2; nghttp2 */
const AUTHORITY = /^[\w.~!$&'()*+,;=:[\]@%-]*$/;
const BAD_LENGTH = -2;

/** Of Content-Length: -1 if there is none, BAD_LENGTH if it says nothing, or there were two. */
function lengthOf(headers: HeaderTable): number {
  const value = headers.getId(CONTENT_LENGTH);
  if (value === undefined) return -1;
  const bytes = decimal(value, 0, value.length);
  return bytes < 0 ? BAD_LENGTH : bytes;
}

/** An origin form, or the asterisk of OPTIONS; nothing that ends a word. */
function isPath(path: string, method: string): boolean {
  if (path === "*") return method === "OPTIONS";
  if (path.charCodeAt(0) !== 0x2f) return false;
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    if (c <= 32 || c === 127) return false;
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
