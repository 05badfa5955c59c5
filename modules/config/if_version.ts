/**
 * <IfVersion [op] version>: compares the version of httpd that sluice stands in for.
 * Source: httpd modules/metadata/mod_version.c
 */
import { compileRegex, RegexError } from "./regex.ts";

const BAD_VERSION =
  "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor and patch are numbers.";

/** Whether `have` satisfies the operator and version in `words`. Throws a plain Error with httpd's text. */
export function versionMatches(words: readonly string[], have: string): boolean {
  const [operator, wanted] = words.length > 1 ? [words[0]!, words[1]!] : ["=", words[0]!];
  const negated = operator.startsWith("!");
  // A lone "!" is looked at as an operator, and is none.
  const matched = compareBy(negated && operator.length > 1 ? operator.slice(1) : operator, wanted, have, operator);
  return matched !== negated;
}

function compareBy(op: string, wanted: string, have: string, written: string): boolean {
  switch (op) {
    case "=":
    case "==":
      if (!wanted.startsWith("/")) return compare(have, wanted) === 0;
      if (wanted.length < 2 || !wanted.endsWith("/")) throw new Error("Missing delimiting / of regular expression.");
      return matchRegex(wanted.slice(1, -1), have);
    case "~":
      return matchRegex(wanted, have);
    case "<":
      return compare(have, wanted) < 0;
    case "<=":
      return compare(have, wanted) <= 0;
    case ">":
      return compare(have, wanted) > 0;
    case ">=":
      return compare(have, wanted) >= 0;
    default:
      throw new Error(`unrecognized operator '${written}'`);
  }
}

/** Below, at or above 0 as `have` is older, the same or newer. Parts left out of `wanted` are 0. */
function compare(have: string, wanted: string): number {
  if (!/^\d+(\.\d+){0,2}$/.test(wanted)) throw new Error(BAD_VERSION);
  const left = have.split(".").map((part) => Number.parseInt(part, 10));
  const right = wanted.split(".").map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function matchRegex(source: string, have: string): boolean {
  let regex: RegExp;
  try {
    regex = compileRegex(source);
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new Error("Unable to compile regular expression");
  }
  return regex.test(have);
}
