/**
 * What mod_proxy builds for a server: its workers and balancers, and the ways to find them.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_get_worker_ex, ap_proxy_get_balancer, ap_proxy_pre_request
 */
import type { ProcessRec, RequestRec, ServerRec } from "../core/records.ts";
import { OK, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "./attempt.ts";
import type { ProxyBalancer } from "./balancer.ts";
import { balancerName } from "./balancer.ts";
import { type Origin, originLength } from "./url.ts";
import { genericWorker, type ProxyWorker } from "./worker.ts";

export interface ProxyServerState {
  /** Names the server, the same in the next configuration. */
  readonly place: string;
  /** Outside of balancers, the inherited ones included. */
  readonly workers: readonly ProxyWorker[];
  /** By their `name`. */
  readonly balancers: ReadonlyMap<string, ProxyBalancer>;
  /** Serves URLs that no worker serves. */
  readonly reverse: ProxyWorker;
}

interface Indexed {
  readonly state: ProxyServerState;
  /** scheme://host[:port] → workers, the longest name first. */
  readonly byOrigin: ReadonlyMap<string, readonly ProxyWorker[]>;
  readonly patterns: readonly ProxyWorker[];
}

const states = new WeakMap<ServerRec, Indexed>();

/** Once for each server, in post_config. */
export function setProxyServerState(server: ServerRec, state: ProxyServerState): void {
  const byOrigin = new Map<string, ProxyWorker[]>();
  for (const worker of state.workers) {
    if (worker.isRegex) continue;
    const origin = worker.name.slice(0, originLength(worker.name));
    const list = byOrigin.get(origin);
    if (list === undefined) byOrigin.set(origin, [worker]);
    else list.push(worker);
  }
  for (const list of byOrigin.values()) list.sort((a, b) => b.name.length - a.name.length);
  states.set(server, { state, byOrigin, patterns: state.workers.filter((worker) => worker.isRegex) });
}

export function getProxyServerState(server: ServerRec): ProxyServerState | undefined {
  return states.get(server)?.state;
}

/** The balancer that a balancer:// URL names, whatever the case. */
export function findBalancer(server: ServerRec, url: string): ProxyBalancer | undefined {
  const balancers = states.get(server)?.state.balancers;
  if (balancers === undefined) return undefined;
  const end = url.indexOf("/", 11);
  return balancers.get(end < 0 ? url : url.slice(0, end)) ?? balancers.get(balancerName(url));
}

/**
 * The worker of a server for a URL: the longest name that is a prefix of it and covers scheme://host[:port] at least. A
 * name with $1 competes by its pattern, and its length as written counts.
 */
export function findWorker(server: ServerRec, url: string): ProxyWorker | undefined {
  const indexed = states.get(server);
  if (indexed === undefined) return undefined;
  const copy = lowerOrigin(url);
  let best: ProxyWorker | undefined;
  for (const worker of indexed.byOrigin.get(copy.slice(0, originLength(copy))) ?? []) {
    if (copy.startsWith(worker.name)) {
      best = worker;
      break;
    }
  }
  return indexed.patterns.length === 0 ? best : longest(indexed.patterns, copy, best);
}

/** `findWorker` where the only worker that can have a URL of an origin is the origin's, without a path. */
function workerOfOrigin(server: ServerRec, origin: Origin): ProxyWorker | undefined {
  const indexed = states.get(server);
  if (indexed === undefined || indexed.patterns.length > 0) return undefined;
  const list = indexed.byOrigin.get(origin.text);
  return list?.length === 1 && list[0]!.path === "" ? list[0] : undefined;
}

/** `findWorker` in a list that still grows: members of a balancer, or workers while the configuration is built. */
export function matchWorker(workers: readonly ProxyWorker[], url: string): ProxyWorker | undefined {
  return longest(workers, lowerOrigin(url), undefined);
}

/** Chooses the worker of an attempt whose URL is no balancer's. */
export function electWorker(r: RequestRec, attempt: ProxyAttempt): Status {
  const found = workerOfOrigin(r.server, attempt.origin) ?? findWorker(r.server, attempt.url);
  const log = r.log;
  attempt.worker = found ?? socketWorker(r) ?? states.get(r.server)?.state.reverse ?? null;
  if (attempt.worker === null) return 500;
  if (attempt.worker.meter !== null) attempt.electedAtMs = r.conn.process.clock.now();
  if (log.enabled("proxy", 10)) {
    log.trace(3, "proxy", `found ${found ? `worker ${found.name}` : "reverse worker"} for ${attempt.url}`);
  }
  return OK;
}

/** Note of a request: the path of the unix socket that its URL named. Source: httpd, the note uds_path */
export const SOCKET_PATH = "uds_path";

/** A worker for this request alone, if it goes to a socket that no worker of the configuration has. */
function socketWorker(r: RequestRec): ProxyWorker | undefined {
  const path = r.getNote(SOCKET_PATH);
  if (path === undefined) return undefined;
  const { runtimeDir } = r.server.process;
  return genericWorker(path.startsWith("/") ? path : `${runtimeDir.replace(/\/$/, "")}/${path}`);
}

function longest(
  workers: readonly ProxyWorker[],
  url: string,
  known: ProxyWorker | undefined,
): ProxyWorker | undefined {
  const least = originLength(url);
  let best = known;
  for (const worker of workers) {
    const length = worker.name.length;
    if (length > url.length || length < least || (best !== undefined && length <= best.name.length)) continue;
    if (worker.matcher === null ? url.startsWith(worker.name) : worker.matcher.test(url)) best = worker;
  }
  return best;
}

/** User and password keep their case. */
function lowerOrigin(url: string): string {
  const length = originLength(url);
  const at = url.lastIndexOf("@", length);
  if (at >= 0) {
    const user = url.indexOf("://") + 3;
    return (
      url.slice(0, user).toLowerCase() + url.slice(user, at) + url.slice(at, length).toLowerCase() + url.slice(length)
    );
  }
  for (let i = 0; i < length; i++) {
    const c = url.charCodeAt(i);
    if (c >= 65 && c <= 90) return url.slice(0, length).toLowerCase() + url.slice(length);
  }
  return url;
}

/** "place name" → the balancer. The place is that of the server. */
export function balancersByPlace(process: ProcessRec): Map<string, ProxyBalancer> {
  const found = new Map<string, ProxyBalancer>();
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    for (const [name, balancer] of state?.balancers ?? []) found.set(`${state!.place} ${name}`, balancer);
  }
  return found;
}

/** Each once. */
export function workersOf(process: ProcessRec): Set<ProxyWorker> {
  const found = new Set<ProxyWorker>();
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    if (state === undefined) continue;
    for (const { members } of state.balancers.values()) for (const member of members) found.add(member);
    for (const worker of state.workers) found.add(worker);
    found.add(state.reverse);
  }
  return found;
}
