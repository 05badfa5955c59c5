/**
 * Request targets, paths and worker URLs, without the URL class: it decodes, re-encodes and drops what a proxy must
 * keep byte for byte. Every string here is binary: one character per byte.
 * Source: httpd server/util.c (ap_normalize_path, unescape_url), modules/proxy/proxy_util.c (ap_proxy_canonenc)
 */

/** How `%2F` in a path is treated: 404, decoded to `/`, or left as it is. `AllowEncodedSlashes`; default off. */
export type EncodedSlashes = "off" | "on" | "nodecode";

export interface Target {
  path: string;
  /** Without the `?`. "" is an empty query, which is forwarded with its `?`; null is none. */
  query: string | null;
}

export interface ParsedUrl {
  /** Lower case. */
  scheme: string;
  /** Lower case; an IPv6 address without its brackets. */
  host: string;
  /** null when the URL has none; see `defaultPort`. */
  port: number | null;
  /** All that follows the authority, verbatim, a query included; "" when there is nothing. */
  path: string;
}

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;

// Classes of bytes, one table for all the scans.
const UNRESERVED = 1; // RFC 3986 section 2.3: always decoded
const KEPT = 2; // sent to a backend as it is; every other byte becomes %XX
const table = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  const char = String.fromCharCode(c);
  if (/[A-Za-z0-9]/.test(char)) table[c] = UNRESERVED | KEPT;
}
for (const char of "-._~") table[char.charCodeAt(0)]! |= UNRESERVED;
for (const char of "~$-_.+!*'(),;:@&=/") table[char.charCodeAt(0)]! |= KEPT;

const ENCODED: string[] = [];
for (let c = 0; c < 256; c++) ENCODED.push(`%${(c < 16 ? "0" : "") + c.toString(16).toUpperCase()}`);

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  __proto__: null as never,
  http: 80,
  ws: 80,
  h2c: 80,
  https: 443,
  wss: 443,
  h2: 443,
  ajp: 8009,
  fcgi: 8000,
  scgi: 4000,
  ftp: 21,
};

/** The port a scheme stands for; null for `balancer` and all others. */
export function defaultPort(scheme: string): number | null {
  return DEFAULT_PORTS[scheme] ?? null;
}

/** Path and query of an origin-form target. A fragment has no business there and is dropped, as in httpd. */
export function splitTarget(target: string): Target {
  const hash = target.indexOf("#");
  if (hash >= 0) target = target.slice(0, hash);
  const mark = target.indexOf("?");
  if (mark < 0) return { path: target, query: null };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/**
 * The path with unreserved bytes decoded, dot segments removed and, with `mergeSlashes`, runs of slashes made one:
 * in this order, so that `%2e%2e` counts as `..`. null, a 400, for a bad escape, for `..` above the root, and for
 * anything but `*` that does not start with a slash. A path with nothing to do is returned as the same string.
 */
export function normalizePath(path: string, mergeSlashes: boolean): string | null {
  if (path.charCodeAt(0) !== SLASH) return path === "*" ? path : null;
  const length = path.length;
  let dots = false;
  for (let i = 0; i < length; i++) {
    const c = path.charCodeAt(i);
    if (c === PERCENT) {
      const decoded = decodeUnreserved(path, i);
      return decoded === null ? null : removeDots(decoded, mergeSlashes);
    }
    if (c === SLASH && i + 1 < length) {
      const next = path.charCodeAt(i + 1);
      if (next === DOT || (next === SLASH && mergeSlashes)) dots = true; // go on: an escape may follow
    }
  }
  return dots ? removeDots(path, mergeSlashes) : path;
}

/** A path that `normalizePath` refuses, as logs tell it: what leads above the root stays there. */
export function pathAtRoot(path: string, mergeSlashes: boolean): string {
  const decoded = path.charCodeAt(0) === SLASH ? decodeUnreserved(path, 0) : null;
  return decoded === null ? path : resolveDots(decoded, mergeSlashes).path;
}

function decodeUnreserved(path: string, from: number): string | null {
  let out = "";
  let copied = 0;
  for (let i = path.indexOf("%", from); i >= 0; i = path.indexOf("%", i)) {
    const byte = hexByte(path, i + 1);
    if (byte < 0) return null;
    if ((table[byte]! & UNRESERVED) !== 0) {
      out += path.slice(copied, i) + String.fromCharCode(byte);
      copied = i + 3;
    }
    i += 3;
  }
  return copied === 0 ? path : out + path.slice(copied);
}

/** Without dot segments and, with `mergeSlashes`, runs of slashes; null when `..` leads above the root. */
function removeDots(path: string, mergeSlashes: boolean): string | null {
  const { path: inside, above } = resolveDots(path, mergeSlashes);
  return above ? null : inside;
}

/**
 * A decoded path normalised anew: with `AllowEncodedSlashes On` a `%2F` may have made a dot segment of what was none.
 * A `..` above the root stays at the root, and escapes are left alone: they were decoded once.
 */
export function normalizeDecoded(path: string, mergeSlashes: boolean): string {
  return path.includes("/.") || path.includes("//") ? resolveDots(path, mergeSlashes).path : path;
}

function resolveDots(path: string, mergeSlashes: boolean): { path: string; above: boolean } {
  let above = false;
  const kept: string[] = []; // an empty one is what stands between two slashes
  let end = false; // the path ends in a slash
  const segments = path.split("/");
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const last = i === segments.length - 1;
    end = last;
    if (segment === "..") {
      if (kept.pop() === undefined) above = true;
    } else if (segment === "") {
      if (!last && !mergeSlashes) kept.push("");
    } else if (segment !== ".") {
      kept.push(segment);
      end = false;
    }
  }
  return { path: kept.length === 0 ? "/" : `/${kept.join("/")}${end ? "/" : ""}`, above };
}

/** A normalised path decoded; 400 for a bad escape, 404 for `%00` and, with `off`, `%2F`. Bad escapes go first. */
export function decodePath(path: string, encodedSlashes: EncodedSlashes): string | 400 | 404 {
  let i = path.indexOf("%");
  if (i < 0) return path;
  let out = "";
  let copied = 0;
  let hidden = false;
  for (; i >= 0; i = path.indexOf("%", i)) {
    const byte = hexByte(path, i + 1);
    if (byte < 0) return 400;
    if (byte === 0 || (byte === SLASH && encodedSlashes === "off")) hidden = true;
    if (byte !== SLASH || encodedSlashes !== "nodecode") {
      out += path.slice(copied, i) + String.fromCharCode(byte);
      copied = i + 3;
    }
    i += 3;
  }
  return hidden ? 404 : out + path.slice(copied);
}

/** For logs and pages: the path that decodePath hides behind 404. It ends at a `%00`. */
export function hiddenPath(path: string): string {
  const end = path.indexOf("%00");
  return decodePath(end < 0 ? path : path.slice(0, end), "on") as string;
}

/**
 * A decoded path encoded for the backend, upper-case hex. With `keepEncodedSlashes` (`AllowEncodedSlashes NoDecode`)
 * a `%2F` is copied untouched, and a `%` without two hex digits after it is a 400. A path that needs none of it is
 * returned as the same string.
 */
export function canonicalizePath(path: string, keepEncodedSlashes: boolean): string | 400 {
  const length = path.length;
  let i = 0;
  while (i < length && (table[path.charCodeAt(i)]! & KEPT) !== 0) i++;
  if (i === length) return path;
  let out = path.slice(0, i);
  for (; i < length; i++) {
    const c = path.charCodeAt(i) & 0xff;
    if ((table[c]! & KEPT) !== 0) {
      out += path[i];
    } else if (c === PERCENT && keepEncodedSlashes) {
      const byte = hexByte(path, i + 1);
      if (byte < 0) return 400;
      if (byte === SLASH) {
        out += path.slice(i, i + 3);
        i += 2;
      } else {
        out += "%25";
      }
    } else {
      out += ENCODED[c];
    }
  }
  return out;
}

/** A path encoded for a Location field, lower-case hex; "%" too. Source: httpd ap_escape_uri */
export function escapeUri(path: string): string {
  return path.replace(/[^\w$\-.+!*'(),:;@&=/~]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Whether a raw path or query holds what may not stand in a request line: a blank, a control byte, DEL. A 403. */
export function hasControlOrSpace(s: string): boolean {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c <= 0x20 || c === 0x7f) return true;
  }
  return false;
}

/**
 * A worker's or balancer's URL in its parts; user and password are dropped. `matchable`: the URL of a regex rule,
 * where `$1` may stand in the host, and in the port, which is then left in the host.
 */
export function parseUrl(url: string, matchable = false): ParsedUrl | { error: string; relative?: boolean } {
  const colon = url.indexOf("://");
  if (colon <= 0 || !/^[A-Za-z][A-Za-z0-9+.-]*$/.test(url.slice(0, colon)))
    return { error: "URL must be absolute", relative: true };
  const start = colon + 3;
  const end = authorityEnd(url, start);
  let authority = url.slice(start, end);
  authority = authority.slice(authority.lastIndexOf("@") + 1);
  if (hasControlOrSpace(authority)) return { error: "blank or control character in host" };

  let host = authority;
  let portText = "";
  if (authority.startsWith("[")) {
    const bracket = authority.indexOf("]");
    if (bracket < 0) return { error: "no ] after IPv6 address" };
    host = authority.slice(1, bracket);
    const rest = authority.slice(bracket + 1);
    if (rest !== "" && rest[0] !== ":") return { error: `unexpected "${rest}" after IPv6 address` };
    if (!/^[0-9A-Fa-f:.]+(%[^\]]*)?$/.test(host) || !host.includes(":")) return { error: `bad IPv6 address "${host}"` };
    portText = rest.slice(1);
  } else {
    const mark = authority.indexOf(":");
    if (mark >= 0) {
      host = authority.slice(0, mark);
      portText = authority.slice(mark + 1);
    }
  }
  if (host === "") return { error: "no host", relative: true };

  let port: number | null = null;
  if (portText !== "") {
    if (/^[0-9]{1,5}$/.test(portText) && Number(portText) <= 65535) {
      port = Number(portText);
    } else if (matchable && /\$[0-9]/.test(portText)) {
      host = authority;
    } else {
      return { error: `bad port "${portText}"` };
    }
  }
  return { scheme: url.slice(0, colon).toLowerCase(), host: host.toLowerCase(), port, path: url.slice(end) };
}

/** `[address]:port` or `name:port`; the port only when it is given and not the scheme's own. */
export function authorityOf(parsed: ParsedUrl): string {
  const host = isIpv6(parsed.host) ? `[${parsed.host}]` : parsed.host;
  return parsed.port === null || parsed.port === defaultPort(parsed.scheme) ? host : `${host}:${parsed.port}`;
}

/** `unix:PATH|URL` in its halves, a missing host made `localhost`; null when it is no such URL. */
export function splitUnixUrl(text: string): { socketPath: string; url: string } | { error: string } | null {
  if (text.slice(0, 5).toLowerCase() !== "unix:") return null;
  const bar = text.indexOf("|");
  if (bar < 0) return null;
  const socketPath = text.slice(5, bar);
  const url = text.slice(bar + 1);
  const colon = url.indexOf(":");
  if (colon <= 0) return { error: "no scheme after |" };
  const rest = url.slice(colon + 1);
  const scheme = url.slice(0, colon);
  if (rest === "" || rest === "//") return { socketPath, url: `${scheme}://localhost` };
  if (rest.startsWith("///")) return { socketPath, url: `${scheme}://localhost${rest.slice(2)}` };
  if (!rest.startsWith("//")) return { error: "no :// after |" };
  return { socketPath, url };
}

/** Index of the end of the authority that starts at `start`. */
export function authorityEnd(url: string, start: number): number {
  for (let i = start; i < url.length; i++) {
    const c = url.charCodeAt(i);
    if (c === SLASH || c === 0x3f || c === 0x23) return i;
  }
  return url.length;
}

// A host that a regex rule's `$1` port was left in has a colon too, but also a dollar sign.
function isIpv6(host: string): boolean {
  return host.includes(":") && !host.includes("$");
}

/** The byte that two hex digits at `i` stand for; -1 when they are not there. */
function hexByte(s: string, i: number): number {
  const high = hexDigit(s.charCodeAt(i));
  const low = hexDigit(s.charCodeAt(i + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20; // NaN, past the end, becomes a blank
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
