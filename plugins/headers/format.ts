/**
 * The values that Header and RequestHeader set: text with %t %D %l %i %b %{VAR}e %{VAR}s in it, or one expression.
 * Source: httpd modules/metadata/mod_headers.c, parse_format_string, process_tags
 */
import {
  ArgumentError,
  byteString,
  type Expr,
  ExprFailure,
  exprLookup,
  type ProcessRec,
  parseStringExpr,
  type RequestRec,
  requestSubject,
} from "../../modules/mod.ts";

/** What a directive's value becomes for a request. */
export interface HeaderValue {
  /** The same for every request; null: it depends. */
  readonly constant: string | null;
  evaluate(r: RequestRec): string;
}

type Item = (r: RequestRec, argument: string) => string;

const ITEMS: Readonly<Record<string, Item>> = {
  t: (r) => `t=${r.requestTimeUs}`,
  D: (r) => `D=${r.conn.process.clock.wallUs() - r.requestTimeUs}`,
  l: (r) =>
    `l=${r.conn.process.host
      .loadAverage()
      .map((load) => load.toFixed(2))
      .join("/")}`,
  i: (r) => `i=${100 - busyPercent(r.conn.process)}`,
  b: (r) => `b=${busyPercent(r.conn.process)}`,
  e: (r, name) => oneLine(r.getEnv(name) ?? "(null)"),
  s: (r, name) => oneLine(r.server.process.providers.lookup(exprLookup, "ssl")?.(r, name.toUpperCase()) || "(null)"),
};

/** Compiles a value; a string is an error, in httpd's words. */
export function parseHeaderValue(text: string): HeaderValue | string {
  if (text.startsWith("expr=")) {
    const parsed = parseStringExpr(text.slice(5));
    if ("error" in parsed) throw new ArgumentError(`Can't parse value expression : ${parsed.error}`, parsed);
    return { constant: null, evaluate: (r) => evaluated(r, parsed.expr) };
  }
  const parts: { text: string; item: Item | null }[] = [];
  let literal = "";
  let at = 0;
  while (at < text.length) {
    if (text[at] !== "%") {
      const end = text.indexOf("%", at);
      literal += unescapeText(text.slice(at, end < 0 ? text.length : end));
      at = end < 0 ? text.length : end;
      continue;
    }
    at++;
    if (at === text.length || text[at] === "%") {
      literal += "%";
      at++;
      continue;
    }
    let argument = "";
    if (text[at] === "{") {
      const close = text.indexOf("}", at);
      argument = text.slice(at + 1, close < 0 ? text.length : close);
      at = close < 0 ? text.length : close + 1;
    }
    const letter = text[at++] ?? "";
    const item = Object.hasOwn(ITEMS, letter) ? ITEMS[letter]! : null;
    if (item === null) return `Unrecognized header format %${letter}`;
    if (literal !== "") parts.push({ text: byteString(literal), item: null });
    literal = "";
    parts.push({ text: argument, item });
  }
  if (parts.length === 0) {
    const constant = byteString(literal);
    return { constant, evaluate: () => constant };
  }
  if (literal !== "") parts.push({ text: byteString(literal), item: null });
  return {
    constant: null,
    evaluate(r) {
      let value = "";
      for (const part of parts) value += part.item === null ? part.text : part.item(r, part.text);
      return value;
    },
  };
}

function unescapeText(text: string): string {
  return text.replace(/\\([\\nrt])/g, (_, c: string) =>
    c === "n" ? "\n" : c === "r" ? "\r" : c === "t" ? "\t" : "\\",
  );
}

/** One that cannot be evaluated is empty. */
function evaluated(r: RequestRec, expr: Expr<string>): string {
  try {
    return expr.evaluate(requestSubject(r));
  } catch (error) {
    if (!(error instanceof ExprFailure)) throw error;
    r.log.error("headers", "AH02557", `Can't evaluate value expression: ${error.message}`, r);
    return "";
  }
}

/** A value that a client may have had a hand in begins no field of its own. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
}

const SAMPLE_MS = 1000;
const samples = new WeakMap<ProcessRec, { atMs: number; cpuUs: number; percent: number }>();

/** The share of the last second or more that the program worked: there are no workers to count, as httpd does. */
function busyPercent(process: ProcessRec): number {
  const atMs = process.clock.now();
  const last = samples.get(process);
  if (last !== undefined && atMs - last.atMs < SAMPLE_MS) return last.percent;
  const cpuUs = process.host.cpuTimeUs();
  let percent = 0;
  if (last !== undefined) percent = Math.min(100, Math.round((cpuUs - last.cpuUs) / (atMs - last.atMs) / 10));
  samples.set(process, { atMs, cpuUs, percent });
  return percent;
}
