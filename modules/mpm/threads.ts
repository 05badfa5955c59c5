/**
 * Children in threads: each listens on the same ports, and the system spreads connections over them. One that dies, or stops
 * answering, or has served its time, is replaced; a reload is made by all of them or by none.
 * Source: httpd server/mpm/event/event.c server_main_loop, perform_idle_server_maintenance
 */
import { getModuleConfig } from "../core/module.ts";
import { OnlyChild } from "../core/only_child.ts";
import type { FailedReloads, ProcessRec } from "../core/records.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";
import { socketRoom } from "../net/descriptors.ts";
import { childDied } from "../server/hooks.ts";
import type { Loaded } from "../server/load.ts";
import core, { type ListenSpec } from "../server/mod_core.ts";
import { ChildThread } from "./child_thread.ts";
import type { Dup } from "./dup.ts";
import { HeldListeners } from "./held.ts";
import { Inquiries } from "./inquiries.ts";
import { closeListeners } from "./listeners.ts";
import { ArrivalOrder, orderCells } from "./log_order.ts";
import { closeLogs, reopenLogs } from "./logs.ts";
import type { ChildConfig, FromChild, SentLines, SharedMemory, ToChild } from "./messages.ts";
import { planOf } from "./mpm.ts";
import type { Children, FirstConfig, StartOptions } from "./parent.ts";
import { probePorts } from "./ports.ts";
import { inodeOf, type ListeningSocket, listeningTcp, ownSockets } from "./proc_net.ts";

/** Between looks at the children. */
const LOOK_MS = 1000;
/** One that did not count for so many looks is stuck. It counts once a look. */
const MOST_MISSED = 5;
/** Whoever died younger is not replaced at once: it would die again. */
const RESTART_MS = 1000;
/** Operators do not act more often. */
const MOST_KEPT = 1000;

/** Allots the memory of all children; serves nothing itself. */
export class ThreadParent extends OnlyChild {
  override readonly index = -1;
  override readonly count = MOST_CHILDREN;

  /** For a child. @param known the memory that it has; what it gets is added */
  snapshot(known: Set<string>): SharedMemory[] {
    return [...this.keepers].map(([name, keeper]) => {
      const buffer = known.has(name) ? undefined : keeper.buffer;
      known.add(name);
      return { name, buffer, places: keeper.map() };
    });
  }
}

export class Threads implements Children {
  private loaded: Loaded;
  private readonly siblings: ThreadParent;
  private readonly options: StartOptions;
  private readonly onFailed: (code: number) => void;
  private readonly dup: Dup | null;
  /** The listeners that were handed over: all children accept from these. */
  private readonly handed: HeldListeners | null;
  private readonly room = socketRoom();
  private readonly nearRoom = new Int32Array(new SharedArrayBuffer(4));
  private readonly threads = new Set<ChildThread>();
  /** Generations that some child still has. */
  private readonly generations = new Map<number, ProcessRec>();
  private readonly beats = new Int32Array(new SharedArrayBuffer(4 * MOST_CHILDREN));
  private readonly logOrder = orderCells();
  private readonly arrivals = new ArrivalOrder(this.logOrder);
  /** What children that come later must know. */
  private readonly kept: ToChild[] = [];
  private readonly inquiries = new Inquiries();
  private failed: FailedReloads = { count: 0, reason: null, atUs: 0 };
  private leader: ChildThread | null = null;
  private ending = false;
  private opening: Promise<void> = Promise.resolve();
  private look: ReturnType<typeof setInterval> | null = null;

  /** @param onFailed no child is left, and none can be started */
  constructor(first: FirstConfig, siblings: ThreadParent, options: StartOptions, onFailed: (code: number) => void) {
    const { loaded, inherited, dup } = first;
    this.loaded = loaded;
    this.siblings = siblings;
    this.options = options;
    this.onFailed = onFailed;
    this.dup = dup;
    this.handed = dup !== null && inherited.used ? new HeldListeners(dup, inherited.sockets) : null;
    this.generations.set(loaded.process.generation, loaded.process);
  }

  async open(): Promise<readonly string[]> {
    const taken = this.handed === null ? await probePorts(this.loaded.process, null) : [];
    if (taken.length > 0) return taken;
    const { children } = planOf(this.loaded.process);
    const threads = Array.from({ length: children }, () => this.startThread(null));
    return this.readyToServe(threads);
  }

  begin(): void {
    for (const thread of this.threads) this.commit(thread);
    this.look = setInterval(() => this.lookAtChildren(), LOOK_MS);
    this.log("notice", `${this.threads.size} children serve`);
    if (this.dup === null)
      this.log(
        "notice",
        "no dup(2), as without --allow-ffi: clients that wait for a child that is replaced will be reset",
      );
  }

  async exchange(next: Loaded): Promise<readonly string[]> {
    const previous = this.loaded;
    const taken = await probePorts(next.process, previous.process);
    if (taken.length > 0) return taken;
    const asked = this.serving();
    for (const thread of asked) thread.send({ kind: "prepare", config: this.configOf(next, thread.memories) });
    const failures = await this.readyToServe(asked);
    if (this.ending) return ["the server is ending"];
    if (failures.length > 0) {
      for (const thread of asked) {
        thread.send({ kind: "abandon" });
        thread.held?.retain(this.listen);
      }
      return failures;
    }
    this.loaded = next;
    this.failed = { ...this.failed, reason: null };
    this.generations.set(next.process.generation, next.process);
    for (const thread of asked) this.commit(thread);
    await Promise.all(asked.map((thread) => thread.committed()));
    // What operators did is taken back, or in a file.
    this.kept.length = 0;
    previous.logs.release();
    reopenLogs();
    this.adjust();
    return [];
  }

  reloadFailed(failed: FailedReloads): void {
    this.failed = failed;
    for (const thread of this.threads) thread.send({ kind: "reloadFailed", failed });
  }

  async stop(): Promise<void> {
    await this.endAll({ kind: "stop" });
  }

  drain(): Promise<boolean> {
    return this.endAll({ kind: "drain" });
  }

  private async endAll(message: ToChild): Promise<boolean> {
    this.ending = true;
    const threads = [...this.threads];
    for (const thread of threads) {
      thread.held?.close();
      thread.send(message);
    }
    const whole = await Promise.all(threads.map((thread) => thread.gone(message.kind === "stop")));
    if (this.look !== null) clearInterval(this.look);
    this.look = null;
    await closeLogs();
    return whole.every((all) => all);
  }

  /** Waits until they have built what they were told to, and lets them open their listeners. Answers what went wrong. */
  private async readyToServe(threads: readonly ChildThread[]): Promise<string[]> {
    const failures = (await Promise.all(threads.map((thread) => thread.ready()))).flat();
    if (failures.length > 0) return distinct(failures);
    // One after the other: so it is known which sockets are whose.
    const opened = this.opening.then(async () => {
      for (const thread of threads) {
        const before = listeningTcp() ?? new Map<string, ListeningSocket>();
        thread.send({ kind: "listen" });
        failures.push(...(await thread.ready()));
        thread.lent = [];
        this.hold(thread, before);
      }
    });
    this.opening = opened;
    await opened;
    return distinct(failures);
  }

  /** Remembers the listeners that a child opened, and keeps them open. */
  private hold(thread: ChildThread, before: ReadonlyMap<string, ListeningSocket>): void {
    const now = listeningTcp() ?? new Map<string, ListeningSocket>();
    for (const inode of before.keys()) now.delete(inode);
    if (now.size === 0) return;
    for (const [fd, inode] of ownSockets()) {
      const socket = now.get(inode);
      if (socket === undefined) continue;
      thread.listeners.set(fd, inode);
      thread.held?.hold({ ...socket, fd });
    }
  }

  /** More children, or fewer, where the new configuration says so. */
  private adjust(): void {
    const serving = this.serving();
    const { children } = planOf(this.loaded.process);
    for (let n = serving.length; n < children; n++) void this.join(null);
    for (const thread of serving.slice(children)) this.retire(thread);
  }

  /** @param heirloom the listeners of the child in whose place this one is */
  private startThread(heirloom: HeldListeners | null): ChildThread {
    const seat = this.freeSeat();
    Atomics.store(this.beats, seat, 0);
    const held = this.handed ?? heirloom ?? (this.dup === null ? null : new HeldListeners(this.dup));
    held?.retain(this.listen);
    const listeners = held?.lend() ?? [];
    const { file, serverRoot, defines, before, after, startRank, startLog, text } = this.options;
    const options = {
      file,
      serverRoot,
      defines,
      before,
      after,
      startRank,
      startLog,
      ...(text === undefined ? {} : { text }),
    };
    const known = new Set<string>();
    const thread = new ChildThread(
      this.options.program!,
      {
        sluiceChild: seat,
        options,
        config: this.configOf(this.loaded, known),
        secret: this.siblings.secret,
        beats: this.beats,
        listeners,
        socketRoom: this.room,
        nearRoom: this.nearRoom,
        logOrder: this.logOrder,
      },
      (message) => this.told(thread, message),
      (reason) => this.left(thread, reason),
    );
    for (const name of known) thread.memories.add(name);
    thread.held = this.handed === null ? held : null;
    thread.lent = listeners;
    for (const { fd } of listeners) thread.listeners.set(fd, inodeOf(fd)!);
    thread.generations.add(this.loaded.process.generation);
    this.threads.add(thread);
    return thread;
  }

  /** A child more. @param heirloom the listeners of the one that died or retires; null: nobody was in its place */
  private async join(heirloom: HeldListeners | null): Promise<boolean> {
    for (;;) {
      const { generation } = this.loaded.process;
      const thread = this.startThread(heirloom);
      const failures = await this.readyToServe([thread]);
      if (failures.length > 0 || this.ending) {
        for (const failure of failures) this.log("error", `a child cannot start: ${failure}`);
        this.threads.delete(thread);
        thread.end();
        thread.held?.close();
        this.endedIn(thread);
        return false;
      }
      // A reload came in between: it knows the old configuration only.
      if (generation === this.loaded.process.generation) {
        this.commit(thread);
        for (const told of this.kept) thread.send(told);
        thread.send({ kind: "reloadFailed", failed: this.failed });
        this.log("info", `child ${thread.seat} serves now`);
        return true;
      }
      heirloom = thread.held;
      thread.held = null;
      thread.retiring = true;
      thread.send({ kind: "stop" });
    }
  }

  private commit(thread: ChildThread): void {
    thread.serving = true;
    thread.held?.retain(this.listen);
    thread.generations.add(this.loaded.process.generation);
    this.leader ??= thread;
    thread.send({ kind: "commit", first: this.leader === thread });
    if (this.leader === thread && !thread.leads) {
      thread.leads = true;
      thread.send({ kind: "lead" });
    }
  }

  /** Takes no new connections, and ends with those that it has. */
  private retire(thread: ChildThread): void {
    thread.retiring = true;
    thread.held?.close();
    this.passLead(thread);
    thread.send({ kind: "drain" });
  }

  private passLead(from: ChildThread): void {
    if (this.leader !== from) return;
    this.leader = this.serving()[0] ?? null;
    if (this.leader === null) return;
    this.leader.leads = true;
    this.leader.send({ kind: "lead" });
  }

  private told(thread: ChildThread, message: FromChild): void {
    switch (message.kind) {
      case "ended":
        thread.generations.delete(message.generation);
        this.releaseUnused();
        break;
      case "full":
        this.log(
          "info",
          `child ${thread.seat} has accepted MaxConnectionsPerChild connections, another takes its place`,
        );
        void this.succeed(thread);
        break;
      case "tell": {
        const told: ToChild = { kind: "told", topic: message.topic, message: message.message };
        for (const other of this.serving()) if (other !== thread) other.send(told);
        if (message.keep && this.kept.push(told) > MOST_KEPT) this.kept.shift();
        break;
      }
      case "ask": {
        const others = [...this.threads].filter((other) => other.serving && other !== thread);
        this.inquiries.begin(thread, message.id, others, message.topic, message.question);
        break;
      }
      case "answer":
        this.inquiries.answered(thread, message.id, message.value);
        break;
      case "log":
        if (message.lines.length === 0) this.writeLines(message);
        else this.arrivals.add(thread.seat, message.number, () => this.writeLines(message));
    }
  }

  private writeLines({ target, error, lines }: SentLines): void {
    const { logs } = this.loaded;
    try {
      const sink = error ? logs.openErrorLog(target) : logs.openLog(target);
      for (const [line, rank] of lines) sink.write(line, rank);
    } catch (failure) {
      // A reload has dropped the log, and User may not open its file any more.
      this.log("warn", `${lines.length} lines are lost: ${(failure as Error).message}`);
    }
  }

  /** It serves until the other does: no port is without a listener. */
  private async succeed(thread: ChildThread): Promise<void> {
    const { held } = thread;
    thread.held = null;
    if (await this.join(held)) this.retire(thread);
  }

  /** @param reason "" if it was told to */
  private left(thread: ChildThread, reason: string): void {
    this.threads.delete(thread);
    this.arrivals.forget(thread.seat);
    this.inquiries.forget(thread);
    for (const { fd } of thread.lent) this.dup?.close(fd);
    if (reason !== "" && !this.ending) void closeListeners(thread.listeners);
    if (reason === "" || !thread.serving) {
      this.endedIn(thread);
      if (thread.retiring) this.log("info", `child ${thread.seat} has ended, its connections are closed`);
      return;
    }
    this.log("error", `child ${thread.seat} ${reason}${this.ending ? "" : ", another takes its place"}`);
    this.passLead(thread);
    for (const generation of this.generations.values()) childDied.run(generation.hooks, generation, thread.seat);
    this.endedIn(thread);
    if (this.ending || thread.retiring) return;
    const wait = Math.max(0, RESTART_MS - (performance.now() - thread.startedMs));
    setTimeout(() => void this.replace(thread.held), wait);
  }

  private async replace(held: HeldListeners | null): Promise<void> {
    if (this.ending || (await this.join(held)) || this.ending) return;
    const left = this.serving().length;
    if (left === 0) {
      this.log("crit", "no child is left, and none can be started: ending");
      this.onFailed(1);
    } else this.log("error", `${left} children go on`);
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

  private endedIn(thread: ChildThread): void {
    thread.generations.clear();
    this.releaseUnused();
  }

  private releaseUnused(): void {
    for (const generation of this.generations.keys()) {
      if (generation === this.loaded.process.generation) continue;
      if ([...this.threads].some((thread) => thread.generations.has(generation))) continue;
      this.generations.delete(generation);
      this.siblings.release(generation);
    }
  }

  private get listen(): readonly ListenSpec[] {
    return getModuleConfig(this.loaded.process.servers[0]!.config, core).listen;
  }

  private serving(): ChildThread[] {
    return [...this.threads].filter((thread) => thread.serving && !thread.retiring);
  }

  private configOf({ process, tree, loads }: Loaded, known: Set<string>): ChildConfig {
    return { generation: process.generation, read: { tree, loads }, memory: this.siblings.snapshot(known) };
  }

  private freeSeat(): number {
    const taken = new Set([...this.threads].map(({ seat }) => seat));
    for (let seat = 0; seat < MOST_CHILDREN; seat++) if (!taken.has(seat)) return seat;
    throw new Error(`there are ${MOST_CHILDREN} children already`);
  }

  private log(level: "notice" | "info" | "warn" | "error" | "crit", text: string): void {
    this.loaded.process.log[level]("mpm_event", "", text);
  }
}

function distinct(failures: readonly string[]): string[] {
  return [...new Set(failures)];
}
