/**
 * The argument lines of RewriteRule and RewriteCond, and their [flags]: rules of their own, older than the server's.
 * Source: httpd modules/mappers/mod_rewrite.c parseargline, cmd_parseflagfield
 */

import { ArgumentError, RegexError } from "../../modules/mod.ts";

export interface RewriteArguments {
  readonly first: string;
  readonly second: string;
  /** "[...]"; null: none. */
  readonly flags: string | null;
}

export interface Flag {
  readonly key: string;
  /** "" if there is no "=". */
  readonly value: string;
}

const SPACE = /\s/;

/** The error of httpd, and what it is about. */
export function badPattern(directive: string, pattern: string, cause: unknown): ArgumentError {
  const at = { text: pattern, column: cause instanceof RegexError ? cause.offset + 1 : 1 };
  const why = cause instanceof Error ? cause.message : undefined;
  return new ArgumentError(`${directive}: cannot compile regular expression '${pattern}'`, at, why);
}

/** null: no second argument. Quotes enclose, a backslash keeps a blank in the word; backslashes stay where they are. */
export function splitArguments(line: string): RewriteArguments | null {
  const first = take(line, 0);
  if (first.end >= line.length) return null;
  const second = take(line, first.end + 1);
  const third = take(line, second.end + 1);
  return { first: first.text, second: second.text, flags: third.start >= line.length ? null : third.text };
}

function take(line: string, from: number): { text: string; start: number; end: number } {
  let at = from;
  while (at < line.length && SPACE.test(line[at]!)) at++;
  const start = at;
  const quote = line[at] === '"' || line[at] === "'" ? line[at++]! : "";
  const begin = at;
  while (at < line.length) {
    const c = line[at]!;
    if (quote === "" ? SPACE.test(c) : c === quote) break;
    at += c === "\\" && SPACE.test(line[at + 1] ?? "") ? 2 : 1;
  }
  const end = Math.min(at, line.length);
  return { text: line.slice(begin, end), start, end };
}

/** The flags of "[A,B=c]", or an error in httpd's words. */
export function splitFlags(text: string): Flag[] | string {
  if (!text.startsWith("[") || !text.endsWith("]")) return "bad flag delimiters";
  const flags: Flag[] = [];
  for (const part of text.slice(1, -1).split(",")) {
    const word = part.trim();
    const equals = word.indexOf("=");
    flags.push(equals < 0 ? { key: word, value: "" } : { key: word.slice(0, equals), value: word.slice(equals + 1) });
  }
  return flags;
}
