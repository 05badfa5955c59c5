/**
 * The containers of the core: <VirtualHost>, <Location>, <If>, <Limit>, and those that are about files.
 * Source: httpd server/core.c urlsection, ifsection, ap_limit_section, dirsection, filesection, virtualhost_section
 */
import { takeWord } from "../config/directive.ts";
import { compileRegex } from "../config/regex.ts";
import {
  ArgumentError,
  type CommandContext,
  type CommandRec,
  commandTable,
  type MethodTest,
  type ScopeInfo,
} from "../core/command.ts";
import { ServerRec, type VhostAddr } from "../core/records.ts";
import { parseExpr } from "./expr.ts";
import { compileGlob } from "./glob.ts";

const { section } = commandTable;
const NO_FILES = { noEffect: "about files, of which sluice serves none" };

/** Its name, where it may stand, what it does. */
export const sectionCommands: readonly CommandRec[] = [
  section("VirtualHost", "global", virtualHost, "Container for directives affecting resources of one host"),
  section("Location", "server", urlSection, "Container for directives affecting resources located at a URL"),
  section("LocationMatch", "server", urlSection, "Container for directives affecting resources whose URL matches"),
  section("If", "any", ifSection, "Container for directives to be applied when a condition is true"),
  section("ElseIf", "any", ifSection, "As If, when the conditions before it are false"),
  section("Else", "any", ifSection, "Container for directives to be applied when the conditions before it are false"),
  section("Limit", "dir", limitSection, "Container for access control of some methods"),
  section("LimitExcept", "dir", limitSection, "Container for access control of all other methods"),
  // sluice serves no files: what these hold applies to none of its requests, as in httpd to none that is proxied.
  section(
    "Directory",
    "server",
    fileSection,
    "Container for directives of a directory; without effect on a proxy",
    NO_FILES,
  ),
  section(
    "DirectoryMatch",
    "server",
    fileSection,
    "Container for directives of directories; without effect on a proxy",
    NO_FILES,
  ),
  section("Files", "any", fileSection, "Container for directives of files; without effect on a proxy", NO_FILES),
  section("FilesMatch", "any", fileSection, "Container for directives of files; without effect on a proxy", NO_FILES),
];

const ANY = new Set(["*", "_default_", "0.0.0.0", "::"]);

function virtualHost(cmd: CommandContext, args: string): string | undefined {
  const addrs: VhostAddr[] = [];
  for (let taken = takeWord(args, 0); taken !== null; taken = takeWord(args, taken.next)) {
    const { text } = taken.word;
    const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d+|\*))?$/.exec(text);
    if (match === null || Number(match[2] ?? 1) > 65535) return "The address or port is invalid";
    const name = match[1]!.replace(/^\[|\]$/g, "").toLowerCase();
    // Without a port it is that of the main ServerName, save for "*" alone.
    const port = match[2] ?? (text === "*" ? "*" : String(cmd.server.port));
    addrs.push({ host: ANY.has(name) ? "*" : name, port: port === "*" ? 0 : Number(port), name });
  }
  const { file, line } = cmd.directive;
  const server = new ServerRec(true, file, line, addrs);
  server.port = addrs[0]?.port ?? 0; // until a ServerName says otherwise
  cmd.open({ kind: "server", section: "VirtualHost", arg: args, pattern: null, isRegex: false }, server);
  return undefined;
}

function urlSection(cmd: CommandContext, args: string): string | undefined {
  const made = matcher(cmd, args, true);
  if (typeof made === "string") return made;
  cmd.open({ kind: "location", ...made });
  return undefined;
}

function fileSection(cmd: CommandContext, args: string): string | undefined {
  const { scope } = cmd;
  if (cmd.limited !== null) return notWithin(cmd, "<Limit> or <LimitExcept>");
  if (scope.kind === "location") return notWithin(cmd, `<${scope.section}>`);
  const made = matcher(cmd, args, false);
  if (typeof made === "string") return made;
  cmd.open({ kind: "none", ...made });
  return undefined;
}

/** What a container's argument stands for: `~ regex`, a regex by the container's name, wildcards, or a plain text. */
function matcher(cmd: CommandContext, args: string, pathname: boolean): Omit<ScopeInfo, "kind"> | string {
  const { name } = cmd.directive;
  let isRegex = /match$/i.test(name);
  let taken = takeWord(args, 0)!;
  if (!isRegex && taken.word.text === "~") {
    isRegex = true;
    taken = takeWord(args, taken.next) ?? { word: { ...taken.word, text: "" }, next: args.length };
  }
  const arg = taken.word.text;
  if (takeWord(args, taken.next) !== null) return `Multiple <${name}> arguments not (yet) supported.`;
  let pattern: RegExp | null = null;
  try {
    if (isRegex) pattern = compileRegex(arg);
    else if (/[*?[]/.test(arg)) pattern = compileGlob(arg, pathname);
  } catch (error) {
    // httpd does not say why; what only this translation refuses has to be told.
    const { message } = error as Error;
    return message.includes("not supported")
      ? `Regex could not be compiled: ${message}`
      : "Regex could not be compiled";
  }
  return { section: name, arg, pattern, isRegex };
}

function ifSection(cmd: CommandContext, args: string): string | undefined {
  const name = cmd.directive.name;
  const isElse = /^else/i.test(name);
  if (cmd.limited !== null) return notWithin(cmd, "<Limit> or <LimitExcept>");
  const scope: ScopeInfo = { kind: "if", section: name, arg: args, pattern: null, isRegex: false, isElse };
  if (/^else$/i.test(name)) {
    if (args !== "") return "<Else> does not take an argument";
  } else {
    const taken = takeWord(args, 0);
    if (taken === null) return `<${name}> directive requires additional arguments`;
    const parsed = parseExpr(taken.word.text);
    if ("error" in parsed) throw new ArgumentError(`Cannot parse condition clause: ${parsed.error}`, parsed);
    if (takeWord(args, taken.next) !== null) return `Multiple <${name}> arguments not supported.`;
    return openIf(cmd, { ...scope, condition: parsed.expr });
  }
  return openIf(cmd, scope);
}

function openIf(cmd: CommandContext, scope: ScopeInfo): string | undefined {
  const before = cmd.lastIf;
  if (scope.isElse && (before === null || before.condition === null))
    return "<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope";
  cmd.open(scope);
  return undefined;
}

/**
 * Holds for the methods named, or all others, what its access control says; everything else in it holds for all. GET
 * includes HEAD: the two are one number in httpd.
 */
function limitSection(cmd: CommandContext, args: string): string | undefined {
  const { name } = cmd.directive;
  const except = /except$/i.test(name);
  const methods = new Set<string>();
  for (let taken = takeWord(args, 0); taken !== null; taken = takeWord(args, taken.next)) {
    const { text } = taken.word;
    if (text === "TRACE" && !except) return `TRACE cannot be controlled by <${name}>, see TraceEnable`;
    methods.add(text === "HEAD" ? "GET" : text);
  }
  const own: MethodTest = (method) => methods.has(method === "HEAD" ? "GET" : method) !== except;
  const outer = cmd.limited;
  if (outer === null) {
    cmd.walk(own);
    return undefined;
  }
  if (!except && ![...methods].some(outer)) return `<${name}> directive excludes all methods`;
  if (except && ![...methods].every(outer)) return `<${name}> directive specifies methods already excluded`;
  cmd.walk((method) => outer(method) && own(method));
  return undefined;
}

function notWithin(cmd: CommandContext, container: string): string {
  return `<${cmd.directive.name}> cannot occur within ${container} section`;
}
