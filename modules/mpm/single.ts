/**
 * One event loop that serves: start, reload, stop, by signals.
 * Source: httpd server/mpm_unix.c, server/mpm/event/event.c
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { ConfigError, formatConfigError } from "../config/directive.ts";
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { type ListenFailure, listenName, NetFront } from "../front/net.ts";
import { closeAllConnections, closeIdleConnections, whenDrained } from "../http/connection.ts";
import { nodeSockets } from "../net/node.ts";
import { endGeneration, startGeneration } from "../server/lifecycle.ts";
import type { Loaded } from "../server/load.ts";
import core, { serverToken } from "../server/mod_core.ts";
import { makeFolderOf } from "./files.ts";
import { closeInspector, guardInspector } from "./inspector.ts";
import { type LoadOptions, loadConfig } from "./load.ts";
import { closeLogs, reopenLogs } from "./logs.ts";
import { dropPrivileges } from "./mod_unixd.ts";

/** A server that serves in this event loop. */
export class SingleChild {
  private current: ProcessRec;
  private logs: Loaded["logs"];
  private readonly options: LoadOptions;
  private readonly commandLine: string;
  private readonly front: NetFront;
  private pidFile: string | null = null;
  private stopping = false;
  private reloading: Promise<void> = Promise.resolve();
  private done!: (code: number) => void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number> = new Promise((resolve) => {
    this.done = resolve;
  });

  constructor(loaded: Loaded, options: LoadOptions, commandLine: string) {
    this.current = loaded.process;
    this.logs = loaded.logs;
    this.options = options;
    this.commandLine = commandLine;
    this.front = new NetFront(nodeSockets, () => this.current);
  }

  /** Opens the listeners and serves. False: it cannot; the reason was written to standard error. */
  start(): Promise<boolean> {
    // Before the first connection is accepted: who sees that the port answers may send a signal.
    this.listenToSignals();
    const started = this.open();
    this.reloading = started.then(() => {});
    return started;
  }

  private async open(): Promise<boolean> {
    const generation = this.current;
    const specs = coreOf(generation).listen;
    const failures = await this.front.open(generation);
    for (const failure of failures) console.error(bindMessage(failure));
    if (specs.length === 0 || failures.length > 0) {
      console.error("no listening sockets available, shutting down");
      console.error("AH00015: Unable to open logs");
      this.front.close();
      return false;
    }
    if (this.stopping) {
      this.front.close();
      return true;
    }
    this.writePid();
    dropPrivileges(generation);
    startGeneration(generation, null);
    this.announce();
    return true;
  }

  /** Reads the configuration anew; a broken one changes nothing. */
  reload(message: string, ah: string): Promise<void> {
    this.reloading = this.reloading.then(() => this.exchange(message, ah));
    return this.reloading;
  }

  /** Ends at once, as httpd does on SIGTERM. */
  stop(message: string): void {
    if (this.stopping) return;
    this.stopping = true;
    this.current.log.notice("mpm_event", "AH00491", message);
    this.front.close();
    closeAllConnections();
    this.finish();
  }

  /** Takes no new connections; ends when those that are left have ended. */
  stopGracefully(): void {
    if (this.stopping) return;
    this.stopping = true;
    this.current.log.notice("mpm_event", "AH00492", "caught SIGWINCH, shutting down gracefully");
    this.front.close();
    this.current.stopping = true;
    closeIdleConnections();
    whenDrained(this.current, () => this.finish());
  }

  private async exchange(message: string, ah: string): Promise<void> {
    if (this.stopping) return;
    const previous = this.current;
    previous.log.notice("mpm_event", ah, message);
    let loaded: Loaded;
    try {
      loaded = await loadConfig(this.options, previous.generation + 1);
    } catch (error) {
      const text = error instanceof ConfigError ? formatConfigError(error, "sluice") : String((error as Error).message);
      previous.log.error(
        "core",
        "",
        `the configuration is broken, nothing was changed: ${text.replaceAll("\n", " | ")}`,
      );
      return;
    }
    const specs = coreOf(loaded.process).listen;
    const failures = await this.front.open(loaded.process);
    if (specs.length === 0 || failures.length > 0) {
      for (const failure of failures) previous.log.error("core", "", bindMessage(failure));
      if (specs.length === 0) previous.log.error("core", "", "no Listen is left: nothing was changed");
      this.front.retain(previous);
      loaded.logs.release();
      return;
    }
    startGeneration(loaded.process, previous);
    const { logs } = this;
    this.current = loaded.process;
    this.logs = loaded.logs;
    previous.stopping = true;
    this.front.retain(loaded.process);
    closeIdleConnections();
    whenDrained(previous, () => {
      endGeneration(previous);
      logs.release();
    });
    reopenLogs();
    this.announce();
  }

  private announce(): void {
    const { log } = this.current;
    log.notice("mpm_event", "AH00489", `${serverToken(coreOf(this.current))} configured -- resuming normal operations`);
    log.notice("core", "AH00094", `Command line: '${this.commandLine}'`);
  }

  private finish(): void {
    endGeneration(this.current);
    this.removePid();
    void closeLogs().then(() => this.done(0));
  }

  private writePid(): void {
    const path = pidFileOf(this.current);
    if (path === null) return;
    makeFolderOf(path);
    writeFileSync(path, `${process.pid}\n`);
    this.pidFile = path;
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

const ERRNO: Readonly<Record<string, string>> = {
  EADDRINUSE: "(98)Address already in use",
  EACCES: "(13)Permission denied",
  EADDRNOTAVAIL: "(99)Cannot assign requested address",
  EINVAL: "(99)Cannot assign requested address",
};

function bindMessage({ spec, error }: ListenFailure): string {
  const reason = ERRNO[error.code] ?? error.message;
  return `${reason}: AH00072: make_sock: could not bind to address ${listenName(spec)}`;
}
