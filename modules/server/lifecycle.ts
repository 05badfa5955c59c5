/**
 * A configuration → a generation: hooks registered, directives run, servers merged, everything checked; then built.
 * Source: httpd server/main.c, server/config.c
 */
import { buildServers } from "../config/build.ts";
import type { Directive } from "../config/directive.ts";
import { type ConfigWatch, guarded, note } from "../config/watch.ts";
import type { Clock, TimerWheel } from "../core/clock.ts";
import { ErrorLog, type LogSink } from "../core/error_log.ts";
import { Hooks } from "../core/hooks.ts";
import type { Host } from "../core/host.ts";
import { type Capability, getModuleConfig, type Module, Registrar } from "../core/module.ts";
import { OnlyChild } from "../core/only_child.ts";
import { Providers } from "../core/providers.ts";
import type { ProcessRec, RequestRec, ServerRec } from "../core/records.ts";
import type { Siblings } from "../core/siblings.ts";
import type { SocketHost } from "../net/socket.ts";
import { compileErrorLogFormats } from "./error_log_format.ts";
import { checkConfig, childExit, childInit, openLogs, postConfig } from "./hooks.ts";
import core, { type CoreConfig, logLevelsOf } from "./mod_core.ts";
import { isAccessible } from "./request.ts";
import { serverName } from "./server_name.ts";

/** What a generation is made from. */
export interface GenerationInput {
  readonly tree: readonly Directive[];
  readonly modules: readonly Module[];
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly sockets: SocketHost;
  readonly host: Host;
  /** @default none: it is alone, and no generation was before it */
  readonly siblings?: Siblings;
  /** Modules that need more take no part; their directives are still known. @default everything */
  readonly gives?: ReadonlySet<Capability>;
  readonly generation: number;
  readonly resolvePath: (path: string) => string;
  readonly warn: (ahNumber: string, message: string, at: Directive) => void;
  readonly hasModule: (name: string) => boolean;
  readonly pid: number;
  /** Where a server's messages go: `target` is ErrorLog's argument, "" where there is none. */
  readonly openErrorLog: (target: string) => LogSink;
  readonly openLog: (target: string) => LogSink;
  readonly missingLogFolder: (target: string) => string | null;
  /** The rank of the least severe messages where no LogLevel says it: -e. @default warn */
  readonly startRank?: number | undefined;
  /** Is told what becomes of each directive; the reading goes on after an error. */
  readonly watch?: ConfigWatch | undefined;
}

/** Reads and checks; opens nothing but logs. @throws ConfigError */
export function makeGeneration(input: GenerationInput): ProcessRec {
  const hooks = new Hooks();
  const providers = new Providers();
  const registrar = new Registrar(hooks, providers);
  for (const module of input.modules) {
    if (input.gives !== undefined && !module.needs.every((need) => input.gives!.has(need))) continue;
    hooks.registering(module.name);
    module.registerHooks?.(registrar);
  }
  const used = new Set<string>();
  const servers = buildServers(input.tree, input.modules, input, providers, used);
  hooks.configured(used);
  const main = servers[0]!;
  const conf = getModuleConfig(main.config, core);
  const process: ProcessRec = {
    hooks,
    providers,
    modules: input.modules,
    clock: input.clock,
    wheel: input.wheel,
    servers,
    sockets: input.sockets,
    host: input.host,
    isAccessible,
    log: errorLogOf(main, conf, input),
    openLog: input.openLog,
    missingLogFolder: input.missingLogFolder,
    pid: input.pid,
    takesTimes: false,
    keepsRequests: false,
    startRank: input.startRank,
    drainLimitMs: conf.gracefulShutdownTimeoutMs,
    serverRoot: input.resolvePath("."),
    runtimeDir: input.resolvePath(conf.runtimeDir || "."),
    siblings: input.siblings ?? new OnlyChild(input.host.randomBytes(32)),
    generation: input.generation,
    failedReloads: { count: 0, reason: null, atUs: 0 },
    stopping: false,
  };
  for (const server of servers) {
    const own = getModuleConfig(server.config, core);
    server.process = process;
    server.log = server === main ? process.log : errorLogOf(server, own, input);
    if (server.hostname === "") {
      server.hostname = main.hostname;
      if (server.port === 0) server.port = main.port;
    }
  }
  hooks.report = (_module, _hook, error) => {
    if (input.watch === undefined) throw error;
    note(input.watch, error);
  };
  checkConfig.run(hooks, process);
  hooks.report = reportException(process);
  return process;
}

function errorLogOf(server: ServerRec, conf: CoreConfig, input: GenerationInput): ErrorLog {
  const folder = input.missingLogFolder(conf.errorLog);
  if (folder !== null) {
    const whose = server.isVirtual ? `error log of vhost defined at ${server.file}:${server.line}` : "main error log";
    guarded(input.watch, () => {
      throw logFolderError(`AH02291: Cannot access directory '${folder}' for ${whose}`);
    });
  }
  const names = { virtual: () => server.hostname, asked: serverName };
  const formats = compileErrorLogFormats(conf.errorLogFormats, names);
  const levels = logLevelsOf(conf.logLevels, input.startRank);
  return new ErrorLog(input.openErrorLog(conf.errorLog), () => input.clock.wallUs(), input.pid, levels, formats);
}

/** What a log whose folder is not there fails with, when the configuration is read. */
export function logFolderError(message: string): Error {
  return fileError({ code: "ENOENT", message: "" }, message);
}

const ERRNO: Readonly<Record<string, string>> = {
  ENOENT: "(2)No such file or directory",
  EACCES: "(13)Permission denied",
  EISDIR: "(21)Is a directory",
  EROFS: "(30)Read-only file system",
};

/** What the system says of a file, as httpd words it, and then what was to be done. */
export function fileError(error: { readonly code?: string; readonly message: string }, message: string): Error {
  const { code } = error;
  return Object.assign(new Error(`${ERRNO[code ?? ""] ?? error.message}: ${message}`), { code });
}

/** Opens the files of a configuration that is to be served, and starts the programs of its logs. @throws Error of the first that cannot be opened */
export function openGeneration(process: ProcessRec): void {
  const { hooks } = process;
  const report = hooks.report;
  hooks.report = (_module, _hook, error) => {
    throw error;
  };
  try {
    for (const { log } of process.servers) log.open();
    openLogs.run(hooks, process);
  } finally {
    hooks.report = report;
  }
}

/** Builds what the configuration describes and starts to serve it. */
export function startGeneration(process: ProcessRec, previous: ProcessRec | null): void {
  postConfig.run(process.hooks, process, previous);
  childInit.run(process.hooks, process, process.servers[0]!);
}

/** Lets go of what a generation holds, once no connection of it is left. */
export function endGeneration(process: ProcessRec): void {
  childExit.run(process.hooks, process);
}

function reportException(process: ProcessRec) {
  return (module: string, hook: string, error: unknown, subject: unknown): void => {
    const server = (subject as RequestRec | undefined)?.server;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    (server?.log ?? process.log).crit(
      module.replace(/^mod_/, ""),
      "",
      `exception in hook ${hook} of ${module}: ${text}`,
    );
  };
}
