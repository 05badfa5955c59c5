/**
 * A parsed pattern → the source of a RegExp.
 *
 * Source: pcre2pattern(3)
 */
import { type ParsedPattern, type PatternNode, RegexError } from "./regex_parse.ts";

/** The groups of the RegExp that one of the user's is: several where alternatives are numbered alike. */
export type GroupNumbers = readonly (readonly number[])[];

/** @returns `groups`: the user's group number → the numbers in the RegExp; null when they are the same */
export function printPattern(
  parsed: ParsedPattern,
  pattern: string,
): { readonly source: string; readonly groups: GroupNumbers | null } {
  const numbers: number[][] = [[0]];
  const counter = { emitted: 0 };
  numberGroups(parsed.body, numbers, counter);
  const source = new Printer(parsed, pattern, numbers).print(parsed.body);
  return { source, groups: counter.emitted === parsed.groupCount ? null : numbers };
}

class Printer {
  private readonly parsed: ParsedPattern;
  private readonly pattern: string;
  private readonly numbers: GroupNumbers;
  private emitted = 0;

  constructor(parsed: ParsedPattern, pattern: string, numbers: GroupNumbers) {
    this.parsed = parsed;
    this.pattern = pattern;
    this.numbers = numbers;
  }

  print(nodes: readonly PatternNode[]): string {
    let out = "";
    for (const node of nodes) {
      if (typeof node === "string") {
        out += node;
      } else if (node.kind === "group") {
        if (node.user > 0) this.emitted++;
        out += `${node.open}${this.print(node.body)})`;
      } else if (node.kind === "sequence") {
        out += this.print(node.body);
      } else if (node.kind === "atomic") {
        // A lookahead is never entered again; what it saw is then consumed by reference.
        const helper = ++this.emitted;
        out += `(?:(?=(${this.print(node.body)}))\\${helper})`;
      } else {
        const { ignoreCase } = this.parsed;
        const modes = node.ignoreCase === ignoreCase ? "" : node.ignoreCase ? "i" : "-i";
        // One that took no part matches "", so that of several the one that did is what is matched.
        out += `(?${modes}:${this.numbers[this.groupOf(node)]!.map((group) => `\\${group}`).join("(?:)")})`;
      }
    }
    return out;
  }

  private groupOf(node: Extract<PatternNode, { kind: "ref" }>): number {
    const { names, groupCount } = this.parsed;
    const group = typeof node.group === "string" ? names.get(node.group) : node.group;
    if (group === undefined || group < 1 || group > groupCount) {
      throw new RegexError(`reference to group "${node.group}", which does not exist`, this.pattern, node.offset);
    }
    if (node.limit >= 0 && group > node.limit) {
      throw new RegexError("back reference inside a lookbehind is not supported", this.pattern, node.offset);
    }
    return group;
  }
}

/** Which number each of the user's groups gets in the RegExp, helpers counted. */
function numberGroups(nodes: readonly PatternNode[], numbers: number[][], counter: { emitted: number }): void {
  for (const node of nodes) {
    if (typeof node === "string" || node.kind === "ref") continue;
    if (node.kind === "atomic") counter.emitted++;
    else if (node.kind === "group" && node.user > 0) (numbers[node.user] ??= []).push(++counter.emitted);
    numberGroups(node.body, numbers, counter);
  }
}
