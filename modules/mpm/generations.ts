/**
 * The generations that some child still has: what they share is kept until the last child has let go of it.
 */
import type { ProcessRec } from "../core/records.ts";
import { childDied } from "../server/hooks.ts";
import type { ChildThread } from "./child_thread.ts";
import type { Roster } from "./roster.ts";
import type { ThreadParent } from "./thread_parent.ts";

export class Generations {
  private current: ProcessRec;
  private readonly kept = new Map<number, ProcessRec>();
  private readonly siblings: ThreadParent;
  private readonly roster: Roster;

  constructor(first: ProcessRec, siblings: ThreadParent, roster: Roster) {
    this.current = first;
    this.siblings = siblings;
    this.roster = roster;
    this.kept.set(first.generation, first);
  }

  /** New requests belong to it. */
  succeed(next: ProcessRec): void {
    this.current = next;
    this.kept.set(next.generation, next);
  }

  /** A child lets go of one. */
  endedIn(thread: ChildThread, generation: number): void {
    thread.generations.delete(generation);
    this.releaseUnused();
  }

  /** A child is gone. */
  left(thread: ChildThread): void {
    thread.generations.clear();
    this.releaseUnused();
  }

  /** A child died: what it had at hand does not count any more. */
  died(thread: ChildThread): void {
    for (const process of this.kept.values()) childDied.run(process.hooks, process, thread.seat);
    this.left(thread);
  }

  private releaseUnused(): void {
    for (const generation of this.kept.keys()) {
      if (generation === this.current.generation) continue;
      if (this.roster.all().some((thread) => thread.generations.has(generation))) continue;
      this.kept.delete(generation);
      this.siblings.release(generation);
    }
  }
}
