/**
 * LogFormat: the text of a format → a function that makes lines.
 * Source: httpd modules/loggers/mod_log_config.c, parse_log_string, process_item
 */
import type { RequestRec } from "../../modules/mod.ts";
import { type Item, nothing, SPECIFIERS } from "./items.ts";

/** A compiled format. */
export interface LogFormat {
  /** The line with its end. `last` is what internal redirects made of `first`; they are the same where there were none. */
  readonly line: (last: RequestRec, first: RequestRec) => string;
  /** Needs times that are not taken otherwise. */
  readonly timed: boolean;
}

interface Part {
  /** What stands before the item. */
  readonly before: string;
  readonly item: Item;
  readonly original: boolean;
}

/** A compiled format, or what is wrong with the text. */
export function compileFormat(text: string): LogFormat | string {
  const parts: Part[] = [];
  let before = "";
  let timed = false;
  let at = 0;
  while (at < text.length) {
    const c = text[at]!;
    if (c === "\\") {
      const next = text[at + 1] ?? "";
      before += ESCAPES[next] ?? c;
      at += ESCAPES[next] === undefined ? 1 : 2;
    } else if (c !== "%") {
      before += c;
      at++;
    } else if (text[at + 1] === "%") {
      before += c;
      at += 2;
    } else {
      const parsed = parseItem(text, at + 1);
      if (typeof parsed === "string") return parsed;
      if (parsed.item === nothing) before += "-";
      else {
        parts.push({ before, item: parsed.item, original: parsed.original });
        before = "";
      }
      timed ||= parsed.timed;
      at = parsed.next;
    }
  }
  return { line: lineOf(parts, `${before}\n`), timed };
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\", n: "\n", r: "\r", t: "\t" };

function lineOf(parts: readonly Part[], after: string): LogFormat["line"] {
  return (last, first) => {
    let line = "";
    for (let i = 0; i < parts.length; i++) {
      const { before, item, original } = parts[i]!;
      // Two steps: `before + item` would be a string of its own, and a branch in the tree that is flattened later.
      line += before;
      line += item(original ? first : last) ?? "-";
    }
    return line + after;
  };
}

const RAN_OFF = "Ran off end of LogFormat parsing args to some directive";

/** @param start the index behind the `%` */
function parseItem(
  text: string,
  start: number,
): { item: Item; original: boolean; timed: boolean; next: number } | string {
  let arg = "";
  let original: boolean | undefined;
  let negated = false;
  const statuses: number[] = [];
  let at = start;
  for (;;) {
    const c = text[at];
    switch (c) {
      case undefined:
        return RAN_OFF;
      case "!":
        negated = true;
        break;
      case "<":
        original = true;
        break;
      case ">":
        original = false;
        break;
      case ",":
        break;
      case "{": {
        const end = text.indexOf("}", at);
        if (end < 0) return RAN_OFF;
        arg = text.slice(at + 1, end);
        at = end;
        break;
      }
      default: {
        const digits = /^\d+/.exec(text.slice(at, at + 4));
        if (digits !== null) {
          statuses.push(Number(digits[0]));
          at += digits[0].length - 1;
          break;
        }
        const name = c === "^" ? text.slice(at, at + 3) : c;
        const specifier = SPECIFIERS[name];
        if (specifier === undefined) return `Unrecognized LogFormat directive %${name}`;
        const wantsOriginal = original ?? specifier.original;
        const item = specifier.make(arg);
        return {
          item: statuses.length === 0 ? item : onStatus(item, statuses, negated, wantsOriginal),
          original: wantsOriginal,
          timed: specifier.timed ?? false,
          next: at + name.length,
        };
      }
    }
    at++;
  }
}

/** `%404,501{...}`, `%!200{...}`: the status is that of the response, whichever request the item tells of. */
function onStatus(item: Item, statuses: readonly number[], negated: boolean, original: boolean): Item {
  return (r) => {
    let last = r;
    if (original) while (last.next !== null) last = last.next;
    return statuses.includes(last.status) === negated ? null : item(r);
  };
}
