/**
 * Which fields cross the proxy, and which it adds, in both directions.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_create_hdrbrgd, ap_proxy_clear_connection; mod_proxy_http.c process_proxy_header
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { DONE, OK, type Status } from "../core/status.ts";
import * as h from "../core/table.ts";
import { flat } from "../core/text.ts";
import { connectionTokens } from "../http/field_value.ts";
import { refuseTrace, sendTrace, traceIsOff } from "../http/trace.ts";
import core, { SERVER_VERSION } from "../server/mod_core.ts";
import { requestScheme, serverPort } from "../server/server_name.ts";
import { defaultPort } from "../server/uri.ts";
import type { ProxyConfig } from "./config.ts";
import { proxyError } from "./proxy_error.ts";
import type { ProxyUrl } from "./url.ts";

/** Fields of an answer that are between it and us, whatever Connection says. */
const HOP_BY_HOP_IDS = [h.PROXY_CONNECTION, h.KEEP_ALIVE, h.PROXY_AUTHENTICATE, h.TE, h.TRAILER, h.UPGRADE] as const;
const HOP_BY_HOP = h.bitsOf(...HOP_BY_HOP_IDS);
/** Fields of an answer that are looked at, besides those that nearly all have. */
const LATE = h.bitsOf(h.EXPIRES, h.LAST_MODIFIED, h.WARNING, h.SET_COOKIE);

/** How the request's body and connection are announced. */
export interface RequestFraming {
  /** "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n" or "". */
  readonly length: string;
  /** The backend shall answer 100 Continue before it gets the body. */
  readonly expect: boolean;
  /** The connection is to stay open. */
  readonly keepAlive: boolean;
  /** force-proxy-request-1.0 */
  readonly http10: boolean;
  /** The protocol that the client wants to switch to; "": none. */
  readonly upgrade: string;
}

/** The request's head as the backend gets it. */
export function requestHead(r: RequestRec, conf: ProxyConfig, url: ProxyUrl, framing: RequestFraming): string {
  const table = r.headersIn;
  const { ids } = table;
  const clientHost = hostOf(r);
  const named = namedByConnection(table);
  let out =
    conf.preserveHost || framing.http10
      ? `${r.method} ${url.target} HTTP/1.${framing.http10 ? 0 : 1}\r\nHost: ${backendHost(r, conf, url, clientHost)}\r\n`
      : `${r.method} ${url.target}${url.origin.afterTarget}`;
  let via = conf.via === "on" || conf.via === "full" ? viaValue(r, conf) : "";
  let expect = framing.expect;
  const add = conf.addHeaders && r.proxyreq === "reverse";
  let forwardedFor = add && r.useragentIp !== "";
  let forwardedHost = add && clientHost !== undefined;
  let forwardedServer = add;

  // Fields that go on as they are go on together: from `from` on they wait to be written.
  let from = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    let added: string | null = null;
    if (id !== h.OTHER && id <= h.X_FORWARDED_SERVER) {
      if (id === h.EXPECT && expect && table.valueLength(i) > 0) {
        expect = false;
        if (!isNamed(table, i, named)) continue;
      }
      if (id > h.PROXY_CONNECTION && !isNamed(table, i, named)) {
        if (id === h.VIA) {
          if (conf.via !== "block") {
            if (via === "") continue;
            added = via;
            via = "";
          }
        } else if (id === h.X_FORWARDED_FOR) {
          if (!forwardedFor) continue;
          added = r.useragentIp;
          forwardedFor = false;
        } else if (id === h.X_FORWARDED_HOST) {
          if (!forwardedHost) continue;
          added = clientHost!;
          forwardedHost = false;
        } else if (id === h.X_FORWARDED_SERVER) {
          if (!forwardedServer) continue;
          added = r.server.hostname;
          forwardedServer = false;
        }
      }
      // Host to Proxy-Connection: hop-by-hop, or made anew
    } else if (!isNamed(table, i, named) && !(id === h.PROXY_AUTHORIZATION && isOurs(r))) continue;
    if (from < i) out += table.lines(from, i);
    from = i + 1;
    if (added !== null) out += `${table.nameAt(i)}: ${table.valueAt(i)}, ${added}\r\n`;
  }
  if (from < ids.length) out += table.lines(from, ids.length);

  if (via !== "") out += `Via: ${via}\r\n`;
  if (expect) out += "Expect: 100-Continue\r\n";
  if (forwardedFor && forwardedHost && forwardedServer) out += forwardedLines(r, clientHost!);
  else {
    if (forwardedFor) out += `X-Forwarded-For: ${r.useragentIp}\r\n`;
    if (forwardedHost) out += `X-Forwarded-Host: ${clientHost}\r\n`;
    if (forwardedServer) out += `X-Forwarded-Server: ${r.server.hostname}\r\n`;
  }
  out += framing.length;
  if (framing.http10) return `${out}\r\n`;
  if (framing.upgrade !== "") return `${out}Connection: Upgrade\r\nUpgrade: ${framing.upgrade}\r\n\r\n`;
  return out + (framing.keepAlive ? "Connection: Keep-Alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

/** The client's Host: of all requests of a connection one and the same string. */
function hostOf(r: RequestRec): string | undefined {
  const i = r.headersIn.indexOfId(h.HOST);
  if (i < 0) return undefined;
  const { host } = r.conn;
  return host !== null && r.headersIn.valueIs(i, host.value) ? host.value : r.headersIn.valueAt(i);
}

/** The three fields where the client sent none of them: made once for a connection, unless its requests differ. */
function forwardedLines(r: RequestRec, host: string): string {
  const { conn, useragentIp: ip } = r;
  const server = r.server.hostname;
  const last = conn.forwarded;
  if (last !== null && last.host === host && last.ip === ip && last.server === server) return last.lines;
  const lines = `X-Forwarded-For: ${ip}\r\nX-Forwarded-Host: ${host}\r\nX-Forwarded-Server: ${server}\r\n`;
  // A Host or an address of this request alone may be a piece of its head; a connection for one request needs no copy.
  if (conn.keepalives > 1 && host === conn.host?.value && ip === conn.peerIp)
    conn.forwarded = { ip, host, server, lines: flat(lines) };
  return lines;
}

function backendHost(r: RequestRec, conf: ProxyConfig, url: ProxyUrl, clientHost: string | undefined): string {
  if (conf.preserveHost) {
    if (clientHost !== undefined) return clientHost;
    r.log.warn(
      "proxy",
      "AH01092",
      `no HTTP 0.9 request (with no host line) on incoming request and preserve host set forcing hostname to be ${r.server.hostname} for uri ${r.uri}`,
      r,
    );
    return r.server.hostname;
  }
  return url.origin.hostField;
}

/** Whether credentials for a proxy were for this one: it asked for them. */
function isOurs(r: RequestRec): boolean {
  return r.user !== null && r.getEnv("Proxy-Chain-Auth") === undefined;
}

function isNamed(table: h.HeaderTable, i: number, named: readonly string[] | null): boolean {
  return named?.includes(table.nameAt(i).toLowerCase()) ?? false;
}

/** Lower-case names that Connection lists; null in the usual case: none that would not be removed anyway. */
function namedByConnection(table: h.HeaderTable): string[] | null {
  let names: string[] | null = null;
  for (let i = table.indexOfId(h.CONNECTION); i >= 0; i = table.indexOfId(h.CONNECTION, i + 1)) {
    if (table.valueIs(i, "keep-alive") || table.valueIs(i, "close") || table.valueIs(i, "Keep-Alive")) continue;
    names ??= [];
    addTokens(table.valueAt(i), names);
  }
  return names;
}

// Not written where it is used: a closure in a function costs every call an object for the variables it holds.
function addTokens(value: string, names: string[]): void {
  connectionTokens(value, (token) => void names.push(token.toLowerCase()));
}

/** "1.1 name[:port]": ours in Via. */
export function viaValue(r: RequestRec, conf: ProxyConfig): string {
  const port = serverPort(r);
  const suffix = port === defaultPort(requestScheme(r)) ? "" : `:${port}`;
  const version = `${Math.floor(r.protoNum / 1000)}.${r.protoNum % 1000}`;
  const product = conf.via === "full" ? ` (Apache/${SERVER_VERSION})` : "";
  return `${version} ${r.server.hostname}${suffix}${product}`;
}

/**
 * Removes from a backend's fields what is between it and us, and brings the rest into the form the client gets. Framing is
 * read before: Transfer-Encoding goes, too.
 */
export function responseHeaders(r: RequestRec, conf: ProxyConfig, headers: h.HeaderTable): void {
  clearConnection(headers);
  headers.unsetId(h.TRANSFER_ENCODING);
  firstAlone(headers, h.CONTENT_TYPE, "Content-Type");
  normalizeDate(headers, h.DATE);
  if (headers.mayHave(LATE)) {
    normalizeDate(headers, h.EXPIRES);
    normalizeDate(headers, h.LAST_MODIFIED);
    if (headers.hasId(h.WARNING)) cleanWarnings(headers);
    headers.moveToEnd(h.SET_COOKIE);
  }
  if (conf.via === "on" || conf.via === "full") headers.addId(h.VIA, "Via", viaValue(r, conf));
}

/** Of fields that contradict each other the first counts. */
function firstAlone(headers: h.HeaderTable, id: number, name: string): void {
  const first = headers.indexOfId(id);
  if (first >= 0 && headers.indexOfId(id, first + 1) >= 0) headers.setId(id, name, headers.valueAt(first));
}

/** Hop-by-hop fields of a response. Source: httpd ap_proxy_clear_connection */
export function clearConnection(headers: h.HeaderTable): void {
  if (headers.hasId(h.CONNECTION)) {
    const named = namedByConnection(headers);
    headers.unsetId(h.CONNECTION);
    if (named !== null) for (const name of named) headers.unset(name);
  }
  if (headers.mayHave(HOP_BY_HOP)) for (const id of HOP_BY_HOP_IDS) headers.unsetId(id);
}

const WARNING_VALUE = /(\d{3}[ \t]+[^ \t]+[ \t]+"[^"]*"(?:[ \t]+"([^"]+)")?)/g;

/** Keeps the warnings that have no date, or that of Date. Source: httpd clean_warning_headers */
function cleanWarnings(headers: h.HeaderTable): void {
  const date = headers.getId(h.DATE);
  const kept: string[] = [];
  for (const value of headers.getAll("Warning")) {
    for (const match of value.matchAll(WARNING_VALUE)) {
      if (match[2] === undefined || date === undefined || rfc1123(match[2]) === date) kept.push(match[1]!);
    }
  }
  headers.unsetId(h.WARNING);
  for (const warning of kept) headers.addId(h.WARNING, "Warning", warning);
}

function normalizeDate(headers: h.HeaderTable, id: number): void {
  const i = headers.indexOfId(id);
  if (i < 0) return;
  if (headers.valueLength(i) !== 29 || headers.valueCharCode(i, 3) !== 44)
    headers.setValueAt(i, rfc1123(headers.valueAt(i)));
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const RFC850 = /^[A-Z][a-z]+day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d:\d\d:\d\d) GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{4})$/;

/** An RFC 850 or asctime date as RFC 1123; anything else as it is. Source: httpd ap_proxy_date_canon */
export function rfc1123(value: string): string {
  const old = RFC850.exec(value);
  if (old !== null) {
    const year = Number(old[3]);
    return dateText(value, old[1]!, old[2]!, year < 70 ? 2000 + year : 1900 + year, old[4]!);
  }
  const c = ASCTIME.exec(value);
  return c === null ? value : dateText(value, c[2]!.replace(" ", "0"), c[1]!, Number(c[4]), c[3]!);
}

function dateText(original: string, day: string, monthName: string, year: number, time: string): string {
  const month = MONTHS.indexOf(monthName);
  if (month < 0) return original;
  const weekday = DAYS[new Date(Date.UTC(year, month, Number(day))).getUTCDay()];
  return `${weekday}, ${day} ${monthName} ${year} ${time} GMT`;
}

/**
 * Max-Forwards and TRACE, before a worker is looked for. OK: go on; DONE: it was answered here.
 * Source: httpd mod_proxy.c proxy_handler
 */
export function checkForwards(r: RequestRec, conf: ProxyConfig): Status {
  const value = r.headersIn.getId(h.MAX_FORWARDS);
  let left = conf.maxForwards;
  if (value !== undefined) {
    if (!/^([+-]?\d{1,15})?$/.test(value) || Number(value) < 0)
      return proxyError(r, 400, "Max-Forwards request header could not be parsed");
    left = Number(value) - 1;
    if (left < 0) {
      if (r.method === "TRACE") return sendTrace(r);
      if (r.method === "OPTIONS") return sendOptions(r);
      return proxyError(r, 400, "Max-Forwards has reached zero - proxy loop?");
    }
  }
  if (left >= 0) r.headersIn.setId(h.MAX_FORWARDS, "Max-Forwards", String(left));
  return r.method === "TRACE" ? checkTrace(r) : OK;
}

function checkTrace(r: RequestRec): Status {
  if (traceIsOff(r)) {
    r.log.error("proxy", "AH01139", "TRACE forbidden by server configuration", r);
    return refuseTrace(r);
  }
  if (r.body.length === 0 || getModuleConfig(r.server.config, core).traceEnable === "extended") return OK;
  r.errorNotes = "TRACE with request body is not allowed";
  r.log.error("proxy", "AH01140", r.errorNotes, r);
  return 413;
}

function sendOptions(r: RequestRec): Status {
  r.headersOut.set("Allow", traceIsOff(r) ? "" : "TRACE");
  r.out.begin(0);
  r.out.end();
  return DONE;
}
