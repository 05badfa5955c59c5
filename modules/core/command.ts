/**
 * Directive kinds: how many arguments a directive takes, where it may stand, and what becomes of them.
 * Source: httpd include/http_config.h, AP_INIT_*; server/config.c invoke_cmd
 *
 * One table serves parsing, errors, `-L`, the JSON Schema and the reference pages.
 */
import type { Expr } from "./expr.ts";
import type { Host } from "./host.ts";
import type { RawConfig } from "./module.ts";
import type { ProviderGroup } from "./providers.ts";
import type { SectionRec, ServerRec } from "./records.ts";

/**
 * Where a directive may stand. `global`: outside of any section. `server`: there or in <VirtualHost>. `vhost`: only in
 * <VirtualHost>. `dir`: only in <Location>, <Proxy> and their like. `proxy`: in <Proxy>, or where `server` may.
 * `any`: everywhere.
 */
export type Where = "global" | "server" | "vhost" | "dir" | "proxy" | "any";

/** What a command sees of the directive that called it; `Directive` of modules/config has more. */
export interface DirectiveSource {
  readonly name: string;
  readonly args: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly argsColumn: number;
  readonly named?: readonly {
    readonly key: string;
    readonly value: string;
    readonly line: number;
    readonly column: number;
  }[];
  readonly body?: readonly DirectiveSource[];
}

/** What a section holds: a server's directives, those of requests that match, or nothing that has an effect here. */
export type ScopeKind = "server" | "location" | "proxy" | "if" | "none";

/** The section that a directive stands in. */
export interface ScopeInfo {
  readonly kind: ScopeKind;
  /** "" outside of any; else "VirtualHost", "Location", "Proxy"... */
  readonly section: string;
  /** The section's first argument: a path, a URL, a pattern. */
  readonly arg: string;
  /** What a request must match; null: `arg` is a prefix. */
  readonly pattern: RegExp | null;
  /** `pattern` was written as a regular expression, not with wildcards. */
  readonly isRegex: boolean;
  /** Of <If> and <ElseIf>. */
  readonly condition?: Expr<boolean>;
  /** <ElseIf> or <Else>. */
  readonly isElse?: boolean;
}

/** Whether a method is one of those that a section is about. */
export type MethodTest = (method: string) => boolean;

/** What a directive does otherwise than httpd's, for `sluice check`. */
export interface CommandNote {
  /** It is honoured, with this difference. */
  readonly differs?: string;
  /** It is read and changes nothing here, for this reason. */
  readonly noEffect?: string;
}

/** One call of a command. */
export interface CommandContext {
  readonly directive: DirectiveSource;
  readonly server: ServerRec;
  readonly scope: ScopeInfo;
  /** The methods to which <Limit> or <LimitExcept> confines access control; null outside of them. */
  readonly limited: MethodTest | null;
  /** The last <If>, <ElseIf> or <Else> before this in the same scope. */
  readonly lastIf: SectionRec | null;
  /** The raw values of the command's module in this scope. */
  readonly raw: RawConfig;
  set(key: string, value: unknown): void;
  /** Appends to the list at `key`. */
  push(key: string, value: unknown): void;
  /** Reads the directive's body in a new scope: a <VirtualHost> brings a server of its own, other sections do not. */
  open(scope: ScopeInfo, server?: ServerRec): void;
  /** Reads the directive's body in the scope that the directive stands in. */
  walk(limited?: MethodTest): void;
  readonly host: Host;
  /** A path relative to ServerRoot made absolute. */
  resolvePath(path: string): string;
  warn(ahNumber: string, message: string): void;
  /** As a note in the command table, of these arguments only. */
  remark(note: CommandNote): void;
  /** Whether a module of that name is loaded. */
  hasModule(name: string): boolean;
  /** What a module registered under that name, or undefined. */
  provider<T>(group: ProviderGroup<T>, name: string): T | undefined;
  /** The names in a group. */
  providerNames(group: ProviderGroup<unknown>): string[];
}

/** What a handler throws when it knows where in an argument the mistake is: the message then points there. */
export class ArgumentError extends Error {
  /** The argument or the part of it that `column` counts in. */
  readonly text: string;
  /** From 1, within `text`. */
  readonly column: number;
  /** What to write instead. */
  readonly hint: string | undefined;

  /** @param message in httpd's words */
  constructor(message: string, at: { readonly text: string; readonly column: number }, hint?: string) {
    super(message);
    this.text = at.text;
    this.column = at.column;
    this.hint = hint;
  }
}

/** Answers the text of an error, in httpd's words, or nothing. */
export type CommandHandler<A extends unknown[] = string[]> = (
  cmd: CommandContext,
  ...args: A
) => string | undefined | void;

export type CommandKind =
  | "flag"
  | "noArgs"
  | "take1"
  | "take2"
  | "take12"
  | "take23"
  | "take123"
  | "take3"
  | "iterate"
  | "iterate2"
  | "params"
  | "raw"
  | "section";

export interface CommandRec {
  readonly name: string;
  readonly kind: CommandKind;
  readonly where: Where;
  readonly help: string;
  /** Names of the leading words of a `params` command. */
  readonly positional: readonly string[];
  /** What it does otherwise than httpd's, whatever its arguments. */
  readonly note?: CommandNote | undefined;
  /** Calls the handler with arguments of the kind; the builder has counted them. */
  readonly invoke: CommandHandler<unknown[]>;
}

type Target<K extends string, A extends unknown[]> = K | CommandHandler<A>;
type Simple<K extends string, A extends unknown[]> = (
  name: string,
  where: Where,
  target: Target<K, A>,
  help: string,
  note?: CommandNote,
) => CommandRec;

/** One `key=value` of a `params` command. A word without "=" has no value. */
export interface Param {
  readonly key: string;
  readonly value: string | undefined;
}

/** The kinds that a module's `commands` is given. A string target names the key that takes the value. */
export interface CommandTable<K extends string> {
  /** On or Off. */
  flag: Simple<K, [value: boolean]>;
  noArgs: Simple<never, []>;
  take1: Simple<K, [value: string]>;
  take2: Simple<never, [first: string, second: string]>;
  take12: Simple<never, [first: string, second?: string]>;
  take23: Simple<never, [first: string, second: string, third?: string]>;
  take123: Simple<never, [first: string, second?: string, third?: string]>;
  take3: Simple<never, [first: string, second: string, third: string]>;
  /** Called once for each word. */
  iterate: Simple<K, [value: string]>;
  /** Called with the first word and each of the others. */
  iterate2: Simple<never, [first: string, value: string]>;
  /** The rest of the line, unread. */
  raw: Simple<K, [args: string]>;
  /** Leading words, then key=value in any order. In YAML a mapping whose keys may be those of `positional`. */
  params: (
    name: string,
    where: Where,
    positional: readonly string[],
    target: CommandHandler<[words: readonly string[]]>,
    help: string,
    note?: CommandNote,
  ) => CommandRec;
  /** <Name args>; the handler opens a scope by `cmd.open`. */
  section: Simple<never, [args: string]>;
}

function simple(kind: CommandKind) {
  return (
    name: string,
    where: Where,
    target: string | CommandHandler<never[]>,
    help: string,
    note?: CommandNote,
  ): CommandRec => ({
    name,
    kind,
    where,
    help,
    positional: [],
    note,
    invoke:
      typeof target === "string"
        ? kind === "iterate"
          ? (cmd, value) => cmd.push(target, value)
          : (cmd, value) => cmd.set(target, value)
        : (target as CommandHandler<unknown[]>),
  });
}

export const commandTable = {
  flag: simple("flag"),
  noArgs: simple("noArgs"),
  take1: simple("take1"),
  take2: simple("take2"),
  take12: simple("take12"),
  take23: simple("take23"),
  take123: simple("take123"),
  take3: simple("take3"),
  iterate: simple("iterate"),
  iterate2: simple("iterate2"),
  raw: simple("raw"),
  section: simple("section"),
  params: (name, where, positional, target, help, note): CommandRec => ({
    name,
    kind: "params",
    where,
    help,
    positional,
    note,
    invoke: target as CommandHandler<unknown[]>,
  }),
} as CommandTable<string>;
