/**
 * Meters for all workers of a configuration, where something shows them.
 */
import type { ProcessRec, RequestRec } from "../core/records.ts";
import { OK, type Status } from "../core/status.ts";
import { attachStripes } from "../slotmem/stripes.ts";
import type { ProxyAttempt } from "./attempt.ts";
import type { ProxyBalancer } from "./balancer.ts";
import { postRequest } from "./hooks.ts";
import { METER_LENGTH, WorkerMeter } from "./meter.ts";
import { balancersByPlace, workersOf } from "./server_state.ts";

/** Whose workers have meters. */
const metered = new WeakSet<ProcessRec>();

/** check_config, after mod_proxy: something shows what is counted here. Again does no harm. @throws Error if there is no room */
export function meterWorkers(process: ProcessRec): void {
  if (metered.has(process)) return;
  metered.add(process);
  const workers = [...workersOf(process)].filter(({ key }) => key !== "");
  const balancers = [...balancersByPlace(process)];
  const spares = balancers.flatMap(([, { spareKeys }]) => spareKeys);
  const keys = [...workers.map(({ key }) => key), ...spares];
  const meters = attachStripes(process, "proxy_meter", METER_LENGTH, keys).map((stripes) => new WorkerMeter(stripes));
  for (const [i, worker] of workers.entries()) worker.meter = meters[i]!;
  let next = workers.length;
  for (const [, balancer] of balancers) {
    balancer.spareMeters = meters.slice(next, (next += balancer.spareKeys.length));
  }
  const places = balancers.map(([place]) => place);
  const unserved = attachStripes(process, "proxy_unserved", 1, places);
  for (const [i, [, balancer]] of balancers.entries()) balancer.unserved = unserved[i]!;
  process.hooks.registering("mod_proxy");
  process.hooks.hook(postRequest, count);
}

/** post_request. */
function count(r: RequestRec, { worker, balancer }: ProxyAttempt): Status {
  const { meter = null } = worker ?? {};
  if (meter !== null) meter.ended(r.status, (r.conn.process.clock.wallUs() - r.requestTimeUs) / 1000);
  else if (worker === null && balancer !== null && balancer.unserved !== null) balancer.unserved.own[0]! += 1;
  return OK;
}

/** Requests for which no member could be elected. */
export function unservedOf({ unserved }: ProxyBalancer): number {
  return unserved === null ? 0 : unserved.sums()[0]!;
}
