/**
 * RewriteCond: one condition of a rule.
 * Source: httpd modules/mappers/mod_rewrite.c cmd_rewritecond, apply_rewrite_cond
 */
import {
  ArgumentError,
  compileRegex,
  type Expr,
  ExprFailure,
  type ExprSubject,
  matchGroups,
  parseExpr,
  requestSubject,
} from "../../modules/mod.ts";
import { badPattern, splitArguments, splitFlags } from "./arguments.ts";
import type { RewriteContext } from "./context.ts";
import { parseTemplate, Template } from "./template.ts";

type Test = (input: string, ctx: RewriteContext) => boolean;

/** How a condition is tested: a pattern, an expression, or a test that leaves no groups. */
type Kind =
  | { readonly kind: "regex"; readonly regex: RegExp }
  | { readonly kind: "expr"; readonly expr: Expr<boolean> }
  | { readonly kind: "test"; readonly test: Test };

export interface RewriteCond {
  readonly input: Template;
  readonly match: Kind;
  readonly negated: boolean;
  /** [OR] */
  readonly orNext: boolean;
  /** [NC] */
  readonly noCase: boolean;
  /** For the log. */
  readonly pattern: string;
}

/** Answers an error in httpd's words for a line that is none. `warn` gets what is wrong but harmless. */
export function parseCond(
  line: string,
  inSection: boolean,
  warn: (ah: string, text: string) => void,
): RewriteCond | string {
  const args = splitArguments(line);
  if (args === null) return `RewriteCond: bad argument line '${line}'`;
  const flags = args.flags === null ? [] : splitFlags(args.flags);
  if (typeof flags === "string") return `RewriteCond: ${flags}`;
  let noCase = false;
  let orNext = false;
  for (const flag of flags) {
    switch (flag.key.toLowerCase()) {
      case "nc":
      case "nocase":
        noCase = true;
        break;
      case "or":
      case "ornext":
        orNext = true;
        break;
      case "nv": // keeps the variable out of Vary, which no response from here has
      case "novary":
        break;
      default:
        return `RewriteCond: unknown flag '${flag.key}'`;
    }
  }
  const pattern = args.second;
  let negated = pattern.startsWith("!");
  const operator = pattern.slice(negated ? 1 : 0);
  const isExpr = args.first.toLowerCase() === "expr";
  const parsed = isExpr ? null : parseOperator(operator, noCase);
  if (typeof parsed === "string") return parsed;
  if (parsed !== null && "inverse" in parsed && parsed.inverse) negated = !negated;
  let match: Kind;
  let input: Template | string;
  if (isExpr) {
    const expr = parseExpr(operator);
    if ("error" in expr)
      throw new ArgumentError(`RewriteCond: cannot compile expression "${operator}" ${expr.error}`, expr);
    match = { kind: "expr", expr: expr.expr };
    input = new Template("expr", []);
  } else {
    if (parsed === null) {
      try {
        match = { kind: "regex", regex: compileRegex(operator, { ignoreCase: noCase }) };
      } catch (error) {
        throw badPattern("RewriteCond", operator, error);
      }
    } else {
      match = { kind: "test", test: parsed.test };
    }
    input = parseTemplate(args.first, inSection);
    if (typeof input === "string") return `RewriteCond: ${input}`;
  }
  if (noCase && (isExpr || (parsed !== null && !parsed.foldsCase))) {
    const shown = parsed?.operand ?? operator;
    warn(
      "AH00665",
      `RewriteCond: NoCase option for non-regex pattern '${shown}' is not supported and will be ignored.`,
    );
    noCase = false;
  }
  return { input, match, negated, orNext, noCase, pattern };
}

interface Operator {
  readonly test: Test;
  readonly operand: string;
  readonly foldsCase: boolean;
  /** -ne: -eq, and the opposite of what "!" says. */
  readonly inverse: boolean;
}

/** null: a regular expression; a text: refused. */
function parseOperator(text: string, noCase: boolean): Operator | string | null {
  if (text.length < 2) return null;
  if (/^-[fsdxhLlUF]$/.test(text)) {
    const test = FILE_TESTS[text[1]!];
    if (test === undefined) {
      return `RewriteCond: ${text} is not supported: it asks for the outcome of another request, and none is made`;
    }
    return { test, operand: text, foldsCase: false, inverse: false };
  }
  const whole = /^-(lt|le|gt|ge|eq|ne)(.+)$/s.exec(text);
  if (whole !== null) {
    const operand = whole[2]!;
    const number = leadingInt(operand);
    const inverse = whole[1] === "ne";
    const compare = INT_TESTS[inverse ? "eq" : whole[1]!]!;
    return { test: (input) => compare(leadingInt(input), number), operand, foldsCase: false, inverse };
  }
  const order = /^(>=|<=|>|<|=)(.*)$/s.exec(text);
  if (order === null) return null;
  const operand = order[1] === "=" && order[2] === '""' ? "" : order[2]!;
  const compare = noCase ? compareNoCase : compareLexicography;
  const holds = STRING_TESTS[order[1]!]!;
  return { test: (input) => holds(compare(input, operand)), operand, foldsCase: true, inverse: false };
}

const FILE_TESTS: Readonly<Record<string, Test>> = {
  f: (path, { host }) => host.files?.stat(path, true)?.kind === "file",
  d: (path, { host }) => host.files?.stat(path, true)?.kind === "dir",
  s: (path, { host }) => {
    const info = host.files?.stat(path, true);
    return info?.kind === "file" && info.size > 0;
  },
  x: (path, { host }) => host.files?.stat(path, true)?.executable === true,
  h: isLink,
  l: isLink,
  L: isLink,
};

function isLink(path: string, { host }: RewriteContext): boolean {
  return host.files?.stat(path, false)?.kind === "link";
}

const INT_TESTS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  eq: (a, b) => a === b,
};

const STRING_TESTS: Readonly<Record<string, (order: number) => boolean>> = {
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  "=": (order) => order === 0,
};

/** The longer text is the greater; of two as long, the bytes decide. */
function compareLexicography(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a === b ? 0 : a > b ? 1 : -1;
}

/** strcasecmp: by bytes from the start. */
function compareNoCase(a: string, b: string): number {
  const x = a.toLowerCase();
  const y = b.toLowerCase();
  return x === y ? 0 : x > y ? 1 : -1;
}

/** atoi: what no digits lead is 0. */
export function leadingInt(text: string): number {
  return Number(/^\s*([+-]?\d+)/.exec(text)?.[1] ?? 0);
}

/** Whether the condition holds; a pattern that matched leaves its groups for %0 to %9. */
export function testCond(cond: RewriteCond, ctx: RewriteContext): boolean {
  const { match } = cond;
  const input = cond.input.expand(ctx);
  let matched: boolean;
  switch (match.kind) {
    case "test":
      matched = match.test(input, ctx);
      break;
    case "regex": {
      const groups = matchGroups(match.regex, input);
      matched = groups !== null;
      if (groups !== null && !cond.negated) ctx.condGroups = groups;
      break;
    }
    case "expr": {
      const subject = requestSubject(ctx.r);
      matched = evaluate(match.expr, subject, ctx);
      if (matched && !cond.negated) ctx.condGroups = subject.groups;
      break;
    }
  }
  const holds = matched !== cond.negated;
  if (ctx.traceDepth >= 4) {
    const verdict = holds ? "matched" : "not-matched";
    ctx.trace(4, `RewriteCond: input='${input}' pattern='${cond.pattern}'${cond.noCase ? " [NC]" : ""} => ${verdict}`);
  }
  return holds;
}

/** What cannot be evaluated does not hold. */
function evaluate(expr: Expr<boolean>, subject: ExprSubject, ctx: RewriteContext): boolean {
  try {
    return expr.evaluate(subject);
  } catch (error) {
    if (!(error instanceof ExprFailure)) throw error;
    if (ctx.traceDepth >= 1) ctx.trace(1, `RewriteCond: expr='${expr.text}' evaluation failed: ${error.message}`);
    return false;
  }
}

/** All conditions of a rule: those joined by [OR] count as one. */
export function testConds(conds: readonly RewriteCond[], ctx: RewriteContext): boolean {
  for (let i = 0; i < conds.length; i++) {
    const holds = testCond(conds[i]!, ctx);
    if (conds[i]!.orNext) {
      if (!holds) continue;
      while (i < conds.length && conds[i]!.orNext) i++;
    } else if (!holds) {
      return false;
    }
  }
  return true;
}
