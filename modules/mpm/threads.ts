/**
 * Children in threads: each listens on the same ports, and the system spreads connections over them. One that dies, or stops
 * answering, or has served its time, is replaced; a reload is made by all of them or by none.
 * Source: httpd server/mpm/event/event.c server_main_loop, perform_idle_server_maintenance
 */
import { getModuleConfig } from "../core/module.ts";
import type { FailedReloads, ProcessRec } from "../core/records.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";
import { socketRoom } from "../net/descriptors.ts";
import { childDied } from "../server/hooks.ts";
import type { Loaded } from "../server/load.ts";
import core, { type ListenSpec } from "../server/mod_core.ts";
import { ChildThread } from "./child_thread.ts";
import type { HeldListeners } from "./held.ts";
import { keptFiles } from "./kept_files.ts";
import { newListeners } from "./listen_changes.ts";
import { ListenerPool } from "./listener_pool.ts";
import { closeListeners } from "./listeners.ts";
import { closeLogs, reopenLogs } from "./logs.ts";
import type { ChildConfig, FromChild } from "./messages.ts";
import { dropsPrivileges } from "./mod_unixd.ts";
import { planOf } from "./mpm.ts";
import type { Children, FirstConfig, StartOptions } from "./parent.ts";
import { probePorts } from "./ports.ts";
import { inodeOf } from "./proc_net.ts";
import { Switchboard } from "./switchboard.ts";
import type { ThreadParent } from "./thread_parent.ts";

/** Between looks at the children. */
const LOOK_MS = 1000;
/** One that did not count for so many looks is stuck. It counts once a look. */
const MOST_MISSED = 5;
/** Whoever died younger is not replaced at once: it would die again. */
const RESTART_MS = 1000;

export class Threads implements Children {
  private loaded: Loaded;
  private readonly siblings: ThreadParent;
  private readonly options: StartOptions;
  private readonly onFailed: (code: number) => void;
  private readonly listeners: ListenerPool;
  private readonly room = socketRoom();
  private readonly nearRoom = new Int32Array(new SharedArrayBuffer(4));
  private readonly threads = new Set<ChildThread>();
  /** Generations that some child still has. */
  private readonly generations = new Map<number, ProcessRec>();
  private readonly beats = new Int32Array(new SharedArrayBuffer(4 * MOST_CHILDREN));
  private readonly switchboard = new Switchboard(
    () => this.loaded.logs,
    (text) => this.log("warn", text),
  );
  private failed: FailedReloads = { count: 0, reason: null, atUs: 0 };
  private leader: ChildThread | null = null;
  /** Children that are about to come. */
  private joining = 0;
  /** How many serve, as the log was told last. */
  private announced = 0;
  /** A reload that is under way. */
  private exchanging: Promise<unknown> | null = null;
  private ending: "stop" | "drain" | null = null;
  private look: ReturnType<typeof setInterval> | null = null;

  /** @param onFailed no child is left, and none can be started */
  constructor(first: FirstConfig, siblings: ThreadParent, options: StartOptions, onFailed: (code: number) => void) {
    const { loaded, inherited, dup } = first;
    this.loaded = loaded;
    this.siblings = siblings;
    this.options = options;
    this.onFailed = onFailed;
    this.listeners = new ListenerPool(dup, inherited);
    this.generations.set(loaded.process.generation, loaded.process);
  }

  /** The first child is to serve as soon as it can, the others come behind it: but for those who may not bind any more then. */
  async start(): Promise<readonly string[]> {
    const { process } = this.loaded;
    const count = dropsPrivileges(process) ? planOf(process).children : 1;
    return this.ready(Array.from({ length: count }, () => this.startThread(null)));
  }

  async open(): Promise<readonly string[]> {
    const taken = this.listeners.opensThem ? await probePorts(this.listen) : [];
    return taken.length > 0 ? taken : distinct(await this.listeners.openIn([...this.threads]));
  }

  begin(): void {
    for (const thread of this.threads) this.commit(thread);
    this.look = setInterval(() => this.lookAtChildren(), LOOK_MS);
    if (this.listeners.keepsNothing)
      this.log(
        "notice",
        "no dup(2), as without --allow-ffi: clients that wait for a child that is replaced will be reset",
      );
    this.adjust();
  }

  async exchange(next: Loaded): Promise<readonly string[]> {
    const exchanging = this.exchangeAll(next);
    this.exchanging = exchanging;
    const failures = await exchanging;
    this.exchanging = null;
    if (failures.length === 0) this.adjust();
    return failures;
  }

  private async exchangeAll(next: Loaded): Promise<readonly string[]> {
    const previous = this.loaded;
    const taken = await probePorts(newListeners(previous.process, next.process));
    if (taken.length > 0) return taken;
    const asked = this.serving();
    for (const thread of asked) thread.send({ kind: "prepare", config: this.configOf(next, thread.memories) });
    // Where one child is to go on alone, as with a unix socket, the others cannot open what is its own.
    const opening = planOf(next.process).why === "" ? asked : asked.slice(0, 1);
    const failures = await this.readyToServe(asked, opening);
    if (this.ending !== null) return ["the server is ending"];
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
    this.listeners.retain(this.listen);
    for (const thread of asked) this.commit(thread);
    await Promise.all(asked.map((thread) => thread.committed()));
    this.switchboard.startAfresh();
    previous.logs.release();
    reopenLogs();
    return [];
  }

  reloadFailed(failed: FailedReloads): void {
    this.failed = failed;
    for (const thread of this.threads) thread.send({ kind: "reloadFailed", failed });
  }

  async stop(): Promise<void> {
    await this.endAll("stop");
  }

  drain(): Promise<boolean> {
    return this.endAll("drain");
  }

  private async endAll(how: "stop" | "drain"): Promise<boolean> {
    this.ending = how;
    const threads = [...this.threads];
    this.listeners.close();
    for (const thread of threads) {
      thread.held?.close();
      if (thread.serving) thread.send({ kind: how });
      // Clients may wait already in one that listens: it serves them, and ends then, as `prepare` says.
      else if (how === "stop" || !thread.listens) thread.end();
    }
    const whole = await Promise.all(threads.map((thread) => thread.gone(how === "stop")));
    if (this.look !== null) clearInterval(this.look);
    this.look = null;
    await closeLogs();
    return whole.every((all) => all);
  }

  /** Waits until they have built what they were told to, and lets some open their listeners. Answers what went wrong. */
  private async readyToServe(threads: readonly ChildThread[], opening: readonly ChildThread[]): Promise<string[]> {
    const failures = await this.ready(threads);
    return failures.length > 0 ? failures : distinct(await this.listeners.openIn(opening));
  }

  private async ready(threads: readonly ChildThread[]): Promise<string[]> {
    return distinct((await Promise.all(threads.map((thread) => thread.ready()))).flat());
  }

  /** More children, or fewer, where the configuration says so. Who is succeeded serves in addition until the other one does. */
  private adjust(): void {
    if (this.ending !== null) return;
    const staying = this.staying();
    const { children } = planOf(this.loaded.process);
    for (let n = staying.length + this.joining; n < children; n++) void this.grow();
    for (const thread of staying.slice(Math.max(1, children - this.joining))) this.retire(thread);
    this.announce();
  }

  private announce(): void {
    const count = this.serving().length;
    if (this.joining > 0 || this.announced === count) return;
    this.announced = count;
    this.log("notice", count === 1 ? "1 child serves" : `${count} children serve`);
  }

  /** One that cannot start is not tried again before the next reload. */
  private async grow(): Promise<void> {
    if (await this.join(null)) this.adjust();
    else if (this.ending === null) this.announce();
  }

  /** @param heirloom the listeners of the child in whose place this one is */
  private startThread(heirloom: HeldListeners | null): ChildThread {
    const seat = this.freeSeat();
    Atomics.store(this.beats, seat, 0);
    const held = this.listeners.choose(heirloom, this.serving());
    const listeners = this.listeners.lend(held, this.listen);
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
        keptFiles: keptFiles.all(),
        logOrder: this.switchboard.logOrder,
      },
      (message) => this.told(thread, message),
      (reason) => this.left(thread, reason),
    );
    for (const name of known) thread.memories.add(name);
    thread.held = this.listeners.ownOf(held);
    thread.lent = listeners;
    for (const { fd } of listeners) thread.listeners.set(fd, inodeOf(fd)!);
    thread.generations.add(this.loaded.process.generation);
    this.threads.add(thread);
    return thread;
  }

  /** A child more. @param heirloom the listeners of the one that died or retires; null: nobody was in its place */
  private async join(heirloom: HeldListeners | null): Promise<boolean> {
    this.joining++;
    const joined = await this.prepare(this.startThread(heirloom));
    this.joining--;
    return joined;
  }

  private async prepare(thread: ChildThread): Promise<boolean> {
    let { generation } = this.loaded.process;
    for (;;) {
      // A reload may want fewer: it serves whom it has then, and `adjust` ends it.
      const tooMany = this.staying().length + this.joining > planOf(this.loaded.process).children;
      const failures = await this.readyToServe([thread], tooMany ? [] : [thread]);
      while (this.exchanging !== null) await this.exchanging;
      if (failures.length > 0 || this.ending === "stop") {
        if (this.ending === null) for (const failure of failures) this.log("error", `a child cannot start: ${failure}`);
        this.discard(thread);
        return false;
      }
      if (generation === this.loaded.process.generation) break;
      // A reload came in between: it knows the old configuration only.
      generation = this.loaded.process.generation;
      thread.generations.add(generation);
      thread.send({ kind: "prepare", config: this.configOf(this.loaded, thread.memories) });
    }
    this.commit(thread);
    if (this.ending !== null) {
      thread.send({ kind: "drain" });
      return false;
    }
    this.switchboard.catchUp(thread);
    thread.send({ kind: "reloadFailed", failed: this.failed });
    this.log("info", `child ${thread.seat} serves now`);
    return true;
  }

  /** It has not served. */
  private discard(thread: ChildThread): void {
    this.threads.delete(thread);
    thread.end();
    if (this.ending !== null) thread.held?.close();
    else this.listeners.bequeath(thread, this.serving());
    this.endedIn(thread);
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
    this.passLead(thread);
    this.listeners.bequeath(thread, this.serving());
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
      case "adopted":
        thread.lent = [];
        break;
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
      case "tell":
      case "ask":
      case "answer":
      case "log":
        this.switchboard.pass(
          thread,
          message,
          [...this.threads].filter((other) => other.serving && other !== thread),
        );
    }
  }

  /** It serves until the other does: no port is without a listener. */
  private async succeed(thread: ChildThread): Promise<void> {
    const { held } = thread;
    thread.held = null;
    thread.succeeded = true;
    if (await this.join(held)) this.retire(thread);
    thread.succeeded = false;
    this.adjust();
  }

  /** @param reason "" if it was told to */
  private left(thread: ChildThread, reason: string): void {
    this.threads.delete(thread);
    this.switchboard.forget(thread);
    this.listeners.takeBack(thread);
    if (reason !== "" && this.ending === null) void closeListeners(thread.listeners);
    if (reason === "" || !thread.serving) {
      this.endedIn(thread);
      if (thread.retiring) this.log("info", `child ${thread.seat} has ended, its connections are closed`);
      return;
    }
    this.log("error", `child ${thread.seat} ${reason}${this.ending !== null ? "" : ", another takes its place"}`);
    this.passLead(thread);
    for (const generation of this.generations.values()) childDied.run(generation.hooks, generation, thread.seat);
    this.endedIn(thread);
    if (this.ending !== null || thread.retiring || thread.succeeded) return;
    this.joining++;
    const wait = Math.max(0, RESTART_MS - (performance.now() - thread.startedMs));
    setTimeout(() => void this.replace(thread.held), wait);
  }

  private async replace(held: HeldListeners | null): Promise<void> {
    this.joining--;
    if (this.ending !== null) return;
    if (await this.join(held)) {
      this.adjust();
      return;
    }
    if (this.ending !== null) return;
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

  /** Without those in whose place another one is about to come. */
  private staying(): ChildThread[] {
    return this.serving().filter((thread) => !thread.succeeded);
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
