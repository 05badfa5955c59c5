/**
 * What metrics count of a worker, beyond its slot. A worker has a meter only where some location shows metrics; without one
 * each place that counts costs a comparison.
 */
import { Stripes } from "../slotmem/stripes.ts";
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

// Where what is counted. A histogram is its buckets and a sum.
const FAILURES = CLASSES;
const RETRIED = FAILURES + STAGES.length * SOURCES.length;
const WAITED = RETRIED + 1;
const HISTOGRAM = BOUNDS.length + 2;
const CONNECT = WAITED + 1;
const FIRST_BYTE = CONNECT + HISTOGRAM;
const TOTAL = FIRST_BYTE + HISTOGRAM;
/** Numbers of a meter. */
export const METER_LENGTH = TOTAL + HISTOGRAM;

/** How long something took, by buckets. */
export interface Histogram {
  /** Not cumulative; the last one is +Inf. */
  readonly buckets: Float64Array;
  /** Seconds. */
  readonly sum: number;
}

/** What all children have counted of a worker. */
export interface MeterReading {
  /** Requests by class of the status that the client got. */
  readonly classes: Float64Array;
  /** STAGES.length × SOURCES.length. */
  readonly failures: Float64Array;
  /** Attempts that were followed by another one. */
  readonly retried: number;
  /** Requests that waited for a place in the pool. */
  readonly waited: number;
  /** To a new connection. */
  readonly connect: Histogram;
  /** From the election to the head of the answer. */
  readonly firstByte: Histogram;
  /** From the request's head to the end of the answer. */
  readonly total: Histogram;
}

export class WorkerMeter {
  private readonly stripes: Stripes;
  private readonly own: Float64Array;

  /** @default counters that nobody else sees */
  constructor(stripes = new Stripes(new Float64Array(METER_LENGTH), METER_LENGTH, 0)) {
    this.stripes = stripes;
    this.own = stripes.own;
  }

  ended(status: number, ms: number): void {
    const first = Math.floor(status / 100);
    this.own[first >= 1 && first < CLASSES ? first : 0]! += 1;
    this.took(TOTAL, ms);
  }

  failed({ stage, source }: Failure): void {
    this.own[FAILURES + STAGES.indexOf(stage) * SOURCES.length + SOURCES.indexOf(source)]! += 1;
  }

  retried(): void {
    this.own[RETRIED]! += 1;
  }

  waited(): void {
    this.own[WAITED]! += 1;
  }

  connected(ms: number): void {
    this.took(CONNECT, ms);
  }

  answered(ms: number): void {
    this.took(FIRST_BYTE, ms);
  }

  read(): MeterReading {
    const sums = this.stripes.sums();
    const histogram = (at: number): Histogram => ({
      buckets: sums.subarray(at, at + BOUNDS.length + 1),
      sum: sums[at + BOUNDS.length + 1]!,
    });
    return {
      classes: sums.subarray(0, CLASSES),
      failures: sums.subarray(FAILURES, RETRIED),
      retried: sums[RETRIED]!,
      waited: sums[WAITED]!,
      connect: histogram(CONNECT),
      firstByte: histogram(FIRST_BYTE),
      total: histogram(TOTAL),
    };
  }

  private took(histogram: number, ms: number): void {
    const seconds = ms > 0 ? ms / 1000 : 0;
    let i = 0;
    while (i < BOUNDS.length && seconds > BOUNDS[i]!) i++;
    this.own[histogram + i]! += 1;
    this.own[histogram + BOUNDS.length + 1]! += seconds;
  }
}
