/**
 * Sections → per-directory configuration. A set of sections that match together is merged once and kept.
 * Source: httpd server/request.c, ap_location_walk, ap_if_walk; modules/proxy/mod_proxy.c, proxy_walk
 */
import { mergeOnto } from "../config/merge.ts";
import { matchGroups, namedGroups } from "../config/regex.ts";
import type { ErrorLog } from "../core/error_log.ts";
import { type ConfigVector, getModuleConfig } from "../core/module.ts";
import type { RequestRec, SectionRec, ServerRec } from "../core/records.ts";
import { requestSubject } from "./expr_subject.ts";
import core, { logLevelsOf } from "./mod_core.ts";

/** Kept for a server: conditions combine in more ways than anybody writes, and a request has a say in them. */
const MAX_VECTORS = 1000;
/** Of sections with a LogLevel. */
const logs = new WeakMap<ConfigVector, ErrorLog>();
const caches = new WeakMap<ServerRec, Map<string, ConfigVector>>();

/**
 * Sets `perDirConfig` from the <Proxy> sections that match `url` (null: not proxied), then the <Location> ones, then
 * <If>: those of the server, then those within the sections that match.
 */
export function sectionWalk(r: RequestRec, url: string | null): void {
  const { server } = r;
  if (server.locations.length === 0 && (url === null || server.proxies.length === 0) && !server.conditional) {
    r.perDirConfig = server.config;
    return;
  }
  const hits: SectionRec[] = [];
  const key = findSections(r, url, hits);
  if (hits.length === 0) {
    r.perDirConfig = server.config;
    r.log = server.log;
  } else {
    r.perDirConfig = merged(server, key, hits);
    r.log = logs.get(r.perDirConfig) ?? server.log;
  }
}

/** The sections that match, in the order in which they are merged. @param url null: not proxied */
export function matchingSections(r: RequestRec, url: string | null): readonly SectionRec[] {
  const hits: SectionRec[] = [];
  const { perDirConfig } = r;
  findSections(r, url, hits);
  r.perDirConfig = perDirConfig;
  return hits;
}

/** Appends the sections that match to `hits`; answers what names this set of them. Changes `perDirConfig`. */
function findSections(r: RequestRec, url: string | null, hits: SectionRec[]): string {
  const { server } = r;
  let key = "";
  if (url !== null) {
    for (let i = 0; i < server.proxies.length; i++) {
      if (!proxyMatches(server.proxies[i]!, url, r)) continue;
      hits.push(server.proxies[i]!);
      key += `,${server.proxies[i]!.id}`;
    }
  }
  const path = r.uri.includes("//") ? r.uri.replace(/\/{2,}/g, "/") : r.uri;
  for (let i = 0; i < server.locations.length; i++) {
    if (!locationMatches(server.locations[i]!, path, r)) continue;
    hits.push(server.locations[i]!);
    key += `,${server.locations[i]!.id}`;
  }
  if (server.conditional) {
    // A condition sees the configuration without any <If>, as where it asks for SERVER_NAME.
    r.perDirConfig = hits.length === 0 ? server.config : merged(server, key, hits);
    key += ifWalk(r, hits);
  }
  return key;
}

/**
 * Appends the <If> sections that hold to `hits`: those of the server, then those in the sections that match, then those in
 * all of these, level by level. Answers their part of the key.
 */
function ifWalk(r: RequestRec, hits: SectionRec[]): string {
  let key = "";
  let level = [...r.server.ifs];
  for (const section of hits) level.push(...section.ifs);
  while (level.length > 0) {
    const next: SectionRec[] = [];
    let held = false;
    for (const section of level) {
      if (section.isElse && held) continue;
      held = section.condition === null || holds(r, section);
      if (!held) continue;
      hits.push(section);
      next.push(...section.ifs);
      key += `,${section.id}`;
    }
    level = next;
  }
  return key;
}

function holds(r: RequestRec, section: SectionRec): boolean {
  try {
    return section.condition!.evaluate(requestSubject(r));
  } catch (error) {
    r.log.error("core", "AH00039", `Failed to evaluate <If > condition: ${(error as Error).message}`, r);
    return false;
  }
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
  if (cache.size < MAX_VECTORS) cache.set(key, vector);
  const { logLevels } = getModuleConfig(vector, core);
  if (logLevels.length > getModuleConfig(server.config, core).logLevels.length) {
    logs.set(vector, server.log.at(logLevelsOf(logLevels, server.process.startRank)));
  }
  return vector;
}

/**
 * A plain path matches itself and what lies below it; "/a/" does not match "/a". Runs of slashes count as one, with
 * MergeSlashes Off too; only an expression sees them.
 */
function locationMatches(section: SectionRec, path: string, r: RequestRec): boolean {
  if (section.pattern !== null) return patternMatches(section, section.isRegex ? r.uri : path, r);
  const { arg } = section;
  if (!path.startsWith(arg)) return false;
  return path.length === arg.length || arg.endsWith("/") || path.charCodeAt(arg.length) === 0x2f;
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
