/**
 * What a thread is started with: the command line, a configuration, its share of the sockets, listeners to go on with.
 */
import { socketRoom } from "../net/descriptors.ts";
import type { Loaded } from "../server/load.ts";
import { ChildThread } from "./child_thread.ts";
import type { StartOptions } from "./children.ts";
import type { HeldListeners } from "./held.ts";
import { keptFiles } from "./kept_files.ts";
import type { ListenerPool } from "./listener_pool.ts";
import type { ChildConfig, ChildStart, FromChild } from "./messages.ts";
import { inodeOf } from "./proc_net.ts";
import type { Roster } from "./roster.ts";
import type { ThreadParent } from "./thread_parent.ts";

export class ThreadStarter {
  private readonly program: string;
  private readonly common: Omit<ChildStart, "sluiceChild" | "config" | "listeners" | "keptFiles">;
  private readonly siblings: ThreadParent;
  private readonly listeners: ListenerPool;
  private readonly roster: Roster;

  constructor(
    options: StartOptions,
    siblings: ThreadParent,
    listeners: ListenerPool,
    roster: Roster,
    logOrder: Int32Array,
  ) {
    this.siblings = siblings;
    this.listeners = listeners;
    this.roster = roster;
    this.program = options.program!;
    const { file, serverRoot, defines, before, after, startRank, startLog, text } = options;
    this.common = {
      options: {
        file,
        serverRoot,
        defines,
        before,
        after,
        startRank,
        startLog,
        ...(text === undefined ? {} : { text }),
      },
      secret: siblings.secret,
      beats: roster.beats,
      socketRoom: socketRoom(),
      nearRoom: new Int32Array(new SharedArrayBuffer(4)),
      keepsPaths: listeners.keepsPaths,
      logOrder,
    };
  }

  /**
   * One more thread, on the roster, which must have a seat for it.
   * @param heirloom the listeners of the child in whose place it is; null: nobody was
   * @param left it is over; "" if it was told to
   */
  start(
    loaded: Loaded,
    heirloom: HeldListeners | null,
    told: (thread: ChildThread, message: FromChild) => void,
    left: (thread: ChildThread, reason: string) => void,
  ): ChildThread {
    const held = this.listeners.choose(heirloom, this.roster.serving());
    const listeners = this.listeners.lend(held);
    const known = new Set<string>();
    const thread = new ChildThread(
      this.program,
      {
        ...this.common,
        sluiceChild: this.roster.takeSeat(),
        config: this.configOf(loaded, known),
        listeners,
        keptFiles: keptFiles.all(),
      },
      (message) => told(thread, message),
      (reason) => left(thread, reason),
    );
    for (const name of known) thread.memories.add(name);
    thread.held = this.listeners.ownOf(held);
    thread.lent = listeners;
    for (const { fd } of listeners) thread.listeners.set(fd, inodeOf(fd)!);
    thread.generations.add(loaded.process.generation);
    this.roster.add(thread);
    return thread;
  }

  /** @param known names of the shared memory that the thread has; what it gets is added */
  configOf({ process, tree, loads }: Loaded, known: Set<string>): ChildConfig {
    return { generation: process.generation, read: { tree, loads }, memory: this.siblings.snapshot(known) };
  }
}
