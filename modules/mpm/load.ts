/**
 * From a file's name to a generation: reads it, loads the plug-ins that it names, builds.
 * Source: httpd server/main.c, read_config; modules/mappers/mod_so.c
 */
import { lookup } from "node:dns/promises";
import { hostname } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { commandsByName } from "../config/build.ts";
import { ConfigError, type Directive, type Position } from "../config/directive.ts";
import { readConfig } from "../config/preprocess.ts";
import { readYaml } from "../config/read_yaml.ts";
import { systemClock, TimerWheel } from "../core/clock.ts";
import type { LogSink } from "../core/error_log.ts";
import { parseIp } from "../core/ipsubnet.ts";
import type { Module } from "../core/module.ts";
import { OnlyChild } from "../core/only_child.ts";
import type { ProcessRec, ServerRec, VhostAddr } from "../core/records.ts";
import type { Siblings } from "../core/siblings.ts";
import { nodeSockets } from "../net/node.ts";
import { type GenerationInput, makeGeneration } from "../server/lifecycle.ts";
import { SERVER_VERSION } from "../server/mod_core.ts";
import { configFiles } from "./files.ts";
import { nodeHost } from "./host.ts";
import { LogSet, type ProgramLog } from "./logs.ts";

/** What the command line says of the configuration. */
export interface LoadOptions {
  /** Absolute. */
  readonly file: string;
  /** -d; absolute. */
  readonly serverRoot: string;
  readonly defines: readonly string[];
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** The modules that ship. */
  readonly modules: readonly Module[];
  /** -e: the rank of the least severe messages that the start tells of, and where no LogLevel says otherwise. */
  readonly startRank?: number | undefined;
  /** -E: where the start writes its messages. */
  readonly startLog?: string | undefined;
  /** The text of `file`, if it is no file. */
  readonly text?: string;
  /** What was read before, by who starts this child: nothing is read again, and nothing warned of. */
  readonly read?: ReadConfig | undefined;
  /** Of a child whose logs go to programs by way of who started it. */
  readonly makeProgram?: ((target: string) => ProgramLog) | undefined;
  /** Of a child that does not always log: what others log, too. */
  readonly wrapErrorLog?: ((sink: LogSink) => LogSink) | undefined;
}

/** A configuration as plain data, for a thread. */
export interface ReadConfig {
  readonly tree: readonly Directive[];
  /** What LoadModule lines named, in their order. */
  readonly loads: readonly { readonly name: string; readonly path: string }[];
}

/** A generation, and what is told about how it was read. */
export interface Loaded {
  readonly process: ProcessRec;
  readonly logs: LogSet;
  /** The files that were read, with the line of the Include that led to each. */
  readonly files: readonly { readonly path: string; readonly from: Position | undefined }[];
  /** By -D and Define: "NAME" or "NAME=value". */
  readonly defined: readonly string[];
  readonly read: ReadConfig;
}

/** One wheel for the program: time-outs of connections outlive a generation. */
export const wheel = new TimerWheel(systemClock);

const WARN = 4;
/** Loaded by LoadModule, by path; each anew once its file has changed. */
const plugins = new Map<string, { readonly module: Module; readonly version: string }>();
let reloads = 0;

/**
 * Reads and checks a configuration.
 * @param siblings shared memory is allotted in theirs. @default none
 * @throws ConfigError; Error if a log file cannot be opened
 */
export async function loadConfig(
  options: LoadOptions,
  generation: number,
  siblings: Siblings = new OnlyChild(nodeHost.randomBytes(32)),
): Promise<Loaded> {
  for (;;) {
    const wanted = new Map<string, { name: string; at: Position }>();
    const result = read(options, generation, siblings, wanted);
    if (wanted.size === 0) {
      const loaded = result();
      for (const server of loaded.process.servers) await resolveAddresses(server);
      return loaded;
    }
    // A plug-in brings directives and <IfModule> conditions: the file is read again with it.
    for (const [path, { name, at }] of wanted) {
      const version = versionOf(path);
      plugins.set(path, { module: await importPlugin(name, path, at), version });
    }
  }
}

function read(
  options: LoadOptions,
  generation: number,
  siblings: Siblings,
  wanted: Map<string, { name: string; at: Position }>,
): () => Loaded {
  const modules = options.modules.filter((module) => !module.onDemand);
  const files: { path: string; from: Position | undefined }[] = [];
  const defined: string[] = [];
  const warnings: [ah: string, text: string][] = [];
  const loads: { name: string; path: string }[] = [];
  const names = new Set(modules.map((module) => module.name));
  let mpm = "event";
  const hasModule = (name: string) => {
    const known = moduleName(name);
    const asked = MPM.exec(known);
    return asked === null ? names.has(known) || BUILT_IN.has(known) : asked[1] === mpm;
  };
  let commands = commandsByName(modules);
  const warn = (ah: string, message: string, at: Position) => warnings.push([ah, `${message} (${at.file}:${at.line})`]);
  const host = {
    ...configFiles,
    readFile: (path: string) =>
      path === options.file && options.text !== undefined ? options.text : configFiles.readFile(path),
    env: (name: string) => process.env[name],
    version: SERVER_VERSION,
    moduleLoaded: hasModule,
    hasDirective: (name: string) => commands.has(name.toLowerCase()),
    hasSection: (name: string) => commands.get(name.toLowerCase().replace(/^</, ""))?.command.kind === "section",
    warn,
    defined: (names: readonly string[]) => void defined.push(...names),
    included: (path: string, from: Position | undefined) => void files.push({ path, from }),
    readYaml: (path: string, text: string) =>
      readYaml(path, text, (name) => commands.get(name.toLowerCase())?.command.kind === "section"),
    loadModule(name: string, path: string, at: Position): string | null {
      const ofHttpd = /\.(so|dll|dylib)$/i.test(path); // built in here, or without a meaning
      const known = ofHttpd
        ? options.modules.find((module) => module.onDemand && module.name === moduleName(name))
        : plugins.get(path)?.version === versionOf(path)
          ? plugins.get(path)!.module
          : undefined;
      loads.push({ name, path });
      mpm = MPM.exec(moduleName(name))?.[1] ?? mpm;
      if (known === undefined) {
        if (!ofHttpd) wanted.set(path, { name, at });
        return null;
      }
      modules.push(known);
      names.add(known.name);
      commands = commandsByName(modules);
      return null;
    },
  };
  const { defines, before, after, serverRoot } = options;
  const start: Position = { file: options.file, line: 1, column: 1 };
  for (const { name, path } of options.read?.loads ?? []) host.loadModule(name, path, start);
  const tree =
    options.read?.tree ??
    readConfig(options.file, host, {
      defines: [...defines],
      before: [...before],
      after: [...after],
      serverRoot,
    });
  return () => {
    const root = serverRootOf(tree, serverRoot);
    const resolvePath = (path: string) => (isAbsolute(path) ? path : resolve(root, path));
    const logs = new LogSet(resolvePath, options.makeProgram);
    const input: GenerationInput = {
      tree,
      modules,
      clock: systemClock,
      wheel,
      sockets: nodeSockets,
      host: nodeHost,
      siblings,
      generation,
      resolvePath,
      warn,
      hasModule,
      pid: process.pid,
      openErrorLog(target) {
        const sink = logs.openErrorLog(target || (options.startLog ?? ""));
        return options.wrapErrorLog?.(sink) ?? sink;
      },
      openLog: (target) => logs.openLog(target),
      missingLogFolder: (target) => logs.missingFolder(target),
      startRank: options.startRank,
    };
    let made: ProcessRec;
    try {
      made = makeGeneration(input);
    } catch (error) {
      logs.release();
      throw error;
    }
    if (options.read === undefined && (options.startRank ?? WARN) >= WARN)
      for (const [ah, text] of warnings) made.log.warn("core", ah, text);
    const main = made.servers[0]!;
    if (main.hostname === "") main.hostname = hostname();
    for (const server of made.servers) if (server.hostname === "") server.hostname = main.hostname;
    return { process: made, logs, files, defined, read: { tree, loads } };
  };
}

/** The names in <VirtualHost NAME> become addresses; one that has none is left out. */
async function resolveAddresses(server: ServerRec): Promise<void> {
  if (server.addrs.every(({ host }) => host === "*" || parseIp(host) !== null)) return;
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

function serverRootOf(tree: readonly Directive[], fallback: string): string {
  const set = tree.findLast((directive) => directive.name.toLowerCase() === "serverroot");
  return set === undefined ? fallback : resolve(fallback, set.args.replace(/^"(.*)"$/, "$1"));
}

async function importPlugin(name: string, path: string, at: Position): Promise<Module> {
  const isFile = !/^[a-z]+:/i.test(path);
  // Another name is what makes both runtimes read a file again; Bun 1.4.4 takes it in a path only, not in a URL.
  const again = plugins.has(path) && isFile ? `?reload=${++reloads}` : "";
  const specifier = isFile ? ("Bun" in globalThis && again !== "" ? path : pathToFileURL(path).href) + again : path;
  try {
    const loaded = (await import(specifier)) as { default?: Module };
    if (isModule(loaded.default)) return loaded.default;
    throw new Error("its default export was not made by defineModule");
  } catch (error) {
    throw new ConfigError(`Cannot load ${path} into server: ${(error as Error).message}`, {
      position: at,
      hint: `LoadModule ${name}: a plug-in is a TypeScript or JavaScript module`,
    });
  }
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

/** httpd has one of them. Here all are the same, but <IfModule> asks which; their files have no mpm_ in their names. */
const MPM = /^mod_(?:mpm_)?(prefork|worker|event)$/;

/** Of httpd's modules those whose work is in the core here. */
const BUILT_IN = new Set([
  "mod_so",
  "mod_http",
  "mod_core",
  "mod_reqtimeout",
  "mod_version",
  "mod_macro",
  "core",
  "http_core",
]);

function moduleName(name: string): string {
  const base = name.replace(/\.c$/, "").replace(/_module$/, "");
  return base.startsWith("mod_") || base === "core" || base === "http_core" ? base : `mod_${base}`;
}
