/**
 * The directive tree and the command tables → raw values of every scope.
 * Source: httpd server/config.c, ap_walk_config, invoke_cmd
 */
import {
  ArgumentError,
  type CommandContext,
  type CommandKind,
  type CommandNote,
  type CommandRec,
  type MethodTest,
  type ScopeInfo,
} from "../core/command.ts";
import type { Host } from "../core/host.ts";
import type { Module, RawConfig } from "../core/module.ts";
import { type ProviderGroup, Providers } from "../core/providers.ts";
import { type RawVector, type SectionRec, ServerRec } from "../core/records.ts";
import { type ConfigError, columnIn, type Directive, didYouMean, errorAt, splitWords, type Word } from "./directive.ts";
import { mergeConfig } from "./merge.ts";
import { notYet } from "./not_yet.ts";
import { isBareSection } from "./section_names.ts";
import { type ConfigWatch, guarded } from "./watch.ts";

/** What the builder asks of the program. */
export interface BuildHost {
  readonly host: Host;
  /** Makes a path relative to ServerRoot absolute. */
  resolvePath(path: string): string;
  warn(ahNumber: string, message: string, at: Directive): void;
  hasModule(name: string): boolean;
  readonly watch?: ConfigWatch | undefined;
}

const OUTSIDE: ScopeInfo = { kind: "server", section: "", arg: "", pattern: null, isRegex: false };

/** A command and whose it is. */
export interface OwnedCommand {
  readonly command: CommandRec;
  readonly module: Module;
  /** Other modules that define the same name: each is told, as in httpd (HeartbeatStorage). */
  readonly others: OwnedCommand[];
}

/** Every command of the modules, by lower-case name. The first module to define a name says where it may stand. */
export function commandsByName(modules: readonly Module[]): Map<string, OwnedCommand> {
  const commands = new Map<string, OwnedCommand>();
  for (const module of modules) {
    for (const command of module.commands) {
      const key = command.name.toLowerCase();
      const owned = { command, module, others: [] };
      const first = commands.get(key);
      if (first === undefined) commands.set(key, owned);
      else first.others.push(owned);
    }
  }
  return commands;
}

/**
 * Runs every directive; answers the main server and the virtual hosts, merged and parsed.
 * @param used gets the names of the modules whose directives ran
 * @throws ConfigError at the first directive that is wrong
 */
export function buildServers(
  tree: readonly Directive[],
  modules: readonly Module[],
  host: BuildHost,
  providers = new Providers(),
  used = new Set<string>(),
): ServerRec[] {
  const main = new ServerRec(false, "", 0, []);
  const build: Build = {
    modules,
    host,
    providers,
    commands: commandsByName(modules),
    used,
    servers: [main],
    sections: new Map(),
    ids: 0,
  };
  walk(build, tree, main, scopeOf(build, main, OUTSIDE));
  for (const server of build.servers) finish(build, server, main);
  return build.servers;
}

interface Build {
  readonly modules: readonly Module[];
  readonly host: BuildHost;
  readonly commands: ReadonlyMap<string, OwnedCommand>;
  readonly providers: Providers;
  readonly used: Set<string>;
  readonly servers: ServerRec[];
  readonly sections: Map<ServerRec, SectionRec[]>;
  /** Sections so far. */
  ids: number;
}

/** Where directives are read into. */
interface Scope {
  readonly info: ScopeInfo;
  readonly raw: RawVector;
  /** The sections that stand in it. */
  readonly sections: SectionRec[];
  readonly limited: MethodTest | null;
}

function scopeOf(build: Build, server: ServerRec, info: ScopeInfo): Scope {
  const sections: SectionRec[] = [];
  build.sections.set(server, sections);
  return { info, raw: server.raw, sections, limited: null };
}

function finish(build: Build, server: ServerRec, main: ServerRec): void {
  const scopes = server === main ? [main.raw] : [main.raw, server.raw];
  server.config = mergeConfig(build.modules, scopes);
  const inherited = server === main ? [] : (build.sections.get(main) ?? []);
  const sections = [...inherited, ...(build.sections.get(server) ?? [])];
  server.locations = sections.filter((s) => s.kind === "location");
  server.proxies = sections.filter((s) => s.kind === "proxy");
  server.ifs = sections.filter((s) => s.kind === "if");
  server.conditional = sections.some((s) => s.kind === "if" || s.ifs.length > 0);
}

function walk(build: Build, body: readonly Directive[], server: ServerRec, scope: Scope): void {
  for (const directive of body) {
    guarded(build.host.watch, () => walkOne(build, directive, server, scope));
  }
}

function walkOne(build: Build, directive: Directive, server: ServerRec, scope: Scope): void {
  const found = build.commands.get(directive.name.toLowerCase());
  if (found === undefined || (found.command.kind === "section") !== (directive.body !== undefined)) {
    const error = unknown(build, directive);
    build.host.watch?.unknown(directive, error);
    throw error;
  }
  for (const { command, module } of [found, ...found.others]) {
    build.host.watch?.runs(
      directive,
      command.kind === "section" ? `<${command.name}` : command.name,
      command.note,
      scope.info,
    );
    run(build, directive, command, module, server, scope);
  }
}

function unknown(build: Build, directive: Directive): ConfigError {
  const written = directive.body === undefined ? directive.name : `<${directive.name}`;
  const later = notYet(directive.name);
  return errorAt(
    directive,
    `Invalid command '${written}', perhaps misspelled or defined by a module not included in the server configuration`,
    {
      hint:
        later ??
        didYouMean(
          directive.name,
          [...build.commands.values()].map(({ command }) => command.name),
        ),
    },
  );
}

function run(
  build: Build,
  directive: Directive,
  command: CommandRec,
  module: Module,
  server: ServerRec,
  scope: Scope,
): void {
  const misplaced = wherefore(command, scope.info);
  if (misplaced !== null) throw errorAt(directive, misplaced);
  build.used.add(module.name);
  const cmd = new Context(build, directive, module, server, scope);
  let error: string | undefined | void;
  try {
    error = invoke(command, cmd, directive);
  } catch (thrown) {
    if (thrown instanceof Refusal)
      throw errorAt(directive, `${command.name}: ${thrown.message}`, { column: directive.argsColumn });
    if (thrown instanceof ArgumentError)
      throw errorAt(directive, thrown.message, {
        column: columnIn(directive, thrown.text, thrown.column),
        hint: thrown.hint,
      });
    throw thrown;
  }
  if (typeof error === "string") throw errorAt(directive, error);
}

/** A value that the module's schema refuses. */
class Refusal extends Error {}

class Context implements CommandContext {
  readonly directive: Directive;
  readonly server: ServerRec;
  private readonly build: Build;
  private readonly module: Module;
  private readonly within: Scope;

  constructor(build: Build, directive: Directive, module: Module, server: ServerRec, within: Scope) {
    this.build = build;
    this.directive = directive;
    this.module = module;
    this.server = server;
    this.within = within;
  }

  get scope(): ScopeInfo {
    return this.within.info;
  }

  get limited(): MethodTest | null {
    return this.within.limited;
  }

  get lastIf(): SectionRec | null {
    return this.within.sections.findLast((section) => section.kind === "if") ?? null;
  }

  get raw(): RawConfig {
    const { raw } = this.within;
    raw[this.module.index] ??= {};
    return raw[this.module.index]!;
  }

  set(key: string, value: unknown): void {
    const result = this.module.config.shape[key]?.safeParse(value);
    if (result?.success === false) throw new Refusal(result.error.issues.map(({ message }) => message).join("; "));
    this.raw[key] = value;
    this.note(key, false);
  }

  push(key: string, value: unknown): void {
    const list = (this.raw[key] as unknown[] | undefined) ?? [];
    this.raw[key] = [...list, value];
    this.note(key, true);
  }

  private note(key: string, adds: boolean): void {
    const { name, append } = this.module;
    this.build.host.watch?.writes(this.directive, { value: `${name} ${key}`, adds, joined: append.includes(key) });
  }

  open(info: ScopeInfo, server: ServerRec = this.server): void {
    const { body, file, line } = this.directive;
    if (info.kind === "server") {
      this.build.servers.push(server);
      walk(this.build, body ?? [], server, scopeOf(this.build, server, info));
      return;
    }
    const scope: Scope = { info, raw: [], sections: [], limited: null };
    walk(this.build, body ?? [], server, scope);
    if (info.kind === "none") return;
    const { kind, arg, pattern, isRegex, condition = null, isElse = false } = info;
    const { raw, sections: ifs } = scope;
    const id = this.build.ids++;
    this.within.sections.push({ kind, arg, pattern, isRegex, raw, condition, isElse, ifs, id, file, line });
  }

  walk(limited: MethodTest | null = this.within.limited): void {
    const { info } = this.within;
    // For messages: what a directive in <Limit> or <RequireAll> stands in is that, within a section.
    const named = info.kind === "server" ? info : { ...info, section: this.directive.name };
    walk(this.build, this.directive.body ?? [], this.server, { ...this.within, info: named, limited });
  }

  get host(): Host {
    return this.build.host.host;
  }

  resolvePath(path: string): string {
    return this.build.host.resolvePath(path);
  }

  provider<T>(group: ProviderGroup<T>, name: string): T | undefined {
    return this.build.providers.lookup(group, name);
  }

  providerNames(group: ProviderGroup<unknown>): string[] {
    return this.build.providers.names(group);
  }

  warn(ahNumber: string, message: string): void {
    this.build.host.warn(ahNumber, message, this.directive);
  }

  remark(note: CommandNote): void {
    this.build.host.watch?.remark(this.directive, note);
  }

  hasModule(name: string): boolean {
    return this.build.host.hasModule(name);
  }
}

/** Why a directive may not stand here; null if it may. The texts are httpd's. */
function wherefore(command: CommandRec, scope: ScopeInfo): string | null {
  const name = command.kind === "section" ? `<${command.name}` : command.name;
  const perDir = scope.kind !== "server";
  const inVhost = scope.section === "VirtualHost";
  switch (command.where) {
    case "any":
      return null;
    case "global":
      if (perDir) return `${name} not allowed in <${scope.section}> context`;
      if (!inVhost) return null;
      return `${command.kind === "section" ? `${name}>` : name} cannot occur within <${scope.section}> section`;
    case "server":
      return perDir ? `${name} not allowed in <${scope.section}> context` : null;
    case "vhost":
      if (perDir) return `${name} not allowed in <${scope.section}> context`;
      return inVhost ? null : `${name} only used in <VirtualHost>`;
    case "proxy":
      return perDir && scope.kind !== "proxy" ? `${name} not allowed in <${scope.section}> context` : null;
    case "dir":
      if (perDir) return null;
      return inVhost ? `${name} not allowed in <${scope.section}> context` : `${name} not allowed here`;
  }
}

const COUNTS: Partial<Record<CommandKind, readonly [least: number, most: number, text: string]>> = {
  take1: [1, 1, "takes one argument"],
  take2: [2, 2, "takes two arguments"],
  take3: [3, 3, "takes three arguments"],
  take12: [1, 2, "takes 1-2 arguments"],
  take23: [2, 3, "takes two or three arguments"],
  take123: [1, 3, "takes one, two or three arguments"],
};

function invoke(command: CommandRec, cmd: Context, directive: Directive): string | undefined | void {
  const { name, kind, help } = command;
  if (kind === "section") {
    if (directive.args === "" && !isBareSection(name)) return `<${name}> directive requires additional arguments`;
    return command.invoke(cmd, directive.args);
  }
  if (kind === "params") return command.invoke(cmd, paramWords(command, directive));
  if (directive.named !== undefined) return `${name} takes no key=value mapping, ${help}`;
  if (kind === "raw") return command.invoke(cmd, directive.args);
  const words = splitWords(directive.args, directive.argsColumn).map((word: Word) => word.text);
  switch (kind) {
    case "noArgs":
      return words.length > 0 ? `${name} takes no arguments` : command.invoke(cmd);
    case "flag": {
      const on = words[0]?.toLowerCase();
      if (on !== "on" && on !== "off") return `${name} must be On or Off`;
      return command.invoke(cmd, on === "on");
    }
    case "iterate":
    case "iterate2": {
      const fixed = kind === "iterate" ? 0 : 1;
      if (words.length <= fixed || words[0] === "")
        return `${name} requires at least ${fixed === 0 ? "one argument" : "two arguments"}, ${help}`;
      for (const word of words.slice(fixed)) {
        if (word === "") break;
        const error = command.invoke(cmd, ...words.slice(0, fixed), word);
        if (typeof error === "string") return error;
      }
      return;
    }
    default: {
      const [least, most, text] = COUNTS[kind]!;
      // An empty word is a missing one, where one is needed.
      if (words.length < least || words.length > most || words.slice(0, least).includes(""))
        return `${name} ${text}, ${help}`;
      return command.invoke(cmd, ...words);
    }
  }
}

/** The words of a `params` command; those of a YAML mapping become "word" or "key=value". */
function paramWords(command: CommandRec, directive: Directive): string[] {
  const words = splitWords(directive.args, directive.argsColumn).map((word: Word) => word.text);
  if (directive.named === undefined) return words;
  const named = directive.named;
  const isPositional = (key: string) => command.positional.some((p) => p.toLowerCase() === key.toLowerCase());
  for (const key of command.positional) {
    const found = named.find((arg) => arg.key.toLowerCase() === key.toLowerCase());
    if (found !== undefined) words.push(found.value);
  }
  for (const arg of named) if (!isPositional(arg.key)) words.push(`${arg.key}=${arg.value}`);
  return words;
}
