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
const MAX_STEPS = 2000;
/** Sections that matched, one after the other: what they make together is at the end of the way. */
interface Step {
  readonly hits: readonly SectionRec[];
  readonly next: Map<SectionRec, Step>;
  vector: ConfigVector | null;
  /** null: the server's. */
  log: ErrorLog | null;
}
const ways = new WeakMap<ServerRec, Step>();
/** What <Proxy> sections had a part in. */
const ofProxySections = new WeakSet<ConfigVector>();
/** Steps made for a server. */
const stepCounts = new WeakMap<ServerRec, number>();

/**
 * Sets `perDirConfig` from the <Proxy> sections that match a URL (null: not proxied), then the <Location> ones, then
 * <If>: those of the server, then those within the sections that match.
 * @param origin scheme://host[:port] of the URL
 */
export function sectionWalk(r: RequestRec, origin: string | null, path = ""): void {
  const { server } = r;
  if (server.locations.length === 0 && (origin === null || server.proxies.length === 0) && !server.conditional) {
    r.perDirConfig = server.config;
    return;
  }
  const at = findSections(r, origin, path);
  if (at.hits.length === 0) {
    r.perDirConfig = server.config;
    r.log = server.log;
  } else {
    r.perDirConfig = merged(server, at);
    r.log = at.log ?? server.log;
  }
}

/**
 * Whether the same sections apply to two requests of which one led to the other: then who may have the one may have the other. In
 * httpd those of a <Proxy> are merged anew for each request, and are never the same.
 */
export function sectionsEqual(one: ConfigVector, other: ConfigVector): boolean {
  return one === other && !ofProxySections.has(one);
}

/** The sections that match, in the order in which they are merged. @param url null: not proxied */
export function matchingSections(r: RequestRec, url: string | null): readonly SectionRec[] {
  const { perDirConfig } = r;
  const { hits } = findSections(r, url, "");
  r.perDirConfig = perDirConfig;
  return hits;
}

/**
 * Whether a `%2F` goes to the backend as it came. A <Location> or <If> that holds for the request resets AllowEncodedSlashes NoDecode,
 * as in httpd, where every section has a value of its own: the backend gets `%252F`, unless `nocanon` says otherwise.
 */
export function keepsEncodedSlashes(r: RequestRec): boolean {
  const { server } = r;
  if (getModuleConfig(server.config, core).encodedSlashes !== "nodecode") return false;
  return r.perDirConfig === server.config || matchingSections(r, null).length === 0;
}

/** The sections that match. Changes `perDirConfig`. */
function findSections(r: RequestRec, origin: string | null, path: string): Step {
  const { server } = r;
  const start = startOf(server);
  let at = start;
  if (origin !== null) {
    for (let i = 0; i < server.proxies.length; i++) {
      const section = server.proxies[i]!;
      if (proxyMatches(section, origin, path, r)) at = stepTo(server, at, section);
    }
  }
  const uri = r.uri.includes("//") ? r.uri.replace(/\/{2,}/g, "/") : r.uri;
  for (let i = 0; i < server.locations.length; i++) {
    const section = server.locations[i]!;
    if (locationMatches(section, uri, r)) at = stepTo(server, at, section);
  }
  if (server.conditional) {
    // A condition sees the configuration without any <If>, as where it asks for SERVER_NAME.
    r.perDirConfig = at === start ? server.config : merged(server, at);
    for (const section of ifWalk(r, at.hits)) at = stepTo(server, at, section);
  }
  return at;
}

function startOf(server: ServerRec): Step {
  let start = ways.get(server);
  if (start === undefined) {
    start = { hits: [], next: new Map(), vector: null, log: null };
    ways.set(server, start);
  }
  return start;
}

function stepTo(server: ServerRec, from: Step, section: SectionRec): Step {
  const known = from.next.get(section);
  if (known !== undefined) return known;
  const step: Step = { hits: [...from.hits, section], next: new Map(), vector: null, log: null };
  const count = stepCounts.get(server) ?? 0;
  if (count < MAX_STEPS) {
    stepCounts.set(server, count + 1);
    from.next.set(section, step);
  }
  return step;
}

/**
 * The <If> sections that hold: those of the server, then those in the sections that match, then those in all of these, level
 * by level.
 */
function ifWalk(r: RequestRec, hits: readonly SectionRec[]): SectionRec[] {
  const holding: SectionRec[] = [];
  let level = [...r.server.ifs];
  for (const section of hits) level.push(...section.ifs);
  while (level.length > 0) {
    const next: SectionRec[] = [];
    let held = false;
    for (const section of level) {
      if (section.isElse && held) continue;
      held = section.condition === null || holds(r, section);
      if (!held) continue;
      holding.push(section);
      next.push(...section.ifs);
    }
    level = next;
  }
  return holding;
}

function holds(r: RequestRec, section: SectionRec): boolean {
  try {
    return section.condition!.evaluate(requestSubject(r));
  } catch (error) {
    r.log.error("core", "AH00039", `Failed to evaluate <If > condition: ${(error as Error).message}`, r);
    return false;
  }
}

function merged(server: ServerRec, step: Step): ConfigVector {
  if (step.vector !== null) return step.vector;
  const main = server.process.servers[0]!;
  const scopes = server === main ? [server.raw] : [main.raw, server.raw];
  const vector = mergeOnto(
    server.config,
    server.process.modules,
    scopes,
    step.hits.map((section) => section.raw),
  );
  step.vector = vector;
  if (step.hits.some((section) => section.kind === "proxy")) ofProxySections.add(vector);
  const { logLevels } = getModuleConfig(vector, core);
  if (logLevels.length > getModuleConfig(server.config, core).logLevels.length) {
    step.log = server.log.at(logLevelsOf(logLevels, server.process.startRank));
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

function proxyMatches(section: SectionRec, origin: string, path: string, r: RequestRec): boolean {
  const { arg } = section;
  if (section.pattern !== null) return patternMatches(section, origin + path, r);
  return arg.length <= origin.length ? origin.startsWith(arg) : (origin + path).startsWith(arg);
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
