/**
 * The shared slots of workers, and the keys by which the next configuration finds them again.
 */
import type { ProcessRec, ServerRec } from "../core/records.ts";
import { slotmem } from "../slotmem/slotmem.ts";
import type { ProxyBalancer } from "./balancer.ts";
import { workersOf } from "./server_state.ts";
import { type ProxyWorker, sharesStruct, workerStruct } from "./worker.ts";

/** Where workers were defined: a text for each, the same for one that another configuration defines there again. */
export type Origins = ReadonlyMap<ProxyWorker, string>;

/**
 * Gives every worker its slot and its key. A slot that another child has, or the generation before, is taken as it is.
 * @throws Error if there is no room
 */
export function shareSlots(process: ProcessRec, origins: Origins, balancers: readonly ProxyBalancer[]): void {
  const { siblings } = process;
  const names = new Map<string, number>();
  for (const [worker, origin] of origins) {
    const key = `${origin} ${worker.displayName} ${settingsOf(worker)}`;
    const count = names.get(key) ?? 0;
    names.set(key, count + 1);
    worker.key = count === 0 ? key : `${key} ${count}`;
    worker.home = process;
    worker.configuredShare = { lbset: worker.s.lbset, lbfactor: worker.s.lbfactor };
  }
  for (const balancer of balancers) balancer.configured = JSON.stringify(balancer.params);
  const provider = process.providers.lookup(slotmem, "shm");
  if (provider === undefined) return;
  const workers = [...origins.keys()];
  for (const [i, balancer] of balancers.entries()) {
    const whose = `growth ${i} ${balancer.name} ${balancer.configured}`;
    balancer.spareKeys = Array.from({ length: balancer.params.growth }, (_, spare) => `${whose} ${spare}`);
  }
  const spares = balancers.flatMap(({ spareKeys }) => spareKeys);
  const keys = [...workers.map((worker) => worker.key), ...spares];
  const slots = provider.attach(process, "proxy", workerStruct, keys);
  workers.forEach((worker, i) => {
    if (slots[i]!.fresh) worker.moveTo(slots[i]!.slot);
    else worker.s = slots[i]!.slot;
  });
  let next = workers.length;
  for (const balancer of balancers) {
    balancer.spareSlots = slots.slice(next, next + balancer.params.growth).map(({ slot }) => slot);
    next += balancer.params.growth;
  }
  if (siblings.count === 1) return;
  const shares = provider.attach(process, "proxy_busy", sharesStruct, keys);
  workers.forEach((worker, i) => {
    worker.shares = shares[i]!.slot;
    worker.child = Math.max(0, siblings.index);
  });
  next = workers.length;
  for (const balancer of balancers) {
    balancer.child = Math.max(0, siblings.index);
    balancer.spareShares = shares.slice(next, next + balancer.params.growth).map(({ slot }) => slot);
    next += balancer.params.growth;
  }
}

/** What the configuration says of a worker, as text: two are the same if it is. Before anything else changes it. */
function settingsOf({ params, s, route, redirect, configuredStatus, check }: ProxyWorker): string {
  const { lbset, lbfactor } = s;
  return JSON.stringify([params, lbset, lbfactor, route, redirect, configuredStatus, check?.params]);
}

/** child_died: what it had at hand is at nobody's hand now. */
export function forgetChild(process: ProcessRec, child: number): void {
  let lost = 0;
  for (const worker of workersOf(process)) lost += worker.forgetChild(child);
  if (lost > 0) process.log.warn("proxy", "", `${lost} requests ended with child ${child}`);
}

/** "main", or what names a virtual host: its addresses and its name. In check_config: later names are filled in. */
export function serverKey(server: ServerRec): string {
  if (!server.isVirtual) return "main";
  return `${server.addrs.map(({ name, port }) => `${name}:${port}`).join(" ")} ${server.hostname}`;
}
