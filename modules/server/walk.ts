/**
 * Sections → per-directory configuration. A set of sections that match together is merged once and kept.
 * Source: httpd server/request.c, ap_location_walk; modules/proxy/mod_proxy.c, proxy_walk
 */
import { mergeOnto } from "../config/merge.ts";
import { matchGroups, namedGroups } from "../config/regex.ts";
import type { ConfigVector } from "../core/module.ts";
import type { RequestRec, SectionRec, ServerRec } from "../core/records.ts";

const caches = new WeakMap<ServerRec, Map<string, ConfigVector>>();

/** Sets `perDirConfig` from the <Proxy> sections that match `url` (null: not proxied), then the <Location> ones. */
export function sectionWalk(r: RequestRec, url: string | null): void {
  const { server } = r;
  if (server.locations.length === 0 && (url === null || server.proxies.length === 0)) {
    r.perDirConfig = server.config;
    return;
  }
  const hits: SectionRec[] = [];
  let key = "";
  if (url !== null) {
    for (let i = 0; i < server.proxies.length; i++) {
      if (!proxyMatches(server.proxies[i]!, url, r)) continue;
      hits.push(server.proxies[i]!);
      key += `p${i}`;
    }
  }
  for (let i = 0; i < server.locations.length; i++) {
    if (!locationMatches(server.locations[i]!, r)) continue;
    hits.push(server.locations[i]!);
    key += `l${i}`;
  }
  r.perDirConfig = hits.length === 0 ? server.config : merged(server, key, hits);
}

function merged(server: ServerRec, key: string, hits: readonly SectionRec[]): ConfigVector {
  let cache = caches.get(server);
  if (cache === undefined) {
    cache = new Map();
    caches.set(server, cache);
  }
  const known = cache.get(key);
  if (known !== undefined) return known;
  const main = server.process.servers[0]!;
  const scopes = server === main ? [server.raw] : [main.raw, server.raw];
  const vector = mergeOnto(
    server.config,
    server.process.modules,
    scopes,
    hits.map((section) => section.raw),
  );
  cache.set(key, vector);
  return vector;
}

/** A plain path matches itself and what lies below it; "/a/" does not match "/a". */
function locationMatches(section: SectionRec, r: RequestRec): boolean {
  if (section.pattern !== null) return patternMatches(section, r.uri, r);
  const { arg } = section;
  const uri = r.uri;
  if (!uri.startsWith(arg)) return false;
  return uri.length === arg.length || arg.endsWith("/") || uri.charCodeAt(arg.length) === 0x2f;
}

function proxyMatches(section: SectionRec, url: string, r: RequestRec): boolean {
  return section.pattern === null ? url.startsWith(section.arg) : patternMatches(section, url, r);
}

/** Named groups become MATCH_NAME in the environment. */
function patternMatches(section: SectionRec, text: string, r: RequestRec): boolean {
  const pattern = section.pattern!;
  if (!section.isRegex) return pattern.test(text);
  const groups = matchGroups(pattern, text);
  if (groups === null) return false;
  for (const { name, number } of namedGroups(pattern)) {
    const value = groups[number];
    if (value) r.setEnv(`MATCH_${name.toUpperCase()}`, value);
  }
  return true;
}
