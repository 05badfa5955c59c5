/**
 * From a file's name to a generation on this machine: reads it, loads the plug-ins that it names, builds.
 */
import { hostname } from "node:os";
import { pathToFileURL } from "node:url";
import { ConfigError, type Position } from "../config/directive.ts";
import { systemClock, TimerWheel } from "../core/clock.ts";
import type { LogSink } from "../core/error_log.ts";
import { parseIp } from "../core/ipsubnet.ts";
import type { Module } from "../core/module.ts";
import type { ServerRec, VhostAddr } from "../core/records.ts";
import type { Siblings } from "../core/siblings.ts";
import { nodeSockets } from "../net/node.ts";
import { fileError } from "../server/lifecycle.ts";
import { type Loaded, type LoadSource, type Machine, readSource } from "../server/load.ts";
import { configFiles } from "./files.ts";
import { nodeHost } from "./host.ts";
import { type LogParent, LogSet } from "./logs.ts";

/** What the command line says of the configuration. */
export interface LoadOptions extends LoadSource {
  /** -E: where the start writes its messages. */
  readonly startLog?: string | undefined;
  /** Nothing is to be served: messages go where those of the start go, and no log is opened. */
  readonly logsClosed?: boolean;
}

/** One wheel for the program: time-outs of connections outlive a generation. */
export const wheel = new TimerWheel(systemClock);

/** Loaded by LoadModule, by path; each anew once its file has changed. */
const plugins = new Map<string, Module>();
const versions = new Map<string, string>();
let reloads = 0;

/**
 * Reads and checks a configuration.
 * @throws ConfigError; Error if a log file cannot be opened
 */
export async function loadConfig(
  options: LoadOptions,
  generation: number,
  machine: Machine = nodeMachine(options.startLog),
): Promise<Loaded> {
  for (const path of plugins.keys()) if (versions.get(path) !== versionOf(path)) plugins.delete(path);
  const broken = new Map<string, ConfigError>();
  for (;;) {
    const reading = await readSource(options, machine, generation, plugins, broken);
    if (reading.wanted.size === 0) {
      const loaded = reading.build();
      for (const server of loaded.process.servers) await resolveAddresses(server);
      return loaded;
    }
    // A plug-in brings directives and <IfModule> conditions: the file is read again with it.
    options.watch?.restart();
    for (const [path, { name, at }] of reading.wanted) {
      const plugin = await importPlugin(name, path, at);
      if (!(plugin instanceof ConfigError)) plugins.set(path, plugin);
      else if (options.watch === undefined) throw plugin;
      else broken.set(path, plugin);
    }
  }
}

/** What a child in a thread has of who started it. */
export interface ChildSeams {
  readonly siblings: Siblings;
  readonly logs?: LogParent;
  /** For a log that is silent while others say the same. */
  readonly wrapErrorLog?: (sink: LogSink) => LogSink;
}

/** This machine. @param startLog where messages go that no ErrorLog is for @param logsClosed as in LoadOptions */
export function nodeMachine(startLog = "", seams?: ChildSeams, logsClosed = false): Machine {
  return {
    files: configFiles,
    clock: systemClock,
    wheel,
    sockets: nodeSockets,
    host: nodeHost,
    pid: process.pid,
    hostname,
    ...(seams === undefined ? {} : { siblings: seams.siblings }),
    openLogs(absolute) {
      const logs = new LogSet(absolute, seams?.logs);
      return {
        openErrorLog(target) {
          const own = logsClosed ? "" : target;
          const sink = own === "" && startLog !== "" ? openStartLog(logs, startLog) : logs.openErrorLog(own);
          return seams?.wrapErrorLog?.(sink) ?? sink;
        },
        openLog: (target) => logs.openLog(target),
        missingLogFolder: (target) => logs.missingFolder(target),
        release: () => logs.release(),
      };
    },
  };
}

/** Files of -E that could not be opened, which was told. */
const unopened = new Set<string>();

/** -E; one that cannot be opened keeps nobody from starting. */
function openStartLog(logs: LogSet, path: string): LogSink {
  try {
    return logs.openErrorLog(path);
  } catch (error) {
    if (!unopened.has(path)) {
      unopened.add(path);
      console.error(fileError(error as Error, `AH00086: sluice: could not open error log file ${path}.`).message);
    }
    return logs.openErrorLog("");
  }
}

/** The names in <VirtualHost NAME> become addresses; one that has none is left out. */
async function resolveAddresses(server: ServerRec): Promise<void> {
  if (server.addrs.every(({ host }) => host === "*" || parseIp(host) !== null)) return;
  const { lookup } = await import("node:dns/promises");
  const resolved: VhostAddr[] = [];
  for (const addr of server.addrs) {
    if (addr.host === "*" || parseIp(addr.host) !== null) {
      resolved.push(addr);
      continue;
    }
    const found = await lookup(addr.host, { all: true }).catch(() => []);
    if (found.length === 0)
      server.log.error("core", "AH00547", `Could not resolve host name ${addr.name} -- ignoring!`);
    for (const { address } of found) resolved.push({ ...addr, host: address });
  }
  server.addrs = resolved;
}

async function importPlugin(name: string, path: string, at: Position): Promise<Module | ConfigError> {
  const isFile = !/^[a-z]+:/i.test(path);
  // Another name is what makes both runtimes read a file again; Bun 1.4.4 takes it in a path only, not in a URL.
  const again = versions.has(path) && isFile ? `?reload=${++reloads}` : "";
  const specifier = isFile ? ("Bun" in globalThis && again !== "" ? path : pathToFileURL(path).href) + again : path;
  versions.set(path, versionOf(path));
  try {
    if (isFile && versions.get(path) === "") throw new Error("No such file or directory");
    const loaded = (await import(specifier)) as { default?: Module };
    if (isModule(loaded.default)) return loaded.default;
    throw new Error("its default export was not made by defineModule");
  } catch (error) {
    return new ConfigError(`Cannot load ${path} into server: ${reasonOf(error as Error)}`, {
      position: at,
      hint: `LoadModule ${name}: a plug-in is a TypeScript or JavaScript module`,
    });
  }
}

/** Bun only counts what is wrong with a text, and has it elsewhere. */
function reasonOf(error: Error & { readonly errors?: readonly SyntaxMessage[] }): string {
  const first = error.errors?.[0];
  if (first === undefined) return error.message;
  const { message, position } = first;
  return position == null ? message : `${message} (line ${position.line}, column ${position.column})`;
}

interface SyntaxMessage {
  readonly message: string;
  readonly position?: { readonly line: number; readonly column: number } | null;
}

/** Another text once the file has changed; "" of what is no file, and of none. */
function versionOf(path: string): string {
  try {
    return nodeHost.files!.version(path);
  } catch {
    return "";
  }
}

function isModule(value: Partial<Module> | undefined): value is Module {
  return typeof value?.name === "string" && typeof value.index === "number" && Array.isArray(value.commands);
}
