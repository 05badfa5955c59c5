/**
 * A response's status line and fields → text.
 * Source: httpd modules/http/http_filters.c, basic_http_header, ap_http_header_filter; http_protocol.c, ap_set_keepalive
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { reasonPhrase, type Status } from "../core/status.ts";
import { CONTENT_LENGTH, DATE, type HeaderTable, SERVER, TRANSFER_ENCODING } from "../core/table.ts";
import core, { serverToken } from "../server/mod_core.ts";
import { HTTP_09 } from "./head.ts";

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

/** How the body's end is told to the client. */
export type Framing = "length" | "chunked" | "close" | "none";

/**
 * The head of a final response. Date and Server are the backend's if it sent them.
 * @param connection the connection fields, each line complete
 */
export function renderHead(r: RequestRec, framing: Framing, length: number, connection: string): string {
  if (r.protoNum === HTTP_09) return "";
  const out = r.headersOut;
  const date = out.getId(DATE) ?? httpDate(r.requestTimeUs);
  const server = out.getId(SERVER) ?? serverToken(getModuleConfig(r.server.config, core));
  let head = `HTTP/1.1 ${r.statusLine ?? `${r.status} ${reasonPhrase(r.status)}`}\r\nDate: ${date}\r\nServer: ${server}\r\n`;
  if (r.errHeadersOut !== null) head = appendOthers(head, r.errHeadersOut);
  head = appendOthers(head, out);
  if (framing === "length") head += `Content-Length: ${length}\r\n`;
  else if (framing === "chunked") head += "Transfer-Encoding: chunked\r\n";
  return `${head}${connection}\r\n`;
}

/** The head of a 1xx response. */
export function renderInterim(status: Status, reason: string, headers: HeaderTable): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.lines(0, headers.size)}\r\n`;
}

/** The fields but those that this file writes itself. */
function appendOthers(head: string, headers: HeaderTable): string {
  const { ids } = headers;
  let out = head;
  let from = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id !== DATE && id !== SERVER && id !== CONTENT_LENGTH && id !== TRANSFER_ENCODING) continue;
    if (from < i) out += headers.lines(from, i);
    from = i + 1;
  }
  return from < ids.length ? out + headers.lines(from, ids.length) : out;
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
