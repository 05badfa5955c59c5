/**
 * The backends that were heard of, and when.
 * Source: httpd modules/cluster/mod_heartmonitor.c hm_get_server, hm_slotmem_update_stat
 */
import type { Clock, HostLoad, LoadTable } from "../../modules/mod.ts";
import type { Heartbeat } from "./message.ts";

/** Seconds: a backend that is not heard of for so long is forgotten. */
const FORGET_S = 30;

/** What is told of ages is so old at most. */
const SNAPSHOT_MS = 1000;

/** One backend: its last message, and when that came. */
interface Entry {
  readonly said: Heartbeat;
  readonly seenMs: number;
}

export class HeartbeatTable implements LoadTable {
  private readonly entries = new Map<string, Entry>();
  private readonly clock: Clock;
  private readonly limit: number;
  private snapshot: ReadonlyMap<string, HostLoad> | null = null;
  private snapshotMs = 0;

  /** @param limit backends at most */
  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.limit = limit;
  }

  /** For elections: the same map until something is heard, or a second has passed. */
  hosts(): ReadonlyMap<string, HostLoad> {
    const now = this.clock.now();
    if (this.snapshot === null || now - this.snapshotMs >= SNAPSHOT_MS) {
      const loads = new Map<string, HostLoad>();
      for (const { ip, said, age } of this.known()) loads.set(ip, { ...said, ready: placesOf(said), lastSeen: age });
      this.snapshot = loads;
      this.snapshotMs = now;
    }
    return this.snapshot;
  }

  /** Who was heard of, with the last message and its age in whole seconds. */
  *known(): Generator<{ readonly ip: string; readonly said: Heartbeat; readonly age: number }> {
    const now = this.clock.now();
    for (const [ip, { said, seenMs }] of this.entries) yield { ip, said, age: Math.floor((now - seenMs) / 1000) };
  }

  /** False: there is no room for another backend. */
  add(ip: string, said: Heartbeat): boolean {
    if (!this.entries.has(ip) && this.entries.size >= this.limit) {
      this.forget();
      if (this.entries.size >= this.limit) return false;
    }
    this.set(ip, { said, seenMs: this.clock.now() });
    return true;
  }

  /** Drops whom nothing was heard of. */
  forget(): void {
    for (const { ip, age } of this.known()) if (age >= FORGET_S) this.entries.delete(ip);
    this.snapshot = null;
  }

  /** What another one knows, as old as it is. */
  takeOver(other: HeartbeatTable): void {
    for (const [ip, entry] of other.entries) if (this.entries.size < this.limit) this.set(ip, entry);
  }

  private set(ip: string, entry: Entry): void {
    this.entries.set(ip, entry);
    this.snapshot = null;
  }
}

/** One that has nothing to do yet may have just started: it must not get all requests at once. */
function placesOf({ ready, busy }: Heartbeat): number {
  return busy === 0 ? Math.floor(ready / 4) : ready;
}
