/**
 * A response's status line and fields → text.
 * Source: httpd modules/http/http_filters.c, basic_http_header, ap_http_header_filter; http_protocol.c, ap_set_keepalive
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { hasNoBody, reasonPhrase, type Status } from "../core/status.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  DATE,
  type HeaderTable,
  SERVER,
  sameName,
  TRANSFER_ENCODING,
  VARY,
} from "../core/table.ts";
import { detached, flat } from "../core/text.ts";
import core, { serverToken } from "../server/mod_core.ts";
import { HTTP_09, HTTP_10, HTTP_11 } from "./head.ts";

let dateSecond = 0;
let dateText = "";

/** "Sun, 06 Nov 1994 08:49:37 GMT", made once a second. */
export function httpDate(us: number): string {
  const second = Math.floor(us / 1_000_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

/** How the body's end is told to the client. came: as the fields say that came, of a body that is not sent. */
export type Framing = "length" | "chunked" | "close" | "none" | "came";

/** The version whose rules a response follows. */
export interface ResponseProtocol {
  readonly number: number;
  /** The status line says so, too, and the connection ends. */
  readonly forced: boolean;
}

const FORCED_10: ResponseProtocol = { number: HTTP_10, forced: true };
const AS_10: ResponseProtocol = { number: HTTP_10, forced: false };
const AS_11: ResponseProtocol = { number: HTTP_11, forced: false };
const AS_09: ResponseProtocol = { number: HTTP_09, forced: false };

/**
 * What the request's version makes of a response, and the variables for clients that cannot do what they say.
 * Source: httpd modules/http/http_filters.c, basic_http_header_check, ap_http_header_filter
 */
export function responseProtocol(r: RequestRec): ResponseProtocol {
  if (r.protoNum === HTTP_09) return AS_09;
  if (r.getEnv("force-no-vary") !== undefined) {
    r.headersOut.unsetId(VARY);
    r.errHeadersOut?.unsetId(VARY);
    return FORCED_10;
  }
  if (r.protoNum >= HTTP_11 && r.getEnv("downgrade-1.0") === undefined) return AS_11;
  return r.getEnv("force-response-1.0") === undefined ? AS_10 : FORCED_10;
}

const AS_IT_CAME = -2;

/**
 * The head of a final response. Date and Server are those in the tables only if the request was proxied.
 * @param connection the connection fields, each line complete
 */
export function renderHead(
  r: RequestRec,
  protocol: ResponseProtocol,
  framing: Framing,
  length: number,
  connection: string,
): string {
  if (protocol.number === HTTP_09) return "";
  const out = r.headersOut;
  prepareFields(r);
  const proxied = r.proxyreq !== "none";
  const date = (proxied && lineOf(r, DATE)) || `Date: ${httpDate(r.requestTimeUs)}\r\n`;
  const server = (proxied && lineOf(r, SERVER)) || `Server: ${serverToken(getModuleConfig(r.server.config, core))}\r\n`;
  let head =
    (protocol.forced || r.statusLine !== null ? ownStatusLine(r, protocol) : statusLine(r.status)) + date + server;
  const told = framing === "length" ? length : framing === "came" ? AS_IT_CAME : -1;
  // Of what the server makes itself the type is known last.
  const ownType = typeIsOwn(r);
  if (r.errHeadersOut !== null) head = appendFields(head, r.errHeadersOut, -1, ownType);
  head = appendFields(head, out, told, ownType);
  if (told >= 0 && !out.hasId(CONTENT_LENGTH)) head += `Content-Length: ${told}\r\n`;
  head += connection;
  if (framing === "chunked") head += "Transfer-Encoding: chunked\r\n";
  if (ownType) head += lineOf(r, CONTENT_TYPE) ?? "";
  return `${head}\r\n`;
}

/** Whether the response's type is the server's: of a page that it makes, or of a name that `AddType` knows. */
export function typeIsOwn(r: RequestRec): boolean {
  return r.errorPage || r.ownType || r.proxyreq === "none";
}

/** What every head gets, whatever the front: a charset for a type without one, Vary in one field. */
export function prepareFields(r: RequestRec): void {
  const { defaultCharset } = getModuleConfig(r.perDirConfig, core);
  if (defaultCharset !== "" && !hasNoBody(r.status)) addCharset(r.headersOut, defaultCharset);
  if (r.headersOut.hasId(VARY) || r.errHeadersOut?.hasId(VARY)) fixupVary(r);
}

/** Date as it is sent. */
export function dateOf(r: RequestRec): string {
  return (r.proxyreq !== "none" ? firstOf(r, DATE) : undefined) ?? httpDate(r.requestTimeUs);
}

/** Server as it is sent. */
export function serverOf(r: RequestRec): string {
  return (
    (r.proxyreq !== "none" ? firstOf(r, SERVER) : undefined) ?? serverToken(getModuleConfig(r.server.config, core))
  );
}

/** The error table goes before the other one. */
function firstOf(r: RequestRec, id: number): string | undefined {
  return r.errHeadersOut?.getId(id) ?? r.headersOut.getId(id);
}

const statusLines: string[] = [];

function statusLine(status: Status): string {
  statusLines[status] ??= flat(`HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`);
  return statusLines[status];
}

function ownStatusLine(r: RequestRec, protocol: ResponseProtocol): string {
  const version = protocol.forced ? "HTTP/1.0" : "HTTP/1.1";
  return `${version} ${r.statusLine ?? `${r.status} ${reasonPhrase(r.status)}`}\r\n`;
}

/** The first such field as a line; undefined if it is missing. The error table goes before the other one. */
function lineOf(r: RequestRec, id: number): string | undefined {
  const table = r.errHeadersOut?.hasId(id) ? r.errHeadersOut : r.headersOut;
  const at = table.indexOfId(id);
  return at < 0 ? undefined : table.usualLine(at);
}

/** What the tables say of the connection: the values of Connection, joined; "" in the usual case. */
export function ownConnection(r: RequestRec): string {
  if (!r.headersOut.hasId(CONNECTION) && !r.errHeadersOut?.hasId(CONNECTION)) return "";
  let own = "";
  for (const table of [r.errHeadersOut, r.headersOut]) {
    if (!table?.hasId(CONNECTION)) continue;
    for (const value of table.getAll("Connection")) own += own === "" ? value : `, ${value}`;
  }
  return own;
}

function isOneName(headers: HeaderTable, at: number): boolean {
  for (let i = headers.valueLength(at) - 1; i >= 0; i--) {
    const c = headers.valueCharCode(at, i);
    if (c === 0x2c || c <= 0x20 || c === 0xa0) return false;
  }
  return true;
}

/** The value that the last Vary with several names had, and has now: most answers of a server have the same. */
let varyBefore = "";
let varyAfter = "";

/** One Vary field with each name once. */
function fixupVary(r: RequestRec): void {
  const { headersOut } = r;
  const at = headersOut.indexOfId(VARY);
  if (r.errHeadersOut !== null || headersOut.indexOfId(VARY, at + 1) >= 0) joinVary(r);
  else if (isOneName(headersOut, at)) return;
  else if (headersOut.valueIs(at, varyBefore)) headersOut.setId(VARY, "Vary", varyAfter);
  else {
    const before = detached(headersOut.valueAt(at));
    joinVary(r);
    varyBefore = before;
    varyAfter = headersOut.getId(VARY)!;
  }
}

function joinVary(r: RequestRec): void {
  const names: string[] = [];
  for (const table of [r.errHeadersOut, r.headersOut]) {
    for (const value of table?.getAll("Vary") ?? []) {
      for (const name of value.split(/[,\s]+/)) {
        if (name !== "" && !names.some((known) => sameName(known, name))) names.push(name);
      }
    }
  }
  if (names.length === 0) return;
  r.errHeadersOut?.unsetId(VARY);
  r.headersOut.setId(VARY, "Vary", names.join(","));
}

/** AddDefaultCharset. Source: httpd modules/http/http_protocol.c, ap_make_content_type */
export function addCharset(out: HeaderTable, charset: string): void {
  const type = out.getId(CONTENT_TYPE);
  if (type === undefined || type.includes("charset=") || !/^text\/(plain|html)(?=[; ]|$)/i.test(type)) return;
  out.setId(CONTENT_TYPE, "Content-Type", `${type}; charset=${charset}`);
}

/** The head of a 1xx response. */
export function renderInterim(status: Status, reason: string, headers: HeaderTable): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.lines(0, headers.size)}\r\n`;
}

/**
 * The fields but those that `renderHead` has elsewhere.
 * @param length what the first Content-Length says, at its place; -1: there is none; AS_IT_CAME: whatever it says, but for 0
 */
function appendFields(head: string, headers: HeaderTable, length: number, typeLast: boolean): string {
  const { ids } = headers;
  let out = head;
  let from = 0;
  let told = length;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id === CONTENT_LENGTH && told >= 0 && saysLength(headers, i, told)) {
      told = -1;
      continue;
    }
    if (!isElsewhere(id, typeLast) || (told === AS_IT_CAME && stays(headers, i))) continue;
    if (from < i) out += headers.lines(from, i);
    from = i + 1;
    if (id !== CONTENT_LENGTH || told < 0) continue;
    out += `Content-Length: ${told}\r\n`;
    told = -1;
  }
  return from < ids.length ? out + headers.lines(from, ids.length) : out;
}

function saysLength(headers: HeaderTable, at: number, length: number): boolean {
  return headers.numberAt(at) === length && (headers.valueCharCode(at, 0) !== 48 || length === 0);
}

function stays(headers: HeaderTable, at: number): boolean {
  const id = headers.ids[at];
  return id === TRANSFER_ENCODING || (id === CONTENT_LENGTH && !headers.valueIs(at, "0"));
}

function isElsewhere(id: number, typeLast: boolean): boolean {
  switch (id) {
    case DATE:
    case SERVER:
    case CONTENT_LENGTH:
    case TRANSFER_ENCODING:
    case CONNECTION:
      return true;
    case CONTENT_TYPE:
      return typeLast;
    default:
      return false;
  }
}

/** Statuses after which httpd reads no more from the client. Source: httpd include/httpd.h, ap_status_drops_connection */
export function dropsConnection(status: Status): boolean {
  switch (status) {
    case 400:
    case 408:
    case 411:
    case 413:
    case 414:
    case 500:
    case 501:
    case 503:
      return true;
    default:
      return false;
  }
}
