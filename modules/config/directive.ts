/**
 * The configuration tree's node, the words of an argument line, and the error that points at one of them.
 * Source: httpd include/http_config.h ap_directive_t, server/util.c ap_getword_conf, server/config.c
 */
import type { DirectiveSource } from "../core/command.ts";

/** A place in a configuration file; line and column count from 1. */
export interface Position {
  readonly file: string;
  /** Of a line continued with a backslash: its last physical line, as httpd counts. */
  readonly line: number;
  readonly column: number;
}

/** One argument, unquoted and unescaped. */
export interface Word {
  readonly text: string;
  readonly column: number;
  readonly quoted: boolean;
}

/** A YAML argument given as a mapping: key=value pairs with positions. */
export interface NamedArg {
  readonly key: string;
  readonly value: string;
  readonly line: number;
  readonly column: number;
}

export interface Directive extends Position {
  /** As written; of a section without "<": `Location`. */
  readonly name: string;
  /** Argument text after `${}` expansion, trimmed; of a section without the closing ">". */
  readonly args: string;
  /** The column of the first character of `args`. */
  readonly argsColumn: number;
  /** YAML mappings only. */
  readonly named?: readonly NamedArg[];
  /** Sections only. */
  readonly body?: readonly Directive[];
  /** The logical line with its indentation, after `${}` expansion, so that columns point into it. */
  readonly source: string;
  /** The Include lines that led here, outermost first. */
  readonly chain?: readonly Position[];
}

/** What httpd calls the file of `-C` and `-c` directives. */
export const COMMAND_LINE_FILE = "-c/-C directives";

/** A: found in the finished tree (two lines); B: found while reading (one line); plain: no place in a file. */
export type ConfigErrorForm = "A" | "B" | "plain";

export interface ConfigErrorPlace {
  /** @default "A" with a position, "plain" without */
  readonly form?: ConfigErrorForm;
  readonly position?: Position;
  readonly source?: string;
  readonly chain?: readonly Position[];
  readonly hint?: string;
}

/** A mistake in the configuration. `message` is httpd's text alone; formatConfigError() adds the place, createHandler() has. */
export class ConfigError extends Error {
  readonly position?: Position;
  readonly source?: string;
  readonly chain?: readonly Position[];
  readonly form: ConfigErrorForm;
  readonly hint?: string;

  constructor(message: string, place: ConfigErrorPlace = {}) {
    super(message);
    this.name = "ConfigError";
    this.form = place.form ?? (place.position ? "A" : "plain");
    if (place.position) this.position = place.position;
    if (place.source !== undefined) this.source = place.source;
    if (place.chain) this.chain = place.chain;
    if (place.hint !== undefined) this.hint = place.hint;
  }
}

/** A ConfigError about a directive, or about the word of it that starts at `column`. */
export function errorAt(
  d: Directive,
  message: string,
  more: { form?: "A" | "B"; column?: number; hint?: string | undefined } = {},
): ConfigError {
  return new ConfigError(message, {
    form: more.form ?? "A",
    position: { file: d.file, line: d.line, column: more.column ?? d.column },
    source: d.source,
    ...(d.chain && { chain: d.chain }),
    ...(more.hint !== undefined && { hint: more.hint }),
  });
}

/** The same for a directive that a module kept, when it turns out later that it is wrong. */
export function configError(at: DirectiveSource, message: string): ConfigError {
  return errorAt(at as Directive, message);
}

/** The column at which character `column` of an argument stands, or of a part of one; where it cannot be found, of the first. */
export function columnIn(d: Directive, text: string, column: number): number {
  const written = d.args.indexOf(text);
  if (written >= 0) return d.argsColumn + written + column - 1;
  // With escaped quotes in it: each character of the text, and where it stands.
  const places: number[] = [];
  let plain = "";
  for (let i = 0; i < d.args.length; i++) {
    if (d.args[i] === "\\" && /["'\\]/.test(d.args[i + 1] ?? "")) i++;
    places.push(i);
    plain += d.args[i];
  }
  const unescaped = plain.indexOf(text);
  if (unescaped < 0) return d.argsColumn;
  return d.argsColumn + (places[unescaped + column - 1] ?? d.args.length);
}

const SPACE = /[ \t\n\v\f\r]/;

/** An argument line as words. An empty quoted word is kept; most directives take it for a missing one. */
export function splitWords(args: string, firstColumn: number): Word[] {
  const words: Word[] = [];
  for (let at = 0, taken = takeWord(args, at); taken; at = taken.next, taken = takeWord(args, at)) {
    words.push({ ...taken.word, column: firstColumn + taken.word.column - 1 });
  }
  return words;
}

/**
 * The word at index `at` or after it, and the index of the word that follows; null when there is none.
 * `word.column` counts from 1 within `args`. For directives that parse their own arguments.
 *
 * A quote ends the word even with no space after it, and an unterminated one reaches to the end of the line.
 * Source: httpd ap_getword_conf
 */
export function takeWord(args: string, at: number): { word: Word; next: number } | null {
  const start = skipSpace(args, at);
  if (start >= args.length) return null;
  const first = args[start]!;
  const quote = first === '"' || first === "'" ? first : "";
  let end = start + quote.length;
  if (quote) {
    while (end < args.length && args[end] !== quote) {
      const escaped = args[end] === "\\" && (args[end + 1] === quote || args[end + 1] === "\\");
      end += escaped ? 2 : 1;
    }
  } else {
    while (end < args.length && !SPACE.test(args[end]!)) end++;
  }
  const text = unescapeWord(args.slice(start + quote.length, end), quote);
  const after = quote && end < args.length ? end + 1 : end;
  return { word: { text, column: start + 1, quoted: quote !== "" }, next: skipSpace(args, after) };
}

/** As takeWord(), but `{...}` with nested braces quotes too (ProxyHCExpr). Source: httpd ap_getword_conf2 */
export function takeBracedWord(args: string, at: number): { word: Word; next: number } | null {
  const start = skipSpace(args, at);
  if (args[start] !== "{") return takeWord(args, at);
  let end = start + 1;
  for (let depth = 1; end < args.length; end++) {
    if (args[end] === "{") depth++;
    if (args[end] === "}" && --depth === 0) break;
    if (args[end] === "\\" && args[end + 1] === "\\") end++;
  }
  const word = { text: unescapeWord(args.slice(start + 1, end), ""), column: start + 1, quoted: true };
  return { word, next: skipSpace(args, end + 1) };
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && SPACE.test(text[at]!)) at++;
  return at;
}

/** `\\` always, and a backslash before the quote that encloses the word; any other backslash stays. */
function unescapeWord(text: string, quote: string): string {
  return text.replace(/\\([\s\S])/g, (both, c: string) => (c === "\\" || c === quote ? c : both));
}

/**
 * The text httpd prints to stderr, then the source line with a caret under the column, then the hint.
 * No line end after the last line.
 */
export function formatConfigError(e: ConfigError, program: string): string {
  const at = e.position;
  const lines: string[] = [];
  if (!at || e.form === "plain") {
    lines.push(`${program}: ${e.message}`);
  } else if (e.form === "A") {
    lines.push(`AH00526: Syntax error on line ${at.line} of ${at.file}:`, e.message);
  } else {
    lines.push(`${program}: ${[...(e.chain ?? []), at].map(foundOn).join("")}${e.message}`);
  }
  if (at && e.source?.trim()) lines.push(...pointAt(e.source, at.column));
  if (e.hint !== undefined) lines.push(e.hint);
  const unset = /\$\{([^}:]+)\}/.exec(e.source ?? "")?.[1];
  if (unset !== undefined) lines.push(whereFrom(unset));
  return lines.join("\n");
}

/** What is still in a line after its variables were replaced is a variable that nobody defined. */
function whereFrom(variable: string): string {
  const debian = variable.startsWith("APACHE_")
    ? " Debian defines it in a file: run `. /etc/apache2/envvars` first."
    : "";
  return `Nothing defines \${${variable}}: neither Define, nor the environment.${debian}`;
}

function foundOn(at: Position): string {
  if (at.file === COMMAND_LINE_FILE) return "Syntax error in -C/-c directive: ";
  return `Syntax error on line ${at.line} of ${at.file}: `;
}

/** Columns shown of a source line; a longer one is cut on both sides of the caret. */
const SHOWN_COLUMNS = 100;

function pointAt(source: string, column: number): string[] {
  const indent = source.length - source.trimStart().length;
  const caret = Math.max(column - 1, indent);
  let from = indent;
  if (caret - indent > SHOWN_COLUMNS - 20) from = caret - SHOWN_COLUMNS / 2;
  const shown = source.slice(from, from + SHOWN_COLUMNS);
  // A tab is kept as a tab under itself, whatever width the terminal gives it.
  const under = source.slice(from, caret).replace(/[^\t]/g, " ");
  return [`    ${shown}`, `    ${under}^`];
}

/** `did you mean ProxyPass?`, for the one of `known` that is a typing mistake away from `name`. */
export function didYouMean(name: string, known: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === undefined ? undefined : `did you mean ${best}?`;
}

/** Insertions, deletions, replacements, and swaps of neighbours (the optimal string alignment distance). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, above[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

/** A word that an argument line may hold: quoted if it has to be. */
export function quoteWord(text: string): string {
  if (text !== "" && !/[\s\\]|^["']/.test(text)) return text;
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
