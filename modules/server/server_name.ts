/**
 * What a request calls this server: in URLs that point back to it, in pages and logs.
 * Source: httpd server/core.c ap_get_server_name, ap_get_server_name_for_url, ap_get_server_port, ap_construct_url
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { HOST } from "../core/table.ts";
import core from "./mod_core.ts";
import { defaultPort } from "./uri.ts";

/** "https" also where ServerName says so: something in front of this server speaks TLS to the clients. */
export function requestScheme(r: RequestRec): "http" | "https" {
  return r.conn.secure || r.server.scheme === "https" ? "https" : "http";
}

/** The client's word for the host, or ServerName, by UseCanonicalName. */
export function serverName(r: RequestRec): string {
  return (isCanonical(r) ? "" : r.hostname) || r.server.hostname;
}

/** The same for a URL: an IPv6 address in brackets. */
export function serverNameForUrl(r: RequestRec): string {
  const name = serverName(r);
  return name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
}

/**
 * The port, by UseCanonicalName: that of Host, else that of ServerName, else the scheme's. With UseCanonicalPhysicalPort
 * the port of the connection comes before ServerName's, or with UseCanonicalName after it.
 */
export function serverPort(r: RequestRec): number {
  const physical = getModuleConfig(r.perDirConfig, core).useCanonicalPhysicalPort ? r.conn.localPort : 0;
  const usual = defaultPort(requestScheme(r))!;
  if (isCanonical(r)) return r.server.port || physical || usual;
  return askedPort(r) || physical || r.server.port || usual;
}

/** The port of ServerName, else the scheme's. */
export function canonicalPort(r: RequestRec): number {
  return r.server.port || defaultPort(requestScheme(r))!;
}

/** scheme://host[:port] of this server. */
export function serverOrigin(r: RequestRec): string {
  const scheme = requestScheme(r);
  const port = serverPort(r);
  return `${scheme}://${serverNameForUrl(r)}${port === defaultPort(scheme) ? "" : `:${port}`}`;
}

/** The port in Host, which was checked when the head was read; 0: none. An absolute target has replaced Host. */
function askedPort(r: RequestRec): number {
  const port = /:(\d+)$/.exec(r.headersIn.getId(HOST) ?? "");
  return port === null ? 0 : Number(port[1]);
}

function isCanonical(r: RequestRec): boolean {
  return getModuleConfig(r.perDirConfig, core).useCanonicalName === "on";
}
