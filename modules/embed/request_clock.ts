/**
 * A clock for hosts on which nothing runs between requests: a timer that became due meanwhile is called by the next request.
 * So what is done at intervals, such as health checks, is done on demand.
 */
import type { Clock, Timer } from "../core/clock.ts";

interface Pending {
  readonly call: () => void;
  readonly dueMs: number;
  readonly timer: Timer;
}

export class RequestClock implements Clock {
  private readonly base: Clock;
  private readonly pending = new Set<Pending>();
  /** The earliest time at which something is due, or an earlier one. */
  private nextMs = Number.POSITIVE_INFINITY;

  constructor(base: Clock) {
    this.base = base;
  }

  now(): number {
    return this.base.now();
  }

  wallUs(): number {
    return this.base.wallUs();
  }

  random(): number {
    return this.base.random();
  }

  setTimer(call: () => void, ms: number): Timer {
    const dueMs = this.base.now() + ms;
    const entry: Pending = { call, dueMs, timer: this.base.setTimer(() => this.fire(entry), ms) };
    this.pending.add(entry);
    if (dueMs < this.nextMs) this.nextMs = dueMs;
    return entry;
  }

  clearTimer(timer: Timer): void {
    if (this.pending.delete(timer as Pending)) this.base.clearTimer((timer as Pending).timer);
  }

  /** A request is here: calls what is overdue. */
  catchUp(): void {
    const now = this.base.now();
    if (now < this.nextMs) return;
    const due = [...this.pending].filter((entry) => entry.dueMs <= now).sort((a, b) => a.dueMs - b.dueMs);
    for (const entry of due) {
      this.base.clearTimer(entry.timer);
      this.fire(entry);
    }
    this.nextMs = Math.min(...[...this.pending].map((entry) => entry.dueMs));
  }

  private fire(entry: Pending): void {
    if (this.pending.delete(entry)) entry.call();
  }
}
