/**
 * The children that there are: who sits where, who serves, who leads, who is stuck.
 * Source: httpd server/mpm/event/event.c perform_idle_server_maintenance, the scoreboard
 */
import { MOST_CHILDREN } from "../core/siblings.ts";
import type { ChildThread } from "./child_thread.ts";

/** Between looks at the children. */
const LOOK_MS = 1000;
/** One that did not count for so many looks is stuck. It counts once a look. */
const MOST_MISSED = 5;

export class Roster {
  /** One number for each seat: who sits there counts as long as it lives. */
  readonly beats = new Int32Array(new SharedArrayBuffer(4 * MOST_CHILDREN));
  private readonly threads = new Set<ChildThread>();
  private leader: ChildThread | null = null;
  private look: ReturnType<typeof setInterval> | null = null;

  all(): ChildThread[] {
    return [...this.threads];
  }

  /** Those that take new connections. */
  serving(): ChildThread[] {
    return this.all().filter((thread) => thread.serving && !thread.retiring);
  }

  /** Without those in whose place another one is about to come. */
  staying(): ChildThread[] {
    return this.serving().filter((thread) => !thread.succeeded);
  }

  /** Children that retire keep theirs until their last connection has ended. */
  get freeSeats(): number {
    return MOST_CHILDREN - this.threads.size;
  }

  /** A seat for one more; there must be one. */
  takeSeat(): number {
    const taken = new Set(this.all().map(({ seat }) => seat));
    let seat = 0;
    while (taken.has(seat)) seat++;
    Atomics.store(this.beats, seat, 0);
    return seat;
  }

  add(thread: ChildThread): void {
    this.threads.add(thread);
  }

  delete(thread: ChildThread): void {
    this.threads.delete(thread);
  }

  /** It serves; the first one of them leads. */
  serves(thread: ChildThread): void {
    thread.serving = true;
    this.leader ??= thread;
    thread.send({ kind: "commit", first: this.leader === thread });
    if (this.leader === thread && !thread.leads) this.crown(thread);
  }

  /** It goes, or has gone: another one leads, if it did. */
  passLead(from: ChildThread): void {
    if (this.leader !== from) return;
    this.leader = this.serving()[0] ?? null;
    if (this.leader !== null) this.crown(this.leader);
  }

  private crown(thread: ChildThread): void {
    thread.leads = true;
    thread.send({ kind: "lead" });
  }

  /** From now on whoever is stuck is killed. */
  watch(): void {
    this.look = setInterval(() => this.lookAtChildren(), LOOK_MS);
  }

  unwatch(): void {
    if (this.look !== null) clearInterval(this.look);
    this.look = null;
  }

  private lookAtChildren(): void {
    for (const thread of this.threads) {
      if (!thread.serving) continue;
      const beat = Atomics.load(this.beats, thread.seat);
      thread.missed = beat === thread.beat ? thread.missed + 1 : 0;
      thread.beat = beat;
      if (thread.missed >= MOST_MISSED) thread.kill(`has not answered for ${MOST_MISSED} seconds`);
    }
  }
}
