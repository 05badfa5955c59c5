/**
 * How much an event loop could take: it has no threads to count, so its capacity shrinks as its timers come late.
 */

/** How often lateness is measured. */
export const SAMPLE_MS = 100;
/** So late, half of the capacity is left. */
const HALF_MS = 50;

/** The lateness of timers. (`monitorEventLoopDelay` measures nothing on Deno 2.9.) */
export class LagMeter {
  private worstMs = 0;
  private lastMs: number;

  constructor(nowMs: number) {
    this.lastMs = nowMs;
  }

  /** To be called every SAMPLE_MS. @param nowMs monotonic */
  sample(nowMs: number): void {
    this.worstMs = Math.max(this.worstMs, nowMs - this.lastMs - SAMPLE_MS);
    this.lastMs = nowMs;
  }

  /** The worst since the last call, in milliseconds. */
  take(nowMs: number): number {
    const worst = Math.max(this.worstMs, nowMs - this.lastMs - SAMPLE_MS);
    this.worstMs = 0;
    return worst;
  }
}

/** Requests that could be taken at once, besides `busy`; at least 1 while there is room. */
export function readySlots(capacity: number, busy: number, lagMs: number): number {
  const free = capacity - busy;
  return free <= 0 ? 0 : Math.max(1, Math.floor(free / (1 + lagMs / HALF_MS)));
}
