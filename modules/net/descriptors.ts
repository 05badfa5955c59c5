/**
 * How many sockets the limit of open files allows (`ulimit -n`, LimitNOFILE): clients get half of them, so that each one that
 * is served can have a connection to a backend. Without that, who has the most idle clients cuts the proxy off its backends,
 * and the backends are blamed: Bun 1.4.4 reports a connect without a descriptor as ECONNREFUSED.
 */
import { readdirSync, readFileSync } from "node:fs";

/** For logs, files of a reload, look-ups of names, pipes of programs. */
const RESERVED = 8;

export class Descriptors {
  /** Sockets that are open, and those of them that were accepted. */
  open = 0;
  clients = 0;
  /** When there were so many in this process that accepting may have failed: seconds since 1970. Children share it. */
  near: Int32Array = new Int32Array(1);
  /** How many sockets there may be; infinite where that is not known. */
  room: number;

  /** @param room see there */
  constructor(room: number) {
    this.room = room;
  }

  get canAccept(): boolean {
    return this.clients < this.room / 2;
  }

  get canConnect(): boolean {
    return this.open < this.room;
  }

  /** Did they come near the limit in the last `ms`? */
  wereMany(ms: number): boolean {
    return Date.now() / 1000 - Atomics.load(this.near, 0) < ms / 1000;
  }

  opened(accepted: boolean): void {
    if (++this.open >= this.room / 3) this.areMany();
    if (accepted) this.clients++;
  }

  closed(accepted: boolean): void {
    if (this.open-- >= this.room / 3) this.areMany();
    if (accepted) this.clients--;
  }

  private areMany(): void {
    Atomics.store(this.near, 0, Math.ceil(Date.now() / 1000));
  }
}

/** How many files this process may have open; infinite where there is no /proc. (Both runtimes raise it as far as they may.) */
export function openFileLimit(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft); // "unlimited"
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The limit of this process less what is open now, before there are sockets. */
export function socketRoom(): number {
  const limit = openFileLimit();
  return Number.isFinite(limit) ? Math.max(4, limit - readdirSync("/proc/self/fd").length - RESERVED) : limit;
}

/** Those of this program. */
export const descriptors = new Descriptors(socketRoom());
