/**
 * Handlers that show or change the server's inside: who may use them, and what a foreign page must not make a browser do.
 */
import { parseIp } from "../core/ipsubnet.ts";
import type { ProcessRec, RequestRec } from "../core/records.ts";
import { OK } from "../core/status.ts";
import { restrictsAccess } from "./hooks.ts";
import { serverNameForUrl } from "./server_name.ts";

const told = new WeakMap<ProcessRec, Set<string>>();

/**
 * Whether a handler that changes the server may answer. Where the configuration does not say who may ask, only this machine
 * may; the log says so, once for each handler and configuration.
 */
export function mayChangeServer(r: RequestRec): boolean {
  const generation = r.server.process;
  if (restrictsAccess.run(generation.hooks, r) === OK) return true;
  const known = told.get(generation) ?? new Set();
  told.set(generation, known);
  if (!known.has(r.handler)) {
    known.add(r.handler);
    r.log.warn("core", "", `SetHandler ${r.handler} without any Require answers to this machine only`, r);
  }
  if (isLoopback(r.conn.peerIp) && isLoopback(r.useragentIp) && namesThisMachine(r)) return true;
  const text = `SetHandler ${r.handler} without any Require: ${r.uri} is refused to ${r.useragentIp || "a unix socket"}`;
  r.log.error("core", "", text, r);
  return false;
}

/**
 * A page of a foreign host whose name was made to resolve to 127.0.0.1 comes from a browser of this machine, and is of one
 * origin with the answer. What it cannot do is to call the server by a name of the server's.
 */
function namesThisMachine({ hostname, server }: RequestRec): boolean {
  const name = hostname.replace(/^\[|\]$/g, "");
  if (name === "" || name === "localhost" || isLoopback(name)) return true;
  return name === server.hostname.toLowerCase() || server.names.includes(name);
}

function isLoopback(address: string): boolean {
  const words = parseIp(address);
  if (words === null) return false;
  return words.length === 1 ? words[0]! >>> 24 === 127 : words.join() === "0,0,0,1";
}

/** Whether a browser says that a page of another host made it send this. A request without any of these fields is no browser's. */
export function isCrossSite(r: RequestRec): boolean {
  const site = r.headersIn.get("Sec-Fetch-Site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  const origin = r.headersIn.get("Origin");
  return origin !== undefined && !isOwnHost(r, origin);
}

/** Whether a URL's host is what the request calls this server. Scheme, port and path may be others, as for httpd. */
export function isOwnHost(r: RequestRec, url: string): boolean {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^:/?#]*)/i.exec(url);
  return match !== null && match[1] !== "" && match[1]!.toLowerCase() === serverNameForUrl(r).toLowerCase();
}

/** Fields for pages that act: nothing from elsewhere runs in them, nothing frames them, their addresses stay here. */
export const INSIDE_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
      "base-uri 'none'; frame-ancestors 'none'",
  ],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "same-origin"],
  ["Cache-Control", "no-store"],
];
