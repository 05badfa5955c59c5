/**
 * RewriteRule: pattern, substitution and flags.
 * Source: httpd modules/mappers/mod_rewrite.c cmd_rewriterule, cmd_rewriterule_setflag
 */
import { compileRegex, hasReason } from "../../modules/mod.ts";
import { badPattern, splitArguments, splitFlags } from "./arguments.ts";
import { leadingInt, type RewriteCond } from "./cond.ts";
import type { BackrefEscape } from "./escape.ts";
import { parseTemplate, type Template } from "./template.ts";

/** The flags of a rule; a field that begins with `query` is about the query. */
export interface RuleFlags {
  /** B, BNP, B=, BNE=, BCTLS. null: back-references stay as they are. */
  escape: BackrefEscape | null;
  chain: boolean;
  cookies: readonly Template[];
  discardPathInfo: boolean;
  end: boolean;
  env: readonly Template[];
  handler: Template | null;
  last: boolean;
  /** N: how many rounds there may be; null: no such flag. */
  maxRounds: number | null;
  noCase: boolean;
  noEscape: boolean;
  noSubstitution: boolean;
  passThrough: boolean;
  proxy: boolean;
  queryAppend: boolean;
  queryDiscard: boolean;
  queryLast: boolean;
  /** The query goes, and "?" in what the rule makes begins none. */
  queryNone: boolean;
  /** R, R=3xx. */
  redirect: boolean;
  skip: number;
  /** Of a redirect; with `endsWithStatus` the answer. */
  status: number;
  /** F, G, R=4xx. */
  endsWithStatus: boolean;
  mimeType: Template | null;
  unsafeAllow3F: boolean;
  /** UnsafePrefixStat: a result whose first folder is there is a file name, wherever the folder came from. */
  unsafePrefixStat: boolean;
  /** UNC: leading slashes of the result stay as they are. */
  keepSlashes: boolean;
}

export interface RewriteRule extends Readonly<RuleFlags> {
  readonly pattern: string;
  readonly regex: RegExp;
  readonly negated: boolean;
  readonly output: Template;
  readonly conds: readonly RewriteCond[];
}

/** Rounds of [N] if it gives no number. Source: REWRITE_MAX_ROUNDS */
const MAX_ROUNDS = 32_000;

/** Answers an error in httpd's words for a line that is none. */
export function parseRule(line: string, conds: readonly RewriteCond[], inSection: boolean): RewriteRule | string {
  const args = splitArguments(line);
  if (args === null) return `RewriteRule: bad argument line '${line}'`;
  const flags = parseFlags(args.flags, inSection);
  if (typeof flags === "string") return `RewriteRule: ${flags}`;
  const negated = args.first.startsWith("!");
  const pattern = negated ? args.first.slice(1) : args.first;
  let regex: RegExp;
  try {
    regex = compileRegex(pattern, { ignoreCase: flags.noCase });
  } catch (error) {
    throw badPattern("RewriteRule", pattern, error);
  }
  let text = args.second;
  if (text === "-") flags.noSubstitution = true;
  if (text.endsWith("?")) {
    if (flags.queryAppend) {
      flags.queryLast = true;
    } else {
      flags.queryNone = true;
      text = text.slice(0, -1);
    }
  } else if (flags.queryDiscard && !text.includes("?")) {
    flags.queryNone = true;
  }
  const output = parseTemplate(text, inSection);
  if (typeof output === "string") return `RewriteRule: ${output}`;
  return { ...flags, pattern, regex, negated, output, conds };
}

function parseFlags(text: string | null, inSection: boolean): RuleFlags | string {
  const flags: RuleFlags = {
    escape: null,
    chain: false,
    cookies: [],
    discardPathInfo: false,
    end: false,
    env: [],
    handler: null,
    last: false,
    maxRounds: null,
    noCase: false,
    noEscape: false,
    noSubstitution: false,
    passThrough: false,
    proxy: false,
    queryAppend: false,
    queryDiscard: false,
    queryLast: false,
    queryNone: false,
    redirect: false,
    skip: 0,
    status: 302,
    endsWithStatus: false,
    mimeType: null,
    unsafeAllow3F: false,
    unsafePrefixStat: false,
    keepSlashes: false,
  };
  const words = text === null ? [] : splitFlags(text);
  if (typeof words === "string") return words;
  const encode = { on: false, only: null as string | null, never: "", noPlus: false, controls: false };
  for (const { key, value } of words) {
    const error = setFlag(flags, encode, key, value, inSection);
    if (error !== null) return error;
  }
  if (encode.on) flags.escape = encode;
  return flags;
}

type EscapeFlags = { on: boolean; only: string | null; never: string; noPlus: boolean; controls: boolean };

function setFlag(flags: RuleFlags, encode: EscapeFlags, key: string, value: string, inSection: boolean): string | null {
  const template = (set: (made: Template) => void): string | null => {
    const made = parseTemplate(value, inSection);
    if (typeof made === "string") return made;
    set(made);
    return null;
  };
  switch (key.toLowerCase()) {
    case "b":
    case "backrefescaping":
      encode.on = true;
      if (value !== "") encode.only = value;
      return null;
    case "bne":
      if (value === "") return "flag 'BNE' wants a list of characters (i.e. [BNE=...])";
      encode.never = value;
      return null;
    case "bnp":
    case "backrefernoplus":
      encode.noPlus = true;
      return null;
    case "bctls":
      encode.on = encode.controls = true;
      return null;
    case "c":
    case "chain":
      flags.chain = true;
      return null;
    case "co":
    case "cookie":
      return template((made) => {
        flags.cookies = [...flags.cookies, made];
      });
    case "d":
    case "dpi":
    case "discardpath":
      flags.discardPathInfo = true;
      return null;
    case "e":
    case "env":
      return template((made) => {
        flags.env = [...flags.env, made];
      });
    case "end":
      flags.end = true;
      return null;
    case "f":
    case "forbidden":
      return endWith(flags, 403);
    case "g":
    case "gone":
      return endWith(flags, 410);
    case "h":
    case "handler":
      return template((made) => {
        flags.handler = made;
      });
    case "l":
    case "last":
      flags.last = true;
      return null;
    case "n":
    case "next":
      flags.maxRounds = value === "" ? MAX_ROUNDS : leadingInt(value);
      return null;
    case "nc":
    case "nocase":
      flags.noCase = true;
      return null;
    case "ne":
    case "noescape":
      flags.noEscape = true;
      return null;
    case "ns": // no rule here ever sees a subrequest
    case "nosubreq":
      return null;
    case "p":
    case "proxy":
      flags.proxy = true;
      return null;
    case "pt":
    case "passthrough":
      flags.passThrough = true;
      return null;
    case "qsa":
    case "qsappend":
      flags.queryAppend = true;
      return null;
    case "qsd":
    case "qsdiscard":
      flags.queryDiscard = true;
      return null;
    case "qsl":
    case "qslast":
      flags.queryLast = true;
      return null;
    case "r":
    case "redirect":
      return setRedirect(flags, value);
    case "s":
    case "skip":
      flags.skip = Math.max(0, leadingInt(value));
      return null;
    case "t":
    case "type":
      return template((made) => {
        flags.mimeType = made;
      });
    case "unsafeallow3f":
      flags.unsafeAllow3F = true;
      return null;
    case "unsafeprefixstat":
      flags.unsafePrefixStat = true;
      return null;
    case "unc":
      flags.keepSlashes = true;
      return null;
    default:
      return `unknown flag '${key}'`;
  }
}

function endWith(flags: RuleFlags, status: number): null {
  flags.status = status;
  flags.endsWithStatus = true;
  flags.noSubstitution = true;
  return null;
}

const NAMED_STATUS: Readonly<Record<string, number>> = { permanent: 301, temp: 302, seeother: 303 };

function setRedirect(flags: RuleFlags, value: string): string | null {
  flags.redirect = true;
  if (value === "") return null;
  if (!/^\d/.test(value)) {
    // A word that is none: httpd takes no status from it and answers 302.
    flags.status = NAMED_STATUS[value.toLowerCase()] ?? 302;
    return null;
  }
  const status = leadingInt(value);
  if (!hasReason(status)) return `invalid HTTP response code '${value}' for flag 'R'`;
  if (status < 300 || status > 399) return endWith(flags, status);
  flags.status = status;
  return null;
}
