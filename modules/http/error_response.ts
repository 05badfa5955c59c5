/**
 * The pages that the server makes itself.
 * Source: httpd modules/http/http_protocol.c, ap_send_error_response
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { hasNoBody, reasonPhrase, type Status } from "../core/status.ts";
import { HeaderTable } from "../core/table.ts";
import core, { serverToken } from "../server/mod_core.ts";
import { serverName, serverPort } from "../server/server_name.ts";

const TEXTS: Readonly<Record<number, string>> = {
  301: "What you asked for is at another place now: the one that the Location field names.",
  302: "What you asked for is at another place for the time being: the one that the Location field names.",
  303: "The answer to your request is at another place: the one that the Location field names.",
  307: "What you asked for is at another place for the time being: the one that the Location field names.",
  308: "What you asked for is at another place now: the one that the Location field names.",
  400: "The server could not make sense of this request.",
  401: "The server could not verify that you may have what you asked for.",
  402: "What you asked for has to be paid for.",
  403: "You may not have what you asked for.",
  404: "What you asked for was not found on this server.",
  406: "What you asked for is not there in a form that the request accepts.",
  407: "The proxy server could not verify that you may use it.",
  408: "The request was not complete within the time that the server waits.",
  409: "The request contradicts the present state of what it is about.",
  410: "What you asked for was here and is gone for good.",
  411: "This request needs a Content-Length.",
  412: "A condition that the request made is not met.",
  413: "The request is larger than the server takes.",
  414: "The request line is longer than the server takes.",
  415: "The server does not take content of this type here.",
  416: "None of the ranges that the request asks for is there.",
  417: "The server does not meet what the Expect field of the request asks for.",
  421: "The request came over a connection that does not serve this host.",
  422: "The content of the request was understood, and cannot be acted on.",
  423: "What the request is about is locked.",
  424: "The request depends on another one that failed.",
  426: "The service needs another protocol.",
  428: "This request must be made conditional.",
  429: "There were too many requests from you of late. Try again later.",
  431: "The fields of the request are larger than the server takes.",
  451: "What you asked for may not be given for legal reasons.",
  500: "Something went wrong in the server. Its error log may say more.",
  502: "The proxy server received an invalid response from an upstream server.",
  503: "The server cannot serve the request just now: it is down for maintenance, or has too much to do. Try again later.",
  504: "The proxy server had no response from an upstream server in time.",
  505: "The server does not speak this version of HTTP.",
  506: "What you asked for is negotiated in a circle.",
  507: "There is no room left to store what the request brings.",
  508: "The server found a loop while it acted on the request.",
  510: "The request lacks an extension that the server needs.",
  511: "The network wants you to log in first.",
};

/** Their pages do not say what else is known. */
const WITHOUT_NOTES: ReadonlySet<Status> = new Set([401, 404, 503]);

/** What a page has instead of, or besides, its usual text. */
export interface PageParts {
  /** ErrorDocument's text: the whole page. */
  readonly text?: string | undefined;
  /** The status of the ErrorDocument that could not be had. */
  readonly recursive?: Status;
}

/**
 * Answers the request with a page for `status`. Fields that were made for another response, a backend's say, are dropped;
 * those of `errHeadersOut` go along.
 */
export function sendErrorResponse(r: RequestRec, status: Status, parts: PageParts = {}): void {
  const kept = r.headersOut;
  r.errorPage = true;
  // As in httpd: what was to be sent with an error page, too, are the page's own fields, and `Header always` begins anew.
  r.headersOut = r.errHeadersOut ?? new HeaderTable();
  r.errHeadersOut = null;
  for (const name of required(status)) {
    for (const value of kept.getAll(name)) r.headersOut.add(name, value);
  }
  if ((status === 405 || status === 501) && !r.headersOut.has("Allow")) r.headersOut.set("Allow", allowedAnyway(r));
  setStatus(r, status);
  r.outputFilters = null;
  const page =
    parts.text === undefined ? errorPage(r, status, kept.get("Location"), parts.recursive) : utf8(parts.text);
  if (!hasNoBody(status)) r.headersOut.set("Content-Type", pageType(r));
  // Of HEAD, httpd does not make the page that it would measure.
  r.out.begin(r.headerOnly ? 0 : page.length);
  r.out.writeText(page);
  r.out.end();
}

function pageType(r: RequestRec): string {
  return r.getEnv("suppress-error-charset") === undefined ? "text/html; charset=iso-8859-1" : "text/html";
}

/** The reason that a backend gave belongs to its status alone. */
export function setStatus(r: RequestRec, status: Status): void {
  r.status = status;
  if (!r.statusLine?.startsWith(`${status} `)) r.statusLine = null;
}

/** Fields that belong to a response of this status, as RFC 9110 section 15 has it. */
function required(status: Status): readonly string[] {
  if ((status >= 300 && status < 400) || status === 201) return ["Location"];
  switch (status) {
    case 401:
      return ["WWW-Authenticate"];
    case 405:
    case 501:
      return ["Allow"];
    case 407:
      return ["Proxy-Authenticate"];
    case 426:
      return ["Upgrade"];
    case 503:
      return ["Retry-After"];
    default:
      return [];
  }
}

/** Where no handler says which methods it knows. Source: httpd modules/http/http_protocol.c, make_allow */
function allowedAnyway(r: RequestRec): string {
  return getModuleConfig(r.server.config, core).traceEnable === "off" ? "" : "TRACE";
}

function errorPage(r: RequestRec, status: Status, location: string | undefined, recursive?: Status): string {
  const title = r.statusLine ?? `${status} ${reasonPhrase(status)}`;
  const heading = title.slice(4) || reasonPhrase(status);
  const notes = r.errorNotes === null || WITHOUT_NOTES.has(status) ? "" : errorNotes(r.errorNotes, heading);
  return (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">\n' +
    `<html><head>\n<title>${escapeHtml(title)}</title>\n</head><body>\n<h1>${escapeHtml(heading)}</h1>\n` +
    `<p>${statusText(r, status, location)}<br />\n</p>\n${notes}${recursive === undefined ? "" : recursion(recursive)}` +
    `${signature(r)}</body></html>\n`
  );
}

function statusText(r: RequestRec, status: Status, location: string | undefined): string {
  if (location !== undefined && status >= 300 && status < 400) {
    return `What you asked for is <a href="${escapeHtml(location)}">here</a>.`;
  }
  if (status === 405) return `The method ${escapeHtml(r.method)} is not allowed for what you asked for.`;
  if (status === 501) return `The server does not know the method ${escapeHtml(r.method)}.`;
  const text = TEXTS[status] ?? "";
  const { serverAdmin } = getModuleConfig(r.server.config, core);
  return status === 500 && serverAdmin !== "[no address given]"
    ? `${text} You may tell ${escapeHtml(serverAdmin)} when it happened.`
    : text;
}

/** What there is to say besides the standard text. */
function errorNotes(notes: string, heading: string): string {
  if (heading !== "Proxy Error") return `<p>${escapeHtml(notes)}</p>\n`;
  return `<p>The proxy server could not handle the request</p><p>Reason: <strong>${escapeHtml(notes)}</strong></p>\n`;
}

function recursion(status: Status): string {
  return `<p>Besides, the page that is meant for this error could not be had: ${status} ${reasonPhrase(status)}.</p>\n`;
}

/** By ServerSignature: the last lines of a page that the server makes, behind `prefix`; "" if it is off. */
export function signature(r: RequestRec, prefix = "<hr>\n"): string {
  const conf = getModuleConfig(r.perDirConfig, core);
  if (conf.serverSignature === "off") return "";
  const name = escapeHtml(serverName(r));
  const host = conf.serverSignature === "email" ? `<a href="mailto:${escapeHtml(conf.serverAdmin)}">${name}</a>` : name;
  return `${prefix}<address>${escapeHtml(serverToken(conf))} Server at ${host} Port ${serverPort(r)}</address>\n`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}

/** A text of the configuration as UTF-8, one char for each byte. */
function utf8(text: string): string {
  return encodeURIComponent(text).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
