/**
 * The state of a worker as three things: what the file says, what an operator changed, what traffic and checks found. Each
 * has status bits of its own, so none overwrites another; this takes them apart for the manager and for logs.
 */
import {
  DISABLED,
  DRAIN,
  HC_FAIL,
  HC_IGNORED,
  HOT_SPARE,
  HOT_STANDBY,
  IGNORE_ERRORS,
  IN_ERROR,
  type ProxyWorker,
  STOPPED,
} from "./worker.ts";

/** Bits that the configuration sets and an operator changes; traffic and checks never do. */
export const ADMINISTRATIVE = IGNORE_ERRORS | DRAIN | DISABLED | STOPPED | HOT_STANDBY | HOT_SPARE;

/** Something that was found, since when, and how long it holds by itself. Times are wall-clock milliseconds. */
export interface Finding {
  readonly sinceMs: number;
  /** null: until something else ends it (a passing check, an operator). */
  readonly untilMs: number | null;
  readonly reason: string;
}

export interface WorkerState {
  /** Of ADMINISTRATIVE, what the file sets. */
  readonly configured: number;
  /** Of ADMINISTRATIVE, what was set or cleared since. */
  readonly administrative: { readonly on: number; readonly off: number };
  readonly observed: {
    /** Traffic failed: left alone until `retry` has passed. */
    readonly error: Finding | null;
    /** The checks failed. */
    readonly check: Finding | null;
    /** All checks of the balancer fail, and `panic=on`: `check` is not heeded. */
    readonly panic: boolean;
  };
}

export function workerState(worker: ProxyWorker): WorkerState {
  const status = worker.s.status;
  const configured = worker.configuredStatus & ADMINISTRATIVE;
  const now = status & ADMINISTRATIVE;
  return {
    configured,
    administrative: { on: now & ~configured, off: configured & ~now },
    observed: {
      error: (status & IN_ERROR) === 0 ? null : errorFinding(worker),
      check: (status & HC_FAIL) === 0 ? null : checkFinding(worker),
      panic: (status & HC_IGNORED) !== 0,
    },
  };
}

function errorFinding(worker: ProxyWorker): Finding {
  const sinceMs = worker.s.errorTimeMs;
  // The retry timer does not lift a stopped member's.
  return { sinceMs, untilMs: worker.has(STOPPED) ? null : sinceMs + worker.params.retryMs, reason: worker.errorReason };
}

function checkFinding({ check }: ProxyWorker): Finding {
  if (check === null || !check.failing) return { sinceMs: 0, untilMs: null, reason: "set by status=+C or an operator" };
  const failed = check.results.findLast((result) => !result.passed);
  return { sinceMs: check.sinceMs, untilMs: null, reason: failed?.reason ?? "" };
}
