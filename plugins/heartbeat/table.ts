/**
 * The backends that were heard of, and when.
 * Source: httpd modules/cluster/mod_heartmonitor.c hm_get_server, hm_slotmem_update_stat
 */
import type { Clock, HostLoad, LoadTable } from "../../modules/mod.ts";
import type { Heartbeat } from "./message.ts";

/** Seconds: a backend that is not heard of for so long is forgotten. */
const FORGET_S = 30;

/** One backend: `said` is its last message. */
class Entry implements HostLoad {
  said: Heartbeat;
  private readonly clock: Clock;
  private seenMs: number;

  constructor(clock: Clock, said: Heartbeat, seenMs: number) {
    this.clock = clock;
    this.said = said;
    this.seenMs = seenMs;
  }

  hear(said: Heartbeat): void {
    this.said = said;
    this.seenMs = this.clock.now();
  }

  /** One that has just started has nothing to do yet: it must not get all requests at once. */
  get ready(): number {
    const { ready, busy } = this.said;
    return busy === 0 ? Math.floor(ready / 4) : ready;
  }

  get busy(): number {
    return this.said.busy;
  }

  get lastSeen(): number {
    return (this.clock.now() - this.seenMs) / 1000;
  }
}

export class HeartbeatTable implements LoadTable {
  readonly entries = new Map<string, Entry>();
  private readonly clock: Clock;
  private readonly limit: number;

  /** @param limit backends at most */
  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.limit = limit;
  }

  hosts(): ReadonlyMap<string, HostLoad> {
    return this.entries;
  }

  /** False: there is no room for another backend. */
  add(ip: string, said: Heartbeat): boolean {
    const entry = this.entries.get(ip);
    if (entry !== undefined) entry.hear(said);
    else {
      if (this.entries.size >= this.limit) this.forget();
      if (this.entries.size >= this.limit) return false;
      this.entries.set(ip, new Entry(this.clock, said, this.clock.now()));
    }
    return true;
  }

  /** Drops whom nothing was heard of. */
  forget(): void {
    for (const [ip, { lastSeen }] of this.entries) if (lastSeen > FORGET_S) this.entries.delete(ip);
  }

  /** What another one knows, as old as it is. */
  takeOver(other: HeartbeatTable): void {
    for (const [ip, { said, lastSeen }] of other.entries) {
      if (this.entries.size >= this.limit) return;
      this.entries.set(ip, new Entry(this.clock, said, this.clock.now() - lastSeen * 1000));
    }
  }
}
