/**
 * httpd's patterns are PCRE; this reads one and writes the JavaScript RegExp that matches the same bytes. What RegExp
 * cannot do is refused by name, with its offset: no pattern goes to RegExp unread. Pattern and subject are binary
 * strings, one character per byte, so classes are sets of bytes and only ASCII has case.
 *
 * Known to differ: a back reference to a group that took no part matches "" here and fails in PCRE; a group inside a
 * repeated group is forgotten at each turn here and keeps its last match in PCRE.
 * Source: pcre2pattern(3); httpd server/util_pcre.c
 */
import { parsePattern, RegexError, type RegexFlags } from "./regex_parse.ts";
import { type GroupNumbers, printPattern } from "./regex_print.ts";

export { RegexError, type RegexFlags };

export interface NamedGroup {
  name: string;
  number: number;
}

interface RegexInfo {
  names: readonly NamedGroup[];
  /** Of the pattern, named ones included. */
  count: number;
  /** User's group number → numbers in the RegExp, of which one took part at most; null when they are the same. */
  groups: GroupNumbers | null;
}

// Not properties of the RegExp: a subclass or an own property takes engines off their fast path.
const infos = new WeakMap<RegExp, RegexInfo>();

/** @throws RegexError */
export function compileRegex(pattern: string, flags: RegexFlags = {}): RegExp {
  const parsed = parsePattern(pattern, flags);
  const { source, groups } = printPattern(parsed, pattern);
  let re: RegExp;
  try {
    re = new RegExp(source, parsed.ignoreCase ? "i" : "");
  } catch (error) {
    throw new RegexError(`this runtime refuses its translation ${source} (${(error as Error).message})`, pattern, 0);
  }
  const names = [...parsed.names].map(([name, number]) => ({ name, number }));
  infos.set(re, { names, count: parsed.groupCount, groups });
  return re;
}

/** The groups of the first match, the whole match first, "" for a group that took no part; null without a match. */
export function matchGroups(re: RegExp, text: string): string[] | null {
  const match = re.exec(text);
  if (match === null) return null;
  const groups = infos.get(re)?.groups ?? null;
  const out: string[] = [];
  if (groups === null) {
    for (let i = 0; i < match.length; i++) out.push(match[i] ?? "");
  } else {
    for (const numbers of groups) out.push(firstOf(match, numbers));
  }
  return out;
}

function firstOf(match: RegExpExecArray, numbers: readonly number[]): string {
  for (const number of numbers) {
    const text = match[number];
    if (text !== undefined) return text;
  }
  return "";
}

/** How many groups the pattern captures. */
export function capturingGroups(re: RegExp): number {
  return infos.get(re)?.count ?? 0;
}

/** Named groups in order of number, for `MATCH_NAME` variables. */
export function namedGroups(re: RegExp): readonly NamedGroup[] {
  return infos.get(re)?.names ?? [];
}
