/**
 * The program while it serves: start, reload, stop, by signals; whoever serves is its children.
 * Source: httpd server/mpm_unix.c, server/mpm/event/event.c event_run
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { ConfigError, formatConfigError } from "../config/directive.ts";
import type { LogSink } from "../core/error_log.ts";
import { getModuleConfig } from "../core/module.ts";
import { OnlyChild } from "../core/only_child.ts";
import type { ProcessRec } from "../core/records.ts";
import { fileError, openGeneration } from "../server/lifecycle.ts";
import type { Loaded } from "../server/load.ts";
import core, { serverToken } from "../server/mod_core.ts";
import { treeChanges } from "./changes.ts";
import type { Children, FirstConfig, StartOptions } from "./children.ts";
import { type Dup, loadDup } from "./dup.ts";
import { makeFolderOf } from "./files.ts";
import { nodeHost } from "./host.ts";
import { describe, type Inherited, takeInherited } from "./inherited.ts";
import { closeInspector, guardInspector } from "./inspector.ts";
import { listensOnUnix, newListeners, takesRestart } from "./listen_changes.ts";
import { handsOnPaths } from "./listener_pool.ts";
import { loadConfig, nodeMachine } from "./load.ts";
import { silenced } from "./logs.ts";
import { dropPrivileges } from "./mod_unixd.ts";
import { planOf } from "./mpm.ts";
import { reservePorts } from "./ports.ts";
import { SingleChild } from "./single.ts";
import { ThreadParent } from "./thread_parent.ts";
import type { Threads } from "./threads.ts";
import { watchFiles } from "./watch.ts";

/** httpd's last words where it cannot start. Source: server/listen.c ap_setup_listeners, server/main.c */
const NO_LISTENERS = "no listening sockets available, shutting down";
const NO_START = "AH00015: Unable to open logs";

const NO_HEIR = "on Deno, and without a C library, no child can go on with the unix socket of another";
const NO_DUP = "its listeners cannot be shared without --allow-ffi and a C library";

/** The first configuration, and who is to serve it. */
export interface FirstPlan extends FirstConfig {
  /** Who several children are run by; null: there is one, here. */
  readonly threads: typeof Threads | null;
}

/** Reads a configuration, and says who is to serve it. @throws as loadConfig, takeInherited */
export async function loadFirst(options: StartOptions): Promise<FirstPlan> {
  const inherited = takeInherited(process.env, process.pid);
  const alone = new OnlyChild(nodeHost.randomBytes(32));
  const loaded = await load(options, 0, alone, inherited);
  const { children, lifetime } = planOf(loaded.process);
  const asThreads = options.program !== undefined && (children > 1 || lifetime > 0);
  const dup = asThreads ? await loadDup() : null;
  // Who is to have others go on with its listeners, and cannot, is no thread.
  const stuck = (inherited.used && dup === null) || (listensOnUnix(loaded.process) && !handsOnPaths(dup));
  if (!asThreads || stuck) {
    return { loaded, siblings: alone, inherited, dup, threads: null };
  }
  // Built again: what several children share is told from what one has.
  loaded.logs.release();
  const { files, defined } = loaded;
  const siblings = new ThreadParent(alone.secret);
  const { Threads: threads } = await import("./threads.ts");
  let silent = true;
  const built = await load({ ...options, read: loaded }, 0, siblings, inherited, () => silent);
  silent = false;
  return { loaded: { ...built, files, defined }, siblings, inherited, dup, threads };
}

/**
 * @param silent while it holds, the error logs take nothing
 * @throws as loadConfig; ConfigError if it wants other listeners than were handed over
 */
async function load(
  options: StartOptions,
  generation: number,
  siblings: OnlyChild,
  inherited: Inherited,
  silent: (() => boolean) | null = null,
): Promise<Loaded> {
  const seams = silent === null ? { siblings } : { siblings, wrapErrorLog: (sink: LogSink) => silenced(sink, silent) };
  const loaded = await loadConfig(options, generation, nodeMachine(options.startLog, seams, options.logsClosed));
  try {
    inherited.check(loaded.process);
  } catch (error) {
    loaded.logs.release();
    throw error;
  }
  return loaded;
}

/** @throws Error of the first file that cannot be opened */
function openAll(loaded: Loaded): void {
  try {
    openGeneration(loaded.process);
  } catch (error) {
    loaded.logs.release();
    throw error;
  }
}

export class Parent {
  private current: ProcessRec;
  private loaded: Loaded;
  private readonly siblings: OnlyChild;
  private readonly inherited: Inherited;
  private readonly children: Children;
  private readonly dup: Dup | null;
  private readonly options: StartOptions;
  private readonly commandLine: string;
  private pidFile: string | null = null;
  private state: "running" | "draining" | "stopping" = "running";
  private reloading: Promise<void> = Promise.resolve();
  private failures = 0;
  private unwatch: () => void = () => {};
  private done!: (code: number) => void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number> = new Promise((resolve) => {
    this.done = resolve;
  });

  constructor(first: FirstPlan, options: StartOptions, commandLine: string) {
    this.loaded = first.loaded;
    this.current = first.loaded.process;
    this.siblings = first.siblings;
    this.inherited = first.inherited;
    this.dup = first.dup;
    this.options = options;
    this.commandLine = commandLine;
    this.children =
      first.threads !== null && first.siblings instanceof ThreadParent
        ? new first.threads(first, first.siblings, options, (code) => this.failed(code))
        : new SingleChild(first.loaded, first.siblings, first.inherited);
  }

  /** Opens the listeners and serves. False: it cannot; the reason was written to standard error. */
  start(): Promise<boolean> {
    // Before the first connection is accepted: who sees that the port answers may send a signal, or change a file.
    this.listenToSignals();
    this.unwatch = this.watch(this.loaded);
    const started = this.open();
    this.reloading = started.then(() => {});
    return started;
  }

  private async open(): Promise<boolean> {
    const obstacles = await this.obstacles();
    if (this.state === "stopping") return true;
    if (obstacles.length > 0) {
      for (const obstacle of obstacles) console.error(obstacle);
      await this.children.stop();
      return false;
    }
    dropPrivileges(this.current);
    // Who is served, by whichever child, finds in the log that the server runs.
    this.announce();
    this.announceInherited();
    this.children.begin();
    return true;
  }

  /** Takes what the start needs; answers what is in the way. */
  private async obstacles(): Promise<readonly string[]> {
    const { listen } = coreOf(this.current);
    if (listen.length === 0) return [NO_LISTENERS, NO_START];
    const unwritten = this.openLogs();
    if (unwritten !== null) return [unwritten, NO_START];
    const unfit = await this.children.start();
    if (unfit.length > 0) return [...unfit, "no child can start, shutting down"];
    const unbound = await reservePorts(listen, () => this.children.open());
    if (unbound.length > 0) return [...unbound, NO_LISTENERS, NO_START];
    if (this.state === "stopping") return [];
    const noPid = this.writePid();
    return noPid === null ? [] : [noPid];
  }

  /** While root may. Answers what is in the way, or null. */
  private openLogs(): string | null {
    try {
      openGeneration(this.current);
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  }

  /** Reads the configuration anew; a broken one changes nothing. */
  reload(message: string, ah: string): Promise<void> {
    this.reloading = this.reloading.then(() => this.exchange(message, ah));
    return this.reloading;
  }

  /** Ends at once, as httpd does on SIGTERM. */
  stop(message: string): void {
    if (this.state === "stopping") return;
    this.state = "stopping";
    this.current.log.notice("mpm_event", "AH00491", message);
    void this.children.stop().then(() => this.finish(0));
  }

  /** Takes no new connections; ends when those that are left have ended: with 0, or with 1 if some had to be cut. */
  stopGracefully(): void {
    if (this.state !== "running") return;
    this.state = "draining";
    this.current.log.notice("mpm_event", "AH00492", "caught SIGWINCH, shutting down gracefully");
    // Whoever waits in listeners that are being opened is served, too.
    void this.reloading.then(async () => {
      if (this.state !== "draining") return;
      const whole = await this.children.drain();
      if (this.state === "draining") this.finish(whole ? 0 : 1);
    });
  }

  private async exchange(message: string, ah: string): Promise<void> {
    if (this.state !== "running") return;
    const previous = this.loaded;
    const { log } = previous.process;
    log.notice("mpm_event", ah, message);
    const generation = previous.process.generation + 1;
    let loaded: Loaded;
    try {
      loaded = await load(this.options, generation, this.siblings, this.inherited);
      openAll(loaded);
    } catch (error) {
      this.siblings.release(generation);
      const text = error instanceof ConfigError ? formatConfigError(error, "sluice") : String((error as Error).message);
      log.error("core", "", `the configuration is broken, nothing was changed: ${text.replaceAll("\n", " | ")}`);
      console.error(text);
      this.reloadFailed(text);
      return;
    }
    const unwatch = this.watch(loaded);
    const failures = await this.serveBy(loaded);
    if (failures.length > 0) {
      for (const failure of failures) {
        log.error("core", "", failure);
        console.error(failure);
      }
      this.reloadFailed(failures.join("\n"));
      unwatch();
      loaded.logs.release();
      this.siblings.release(generation);
      return;
    }
    this.loaded = loaded;
    this.current = loaded.process;
    for (const change of treeChanges(previous.tree, loaded.tree)) {
      this.current.log.notice("core", "", change);
    }
    this.announce();
    this.unwatch();
    this.unwatch = unwatch;
  }

  /** Answers why it cannot be. */
  private async serveBy(next: Loaded): Promise<readonly string[]> {
    const { listen } = coreOf(next.process);
    if (listen.length === 0) return ["no Listen is left: nothing was changed"];
    const fixed = takesRestart(this.current, next.process);
    if (fixed.length > 0) return fixed;
    return reservePorts(newListeners(this.current, next.process), () => this.children.exchange(next));
  }

  private reloadFailed(reason: string): void {
    this.children.reloadFailed({ count: ++this.failures, reason, atUs: this.current.clock.wallUs() });
  }

  /** --watch: reloads when a file that was read changes, plug-ins included. Answers how to stop. */
  private watch({ files, loads }: Loaded): () => void {
    if (!this.options.reloadOnChange) return () => {};
    return watchFiles([...files.map(({ path }) => path), ...loads.map(({ path }) => path)], (path) => {
      void this.reload(`${path} has changed.  Doing graceful restart`, "");
    });
  }

  private announce(): void {
    const { log } = this.current;
    const why = this.whyOne();
    if (why !== "") log.notice("mpm_event", "", `one child serves, not ${planOf(this.current).wanted}: ${why}`);
    const endless = this.whyEndless();
    if (endless !== "") log.notice("mpm_event", "", `MaxConnectionsPerChild has no effect: ${endless}`);
    log.notice("mpm_event", "AH00489", `${serverToken(coreOf(this.current))} configured -- resuming normal operations`);
    log.notice("core", "AH00094", `Command line: '${this.commandLine}'`);
  }

  /** Why one child serves where the configuration names more; "": it is not so. */
  private whyOne(): string {
    const { why, wanted } = planOf(this.current);
    if (why !== "" || wanted === 1 || !(this.children instanceof SingleChild)) return why;
    return this.whySingle("from one child to several takes a restart");
  }

  /** Why no child is replaced that should be; "": it is not so. */
  private whyEndless(): string {
    const { lifetime, endless } = planOf(this.current);
    if (lifetime === 0) return endless;
    if (this.children instanceof SingleChild) return this.whySingle("it takes a restart");
    return !handsOnPaths(this.dup) && listensOnUnix(this.current) ? NO_HEIR : "";
  }

  /** @param later a reload wants what only a start can do */
  private whySingle(later: string): string {
    if (this.options.program === undefined) return "it was started so";
    if (this.current.generation > 0) return later;
    return listensOnUnix(this.current) && !handsOnPaths(this.dup) ? NO_HEIR : NO_DUP;
  }

  private announceInherited(): void {
    const { sockets, remark } = this.inherited;
    const { log } = this.current;
    if (remark !== "") log.warn("mpm_event", "", remark);
    if (sockets.length > 0)
      log.notice("mpm_event", "", `listeners that were handed over: ${sockets.map(describe).join(", ")}`);
  }

  /** Nobody is left who serves. */
  private failed(code: number): void {
    if (this.state === "running") this.finish(code);
  }

  private finish(code: number): void {
    this.unwatch();
    this.removePid();
    this.done(code);
  }

  /** Answers what is in the way, or null. */
  private writePid(): string | null {
    const path = pidFileOf(this.current);
    if (path === null) return null;
    try {
      makeFolderOf(path);
      writeFileSync(path, `${process.pid}\n`);
    } catch (error) {
      const { message } = fileError(error as Error, `AH00099: could not create ${path}`);
      return `${message}\nAH00100: sluice: could not log pid to file ${path}`;
    }
    this.pidFile = path;
    return null;
  }

  private removePid(): void {
    if (this.pidFile === null) return;
    try {
      rmSync(this.pidFile, { force: true });
    } catch (error) {
      // User may not write where root may. A pid that is nobody's counts as none.
      this.current.log.warn("core", "", `cannot remove the pid file: ${(error as Error).message}`);
    }
  }

  private listenToSignals(): void {
    void guardInspector();
    process.on("SIGTERM", () => this.stop("caught SIGTERM, shutting down"));
    process.on("SIGINT", () => this.stop("caught SIGINT, shutting down"));
    process.on("SIGWINCH", () => this.stopGracefully());
    process.on("SIGUSR1", () => {
      closeInspector();
      void this.reload("SIGUSR1 received.  Doing graceful restart", "AH00493");
    });
    process.on("SIGHUP", () => void this.reload("SIGHUP received.  Attempting to restart", "AH00494"));
  }
}

function coreOf(generation: ProcessRec) {
  return getModuleConfig(generation.servers[0]!.config, core);
}

/** Where the pid file is; null: the configuration names neither PidFile nor ServerRoot, and there is none. */
export function pidFileOf(generation: ProcessRec): string | null {
  const conf = coreOf(generation);
  if (conf.pidFile === "" && conf.serverRoot === "") return null;
  const name = conf.pidFile === "" ? "logs/httpd.pid" : conf.pidFile;
  return name.startsWith("/") ? name : `${generation.serverRoot}/${name}`;
}

/** The pid in a pid file, or null. */
export function readPid(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
