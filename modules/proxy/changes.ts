/**
 * What a new configuration changes of workers and balancers, for the log: with the requests that each change touches.
 */
import type { ProcessRec } from "../core/records.ts";
import type { ProxyBalancer } from "./balancer.ts";
import { balancersByPlace, getProxyServerState, workersOf } from "./server_state.ts";
import type { ProxyWorker } from "./worker.ts";

/** Logs the changes, in one child. Answers the workers of `previous` that are gone, or are others now. */
export function tellChanges(process: ProcessRec, previous: ProcessRec): ProxyWorker[] {
  const keys = new Set([...workersOf(process)].map(({ key }) => key));
  const removed = [...workersOf(previous)].filter(({ key }) => key !== "" && !keys.has(key));
  if (process.siblings.index > 0) return removed;
  const say = (text: string) => process.log.notice("proxy", "", text);
  const befores = groupsOf(previous);
  const nows = groupsOf(process);
  for (const name of new Set([...befores.keys(), ...nows.keys()])) {
    const before = befores.get(name);
    const now = nows.get(name);
    if (before === undefined) say(`${name} added, ${count(now!.workers.length, "member")}`);
    else if (now === undefined) say(`${name} removed, ${atHand(before.workers)}`);
    else tellGroup(name, before, now, say);
  }
  return removed;
}

/** A balancer with its members, or the workers of a server that are in none. */
interface Group {
  readonly workers: readonly ProxyWorker[];
  readonly balancer: ProxyBalancer | null;
}

function groupsOf(process: ProcessRec): Map<string, Group> {
  const groups = new Map<string, Group>();
  const told = new Set<ProxyBalancer>();
  for (const [place, balancer] of balancersByPlace(process)) {
    if (told.has(balancer)) continue;
    told.add(balancer);
    groups.set(place.replace(/^main /, ""), { workers: balancer.members, balancer });
  }
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    if (state !== undefined) groups.set(`workers of ${state.place}`, { workers: state.workers, balancer: null });
  }
  return groups;
}

function tellGroup(name: string, before: Group, now: Group, say: (text: string) => void): void {
  const olds = new Map(before.workers.map((worker) => [worker.displayName, worker]));
  for (const worker of now.workers) {
    const old = olds.get(worker.displayName);
    olds.delete(worker.displayName);
    if (old === undefined) say(`${name}: ${worker.displayName} added`);
    else if (old.key !== worker.key && old.key !== "") {
      say(`${name}: ${worker.displayName} changed, begins afresh; ${atHand([old])}`);
    }
  }
  for (const old of olds.values()) {
    if (old.key !== "") say(`${name}: ${old.displayName} removed, ${atHand([old])}`);
  }
  if (before.balancer !== null && before.balancer.configured !== now.balancer!.configured) {
    say(`${name}: settings of the balancer changed, its members go on; ${atHand(before.workers)}`);
  }
}

/** In all children. */
function atHand(workers: readonly ProxyWorker[]): string {
  return `${count(
    workers.reduce((sum, { s }) => sum + s.busy, 0),
    "request",
  )} at hand`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
