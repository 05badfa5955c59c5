/**
 * What a running server holds, for tests that ask whether it gives everything back: a plug-in with `SetHandler gauge`.
 *
 *     LoadModule gauge_module "DIR-OF-THIS/gauge.ts"
 *     <Location "/gauge">
 *       SetHandler gauge
 *     </Location>
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  childInit,
  connectionCount,
  DECLINED,
  DONE,
  defineModule,
  getProxyServerState,
  handler,
  latin1Bytes,
  type ProcessRec,
  type ProxyWorker,
  type RequestRec,
  type Status,
  z,
} from "../../modules/mod.ts";
import { fetchOnce } from "./client.ts";

const TOPIC = "gauge";

/** Of all children. */
export interface Gauge {
  /** Of clients, the one that asks included. */
  readonly connections: number;
  /** Requests that the counters of members say are under way. */
  readonly busy: number;
  /** Places of pools in use, connections that wait in them, requests that wait for a place. */
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly generation: number;
  readonly rssMb: number;
  readonly heapMb: number;
  /** Open descriptors; 0 where there is no /proc. */
  readonly fds: number;
}

/** The lines of a configuration that let `readGauge` read. */
export const GAUGE_CONF = `
  LoadModule gauge_module "${fileURLToPath(import.meta.url)}"
  <Location "/gauge">
    SetHandler gauge
  </Location>
  ProxyPass "/gauge" "!"
`;

/** @param gc garbage is collected before */
export async function readGauge(port: number, gc = false): Promise<Gauge> {
  const response = await fetchOnce(port, gc ? "/gauge?gc" : "/gauge");
  if (response.status !== 200) throw new Error(`the gauge says ${response.status}`);
  return JSON.parse(response.text) as Gauge;
}

/** Reads until nothing is under way, or for so long; answers the last reading. Idle clients are not waited for. */
export async function readGaugeAtRest(port: number, ms = 10_000): Promise<Gauge> {
  const deadline = Date.now() + ms;
  for (;;) {
    const gauge = await readGauge(port);
    if ((gauge.connections === 1 && gauge.busy + gauge.inUse + gauge.waiting === 0) || Date.now() > deadline) {
      return gauge;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export default defineModule({
  name: "gauge_module",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.hook(childInit, (process, _main) => process.siblings.answer(TOPIC, (gc) => measure(process, gc === true)));
    hooks.hook(handler, answer);
  },
});

function answer(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "gauge") return DECLINED;
  const gc = r.args === "gc";
  const own = measure(r.server.process, gc);
  return r.server.process.siblings.ask(TOPIC, gc).then((others) => send(r, whole(own, others as readonly Gauge[])));
}

/** Counters of members, memory and descriptors are the program's anyway. */
function whole(own: Gauge, others: readonly Gauge[]): Gauge {
  const sum = (key: keyof Gauge): number => others.reduce((n, other) => n + other[key], own[key]);
  return {
    ...own,
    connections: sum("connections"),
    inUse: sum("inUse"),
    idle: sum("idle"),
    waiting: sum("waiting"),
    heapMb: Math.round(10 * sum("heapMb")) / 10,
  };
}

function send(r: RequestRec, gauge: Gauge): Status {
  const bytes = latin1Bytes(JSON.stringify(gauge));
  r.out.begin(bytes.length);
  r.out.write(bytes, 0, bytes.length);
  r.out.end();
  return DONE;
}

function measure(generation: ProcessRec, gc: boolean): Gauge {
  const workers = new Set<ProxyWorker>();
  for (const server of generation.servers) {
    const state = getProxyServerState(server);
    if (state === undefined) continue;
    for (const worker of [...state.workers, state.reverse]) workers.add(worker);
    for (const balancer of state.balancers.values()) for (const member of balancer.members) workers.add(member);
  }
  const sum = (of: (worker: ProxyWorker) => number): number => [...workers].reduce((n, worker) => n + of(worker), 0);
  if (gc) collect();
  const memory = process.memoryUsage();
  return {
    connections: connectionCount(),
    busy: sum((worker) => worker.s.busy),
    inUse: sum((worker) => worker.pool?.inUse ?? 0),
    idle: sum((worker) => worker.pool?.idleCount ?? 0),
    waiting: sum((worker) => worker.pool?.waiting ?? 0),
    generation: generation.generation,
    rssMb: Math.round(memory.rss / 1e5) / 10,
    heapMb: Math.round(memory.heapUsed / 1e5) / 10,
    fds: openDescriptors(),
  };
}

/** On Deno with DENO_V8_FLAGS=--expose-gc only. */
function collect(): void {
  const { Bun, gc } = globalThis as { Bun?: { gc(now: boolean): void }; gc?: () => void };
  Bun?.gc(true);
  gc?.();
}

function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
