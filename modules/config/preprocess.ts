/**
 * What a configuration does while it is read: Include, Define, ${VAR}, <IfModule> and its kin, macros, LoadModule.
 * Source: httpd server/core.c, server/config.c (commands marked EXEC_ON_READ), modules/mappers/mod_so.c
 */
import {
  COMMAND_LINE_FILE,
  ConfigError,
  type Directive,
  errorAt,
  type Position,
  splitWords,
  takeWord,
  type Word,
} from "./directive.ts";
import { versionMatches } from "./if_version.ts";
import { type IncludeHost, includedFiles, reasonOf, resolvePath } from "./include.ts";
import {
  bindArguments,
  checkParameters,
  describeMacro,
  type Macro,
  type MacroContents,
  substituteTree,
} from "./macro.ts";
import { readHttpd } from "./read_httpd.ts";
import { type ConfigWatch, guarded } from "./watch.ts";

/** Everything outside that reading a configuration needs. */
export interface ConfigHost extends IncludeHost {
  /** Throws an error with .code "ENOENT" | "EACCES" | "EISDIR". */
  readFile(path: string): string;
  env(name: string): string | undefined;
  /** For IfVersion, "2.4.71". */
  version: string;
  /** Any spelling: mod_x.c, x_module, mod_x. */
  moduleLoaded(name: string): boolean;
  /** Answers the reason of a failure, or null. */
  loadModule(name: string, path: string, at: Position): string | null;
  hasDirective(name: string): boolean;
  hasSection(name: string): boolean;
  warn(ahNumber: string, message: string, at: Position): void;
  /** Reads `.yaml` and `.yml` into a tree, which is then preprocessed here. */
  readYaml?(path: string, text: string): Directive[];
  /** Told of every file that is opened, for DUMP_INCLUDES; `from` is the Include line, undefined for the main file. */
  included?(path: string, from: Position | undefined): void;
  /** Told what is defined in the end, by -D and Define, in that order: "NAME" or "NAME=value". */
  defined?(names: readonly string[]): void;
  /** Is told what becomes of each directive; reading goes on after an error. */
  readonly watch?: ConfigWatch | undefined;
}

export interface ReadOptions {
  /** -D */
  defines: string[];
  /** -C */
  before: string[];
  /** -c */
  after: string[];
  /** -d: the base of relative paths until a ServerRoot is read. */
  serverRoot: string;
}

/** Source: httpd AP_MAX_INCLUDE_DEPTH */
const MAX_INCLUDE_DEPTH = 128;

/** Reads the main file and all that it includes. Throws ConfigError. */
export function readConfig(file: string, host: ConfigHost, options: ReadOptions): Directive[] {
  const pre = new Preprocessor(host, options);
  const tree = readHttpd(COMMAND_LINE_FILE, options.before.join("\n"), pre);
  // After -C, which may have changed ServerRoot.
  tree.push(...pre.readMain(file));
  tree.push(...readHttpd(COMMAND_LINE_FILE, options.after.join("\n"), pre));
  pre.finish();
  host.defined?.(
    [...pre.defines].map((name) => (pre.variables.has(name) ? `${name}=${pre.variables.get(name)}` : name)),
  );
  return tree;
}

/** Executes what a tree that was not read from httpd.conf text says to do while reading, and expands its `${}`. */
export function preprocess(tree: readonly Directive[], state: Preprocessor): Directive[] {
  return tree.flatMap((written) => {
    const d = state.expandDirective(written);
    if (state.isMacro(d.name)) {
      state.attempt(d, "<Macro", () => state.defineMacro(d, { tree: written.body ?? [] }));
      return [];
    }
    if (state.isCondition(d.name)) return state.decides(d) ? preprocess(written.body ?? [], state) : [];
    return d.body ? [{ ...d, body: preprocess(d.body, state) }] : state.execute(d);
  });
}

/** What is executed while reading, as the manual spells it. */
const READ_TIME = new Map(
  (
    "Define UnDefine Include IncludeOptional LoadModule ServerRoot UndefMacro Use MacroIgnoreEmptyArgs " +
    "MacroIgnoreBadNesting"
  )
    .split(" ")
    .map((name) => [name.toLowerCase(), name]),
);

const CONDITIONS: Record<string, string> = {
  ifmodule: "Container for directives based on existence of specified modules",
  ifdefine: "Container for directives based on existence of command line defines",
  iffile: "Container for directives based on existence of files on disk",
  ifdirective: "Container for directives based on existence of named directive",
  ifsection: "Container for directives based on existence of named section",
  ifversion: "a comparison operator, a version (and a delimiter)",
};

/** What has been defined so far: one per reading of a configuration, since all of it is global and in file order. */
export class Preprocessor {
  /** Names for IfDefine: -D and Define. */
  readonly defines: Set<string>;
  /** Values for ${}: Define with a value. */
  readonly variables = new Map<string, string>();
  serverRoot: string;
  readonly #host: ConfigHost;
  readonly #macros = new Map<string, Macro>();
  /** A macro that was undefined still counts as "defined before" for httpd's message. */
  #macrosSeen = false;
  readonly #loaded = new Set<string>();
  readonly #includes: Position[] = [];
  #late: ConfigError | undefined;

  constructor(host: ConfigHost, options: { defines: readonly string[]; serverRoot: string }) {
    this.#host = host;
    this.defines = new Set(options.defines);
    this.serverRoot = options.serverRoot;
  }

  readMain(file: string): Directive[] {
    const path = resolvePath(this.serverRoot, file);
    return this.#readFile(path, (message) => new ConfigError(message));
  }

  /** Throws what httpd finds only in the finished tree. */
  finish(): void {
    if (this.#late) this.fail(this.#late);
  }

  /** An error: thrown, unless the reading is watched and goes on. */
  fail(error: ConfigError): void {
    guarded(this.#host.watch, () => {
      throw error;
    });
  }

  /** The Include lines that are being followed; undefined in the main file. */
  chain(): readonly Position[] | undefined {
    return this.#includes.length > 0 ? [...this.#includes] : undefined;
  }

  warn(ahNumber: string, message: string, at: Position): void {
    this.#host.warn(ahNumber, message, at);
  }

  /** `${NAME}`: a Define with a value, else the environment, else left as it is. Values are not expanded again. */
  expand(text: string, at: Position): string {
    return text.replace(/\$\{([^}]*)\}/g, (written, name: string) => {
      const value = this.variables.get(name) ?? this.#host.env(name);
      // A colon is the syntax of mod_rewrite's maps, ${map:key}: no slip of the pen.
      if (value === undefined && !name.includes(":")) {
        this.warn("AH00111", `Config variable ${written} is not defined`, at);
      }
      return value ?? written;
    });
  }

  expandDirective(d: Directive): Directive {
    const chain = d.chain ?? this.chain();
    return {
      ...d,
      args: this.expand(d.args, d),
      ...(d.named && { named: d.named.map((n) => ({ ...n, value: this.expand(n.value, { ...n, file: d.file }) })) }),
      ...(chain && { chain }),
    };
  }

  isCondition(section: string): boolean {
    return Object.hasOwn(CONDITIONS, section.toLowerCase());
  }

  isMacro(section: string): boolean {
    return section.toLowerCase() === "macro";
  }

  /** What a directive does while it is read. Null: an error, of a reading that is watched. */
  attempt<T>(d: Directive, spelling: string, step: () => T): T | null {
    const { watch } = this.#host;
    watch?.runs(d, spelling);
    return guarded(watch, step);
  }

  /** A section line without ">": at once in a container that is executed while reading, else after reading. */
  missingBracket(d: Directive, executed: boolean): void {
    const form = executed ? "B" : "A";
    const error = errorAt(d, `<${d.name}> directive missing closing '>'`, { form });
    if (executed) {
      this.fail(error);
      return;
    }
    // An unknown section is an invalid command first; whoever walks the tree says so.
    if (this.#host.hasSection(d.name)) this.#late ??= error;
  }

  /** Whether the contents of an If* container are to be read. */
  decides(d: Directive): boolean {
    const holds = this.attempt(d, `<${d.name}`, () => this.#holds(d));
    if (holds === false) this.#host.watch?.skipped(d);
    return holds === true;
  }

  #holds(d: Directive): boolean {
    const kind = d.name.toLowerCase();
    const help = CONDITIONS[kind]!;
    if (kind === "ifversion") {
      const words = splitWords(d.args, d.argsColumn).map((word) => word.text);
      if (words[0] === "" || words.length > 3) throw found(d, `<${d.name} takes one, two or three arguments, ${help}`);
      // httpd has the ">" end the second word.
      if (words.length === 3) throw found(d, `<${d.name}> directive missing closing '>'`);
      return orFound(d, () => versionMatches(words.length > 0 ? words : [""], this.#host.version));
    }
    // The "!" stands before the word and its quotes; further words are not looked at.
    const negated = d.args.startsWith("!");
    const name = takeWord(d.args, negated ? 1 : 0)?.word.text;
    if (!name) throw found(d, `<${d.name}> directive requires additional arguments`);
    return this.#exists(kind, name) !== negated;
  }

  #exists(kind: string, name: string): boolean {
    if (kind === "ifmodule") return this.#host.moduleLoaded(name);
    if (kind === "ifdefine") return this.defines.has(name);
    if (kind === "iffile") return this.#host.kind(resolvePath(this.serverRoot, name)) !== "none";
    const isSection = kind === "ifsection";
    if (!isSection && !name.startsWith("<")) return READ_TIME.has(name.toLowerCase()) || this.#host.hasDirective(name);
    const section = isSection ? name : name.slice(1);
    return this.isCondition(section) || this.isMacro(section) || this.#host.hasSection(section);
  }

  /** Answers what stays in the tree: the directive itself unless it is executed while reading. */
  execute(d: Directive): readonly Directive[] {
    const spelling = READ_TIME.get(d.name.toLowerCase());
    if (spelling === undefined) return [d];
    return this.attempt(d, spelling, () => this.#execute(d)) ?? [];
  }

  #execute(d: Directive): readonly Directive[] {
    switch (d.name.toLowerCase()) {
      case "define":
        return this.#define(d);
      case "undefine": {
        const help = "Undefine the existence of a variable. Undo a Define.";
        const [name] = variableNames(d, takes(d, 1, 1, "one argument", help).slice(0, 1));
        this.defines.delete(name!);
        this.variables.delete(name!);
        return [];
      }
      case "include":
      case "includeoptional":
        return this.#include(d, d.name.toLowerCase() === "includeoptional");
      case "loadmodule":
        return this.#loadModule(d);
      case "serverroot":
        return this.#serverRoot(d);
      case "undefmacro":
        return this.#undefMacro(d);
      case "use": {
        const { macro, fill, file } = this.findMacro(d);
        if ("tree" in macro.contents) return this.useTree(macro.contents.tree, fill, file);
        return readHttpd(file, macro.contents.lines.map((line) => fill(line.text)).join("\n"), this);
      }
      case "macroignoreemptyargs":
      case "macroignorebadnesting":
        return []; // They silence warnings that are not given here.
      default:
        return [d];
    }
  }

  #define(d: Directive): [] {
    const pairs: [name: string, value?: string][] = d.named?.map((n) => [n.key, n.value]) ?? [];
    if (!d.named) {
      const help = "Define a variable, optionally to a value.  Same as passing -D to the command line.";
      const [name, value] = takes(d, 1, 2, "1-2 arguments", help);
      pairs.push(value === undefined ? [name!] : [name!, value]);
    }
    variableNames(
      d,
      pairs.map(([name]) => name),
    );
    for (const [name, value] of pairs) {
      this.defines.add(name);
      if (value !== undefined) this.variables.set(name, value);
    }
    return [];
  }

  #include(d: Directive, optional: boolean): Directive[] {
    const help = optional
      ? "Name or pattern of the config file(s) to be included; ignored if the file does not exist or the pattern does not match any files"
      : "Name(s) of the config file(s) to be included; fails if the wildcard does not match at least one file";
    const [pattern] = takes(d, 1, 1, "one argument", help);
    if (this.#includes.length >= MAX_INCLUDE_DEPTH) {
      throw found(d, `Exceeded maximum include depth of ${MAX_INCLUDE_DEPTH}, There appears to be a recursion.`);
    }
    const path = resolvePath(this.serverRoot, pattern!);
    const files = orFound(d, () => includedFiles(path, optional, this.#host));
    const at: Position = { file: d.file, line: d.line, column: d.column };
    return files.flatMap((file) => this.#readFile(file, (message) => found(d, message), at));
  }

  #readFile(path: string, failure: (message: string) => ConfigError, from?: Position): Directive[] {
    let text: string;
    try {
      text = this.#host.readFile(path);
    } catch (e) {
      throw failure(`Could not open configuration file ${path}: ${reasonOf(e)}`);
    }
    this.#host.included?.(path, from);
    if (from) this.#includes.push(from);
    const { readYaml, watch } = this.#host;
    watch?.opened(path);
    const isYaml = /\.ya?ml$/i.test(path) && readYaml !== undefined;
    const tree = isYaml
      ? preprocess(guarded(watch, () => readYaml(path, text)) ?? [], this)
      : readHttpd(path, text, this);
    if (from) this.#includes.pop();
    return tree;
  }

  #loadModule(d: Directive): [] {
    const help = "a module name and the name of a shared object file to load it from";
    const [name, written] = takes(d, 2, 2, "two arguments", help);
    if (this.#loaded.has(name!)) {
      this.warn("AH01574", `module ${name} is already loaded, skipping`, d);
      return [];
    }
    this.#loaded.add(name!);
    // npm:, jsr:, https: name a module wherever ServerRoot is.
    const path = /^[a-z]{2,}:/i.test(written!) ? written! : resolvePath(this.serverRoot, written!);
    const reason = this.#host.loadModule(name!, path, d);
    if (reason !== null) throw found(d, `Cannot load ${written} into server: ${reason}`);
    return [];
  }

  /** Stays in the tree, where core checks its arguments and its place. */
  #serverRoot(d: Directive): readonly Directive[] {
    const words = splitWords(d.args, d.argsColumn);
    if (words.length !== 1) return [d];
    const root = resolvePath(this.serverRoot, words[0]!.text);
    if (this.#host.kind(root) !== "dir") throw found(d, "ServerRoot must be a valid directory");
    this.serverRoot = root;
    return [d];
  }

  /** Name, parameters and place of a <Macro> line. */
  macroHead(d: Directive): { name: string; location: string; parameters: readonly string[] } {
    const [name, ...parameters] = splitWords(d.args, d.argsColumn).map((word) => word.text);
    if (name === undefined) throw found(d, "<Macro macro definition: empty name");
    if (name === "") throw found(d, "<Macro macro definition: name not found");
    const location = `defined on line ${d.line} of "${d.file}"`;
    // "/..." are httpd's flags for warnings that are not given here.
    return { name: name.toLowerCase(), location, parameters: parameters.filter((word) => !word.startsWith("/")) };
  }

  defineMacro(d: Directive, contents: MacroContents): void {
    const macro: Macro = { ...this.macroHead(d), contents };
    const before = this.#macros.get(macro.name);
    if (before) {
      const again = `redefined on line ${d.line} of "${d.file}"`;
      this.warn("AH02802", `macro '${macro.name}' multiply defined: ${before.location}, ${again}`, d);
    }
    orFound(d, () => checkParameters(macro, (ahNumber, message) => this.warn(ahNumber, message, d)));
    if (("lines" in contents ? contents.lines : contents.tree).length === 0) {
      this.warn("AH02799", `${describeMacro(macro)}: empty contents!`, d);
    }
    this.#macrosSeen = true;
    this.#macros.set(macro.name, macro);
  }

  /** The macro of a Use line, what fills its parameters in, and the file name its contents are read under. */
  findMacro(d: Directive): { macro: Macro; fill: (text: string) => string; file: string } {
    if (!this.#macrosSeen) throw found(d, "no macro defined before Use");
    const [first, ...rest]: Word[] = splitWords(d.args, d.argsColumn);
    if (!first?.text) throw found(d, "no macro name specified with Use");
    const name = first.text.toLowerCase();
    const macro = this.#macros.get(name);
    if (!macro) throw errorAt(d, `macro '${name}' undefined`, { form: "B", column: first.column });
    // The name of the file that is being read tells which macros are in use, as in httpd.
    if (d.file.includes(`macro '${name}'`)) throw found(d, `recursive use of macro '${name}' is invalid`);
    const fill = orFound(d, () => bindArguments(macro, rest));
    return { macro, fill, file: `${describeMacro(macro)} used on line ${d.line} of "${d.file}"` };
  }

  useTree(tree: readonly Directive[], fill: (text: string) => string, file: string): Directive[] {
    return preprocess(substituteTree(tree, fill, file), this);
  }

  #undefMacro(d: Directive): [] {
    const [name] = takes(d, 1, 1, "one argument", "Remove a macro definition.");
    if (!this.#macrosSeen) throw found(d, "no macro defined before UndefMacro");
    if (!this.#macros.delete(name!.toLowerCase())) {
      throw found(d, `cannot remove undefined macro '${name!.toLowerCase()}'`);
    }
    return [];
  }
}

/** An error found while reading: form B. */
function found(d: Directive, message: string): ConfigError {
  return errorAt(d, message, { form: "B" });
}

/** Gives the plain Error of a helper its place. */
function orFound<T>(d: Directive, run: () => T): T {
  try {
    return run();
  } catch (e) {
    if (e instanceof ConfigError || !(e instanceof Error)) throw e;
    throw found(d, e.message);
  }
}

function takes(d: Directive, min: number, max: number, count: string, help: string): string[] {
  const words = splitWords(d.args, d.argsColumn).map((word) => word.text);
  if (words.length < min || words.length > max || words[0] === "") {
    throw found(d, `${d.name} takes ${count}, ${help}`);
  }
  return words;
}

function variableNames(d: Directive, names: readonly string[]): readonly string[] {
  if (names.some((name) => name.includes(":"))) throw found(d, "Variable name must not contain ':'");
  return names;
}
