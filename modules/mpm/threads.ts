/**
 * Children in threads: each listens on the same ports, and the system spreads connections over them. One that dies, or stops
 * answering, or has served its time, is replaced; a reload is made by all of them or by none.
 * Source: httpd server/mpm/event/event.c server_main_loop, perform_idle_server_maintenance
 */
import { getModuleConfig } from "../core/module.ts";
import type { FailedReloads, ProcessRec } from "../core/records.ts";
import type { Loaded } from "../server/load.ts";
import core, { frontOf, type ListenSpec } from "../server/mod_core.ts";
import type { ChildThread } from "./child_thread.ts";
import type { Children, FirstConfig, StartOptions } from "./children.ts";
import { Generations } from "./generations.ts";
import type { HeldListeners } from "./held.ts";
import { listensOnUnix, newListeners } from "./listen_changes.ts";
import { ListenerPool } from "./listener_pool.ts";
import { closeListeners } from "./listeners.ts";
import { closeLogs, reopenLogs } from "./logs.ts";
import type { FromChild } from "./messages.ts";
import { dropsPrivileges } from "./mod_unixd.ts";
import { planOf } from "./mpm.ts";
import { probePorts } from "./ports.ts";
import { Roster } from "./roster.ts";
import { Switchboard } from "./switchboard.ts";
import type { ThreadParent } from "./thread_parent.ts";
import { ThreadStarter } from "./thread_starter.ts";

/** Whoever died younger is not replaced at once: it would die again. */
const RESTART_MS = 1000;

export class Threads implements Children {
  private loaded: Loaded;
  private readonly onFailed: (code: number) => void;
  private readonly listeners: ListenerPool;
  private readonly starter: ThreadStarter;
  private readonly roster = new Roster();
  private readonly generations: Generations;
  private readonly switchboard = new Switchboard(
    () => this.loaded.logs,
    (text) => this.log("warn", text),
  );
  private failed: FailedReloads = { count: 0, reason: null, atUs: 0 };
  /** Children that are about to come. */
  private joining = 0;
  /** How many serve, as the log was told last. */
  private announced = 0;
  /** A reload that is under way. */
  private exchanging: Promise<unknown> | null = null;
  private ending: "stop" | "drain" | null = null;

  /** @param onFailed no child is left, and none can be started */
  constructor(first: FirstConfig, siblings: ThreadParent, options: StartOptions, onFailed: (code: number) => void) {
    const { loaded, inherited, dup } = first;
    this.loaded = loaded;
    this.onFailed = onFailed;
    this.listeners = new ListenerPool(dup, inherited);
    this.starter = new ThreadStarter(options, siblings, this.listeners, this.roster, this.switchboard.logOrder);
    this.generations = new Generations(loaded.process, siblings, this.roster);
  }

  /** The first child is to serve as soon as it can, the others come behind it: but for those who may not bind any more then. */
  async start(): Promise<readonly string[]> {
    const { process } = this.loaded;
    const count = dropsPrivileges(process) ? planOf(process).children : 1;
    return this.ready(Array.from({ length: count }, () => this.startThread(null)));
  }

  async open(): Promise<readonly string[]> {
    const { process } = this.loaded;
    const taken = this.listeners.opensThem ? await probePorts(newListeners(null, process)) : [];
    return taken.length > 0 ? taken : this.openIn(this.roster.all(), process);
  }

  begin(): void {
    for (const thread of this.roster.all()) this.commit(thread);
    this.roster.watch();
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
    const asked = this.roster.serving();
    for (const thread of asked) thread.send({ kind: "prepare", config: this.starter.configOf(next, thread.memories) });
    // Where one child is to go on alone, as with a unix socket, the others cannot open what is its own.
    const opening = planOf(next.process).why === "" ? asked : asked.slice(0, 1);
    const failures = await this.readyToServe(asked, opening, next.process);
    if (this.ending !== null) return ["the server is ending"];
    if (failures.length > 0) {
      for (const thread of asked) thread.send({ kind: "abandon" });
      this.listeners.retain(keptOpen(previous.process));
      return failures;
    }
    this.loaded = next;
    this.failed = { ...this.failed, reason: null };
    this.generations.succeed(next.process);
    this.listeners.retain(keptOpen(next.process));
    for (const thread of asked) this.commit(thread);
    await Promise.all(asked.map((thread) => thread.committed()));
    this.switchboard.startAfresh();
    previous.logs.release();
    reopenLogs();
    return [];
  }

  reloadFailed(failed: FailedReloads): void {
    this.failed = failed;
    for (const thread of this.roster.all()) thread.send({ kind: "reloadFailed", failed });
  }

  async stop(): Promise<void> {
    await this.endAll("stop");
  }

  drain(): Promise<boolean> {
    return this.endAll("drain");
  }

  private async endAll(how: "stop" | "drain"): Promise<boolean> {
    this.ending = how;
    const threads = this.roster.all();
    this.listeners.close();
    for (const thread of threads) {
      if (thread.serving) thread.send({ kind: how });
      // Clients may wait already in one that listens: it serves them, and ends then, as `prepare` says.
      else if (how === "stop" || !thread.listens) thread.end();
    }
    const whole = await Promise.all(threads.map((thread) => thread.gone(how === "stop")));
    this.roster.unwatch();
    await closeLogs();
    return whole.every((all) => all);
  }

  /** Waits until they have built what they were told to, and lets some open their listeners. Answers what went wrong. */
  private async readyToServe(
    threads: readonly ChildThread[],
    opening: readonly ChildThread[],
    process: ProcessRec,
  ): Promise<readonly string[]> {
    const failures = await this.ready(threads);
    return failures.length > 0 ? failures : this.openIn(opening, process);
  }

  private async openIn(threads: readonly ChildThread[], process: ProcessRec): Promise<readonly string[]> {
    const failures = await this.listeners.openIn(threads, keptOpen(process));
    // Whoever was opening them when the end came has them since.
    if (this.ending !== null) this.listeners.close();
    return distinct(failures);
  }

  private async ready(threads: readonly ChildThread[]): Promise<string[]> {
    return distinct((await Promise.all(threads.map((thread) => thread.ready()))).flat());
  }

  /** More children, or fewer, where the configuration says so. Who is succeeded serves in addition until the other one does. */
  private adjust(): void {
    if (this.ending !== null) return;
    const staying = this.roster.staying();
    const { children } = planOf(this.loaded.process);
    for (let n = staying.length + this.joining; n < children; n++) void this.grow();
    for (const thread of staying.slice(Math.max(1, children - this.joining))) this.retire(thread);
    this.announce();
  }

  private announce(): void {
    const count = this.roster.serving().length;
    if (this.joining > 0 || this.announced === count) return;
    this.announced = count;
    this.log("notice", count === 1 ? "1 child serves" : `${count} children serve`);
  }

  /** One that cannot start is not tried again before the next reload. */
  private async grow(): Promise<void> {
    if (await this.join(null)) this.adjust();
    else if (this.ending === null) this.checkLeft();
  }

  private startThread(heirloom: HeldListeners | null): ChildThread {
    return this.starter.start(
      this.loaded,
      heirloom,
      (thread, message) => this.told(thread, message),
      (thread, reason) => this.left(thread, reason),
    );
  }

  /** A child more. @param heirloom the listeners of the one that died or retires; null: nobody was in its place */
  private async join(heirloom: HeldListeners | null): Promise<boolean> {
    if (this.roster.freeSeats === 0) return false;
    this.joining++;
    const joined = await this.prepare(this.startThread(heirloom));
    this.joining--;
    return joined;
  }

  private async prepare(thread: ChildThread): Promise<boolean> {
    let { generation } = this.loaded.process;
    for (;;) {
      // A reload may want fewer: it serves whom it has then, and `adjust` ends it.
      const tooMany = this.roster.staying().length + this.joining > planOf(this.loaded.process).children;
      const failures = await this.readyToServe([thread], tooMany ? [] : [thread], this.loaded.process);
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
      thread.send({ kind: "prepare", config: this.starter.configOf(this.loaded, thread.memories) });
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
    this.roster.delete(thread);
    thread.end();
    if (this.ending === null) this.listeners.bequeath(thread, this.roster.serving());
    this.generations.left(thread);
  }

  private commit(thread: ChildThread): void {
    thread.generations.add(this.loaded.process.generation);
    this.roster.serves(thread);
  }

  /** Takes no new connections, and ends with those that it has. */
  private retire(thread: ChildThread): void {
    thread.retiring = true;
    this.roster.passLead(thread);
    this.listeners.bequeath(thread, this.roster.serving());
    thread.send({ kind: "drain" });
  }

  private told(thread: ChildThread, message: FromChild): void {
    switch (message.kind) {
      case "adopted":
        thread.lent = [];
        break;
      case "ended":
        this.generations.endedIn(thread, message.generation);
        break;
      case "full":
        thread.full = !this.isEndless;
        this.succeedFull();
        break;
      case "tell":
      case "ask":
      case "answer":
      case "log":
        this.switchboard.pass(
          thread,
          message,
          this.roster.all().filter((other) => other.serving && other !== thread),
        );
    }
  }

  /** A seat for each that is to replace one that died is left free. Who finds none serves on until another one has ended. */
  private succeedFull(): void {
    for (const thread of this.roster.staying()) {
      if (!thread.full) continue;
      const said = `child ${thread.seat} has accepted MaxConnectionsPerChild connections`;
      if (this.roster.freeSeats <= this.joining) {
        this.log("warn", `${said} and goes on: too many others still serve the last of theirs`);
        return;
      }
      thread.full = false;
      this.log("info", `${said}, another takes its place`);
      void this.succeed(thread);
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
    this.roster.delete(thread);
    this.switchboard.forget(thread);
    this.listeners.takeBack(thread);
    if (reason !== "" && this.ending === null) void closeListeners(thread.listeners);
    if (reason === "" || !thread.serving) {
      this.generations.left(thread);
      if (thread.retiring) this.log("info", `child ${thread.seat} has ended, its connections are closed`);
      if (this.ending === null) this.succeedFull();
      return;
    }
    this.log("error", `child ${thread.seat} ${reason}${this.ending !== null ? "" : ", another takes its place"}`);
    this.roster.passLead(thread);
    this.generations.died(thread);
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
    if (this.ending === null) this.checkLeft();
  }

  /** One could not be started. */
  private checkLeft(): void {
    this.announce();
    if (this.roster.serving().length > 0 || this.joining > 0) return;
    this.log("crit", "no child is left, and none can be started: ending");
    this.onFailed(1);
  }

  /** Nobody could go on with the listeners of a child. */
  private get isEndless(): boolean {
    return !this.listeners.keepsPaths && listensOnUnix(this.loaded.process);
  }

  private log(level: "notice" | "info" | "warn" | "error" | "crit", text: string): void {
    this.loaded.process.log[level]("mpm_event", "", text);
  }
}

/** The listeners that outlive a child: those of `Front net`. */
function keptOpen(process: ProcessRec): readonly ListenSpec[] {
  const conf = getModuleConfig(process.servers[0]!.config, core);
  return conf.listen.filter((spec) => frontOf(conf, spec) === "net");
}

function distinct(failures: readonly string[]): string[] {
  return [...new Set(failures)];
}
