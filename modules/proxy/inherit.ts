/**
 * What a new configuration has of the old one: workers and balancers whose settings did not change stay the same records, with
 * their state, their pools and whoever is using them.
 */
import type { ProcessRec } from "../core/records.ts";
import type { ProxyBalancer } from "./balancer.ts";
import { tellChanges } from "./changes.ts";
import {
  balancersByPlace,
  getProxyServerState,
  type ProxyServerState,
  setProxyServerState,
  workersOf,
} from "./server_state.ts";
import type { ProxyWorker } from "./worker.ts";
import { ADMINISTRATIVE } from "./worker_state.ts";

/** New record → the one it is the same as. */
type Kept<T> = ReadonlyMap<T, T>;

/** post_config. */
export function inheritWorkers(process: ProcessRec, previous: ProcessRec | null): void {
  if (previous === null || previous.siblings !== process.siblings) return;
  const removed = tellChanges(process, previous);
  const workers = keptWorkers(process, previous);
  const olds = balancersByPlace(previous);
  const balancers = new Map<ProxyBalancer, ProxyBalancer>();
  const led = new Set<ProxyWorker>();
  for (const [place, balancer] of balancersByPlace(process)) {
    const old = olds.get(place);
    if (balancers.has(balancer) || old === balancer) continue;
    if (old !== undefined && isSame(balancer, old, workers)) {
      balancers.set(balancer, old);
      old.spareMeters = balancer.spareMeters;
      old.unserved = balancer.unserved;
      for (const member of old.members) {
        member.home = process;
        led.add(member);
      }
    } else {
      balancer.members.splice(0, balancer.members.length, ...balancer.members.map((m) => workers.get(m) ?? m));
      lead(balancer, old, led);
    }
  }
  for (const [worker, old] of workers) {
    old.home = process;
    if (old.pool !== null) old.pool.process = process;
    takeBack(old, worker);
  }
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    if (state !== undefined) setProxyServerState(server, replaced(state, workers, balancers));
  }
  drain(process, removed);
}

function keptWorkers(process: ProcessRec, previous: ProcessRec): Kept<ProxyWorker> {
  const known = new Map<string, ProxyWorker>();
  for (const worker of workersOf(previous)) known.set(worker.key, worker);
  const kept = new Map<ProxyWorker, ProxyWorker>();
  for (const worker of workersOf(process)) {
    const old = known.get(worker.key);
    if (old !== undefined) kept.set(worker, old);
  }
  return kept;
}

/** What an operator changed of a member is as the configuration says again, as in httpd. BalancerPersist puts it back. */
function takeBack(old: ProxyWorker, worker: ProxyWorker): void {
  old.params = worker.params;
  old.redirect = worker.redirect;
  old.meter = worker.meter;
  old.route = worker.route;
  if (old.check !== null && worker.check !== null) {
    old.check.context = worker.check.context;
    old.check.params = worker.check.params;
  } else old.check = worker.check;
  const { s } = old;
  const { lbset, lbfactor } = worker.configuredShare;
  if (s.lbset !== lbset || s.lbfactor !== lbfactor) {
    s.lbset = lbset;
    s.lbfactor = lbfactor;
    old.touch();
  }
  old.setStatus(worker.configuredStatus & ADMINISTRATIVE);
  old.clearStatus(ADMINISTRATIVE & ~worker.configuredStatus);
}

/** One to which an operator did something is not: it begins with what the configuration says. */
function isSame(balancer: ProxyBalancer, old: ProxyBalancer, workers: Kept<ProxyWorker>): boolean {
  return (
    balancer.configured === old.configured &&
    JSON.stringify(old.params) === old.configured &&
    old.members.length === balancer.members.length &&
    balancer.members.every((member, i) => workers.get(member) === old.members[i])
  );
}

/**
 * Changes count at the first member, which may be another one now. They do for the members of the old balancer, too:
 * elections of requests that are still at hand on it look there.
 * @param led who has its lead, of a balancer that came before
 */
function lead({ members }: ProxyBalancer, old: ProxyBalancer | undefined, led: Set<ProxyWorker>): void {
  const first = members[0];
  if (first === undefined) return;
  const leader = led.has(first) ? first.lead : first;
  for (const member of [...members, ...(old?.members ?? [])]) {
    if (led.has(member)) continue;
    member.lead = leader;
    led.add(member);
  }
  leader.touch();
}

function replaced(
  { place, workers, balancers, reverse }: ProxyServerState,
  kept: Kept<ProxyWorker>,
  same: Kept<ProxyBalancer>,
): ProxyServerState {
  return {
    place,
    workers: workers.map((worker) => kept.get(worker) ?? worker),
    balancers: new Map([...balancers].map(([name, balancer]) => [name, same.get(balancer) ?? balancer])),
    reverse: kept.get(reverse) ?? reverse,
  };
}

/** Requests and tunnels on what is gone have as long as those of a server that stops. */
function drain(process: ProcessRec, removed: readonly ProxyWorker[]): void {
  const { drainLimitMs } = process;
  if (drainLimitMs === 0 || removed.length === 0) return;
  process.clock.setTimer(() => {
    for (const worker of removed) {
      const cut = worker.pool?.cut() ?? 0;
      if (cut === 0) continue;
      process.log.warn(
        "proxy",
        "",
        `${worker.displayName}: ${cut} connections cut, GracefulShutdownTimeout has passed`,
      );
    }
  }, drainLimitMs);
}
