/**
 * One Header or RequestHeader line: what it does, to which field, when.
 * Source: httpd modules/metadata/mod_headers.c, header_cmd, header_inout_cmd
 */
import {
  ArgumentError,
  byteString,
  compileRegex,
  type Expr,
  ExprFailure,
  headerId,
  parseExpr,
  type RequestRec,
  requestSubject,
  splitWords,
} from "../../modules/mod.ts";
import { type HeaderValue, parseHeaderValue } from "./format.ts";

const ACTIONS = ["add", "set", "setifempty", "append", "merge", "unset", "echo", "note", "edit", "edit*"] as const;

export type HeaderAction = (typeof ACTIONS)[number];

export interface HeaderEntry {
  readonly action: HeaderAction;
  readonly name: string;
  /** The number of `name`. */
  readonly id: number;
  /** What is set, or what replaces a match of `regex`; null: the action sets nothing. */
  readonly value: HeaderValue | null;
  /** For edit and edit* of the value, for echo of the request's field names. */
  readonly regex: RegExp | null;
  /** As soon as the request is read, not when it goes on or is answered. */
  readonly early: boolean;
  readonly condition: Condition | null;
  /** Name and value are known, and neither may be sent to a client. */
  readonly illegal: boolean;
}

type Condition =
  | { readonly variable: string; readonly negated: boolean }
  | { readonly variable: null; readonly expr: Expr<boolean> };

/** Which of the three lists a line belongs to: RequestHeader; Header always; Header. */
export type HeaderList = "request" | "always" | "onsuccess";

/** Reads a line. A string is an error, in httpd's words. */
export function parseHeaderLine(
  directive: string,
  args: string,
  isRequest: boolean,
): { readonly list: HeaderList; readonly entry: HeaderEntry } | string {
  const words = splitWords(args, 1).map((word) => word.text);
  let list: HeaderList = isRequest ? "request" : "onsuccess";
  const first = words[0]?.toLowerCase();
  if (!isRequest && (first === "always" || first === "onsuccess")) {
    list = first;
    words.shift();
  }
  if (words.length > 5) return `${directive} has too many arguments`;
  const [actionWord = "", name = "", value, third, fourth] = words;
  const action = ACTIONS.find((known) => known === actionWord.toLowerCase());
  if (action === undefined) {
    return "first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', 'edit', or 'edit*'.";
  }
  const shape = readShape(action, isRequest, name, value, third, fourth);
  if (typeof shape === "string") return shape;
  const condition = shape.clause === undefined ? null : readClause(shape.clause);
  if (typeof condition === "string" && condition !== "early") return condition;
  const parsed = shape.value === null ? null : parseHeaderValue(shape.value);
  if (typeof parsed === "string") return parsed;
  const fieldName = byteString(name.split(":", 1)[0]!);
  const entry: HeaderEntry = {
    action,
    name: fieldName,
    id: headerId(fieldName),
    value: parsed,
    regex: shape.regex,
    early: condition === "early",
    condition: condition === "early" ? null : condition,
    illegal: action !== "unset" && action !== "note" && action !== "echo" && isIllegal(fieldName, parsed),
  };
  return { list, entry };
}

function isIllegal(name: string, value: HeaderValue | null): boolean {
  return !isToken(name) || (value !== null && value.constant !== null && hasControls(value.constant));
}

export function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
}

/** Characters that no field value may have. A tab is none of them. */
export function hasControls(value: string): boolean {
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(value);
}

/** The same with blanks in their places. */
export function withoutControls(value: string): string {
  return value.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, " ");
}

interface Shape {
  readonly regex: RegExp | null;
  readonly value: string | null;
  readonly clause: string | undefined;
}

/** Which words mean what depends on the action. */
function readShape(
  action: HeaderAction,
  isRequest: boolean,
  name: string,
  value: string | undefined,
  third: string | undefined,
  fourth: string | undefined,
): Shape | string {
  if (isRequest && action === "note") return "RequestHeader does not support the 'note' action";
  if (action === "edit" || action === "edit*") {
    if (value === undefined || third === undefined) return "Header edit requires a match and a substitution";
    const regex = compile(value);
    return regex === null ? "Header edit regex could not be compiled" : { regex, value: third, clause: fourth };
  }
  if (fourth !== undefined) return "Too many arguments to directive";
  if (action === "unset") {
    if (value !== undefined && third !== undefined) return "header unset takes two arguments";
    return { regex: null, value: null, clause: value ?? third };
  }
  if (action === "echo") {
    if (value !== undefined && third !== undefined) return "Header echo takes two arguments";
    if (isRequest) return "Header echo only valid on Header directives";
    const regex = compile(name);
    return regex === null ? "Header echo regex could not be compiled" : { regex, value: null, clause: value };
  }
  if (value === undefined) return "Header requires three arguments";
  return { regex: null, value, clause: third };
}

function compile(pattern: string): RegExp | null {
  try {
    return compileRegex(byteString(pattern));
  } catch {
    return null;
  }
}

function readClause(clause: string): Condition | "early" | string {
  const lower = clause.toLowerCase();
  if (lower === "early") return "early";
  if (lower.startsWith("env=")) {
    const negated = clause[4] === "!";
    const variable = clause.slice(negated ? 5 : 4);
    if (variable !== "") return { variable, negated };
    return "error: missing environment variable name. envclause should be in the form env=envar ";
  }
  if (lower.startsWith("expr=")) {
    const parsed = parseExpr(clause.slice(5));
    if ("error" in parsed) throw new ArgumentError(`Can't parse envclause/expression: ${parsed.error}`, parsed);
    return { variable: null, expr: parsed.expr };
  }
  return `Unknown parameter: ${clause}`;
}

/** One that cannot be evaluated does not hold. */
function holds(expr: Expr<boolean>, r: RequestRec): boolean {
  try {
    return expr.evaluate(requestSubject(r));
  } catch (error) {
    if (!(error instanceof ExprFailure)) throw error;
    r.log.error("headers", "AH01501", `Failed to evaluate expression (${error.message}) - ignoring`, r);
    return false;
  }
}

/** Whether a line applies to this request. */
export function applies(entry: HeaderEntry, r: RequestRec): boolean {
  const { condition } = entry;
  if (condition === null) return true;
  if (condition.variable === null) return holds(condition.expr, r);
  return (r.getEnv(condition.variable) !== undefined) !== condition.negated;
}
