/**
 * ProxyPassReverse and its cookie maps: a backend's own addresses in response headers become ours.
 * Source: httpd modules/proxy/proxy_util.c (ap_proxy_location_reverse_map, ap_proxy_cookie_reverse_map)
 */

export interface ReverseEntry {
  /** What is put in: a path of ours, or a full URL. */
  path: string;
  /** What is taken out: a URL, a path, or `balancer://name[/sub]`. Interpolated already where that was asked for. */
  url: string;
}

export interface ReverseContext {
  /** Members, named by their URLs, of the balancer of this lower-case name; undefined: no such balancer. */
  balancer(name: string): readonly { readonly name: string }[] | undefined;
  /** `scheme://host[:port]` of the request, by UseCanonicalName; called only when a URL has to be made absolute. */
  baseUrl(): string;
}

/** One pair of ProxyPassReverseCookiePath or ProxyPassReverseCookieDomain. */
export interface CookieEntry {
  internal: string;
  public: string;
}

const BALANCER = "balancer://";

/** The value as the client is to see it: the first entry that fits, else the value itself. */
export function reverseMap(value: string, entries: readonly ReverseEntry[], ctx: ReverseContext): string {
  for (const entry of entries) {
    const mapped = mapByEntry(value, entry, ctx);
    if (mapped !== null) return isUrl(mapped) ? mapped : ctx.baseUrl() + mapped;
  }
  return value;
}

function mapByEntry(value: string, { path, url }: ReverseEntry, ctx: ReverseContext): string | null {
  if (startsWithNoCase(url, BALANCER)) {
    const slash = url.indexOf("/", BALANCER.length);
    const members = ctx.balancer(url.slice(BALANCER.length, slash < 0 ? url.length : slash).toLowerCase());
    // Any member, not the one that answered
    if (members !== undefined) return mapByMembers(value, path, slash < 0 ? "" : url.slice(slash), members);
  }
  if (url === "") return null;
  const part = url[0] === "/" ? pathPart(value) : value;
  return startsWithNoCase(part, url) ? path + part.slice(url.length) : null;
}

function mapByMembers(
  value: string,
  path: string,
  sub: string,
  members: readonly { readonly name: string }[],
): string | null {
  const whole = sub === "" || sub === "/";
  for (const { name } of members) {
    if (whole) {
      if (!startsWithNoCase(value, name)) continue;
      const rest = value.slice(name.length);
      return path === "/" && rest[0] === "/" ? rest : path + rest;
    }
    const base = name.endsWith("/") ? name.slice(0, -1) : name;
    if (startsWithNoCase(value, base) && value.startsWith(sub, base.length)) {
      return path + value.slice(base.length + sub.length);
    }
  }
  return null;
}

function pathPart(value: string): string {
  const scheme = value.indexOf("://");
  const slash = scheme < 0 ? -1 : value.indexOf("/", scheme + 3);
  return slash < 0 ? value : value.slice(slash);
}

/**
 * A Set-Cookie value with its `path=` and `domain=` mapped, the last of each: that is the one that counts. The first entry whose
 * internal text is a prefix replaces the whole attribute value, what follows the prefix included; all else stays byte for byte.
 */
export function mapCookie(value: string, paths: readonly CookieEntry[], domains: readonly CookieEntry[]): string {
  if (paths.length === 0 && domains.length === 0) return value;
  const parts = value.split(";");
  let pathSeen = false;
  let domainSeen = false;
  for (let i = parts.length - 1; i > 0; i--) {
    // 0 is the cookie itself, whatever its name
    const part = parts[i]!;
    const match = /^([\t-\r ]*(path|domain)=)(.*)$/is.exec(part);
    if (match === null) continue;
    const isPath = match[2]!.toLowerCase() === "path";
    if (isPath ? pathSeen : domainSeen) continue;
    if (isPath) pathSeen = true;
    else domainSeen = true;
    const current = match[3]!;
    const entry = isPath
      ? paths.find((candidate) => current.startsWith(candidate.internal))
      : domains.find((candidate) => startsWithNoCase(current, candidate.internal));
    if (entry !== undefined) parts[i] = match[1]! + entry.public;
  }
  return parts.join(";");
}

function startsWithNoCase(text: string, prefix: string): boolean {
  return text.length >= prefix.length && text.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase();
}

function isUrl(text: string): boolean {
  return /^[A-Za-z0-9+.-]+:/.test(text);
}
