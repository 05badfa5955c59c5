/** A clock that stands still until a test advances it. */
import type { Clock, Timer } from "../../modules/core/clock.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
}

export class VirtualClock implements Clock {
  private ms = 0;
  private order = 0;
  private seed = 1;
  private readonly pending = new Set<Pending>();
  private readonly epochMs: number;

  /** @param epochMs wall-clock time at the start. @default 2026-11-20T10:00:00Z */
  constructor(epochMs = Date.UTC(2026, 10, 20, 10)) {
    this.epochMs = epochMs;
  }

  now(): number {
    return this.ms;
  }

  wallUs(): number {
    return Math.round((this.epochMs + this.ms) * 1000);
  }

  /** The same sequence in every run. Source: Park and Miller, minimal standard generator */
  random(): number {
    this.seed = (this.seed * 48271) % 2147483647;
    return this.seed / 2147483647;
  }

  setTimer(call: () => void, ms: number): Timer {
    const timer: Pending = { at: this.ms + Math.max(0, ms), order: this.order++, call };
    this.pending.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.pending.delete(timer as Pending);
  }

  get timers(): number {
    return this.pending.size;
  }

  /** Moves time on, and calls what falls due, each at its own time. */
  advance(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      let next: Pending | null = null;
      for (const timer of this.pending) {
        if (timer.at > until) continue;
        if (next === null || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
      }
      if (next === null) break;
      this.pending.delete(next);
      this.ms = Math.max(this.ms, next.at);
      next.call();
    }
    this.ms = until;
  }
}
