/**
 * A configuration's text → a generation: read, its plug-ins named, built. Of the machine it knows what it is given.
 * Source: httpd server/main.c, read_config; modules/mappers/mod_so.c
 */
import { commandsByName } from "../config/build.ts";
import type { ConfigError, Directive, Position } from "../config/directive.ts";
import { resolvePath as resolve } from "../config/include.ts";
import { type ConfigHost, readConfig } from "../config/preprocess.ts";
import type { ConfigWatch } from "../config/watch.ts";
import type { Module } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { LaterModule, loadedOf, type Shipped } from "../core/shipped.ts";
import { type GenerationInput, makeGeneration } from "./lifecycle.ts";
import { SERVER_VERSION } from "./mod_core.ts";

const WARN = 4;

/** What is read, and what the command line adds. */
export interface LoadSource {
  /** Absolute. */
  readonly file: string;
  /** -d; absolute. */
  readonly serverRoot: string;
  readonly defines: readonly string[];
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** The modules that ship. */
  readonly modules: Shipped;
  /** -e: the rank of the least severe messages that the start tells of, and where no LogLevel says otherwise. */
  readonly startRank?: number | undefined;
  /** The text of `file`, if it is no file. */
  readonly text?: string;
  /** What was read before, by who starts this child: nothing is read again, and nothing warned of. */
  readonly read?: ReadConfig | undefined;
  /** Is told what becomes of each directive; the reading goes on after an error. */
  readonly watch?: ConfigWatch;
  /** What is not to be the machine's. */
  readonly seams?: Partial<Pick<GenerationInput, "sockets" | "host" | "openErrorLog" | "openLog" | "missingLogFolder">>;
}

/** A configuration as plain data, for a thread. */
export interface ReadConfig {
  readonly tree: readonly Directive[];
  /** What LoadModule lines named, in their order. */
  readonly loads: readonly { readonly name: string; readonly path: string; readonly at: Position }[];
}

/** The logs of one generation. */
export interface Logs extends Pick<GenerationInput, "openErrorLog" | "openLog" | "missingLogFolder"> {
  /** The generation has ended. */
  release(): void;
}

/** What a generation lives on. */
export interface Machine
  extends Pick<GenerationInput, "clock" | "wheel" | "sockets" | "host" | "gives" | "pid" | "siblings"> {
  readonly files: Pick<ConfigHost, "readFile" | "readDir" | "kind">;
  hostname(): string;
  /** @param absolute makes a path relative to ServerRoot absolute */
  openLogs(absolute: (path: string) => string): Logs;
}

/** A generation, and what is told about how it was read. */
export interface Loaded extends ReadConfig {
  readonly process: ProcessRec;
  readonly logs: Logs;
  /** The files that were read, with the line of the Include that led to each. */
  readonly files: readonly { readonly path: string; readonly from: Position | undefined }[];
  /** By -D and Define: "NAME" or "NAME=value". */
  readonly defined: readonly string[];
}

/** A configuration that was read. */
export interface Reading {
  readonly tree: readonly Directive[];
  /** What LoadModule names and is not among the plug-ins: path → the name on the line. */
  readonly wanted: ReadonlyMap<string, { readonly name: string; readonly at: Position }>;
  /** Runs the directives. @throws ConfigError; Error if a log cannot be opened */
  build(): Loaded;
}

/**
 * Reads a configuration, and loads what ships and it needs.
 * @param plugins what LoadModule loads, by path
 * @param broken plug-ins that could not be loaded, of a reading that is watched
 * @throws ConfigError
 */
export async function readSource(
  source: LoadSource,
  machine: Machine,
  generation: number,
  plugins: ReadonlyMap<string, Module>,
  broken: ReadonlyMap<string, ConfigError> = new Map(),
): Promise<Reading> {
  for (;;) {
    const missing = new Set<Missing>();
    try {
      const reading = readOnce(source, machine, generation, plugins, broken, missing);
      if (missing.size === 0) return reading;
    } catch (error) {
      if (missing.size === 0) throw error;
    }
    // With it, the file is read again.
    source.watch?.restart();
    await Promise.all([...missing].map((one) => one.load()));
  }
}

/** What a configuration needs and is not loaded. */
interface Missing {
  load(): Promise<unknown>;
}

/** The reader of YAML: its package has 72 files, a fifth of the start. */
const yaml = {
  read: null as typeof import("../config/read_yaml.ts").readYaml | null,
  async load(): Promise<void> {
    this.read = (await import("../config/read_yaml.ts")).readYaml;
  },
};

/** @param missing gets what the configuration needs and is not loaded: then the rest does not count */
function readOnce(
  source: LoadSource,
  machine: Machine,
  generation: number,
  plugins: ReadonlyMap<string, Module>,
  broken: ReadonlyMap<string, ConfigError>,
  missing: Set<Missing>,
): Reading {
  const wanted = new Map<string, { name: string; at: Position }>();
  const shipped = loadedOf(source.modules);
  const modules = shipped.filter((module) => !module.onDemand);
  const later = source.modules.filter((one): one is LaterModule => one instanceof LaterModule && one.module === null);
  const files: { path: string; from: Position | undefined }[] = [];
  const defined: string[] = [];
  const warnings: [ah: string, text: string][] = [];
  const loads: { name: string; path: string; at: Position }[] = [];
  const names = new Set([...modules, ...later].map((module) => module.name));
  let mpm = "event";
  const hasModule = (name: string) => {
    const known = moduleName(name);
    const asked = MPM.exec(known);
    return asked === null ? names.has(known) || BUILT_IN.has(known) : asked[1] === mpm;
  };
  let commands = commandsByName(modules);
  const commandOf = (name: string) => {
    const found = commands.get(name.toLowerCase())?.command;
    if (found === undefined) for (const module of later) if (module.wanted.test(name)) missing.add(module);
    return found;
  };
  const { watch } = source;
  const warn = (ah: string, message: string, at: Position) => {
    if (watch === undefined) warnings.push([ah, `${message} (${at.file}:${at.line})`]);
    else watch.warned(at, message);
  };
  const host = {
    ...machine.files,
    readFile: (path: string) =>
      path === source.file && source.text !== undefined ? source.text : machine.files.readFile(path),
    env: machine.host.env,
    version: SERVER_VERSION,
    // A plug-in of the user's may go by its name alone.
    moduleLoaded: (name: string) =>
      hasModule(askedModule(name)) || modules.some((module) => module.name === name && !shipped.includes(module)),
    hasDirective: (name: string) => (commandOf(name)?.kind ?? "section") !== "section",
    hasSection: (name: string) => commandOf(name)?.kind === "section",
    warn,
    defined: (names: readonly string[]) => void defined.push(...names),
    watch,
    included: (path: string, from: Position | undefined) => void files.push({ path, from }),
    readYaml(path: string, text: string): Directive[] {
      if (yaml.read === null) missing.add(yaml);
      return yaml.read?.(path, text, (name) => commandOf(name)?.kind === "section") ?? [];
    },
    loadModule(name: string, path: string, at: Position): string | null {
      const failure = broken.get(path);
      if (failure !== undefined) throw failure;
      const ofHttpd = /\.(so|dll|dylib)$/i.test(path); // built in here, or without a meaning
      const known = ofHttpd
        ? shipped.find((module) => module.onDemand && module.name === moduleName(name))
        : plugins.get(path);
      loads.push({ name, path, at });
      mpm = MPM.exec(moduleName(name))?.[1] ?? mpm;
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
  const { defines, before, after, serverRoot } = source;
  for (const { name, path, at } of source.read?.loads ?? []) host.loadModule(name, path, at);
  const tree =
    source.read?.tree ??
    readConfig(source.file, host, {
      defines: [...defines],
      before: [...before],
      after: [...after],
      serverRoot,
    });
  needed(tree, later, (name) => commands.has(name.toLowerCase()), missing);
  const build = (): Loaded => {
    const root = serverRootOf(tree, serverRoot);
    const absolute = (path: string) => resolve(root, path);
    const logs = machine.openLogs(absolute);
    const { startRank } = source;
    let made: ProcessRec;
    try {
      const seams = { ...machine, ...logs, startRank, watch, ...source.seams };
      made = makeGeneration({ tree, modules, generation, resolvePath: absolute, warn, hasModule, ...seams });
    } catch (error) {
      logs.release();
      throw error;
    }
    if (source.read === undefined && (startRank ?? WARN) >= WARN)
      for (const [ah, text] of warnings) made.log.warn("core", ah, text);
    const main = made.servers[0]!;
    if (main.hostname === "") main.hostname = machine.hostname();
    for (const server of made.servers) if (server.hostname === "") server.hostname = main.hostname;
    return { process: made, logs, files, defined, tree, loads };
  };
  return { tree, wanted, build };
}

/** Of the modules that are not loaded those that a tree needs: all of them for a name that nobody knows. */
function needed(
  tree: readonly Directive[],
  later: readonly LaterModule[],
  isKnown: (name: string) => boolean,
  into: Set<Missing>,
): void {
  for (const { name, args, named = [], body = [] } of tree) {
    const line = [name, args, ...named.map(({ key, value }) => `${key}=${value}`)].join(" ");
    const asking = later.filter((module) => module.wanted.test(line));
    for (const module of asking.length > 0 || isKnown(name) ? asking : later) into.add(module);
    needed(body, later, isKnown, into);
  }
}

function serverRootOf(tree: readonly Directive[], fallback: string): string {
  const set = tree.findLast((directive) => directive.name.toLowerCase() === "serverroot");
  return set === undefined ? fallback : resolve(fallback, set.args.replace(/^"(.*)"$/, "$1"));
}

/** httpd has one of them. Here all are the same, but <IfModule> asks which; their files have no mpm_ in their names. */
const MPM = /^mod_(?:mpm_)?(prefork|worker|event)$/;

/** Of httpd's modules those whose work is in the core here. */
const BUILT_IN = new Set([
  "mod_so",
  "mod_http",
  "mod_core",
  "mod_logio",
  "mod_reqtimeout",
  "mod_version",
  "mod_macro",
  "core",
  "http_core",
]);

/** Of httpd's modules those whose file is not called after them. */
const FILES = new Map([
  ["core.c", "mod_core"],
  ["http_core.c", "mod_http"],
  ["event.c", "mod_event"],
  ["worker.c", "mod_worker"],
  ["prefork.c", "mod_prefork"],
]);

/** What <IfModule> asks for: a module by its file or by its symbol, as httpd knows it; "" is nothing's. */
function askedModule(written: string): string {
  const symbol = /^(.+)_module$/.exec(written)?.[1];
  if (symbol !== undefined) return /^(http_core|event|worker|prefork)$/.test(symbol) ? "" : `mod_${symbol}`;
  return FILES.get(written) ?? (/^mod_(?!core\.|http\.|mpm_).+\.c$/.test(written) ? written : "");
}

function moduleName(name: string): string {
  const base = name.replace(/\.c$/, "").replace(/_module$/, "");
  return base.startsWith("mod_") || base === "core" || base === "http_core" ? base : `mod_${base}`;
}
