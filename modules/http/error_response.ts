/**
 * The pages that the server makes itself.
 * Source: httpd modules/http/http_protocol.c, ap_send_error_response
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { reasonPhrase, type Status } from "../core/status.ts";
import { HeaderTable } from "../core/table.ts";
import { insertErrorFilter } from "../server/hooks.ts";
import core, { serverToken } from "../server/mod_core.ts";

const TEXTS: Readonly<Record<number, string>> = {
  301: "What you asked for is at another place now: the one that the Location field names.",
  302: "What you asked for is at another place for the time being: the one that the Location field names.",
  303: "The answer to your request is at another place: the one that the Location field names.",
  307: "What you asked for is at another place for the time being: the one that the Location field names.",
  308: "What you asked for is at another place now: the one that the Location field names.",
  400: "The server could not make sense of this request.",
  401: "The server could not verify that you may have what you asked for.",
  403: "You may not have what you asked for.",
  404: "What you asked for was not found on this server.",
  405: "This method is not allowed for what you asked for.",
  408: "The request was not complete within the time that the server waits.",
  410: "What you asked for is no longer here, and nobody knows where it is.",
  411: "This request needs a Content-Length.",
  413: "The request is larger than the server takes.",
  414: "The request line is longer than the server takes.",
  417: "The server does not meet what the Expect field of the request asks for.",
  421: "The request came over a connection that does not serve this host.",
  426: "The service needs another protocol.",
  431: "The fields of the request are larger than the server takes.",
  500: "Something went wrong in the server. Its error log may say more.",
  501: "The server does not know this method.",
  502: "The proxy server received an invalid response from an upstream server.",
  503: "The server cannot serve the request just now: it is down for maintenance, or has too much to do. Try again later.",
  504: "The proxy server had no response from an upstream server in time.",
};

/** Answers the request with a page for `status`; the backend's fields, if any came, are dropped. */
export function sendErrorResponse(r: RequestRec, status: Status): void {
  const kept = r.headersOut;
  r.headersOut = new HeaderTable();
  for (const name of status === 401 ? ["WWW-Authenticate", "Location", "Allow"] : ["Location", "Allow"]) {
    for (const value of kept.getAll(name)) r.headersOut.add(name, value);
  }
  if (r.status !== status) {
    r.status = status;
    if (!r.statusLine?.startsWith(`${status} `)) r.statusLine = null;
  }
  r.outputFilters = null;
  const title = r.statusLine ?? `${status} ${reasonPhrase(status)}`;
  const page = errorPage(r, status, title);
  if (status !== 304 && status !== 204) r.headersOut.set("Content-Type", "text/html; charset=iso-8859-1");
  insertErrorFilter.run(r.server.process.hooks, r);
  r.out.begin(page.length);
  r.out.writeText(page);
  r.out.end();
}

function errorPage(r: RequestRec, status: Status, title: string): string {
  const heading = title.slice(4) || reasonPhrase(status);
  const notes = r.errorNotes === null || status === 503 ? "" : errorNotes(r.errorNotes, heading);
  const text = TEXTS[status] ?? "";
  return (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">\n' +
    `<html><head>\n<title>${escapeHtml(title)}</title>\n</head><body>\n<h1>${escapeHtml(heading)}</h1>\n` +
    `<p>${text}<br />\n</p>\n${notes}${signature(r)}</body></html>\n`
  );
}

/** What there is to say besides the standard text. */
function errorNotes(notes: string, heading: string): string {
  if (heading !== "Proxy Error") return `<p>${escapeHtml(notes)}</p>\n`;
  return `<p>The proxy server could not handle the request</p><p>Reason: <strong>${escapeHtml(notes)}</strong></p>\n`;
}

function signature(r: RequestRec): string {
  const conf = getModuleConfig(r.perDirConfig, core);
  if (conf.serverSignature === "off") return "";
  const name = escapeHtml(r.hostname || r.server.hostname);
  const host = conf.serverSignature === "email" ? `<a href="mailto:${escapeHtml(conf.serverAdmin)}">${name}</a>` : name;
  return `<hr>\n<address>${escapeHtml(serverToken(conf))} Server at ${host} Port ${r.conn.localPort}</address>\n`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}
