/**
 * A directive tree -> httpd.conf or YAML text that reads as the same tree. For `sluice convert`.
 *
 * The tree is one file's, before preprocess(): what readRaw() or readYaml() answered. The same means: the same names
 * but for case, the same words; a regular expression or another `raw` argument to the letter.
 */
import type { CommandRec } from "../core/command.ts";
import { type Directive, errorAt, type NamedArg, quoteWord, splitWords, takeWord } from "./directive.ts";
import type { Comment } from "./read_raw.ts";
import { isBareSection } from "./section_names.ts";

/** Looks a command up by its name, in any case. */
export type Commands = (name: string) => CommandRec | undefined;

/** Names that no command table has, since they are executed while reading. */
const READ_TIME = new Map(
  (
    "Define UnDefine Include IncludeOptional LoadModule ServerRoot Use UndefMacro Macro " +
    "IfModule IfDefine IfVersion IfFile IfDirective IfSection ElseIf"
  )
    .split(" ")
    .map((name) => [name.toLowerCase(), name]),
);

/** A name as httpd's manual spells it. */
export function httpdName(name: string, commands: Commands): string {
  return commands(name)?.name ?? READ_TIME.get(name.toLowerCase()) ?? name[0]!.toUpperCase() + name.slice(1);
}

/** A name as our YAML spells it: `proxyPass`, `sslEngine`. */
export function yamlName(name: string): string {
  return name.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+$|^[A-Z]/, (start) => start.toLowerCase());
}

/** @throws ConfigError for an argument that has a line break, which httpd.conf cannot say */
export function toHttpd(tree: readonly Directive[], commands: Commands, comments: readonly Comment[] = []): string {
  const waiting = new Waiting(comments);
  const print = (body: readonly Directive[], indent: string): string[] =>
    body.flatMap((d) => {
      const lines = waiting.before(d, indent, (text) => keepLineEnd(text));
      const name = httpdName(d.name, commands);
      const args = d.named === undefined ? d.args : namedWords(d.named, commands(d.name)).map(quoteWord).join(" ");
      if (/[\n\r]/.test(args)) throw errorAt(d, `httpd.conf has no way to write the line break in ${name}`);
      if (d.body === undefined) return [...lines, keepLineEnd(`${indent}${name}${args && " "}${args}`)];
      const inner = print(d.body, `${indent}    `);
      return [...lines, `${indent}<${name}${args && " "}${args}>`, ...inner, `${indent}</${name}>`];
    });
  return joinLines([...print(tree, ""), ...waiting.rest(keepLineEnd)]);
}

/** A space after a last backslash, which would otherwise take the next line in; it is trimmed when read. */
function keepLineEnd(line: string): string {
  return line.endsWith("\\") ? `${line} ` : line;
}

/** As the builder reads them: what stands for a leading word first, then key=value. */
function namedWords(named: readonly NamedArg[], command: CommandRec | undefined): string[] {
  const positional = (command?.positional ?? []).map((key) => key.toLowerCase());
  const leading = positional.flatMap((key) => named.filter((arg) => arg.key.toLowerCase() === key));
  const others = named.filter((arg) => !leading.includes(arg));
  return [...leading.map((arg) => arg.value), ...others.map((arg) => `${arg.key}=${arg.value}`)];
}

export function toYaml(tree: readonly Directive[], commands: Commands, comments: readonly Comment[] = []): string {
  const printer = new YamlPrinter(commands, new Waiting(comments));
  return printer.file(tree);
}

/** Directives of one name that follow each other: one key of a mapping. */
type Run = [first: Directive, ...others: Directive[]];

class YamlPrinter {
  private readonly commands: Commands;
  private readonly waiting: Waiting;

  constructor(commands: Commands, waiting: Waiting) {
    this.commands = commands;
    this.waiting = waiting;
  }

  file(tree: readonly Directive[]): string {
    const lines = this.body(tree, "");
    return joinLines([...lines, ...this.waiting.rest((text) => text)]);
  }

  /** One mapping where the order of names allows it, else a list of mappings. */
  private body(body: readonly Directive[], indent: string): string[] {
    const mappings = intoMappings(body);
    if (mappings.length < 2) return mappings.flatMap((runs) => this.mapping(runs, indent));
    return mappings.flatMap((runs) => asItem(this.mapping(runs, `${indent}  `), indent));
  }

  private mapping(runs: readonly Run[], indent: string): string[] {
    return runs.flatMap((run) => {
      const [first] = run;
      const lines = this.waiting.before(first, indent);
      const name = this.commands(first.name)?.name ?? READ_TIME.get(first.name.toLowerCase()) ?? first.name;
      const key = indent + inline(yamlName(name));
      if (first.body === undefined) return [...lines, ...this.repeated(key, run, indent)];
      if (isBareSection(first.name)) return [...lines, ...this.withBody(key, first, indent)];
      return [...lines, `${key}:`, ...this.sections(run, `${indent}  `)];
    });
  }

  private sections(run: Run, indent: string): string[] {
    const keys = run.map((d) => this.sectionArgument(d));
    const asList = new Set(keys).size < keys.length;
    return run.flatMap((d, i) => {
      const lines = this.waiting.before(d, indent);
      const inner = asList ? `${indent}  ` : indent;
      const section = this.withBody(inner + inline(keys[i]!), d, inner);
      return [...lines, ...(asList ? asItem(section, indent) : section)];
    });
  }

  private withBody(key: string, d: Directive, indent: string): string[] {
    return d.body!.length === 0 ? [`${key}: {}`] : [`${key}:`, ...this.body(d.body!, `${indent}  `)];
  }

  /** An expression or a macro's head is kept to the letter; of other arguments the quotes that do nothing go. */
  private sectionArgument(d: Directive): string {
    return /^(if|elseif|macro)$/i.test(d.name) ? d.args : withoutQuotes(d.args);
  }

  private repeated(key: string, run: Run, indent: string): string[] {
    if (run.length === 1) {
      const value = this.value(run[0]);
      return [value === "" ? `${key}:` : `${key}: ${value}`];
    }
    const items = run.flatMap((d) => [
      ...this.waiting.before(d, `${indent}  `),
      `${indent}  - ${this.value(d) || "null"}`,
    ]);
    return [`${key}:`, ...items];
  }

  private value(d: Directive): string {
    const command = this.commands(d.name);
    if (d.named !== undefined) return flowMapping(d.named.map(({ key, value }) => [key, value]));
    if (d.args === "") return "";
    switch (command?.kind) {
      case undefined:
      case "raw":
        return scalar(d.args);
      case "flag":
        return /^on$/i.test(d.args) ? "true" : /^off$/i.test(d.args) ? "false" : scalar(d.args);
      case "params": {
        const pairs = paramPairs(d, command.positional);
        return pairs ? flowMapping(pairs) : scalar(withoutQuotes(d.args));
      }
      default:
        return scalar(withoutQuotes(d.args));
    }
  }
}

/** Each mapping as long as no name comes a second time after another one. */
function intoMappings(body: readonly Directive[]): Run[][] {
  const mappings: Run[][] = [];
  let names = new Set<string>();
  let last: Run | undefined;
  for (const d of body) {
    const name = d.name.toLowerCase();
    const sameKind = last !== undefined && (last[0].body === undefined) === (d.body === undefined);
    if (last?.[0].name.toLowerCase() === name && sameKind && !(d.body && isBareSection(name))) {
      last.push(d);
      continue;
    }
    if (mappings.length === 0 || names.has(name)) {
      mappings.push([]);
      names = new Set();
    }
    names.add(name);
    last = [d];
    mappings.at(-1)!.push(last);
  }
  return mappings;
}

/** `lines` as an item of a list: a dash before the first that is no comment. */
function asItem(lines: readonly string[], indent: string): string[] {
  const first = lines.findIndex((line) => !line.trimStart().startsWith("#"));
  return lines.map((line, i) => (i === first ? `${indent}- ${line.slice(indent.length + 2)}` : line));
}

/** The mapping of a `params` line; null if one would say something else, or no more than the line does. */
function paramPairs(d: Directive, positional: readonly string[]): [string, string][] | null {
  const words = splitWords(d.args, d.argsColumn).map((word) => word.text);
  const leading = words.slice(0, positional.length);
  const others = words.slice(positional.length).map((word) => /^([A-Za-z_][\w.-]*)=([\s\S]*)$/.exec(word));
  if (leading.length < positional.length || others.length === 0 || leading.some((word) => /^(\w+=|$)/.test(word)))
    return null;
  const pairs = leading.map((word, i): [string, string] => [positional[i]!, word]);
  for (const match of others) {
    if (match === null) return null;
    pairs.push([match[1]!, match[2]!]);
  }
  return new Set(pairs.map(([key]) => key.toLowerCase())).size === pairs.length ? pairs : null;
}

/** Words without the quotes that they do not need; the words stay the same. */
function withoutQuotes(args: string): string {
  let out = "";
  for (let at = 0, taken = takeWord(args, at); taken; at = taken.next, taken = takeWord(args, at)) {
    const { text, quoted, column } = taken.word;
    // A last unterminated quote is written with its end, since a word before it may have lost its own.
    const written = quoted ? quoteWord(text) : args.slice(column - 1, taken.next).trimEnd();
    out += (out && " ") + written;
  }
  return out;
}

function flowMapping(pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return "{}";
  return `{ ${pairs.map(([key, value]) => `${inline(key)}: ${inline(value)}`).join(", ")} }`;
}

const NOT_A_STRING = /^(~|null|true|false)$/i;

/** A scalar as a key or within {}. */
function inline(text: string): string {
  const plain = /^[A-Za-z0-9_/][\w./:@+=~-]*$/.test(text) && !/:$/.test(text) && !NOT_A_STRING.test(text);
  return plain && !text.includes("://") ? text : quoted(text);
}

/** A scalar that ends with its line. */
function scalar(text: string): string {
  const plain = /^[A-Za-z0-9_/.^($+<][\x20-\x7e]*$/.test(text) && !/: | #|[: ]$|^\.\.\.$/.test(text);
  return plain && !NOT_A_STRING.test(text) ? text : quoted(text);
}

function quoted(text: string): string {
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]/.test(text)) return JSON.stringify(text);
  return /["\\]/.test(text) ? `'${text.replaceAll("'", "''")}'` : `"${text}"`;
}

/** Comments that have not been printed yet. Each is printed before the first directive that stood below it. */
class Waiting {
  private readonly comments: readonly Comment[];
  private next = 0;

  constructor(comments: readonly Comment[]) {
    this.comments = comments;
  }

  before(d: Directive, indent: string, write: (line: string) => string = (line) => line): string[] {
    const lines: string[] = [];
    for (let c = this.comments[this.next]; c && c.line < d.line; c = this.comments[++this.next]) {
      lines.push(write(indent + c.text));
    }
    return lines;
  }

  rest(write: (line: string) => string): string[] {
    return this.comments.slice(this.next).map((c) => write(c.text));
  }
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
