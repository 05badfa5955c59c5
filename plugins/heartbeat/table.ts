/**
 * The backends that were heard of, and when.
 * Source: httpd modules/cluster/mod_heartmonitor.c hm_get_server, hm_slotmem_update_stat
 */
import type { Clock } from "../../modules/mod.ts";
import type { Heartbeat } from "./message.ts";
import type { StoredEntry } from "./storage.ts";

/** A backend that is not heard of for so long is forgotten. */
const FORGET_MS = 30_000;

class Entry implements StoredEntry {
  ready = 0;
  busy = 0;
  port = 0;
  seenMs = 0;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get lastSeen(): number {
    return (this.clock.now() - this.seenMs) / 1000;
  }
}

export class HeartbeatTable {
  readonly entries = new Map<string, Entry>();
  private readonly clock: Clock;
  private readonly limit: number;

  /** @param limit backends at most */
  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.limit = limit;
  }

  /** False: there is no room for another backend. */
  add(ip: string, { ready, busy, port }: Heartbeat): boolean {
    let entry = this.entries.get(ip);
    if (entry === undefined) {
      if (this.entries.size >= this.limit) this.forget();
      if (this.entries.size >= this.limit) return false;
      entry = new Entry(this.clock);
      this.entries.set(ip, entry);
    }
    entry.ready = ready;
    entry.busy = busy;
    entry.port = port;
    entry.seenMs = this.clock.now();
    return true;
  }

  /** Drops whom nothing was heard of. */
  forget(): void {
    const before = this.clock.now() - FORGET_MS;
    for (const [ip, { seenMs }] of this.entries) if (seenMs < before) this.entries.delete(ip);
  }

  /** What another one knows, as old as it is. */
  takeOver(other: HeartbeatTable): void {
    for (const [ip, entry] of other.entries) {
      if (!this.add(ip, entry)) return;
      this.entries.get(ip)!.seenMs = entry.seenMs;
    }
  }
}
