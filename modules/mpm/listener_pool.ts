/**
 * The listeners of all children, as who started them keeps them open: which child has which, and who goes on with them. None is
 * closed while a Listen means it, so no client that waits in its queue is sent away. (Those of the runtimes' servers cannot be
 * handed on.)
 */
import process from "node:process";
import { pathOf } from "../net/node_listen.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import type { ChildThread } from "./child_thread.ts";
import type { Dup } from "./dup.ts";
import { HeldListeners, type LentListener } from "./held.ts";
import { type Inherited, means } from "./inherited.ts";
import { inodeOf, type ListeningSocket, listeningSockets, ownSockets } from "./proc_net.ts";

/** Whether a child can go on with the unix sockets of another. */
export function handsOnPaths(dup: Dup | null): boolean {
  return dup !== null && !("Deno" in globalThis);
}

export class ListenerPool {
  private readonly dup: Dup | null;
  /** The listeners that were handed over: all children accept from these. */
  private readonly handed: HeldListeners | null;
  /** Of children that are gone: all children accept from these, until one more comes and has them for its own. */
  private spares: HeldListeners[] = [];
  /** These, and those of the children. */
  private readonly all = new Set<HeldListeners>();
  private readonly startedAs = process.geteuid?.();
  private opening: Promise<void> = Promise.resolve();

  /** @param dup null: nothing can be kept open */
  constructor(dup: Dup | null, inherited: Inherited) {
    this.dup = dup;
    this.handed = dup !== null && inherited.used ? new HeldListeners(dup, inherited.sockets) : null;
  }

  /** Nobody but the children opens listeners. */
  get opensThem(): boolean {
    return this.handed === null;
  }

  /** A child opens its listeners anew where it gets none, and clients of those before it are reset. */
  get keepsNothing(): boolean {
    return this.dup === null;
  }

  /** The same of unix sockets: on Deno only node:net could go on with one, see net/deno_unix.ts. */
  get keepsPaths(): boolean {
    return handsOnPaths(this.dup);
  }

  /**
   * What a new child goes on with.
   * @param heirloom of the child in whose place it is; null: nobody was
   * @param others may share theirs
   */
  choose(heirloom: HeldListeners | null, others: readonly ChildThread[]): HeldListeners | null {
    if (this.handed !== null) return this.handed;
    if (this.dup === null) return null;
    const known = heirloom ?? this.spares.pop();
    if (known !== undefined) return known;
    // User gave up the right to bind what root had bound.
    const dropped = process.geteuid?.() !== this.startedAs;
    const share = dropped ? others.find(({ held }) => held !== null)?.held?.share() : undefined;
    const held = share ?? new HeldListeners(this.dup);
    this.all.add(held);
    return held;
  }

  /** For a new child: its own, and those of all. @param held as `choose` says */
  lend(held: HeldListeners | null): LentListener[] {
    const sets = held === null || this.spares.includes(held) ? this.spares : [held, ...this.spares];
    return sets.flatMap((set) => set.lend());
  }

  /** Those of the child's own that it keeps; none where all have the same. */
  ownOf(held: HeldListeners | null): HeldListeners | null {
    return held === this.handed ? null : held;
  }

  /** A child has gone, or goes, and nobody is in its place: all others accept from its listeners, too. */
  bequeath(thread: ChildThread, others: readonly ChildThread[]): void {
    const { held } = thread;
    thread.held = null;
    if (held === null) return;
    this.spares.push(held);
    for (const other of others) this.lendMore(other, held);
  }

  /**
   * Lets the children open their listeners, one after the other: so it is known which are whose. Answers what failed.
   * @param listen what is to be kept open
   */
  async openIn(threads: readonly ChildThread[], listen: readonly ListenSpec[]): Promise<string[]> {
    const failures: string[] = [];
    this.opening = this.opening.then(async () => {
      for (const thread of threads) {
        const before = listeningSockets();
        thread.listens = true;
        thread.send({ kind: "listen" });
        failures.push(...(await thread.ready()));
        thread.lent = [];
        this.learn(thread, before, listen);
      }
    });
    await this.opening;
    return failures;
  }

  /** Lets go of what no Listen means any more. */
  retain(listen: readonly ListenSpec[]): void {
    for (const held of this.all) held.retain(listen);
    for (const spare of this.spares) if (spare.isEmpty) this.all.delete(spare);
    this.spares = this.spares.filter((spare) => !spare.isEmpty);
  }

  /** Clients are refused from now on, unless who handed the listeners over keeps them. */
  close(): void {
    this.retain([]);
  }

  /** The child is gone and has not taken them: nobody will. */
  takeBack(thread: ChildThread): void {
    for (const { fd } of thread.lent) if (inodeOf(fd) === thread.listeners.get(fd)) this.dup?.close(fd);
    thread.lent = [];
  }

  private lendMore(thread: ChildThread, held: HeldListeners): void {
    const listeners = held.lend(new Set(thread.listeners.values()));
    if (listeners.length === 0) return;
    thread.lent = [...thread.lent, ...listeners];
    for (const { fd } of listeners) thread.listeners.set(fd, inodeOf(fd)!);
    thread.send({ kind: "adopt", listeners });
  }

  /** Remembers the listeners that a child opened, and keeps them open. */
  private learn(
    thread: ChildThread,
    before: ReadonlyMap<string, ListeningSocket> | null,
    listen: readonly ListenSpec[],
  ): void {
    const now = listeningSockets();
    if (now === null) return;
    for (const inode of before?.keys() ?? []) now.delete(inode);
    if (now.size === 0) return;
    for (const [fd, inode] of ownSockets()) {
      const found = now.get(inode);
      if (found === undefined) continue;
      thread.listeners.set(fd, inode);
      const socket = { ...found, unix: pathOf(found.unix), fd };
      if (listen.some((spec) => means(spec, socket))) thread.held?.hold(socket);
    }
  }
}
