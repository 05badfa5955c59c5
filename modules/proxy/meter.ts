/**
 * What metrics count of a worker, beyond its slot: numbers in typed arrays. A worker has a meter only where some location
 * shows metrics; without one each place that counts costs a comparison.
 */
import type { Failure, FailureSource, FailureStage } from "./failure.ts";

export const STAGES: readonly FailureStage[] = [
  "acquire",
  "resolve",
  "connect",
  "tls",
  "send-head",
  "send-body",
  "read-head",
  "read-body",
  "tunnel",
];
export const SOURCES: readonly FailureSource[] = ["client", "backend", "proxy"];
/** Statuses by their first digit, 1 to 5; 0 is what is none of these. */
export const CLASSES = 6;
/** Upper bounds in seconds; above the last one is +Inf. */
export const BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** How long something took, by buckets. */
export class Histogram {
  /** Not cumulative; the last one is +Inf. */
  readonly buckets = new Float64Array(BOUNDS.length + 1);
  /** Seconds, in one element. */
  readonly sum = new Float64Array(1);

  add(ms: number): void {
    const seconds = ms > 0 ? ms / 1000 : 0;
    let i = 0;
    while (i < BOUNDS.length && seconds > BOUNDS[i]!) i++;
    this.buckets[i]! += 1;
    this.sum[0]! += seconds;
  }
}

export class WorkerMeter {
  /** Requests by class of the status that the client got. */
  readonly classes = new Float64Array(CLASSES);
  /** STAGES.length × SOURCES.length. */
  readonly failures = new Float64Array(STAGES.length * SOURCES.length);
  /** Attempts that were followed by another one, and requests that waited for a place in the pool. */
  readonly counts = new Float64Array(2);
  /** To a new connection. */
  readonly connect = new Histogram();
  /** From the election to the head of the answer. */
  readonly firstByte = new Histogram();
  /** From the request's head to the end of the answer. */
  readonly total = new Histogram();

  ended(status: number, ms: number): void {
    const first = Math.floor(status / 100);
    this.classes[first >= 1 && first < CLASSES ? first : 0]! += 1;
    this.total.add(ms);
  }

  failed({ stage, source }: Failure): void {
    this.failures[STAGES.indexOf(stage) * SOURCES.length + SOURCES.indexOf(source)]! += 1;
  }

  retried(): void {
    this.counts[0]! += 1;
  }

  waited(): void {
    this.counts[1]! += 1;
  }
}
