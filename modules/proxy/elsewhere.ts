/**
 * What of a worker's state each child has for itself: its pool, the checks (one child makes them), why it was put in error. Before
 * a child shows state it asks the others.
 */
import type { ProcessRec, ServerRec } from "../core/records.ts";
import type { CheckFindings } from "./health_check.ts";
import { getProxyServerState } from "./server_state.ts";
import type { ProxyWorker } from "./worker.ts";

/** Connections to a worker, and requests that wait for one. */
export interface PoolFigures {
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
}

/** What one child says of one worker. */
interface Report extends PoolFigures {
  readonly name: string;
  /** Why it put the worker in error, and when. */
  readonly reason: string;
  readonly reasonMs: number;
  readonly check: CheckFindings | null;
}

const TOPIC = "proxy figures";

/** child_init: answers other children. */
export function tellElsewhere(process: ProcessRec, _main: ServerRec): void {
  process.siblings.answer(TOPIC, () => [...namedWorkers(process)].map(([name, worker]) => report(name, worker)));
}

/** Asks the other children, so that what is shown then is about all. Null: there is none. */
export function lookElsewhere(process: ProcessRec): Promise<void> | null {
  if (process.siblings.count === 1) return null;
  return process.siblings.ask(TOPIC, null).then((answers) => take(process, answers as readonly Report[][]));
}

/** In all children, as far as this one knows of the others. */
export function poolFigures({ pool, elsewhere }: ProxyWorker): PoolFigures {
  const inUse = pool?.inUse ?? 0;
  const idle = pool?.idleCount ?? 0;
  const waiting = pool?.waiting ?? 0;
  if (elsewhere === null) return { inUse, idle, waiting };
  return { inUse: inUse + elsewhere.inUse, idle: idle + elsewhere.idle, waiting: waiting + elsewhere.waiting };
}

function report(name: string, { pool, check, errorReason, errorReasonMs }: ProxyWorker): Report {
  return {
    name,
    inUse: pool?.inUse ?? 0,
    idle: pool?.idleCount ?? 0,
    waiting: pool?.waiting ?? 0,
    reason: errorReason,
    reasonMs: errorReasonMs,
    check: check === null || check.results.length === 0 ? null : findingsOf(check),
  };
}

function findingsOf({ passed, failed, failing, sinceMs, results }: CheckFindings): CheckFindings {
  return { passed, failed, failing, sinceMs, results: [...results] };
}

function take(process: ProcessRec, answers: readonly (readonly Report[])[]): void {
  const workers = namedWorkers(process);
  for (const worker of workers.values()) worker.elsewhere = null;
  for (const report of answers.flat()) {
    const worker = workers.get(report.name);
    if (worker === undefined) continue;
    const { inUse, idle, waiting } = worker.elsewhere ?? { inUse: 0, idle: 0, waiting: 0 };
    worker.elsewhere = {
      inUse: inUse + report.inUse,
      idle: idle + report.idle,
      waiting: waiting + report.waiting,
    };
    if (report.reasonMs > worker.errorReasonMs) {
      worker.errorReason = report.reason;
      worker.errorReasonMs = report.reasonMs;
    }
    const newest = report.check?.results.at(-1)?.atMs ?? 0;
    if (worker.check !== null && report.check !== null && newest > (worker.check.last?.atMs ?? 0)) {
      worker.check.take(report.check);
    }
  }
}

/** By a name that is the same in each child. */
function namedWorkers(process: ProcessRec): Map<string, ProxyWorker> {
  const named = new Map<string, ProxyWorker>();
  const seen = new Set<ProxyWorker>();
  const add = (name: string, worker: ProxyWorker): void => {
    if (!seen.has(worker)) named.set(`${name} ${worker.displayName}`, worker);
    seen.add(worker);
  };
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    if (state === undefined) continue;
    for (const { name, members } of state.balancers.values()) {
      for (const member of members) add(`${state.place} ${name}`, member);
    }
    for (const worker of state.workers) add(state.place, worker);
  }
  return named;
}
