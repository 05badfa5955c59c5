/**
 * A backend URL in the two halves that requests need it in: the origin, of which there are few, and the rest. The halves are
 * kept apart from the rule to the request line; whole URLs are made for who asks (a dozen strings for each request less).
 */

import type { FilenameSource } from "../core/records.ts";
import { flat } from "../core/text.ts";

/** scheme://host[:port], taken apart. */
export interface Origin {
  readonly text: string;
  /** "http", "https", "ws"...: lower case. */
  readonly scheme: string;
  /** "user:password", encoded; undefined: the URL has none. */
  readonly userinfo?: string | undefined;
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  /** 0: the scheme's default. */
  readonly port: number;
  /** What Host says of it: no port where it is the scheme's own. */
  readonly hostField: string;
  /** What follows the target in a request's head, to the end of its Host. */
  readonly afterTarget: string;
}

/** A canonical backend URL: what a scheme handler needs of it. */
export class ProxyUrl implements FilenameSource {
  readonly origin: Origin;
  /** Path and query as they go on the request line, "/" at least. */
  readonly target: string;

  constructor(origin: Origin, target: string) {
    this.origin = origin;
    this.target = target;
  }

  get filename(): string {
    return `proxy:${this.origin.text}${this.target}`;
  }

  get scheme(): string {
    return this.origin.scheme;
  }

  get host(): string {
    return this.origin.host;
  }

  get port(): number {
    return this.origin.port;
  }

  /** "user:password", encoded; undefined: the URL has none. */
  get userinfo(): string | undefined {
    return this.origin.userinfo;
  }
}

const origins = new Map<string, Origin>();
const MAX_ORIGINS = 4096;

/** Length of scheme://host[:port]. */
export function originLength(url: string): number {
  const scheme = url.indexOf("://");
  if (scheme < 0) return url.length;
  const slash = url.indexOf("/", scheme + 3);
  return slash < 0 ? url.length : slash;
}

/** A canonical URL in its parts. */
export function splitProxyUrl(url: string): ProxyUrl {
  const end = originLength(url);
  return new ProxyUrl(originOf(url.slice(0, end)), url.slice(end) || "/");
}

/** @param text scheme://host[:port], canonical */
export function originOf(text: string): Origin {
  const known = origins.get(text);
  if (known !== undefined) return known;
  const match = /^([a-z][a-z0-9+.-]*):\/\/(?:(.*)@)?(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/i.exec(text);
  const scheme = (match?.[1] ?? "").toLowerCase();
  const userinfo = match?.[2];
  const host = (match?.[3] ?? match?.[4] ?? "").toLowerCase();
  const port = Number(match?.[5] ?? 0);
  const name = host.includes(":") ? `[${host}]` : host;
  const isDefault = port === 0 || port === 80 || (port === 443 && (scheme === "https" || scheme === "wss"));
  const hostField = isDefault ? name : `${name}:${port}`;
  const afterTarget = flat(` HTTP/1.1\r\nHost: ${hostField}\r\n`);
  const origin: Origin = { text, scheme, userinfo, host, port, hostField, afterTarget };
  if (origins.size < MAX_ORIGINS) origins.set(text, origin);
  return origin;
}
