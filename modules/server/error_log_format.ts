/**
 * ErrorLogFormat: the text of a format → a function that makes lines.
 * Source: httpd server/core.c, parse_errorlog_string; server/log.c, do_errorlog_format
 *
 * A line is made of fields, each from a blank to the next. A field with an item that is empty is left out, its blank too.
 */
import type { CommandContext } from "../core/command.ts";
import {
  type ErrorLogFormats,
  errorLogTime,
  escapeErrorLog,
  LEVELS,
  type LineFormat,
  type LogMessage,
} from "../core/error_log.ts";
import type { RequestRec } from "../core/records.ts";
import { strftime } from "../core/strftime.ts";

/** What a line is about: any message, or the first one about a request or a connection. */
export type FormatKind = "main" | "request" | "connection";

export interface ErrorLogFormatSpec {
  readonly kind: FormatKind;
  readonly items: readonly FormatItem[];
}

type ItemText = (m: LogMessage, names: ServerNames) => string;

/** How a server calls itself: always, and to the client of a request. */
export interface ServerNames {
  readonly virtual: () => string;
  readonly asked: (r: RequestRec) => string;
}

interface FormatItem {
  readonly text: ItemText;
  /** A field begins here. */
  readonly field: boolean;
  /** `-`: written for nothing. */
  readonly hyphen: boolean;
  /** `+`: without it there is no line. */
  readonly required: boolean;
  /** Left out at more severe levels than this one. */
  readonly leastRank: number;
  readonly message: boolean;
}

/** `ErrorLogFormat "..."`, `ErrorLogFormat request "..."`, `ErrorLogFormat connection "..."`. */
export function addErrorLogFormat(cmd: CommandContext, first: string, second?: string): string | undefined {
  let kind: FormatKind = "main";
  if (second !== undefined) {
    const word = first.toLowerCase();
    if (word !== "request" && word !== "connection") return "ErrorLogFormat type must be one of request, connection";
    kind = word;
  }
  const items = parse(second ?? first);
  if (typeof items === "string") return items;
  if (kind === "main") {
    if (items.some((item) => item.required)) return "The '+' flag cannot be used in the main error log format";
    // An empty format takes the usual one back.
    if (items.length > 0 && !items.some((item) => item.message))
      return "main ErrorLogFormat must contain message format string '%M'";
  }
  const spec: ErrorLogFormatSpec = { kind, items };
  cmd.push("errorLogFormats", spec);
  return undefined;
}

/** The formats of a server. One of `request` and `connection` may stand several times, of the main one the last counts. */
export function compileErrorLogFormats(specs: readonly ErrorLogFormatSpec[], names: ServerNames): ErrorLogFormats {
  const of = (kind: FormatKind) => specs.filter((spec) => spec.kind === kind).map((spec) => lineOf(spec.items, names));
  const main = specs.findLast((spec) => spec.kind === "main");
  return {
    main: main === undefined || main.items.length === 0 ? null : lineOf(main.items, names),
    request: of("request"),
    connection: of("connection"),
  };
}

function lineOf(items: readonly FormatItem[], names: ServerNames): LineFormat {
  return (m) => {
    let line = "";
    let fieldStart = 0;
    let skipping = false;
    for (const item of items) {
      if (item.field) {
        if (!skipping) fieldStart = line.length;
        skipping = false;
      }
      if (skipping && !item.message) continue;
      const text = m.rank < item.leastRank ? "" : item.text(m, names);
      if (text !== "" || item.message) line += text;
      else if (item.required) return "";
      else if (item.hyphen && m.rank >= item.leastRank) line += "-";
      else {
        line = line.slice(0, fieldStart);
        skipping = true;
      }
    }
    return line;
  };
}

/** The items of a format, or what is wrong with it. */
function parse(format: string): readonly FormatItem[] | string {
  const items: FormatItem[] = [];
  const plain = { field: false, hyphen: false, required: false, leastRank: -1, message: false };
  let at = 0;
  while (at < format.length) {
    if (format[at] !== "%") {
      const end = literalEnd(format, at);
      const text = unescapeLiteral(format.slice(at, end));
      items.push({ ...plain, text: () => text, field: format[at] === " " });
      at = end;
      continue;
    }
    const match = /^%([-+]*)(\d*)([-+]*)(?:\{([^}]*)\})?([^{])/s.exec(format.slice(at));
    if (match === null) return "Ran off end of error log format parsing args to some directive";
    const [whole, before, rank, behind, arg = "", letter] = match;
    at += whole.length;
    if (letter === "%") {
      items.push({ ...plain, text: () => "%" });
      continue;
    }
    if (letter === " ") {
      items.push({ ...plain, text: () => "", field: true, message: true });
      continue;
    }
    const make = ITEMS[letter!];
    if (make === undefined) return `Unrecognized error log format directive %${letter}`;
    const flags = before! + behind!;
    items.push({
      text: make(arg),
      field: false,
      hyphen: flags.includes("-"),
      required: flags.includes("+"),
      leastRank: rank === "" ? -1 : Number(rank),
      message: letter === "M",
    });
  }
  return items;
}

/** A literal goes to the next `%`, or to the next blank, which begins a field. */
function literalEnd(format: string, start: number): number {
  let end = start;
  do end += format[end] === "\\" ? 2 : 1;
  while (end < format.length && format[end] !== "%" && format[end] !== " ");
  return Math.min(end, format.length);
}

const LITERALS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", " ": " ", "\\": "\\" };

function unescapeLiteral(text: string): string {
  return text.replace(/\\(.)/gs, (both, c: string) => LITERALS[c] ?? both);
}

const ITEMS: Readonly<Record<string, (arg: string) => ItemText>> = {
  a: (arg) => (arg === "c" ? (m) => (m.conn === null ? "" : `${m.conn.peerIp}:${m.conn.peerPort}`) : (m) => m.client),
  A: () => (m) => (m.conn === null ? "" : `${m.conn.localIp}:${m.conn.localPort}`),
  e: (arg) => (m) => escapeErrorLog(m.request?.getEnv(arg) ?? ""),
  E: () => (m) => m.error,
  // Messages here have no place in a source file.
  F: () => () => "",
  i: (arg) => (m) => escapeErrorLog(m.request?.headersIn.get(arg) ?? ""),
  k: () => (m) => (m.request === null || m.conn === null ? "" : String(Math.max(0, m.conn.keepalives - 1))),
  l: () => (m) => LEVELS[m.rank]!,
  L: (arg) => {
    if (arg === "c") return (m) => m.conn?.logId ?? "";
    if (arg === "C") return (m) => (m.request === null ? (m.conn?.logId ?? "") : "");
    return (m) => m.request?.logId ?? "";
  },
  m: () => (m) => m.module,
  M: () => (m) => m.text,
  n: (arg) => (m) => escapeErrorLog(m.request?.getNote(arg) ?? ""),
  P: () => (m) => String(m.pid),
  T: () => (m) => String(m.pid),
  t: (arg) => (m) => timeText(arg, m.timeUs),
  v: () => (_m, names) => names.virtual(),
  V: () => (m, names) => (m.request === null ? "" : names.asked(m.request)),
};

/** `u`: with microseconds; `c`: compact, as ISO 8601 has it; both; a format of strftime; or the long form. */
function timeText(arg: string, us: number): string {
  const long = errorLogTime(us);
  const fraction = `.${String(us % 1_000_000).padStart(6, "0")}`;
  if (arg === "") return long.replace(fraction, "");
  if (!/^[cu]+$/.test(arg)) return strftime(arg, new Date(us / 1000));
  if (!arg.includes("c")) return long;
  const compact = strftime("%Y-%m-%d %H:%M:%S", new Date(us / 1000));
  return arg.includes("u") ? compact + fraction : compact;
}
