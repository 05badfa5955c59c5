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
import type { ConfigWatch } from "../config/watch.ts";
import { systemClock, TimerWheel } from "../core/clock.ts";
import { parseIp } from "../core/ipsubnet.ts";
import type { Module } from "../core/module.ts";
import type { ProcessRec, ServerRec, VhostAddr } from "../core/records.ts";
import { nodeSockets } from "../net/node.ts";
import { type GenerationInput, makeGeneration } from "../server/lifecycle.ts";
import { SERVER_VERSION } from "../server/mod_core.ts";
import { configFiles } from "./files.ts";
import { nodeHost } from "./host.ts";
import { LogSet } from "./logs.ts";

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
  /** Is told what becomes of each directive; the reading goes on after an error. */
  readonly watch?: ConfigWatch;
  /** What is not to be the machine's. */
  readonly seams?: Partial<Pick<GenerationInput, "sockets" | "openErrorLog" | "openLog" | "missingLogFolder">>;
}

/** A generation, and what is told about how it was read. */
export interface Loaded {
  readonly process: ProcessRec;
  readonly logs: LogSet;
  /** The files that were read, with the line of the Include that led to each. */
  readonly files: readonly { readonly path: string; readonly from: Position | undefined }[];
  /** By -D and Define: "NAME" or "NAME=value". */
  readonly defined: readonly string[];
  readonly tree: readonly Directive[];
}

/** One wheel for the program: time-outs of connections outlive a generation. */
export const wheel = new TimerWheel(systemClock);

const WARN = 4;
/** Loaded by LoadModule, by path. */
const plugins = new Map<string, Module>();

/**
 * Reads and checks a configuration.
 * @throws ConfigError; Error if a log file cannot be opened
 */
export async function loadConfig(options: LoadOptions, generation: number): Promise<Loaded> {
  const broken = new Map<string, ConfigError>();
  for (;;) {
    const wanted = new Map<string, { name: string; at: Position }>();
    const result = read(options, generation, wanted, broken);
    if (wanted.size === 0) {
      const loaded = result();
      for (const server of loaded.process.servers) await resolveAddresses(server);
      return loaded;
    }
    // A plug-in brings directives and <IfModule> conditions: the file is read again with it.
    options.watch?.restart();
    for (const [path, { name, at }] of wanted) {
      const plugin = await importPlugin(name, path, at);
      if (!(plugin instanceof ConfigError)) plugins.set(path, plugin);
      else if (options.watch === undefined) throw plugin;
      else broken.set(path, plugin);
    }
  }
}

function read(
  options: LoadOptions,
  generation: number,
  wanted: Map<string, { name: string; at: Position }>,
  /** Plug-ins that could not be loaded, of a reading that is watched. */
  broken: ReadonlyMap<string, ConfigError>,
): () => Loaded {
  const modules = options.modules.filter((module) => !module.onDemand);
  const files: { path: string; from: Position | undefined }[] = [];
  const defined: string[] = [];
  const warnings: [ah: string, text: string][] = [];
  const { watch } = options;
  const names = new Set(modules.map((module) => module.name));
  const hasModule = (name: string) => names.has(moduleName(name)) || BUILT_IN.has(moduleName(name));
  let commands = commandsByName(modules);
  const warn = (ah: string, message: string, at: Position) => {
    if (watch === undefined) warnings.push([ah, `${message} (${at.file}:${at.line})`]);
    else watch.warned(at, message);
  };
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
    watch,
    included: (path: string, from: Position | undefined) => void files.push({ path, from }),
    readYaml: (path: string, text: string) =>
      readYaml(path, text, (name) => commands.get(name.toLowerCase())?.command.kind === "section"),
    loadModule(name: string, path: string, at: Position): string | null {
      const failure = broken.get(path);
      if (failure !== undefined) throw failure;
      const ofHttpd = /\.(so|dll|dylib)$/i.test(path); // built in here, or without a meaning
      const known = ofHttpd
        ? options.modules.find((module) => module.onDemand && module.name === moduleName(name))
        : plugins.get(path);
      if (known === undefined) {
        if (!ofHttpd) wanted.set(path, { name, at });
        else if (!hasModule(name)) watch?.remark(at, { noEffect: `sluice has no ${moduleName(name)}` });
        return null;
      }
      modules.push(known);
      names.add(known.name);
      commands = commandsByName(modules);
      return null;
    },
  };
  const { defines, before, after, serverRoot } = options;
  const tree = readConfig(options.file, host, {
    defines: [...defines],
    before: [...before],
    after: [...after],
    serverRoot,
  });
  return () => {
    const root = serverRootOf(tree, serverRoot);
    const resolvePath = (path: string) => (isAbsolute(path) ? path : resolve(root, path));
    const logs = new LogSet(resolvePath);
    const input: GenerationInput = {
      tree,
      modules,
      clock: systemClock,
      wheel,
      sockets: nodeSockets,
      host: nodeHost,
      generation,
      resolvePath,
      warn,
      hasModule,
      pid: process.pid,
      openErrorLog: (target) => logs.openErrorLog(target || (options.startLog ?? "")),
      openLog: (target) => logs.openLog(target),
      missingLogFolder: (target) => logs.missingFolder(target),
      startRank: options.startRank,
      watch,
      ...options.seams,
    };
    let made: ProcessRec;
    try {
      made = makeGeneration(input);
    } catch (error) {
      logs.release();
      throw error;
    }
    if ((options.startRank ?? WARN) >= WARN) for (const [ah, text] of warnings) made.log.warn("core", ah, text);
    const main = made.servers[0]!;
    if (main.hostname === "") main.hostname = hostname();
    for (const server of made.servers) if (server.hostname === "") server.hostname = main.hostname;
    return { process: made, logs, files, defined, tree };
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

async function importPlugin(name: string, path: string, at: Position): Promise<Module | ConfigError> {
  const specifier = /^[a-z]+:/i.test(path) ? path : pathToFileURL(path).href;
  try {
    const loaded = (await import(specifier)) as { default?: Module };
    if (isModule(loaded.default)) return loaded.default;
    throw new Error("its default export was not made by defineModule");
  } catch (error) {
    return new ConfigError(`Cannot load ${path} into server: ${(error as Error).message}`, {
      position: at,
      hint: `LoadModule ${name}: a plug-in is a TypeScript or JavaScript module`,
    });
  }
}

function isModule(value: Partial<Module> | undefined): value is Module {
  return typeof value?.name === "string" && typeof value.index === "number" && Array.isArray(value.commands);
}

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
