/**
 * A watchdog: calls that come back at intervals for as long as a generation serves.
 * Source: httpd modules/core/mod_watchdog.c wd_worker
 */
import type { Timer } from "../core/clock.ts";
import type { ProcessRec } from "../core/records.ts";

/** `_singleton_` runs in the child that leads, `_default_` in each. The names are httpd's. */
export type WatchdogName = "_singleton_" | "_default_";

export class Watchdog {
  readonly name: WatchdogName;
  readonly process: ProcessRec;
  /** Nothing is called any more. */
  stopped = false;
  private readonly timers = new Set<Timer>();

  constructor(name: WatchdogName, process: ProcessRec) {
    this.name = name;
    this.process = process;
  }

  /**
   * Calls `call` every `intervalMs`, counted from the end of the call before: one that is still running, by the promise it
   * answered, is never called a second time. One that throws is logged and called again.
   * @param subject names it in the log
   */
  every(subject: string, intervalMs: number, call: () => void | Promise<void>): void {
    if (this.stopped) return;
    const { clock } = this.process;
    const again = () => this.every(subject, intervalMs, call);
    const timer = clock.setTimer(() => {
      this.timers.delete(timer);
      const running = this.run(subject, call);
      if (running === undefined) again();
      else void running.then(again);
    }, intervalMs);
    this.timers.add(timer);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) this.process.clock.clearTimer(timer);
    this.timers.clear();
  }

  private run(subject: string, call: () => void | Promise<void>): Promise<void> | undefined {
    try {
      return call()?.catch((error: unknown) => this.failed(subject, error));
    } catch (error) {
      this.failed(subject, error);
      return undefined;
    }
  }

  private failed(subject: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.process.log.crit("watchdog", "", `exception in ${subject}: ${text}`);
  }
}
