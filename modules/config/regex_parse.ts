/**
 * The text of a PCRE pattern → its nodes: what is the same in RegExp as text, what is not by kind. What RegExp cannot do is
 * refused here, by name and offset. Long, and one class: every method reads on from where the last one stopped.
 * Source: pcre2pattern(3)
 */
import { type ByteSet, byteSet, foldCase, isLetter, POSIX, printByte, printBytes, SETS } from "./regex_bytes.ts";

export interface RegexFlags {
  /** @default false */
  ignoreCase?: boolean;
  /** Dot matches a newline. @default true: httpd's RegexDefaultOptions are DOTALL DOLLAR_ENDONLY */
  dotAll?: boolean;
  /** `$` matches at the very end only, not before a last newline (CVE-2017-15715). @default true */
  dollarEndOnly?: boolean;
}

export class RegexError extends Error {
  /** Index into the pattern. */
  readonly offset: number;
  constructor(what: string, pattern: string, offset: number) {
    super(`Cannot compile regular expression "${pattern}": ${what} at offset ${offset}`);
    this.name = "RegexError";
    this.offset = offset;
  }
}

/** A piece of a pattern; a text is RegExp already. */
export type PatternNode =
  | string
  | { kind: "group"; open: string; user: number; body: PatternNode[] } // user 0: not capturing
  | { kind: "atomic"; body: PatternNode[] }
  | { kind: "sequence"; body: PatternNode[] }
  | { kind: "ref"; group: number | string; ignoreCase: boolean; offset: number; limit: number };

export interface ParsedPattern {
  readonly body: readonly PatternNode[];
  /** Name → number of the user's groups. */
  readonly names: ReadonlyMap<string, number>;
  /** The user's groups that capture. */
  readonly groupCount: number;
  /** The whole RegExp ignores case. */
  readonly ignoreCase: boolean;
}

/** @throws RegexError */
export function parsePattern(pattern: string, flags: RegexFlags): ParsedPattern {
  return new Parser(pattern, flags).parse();
}

interface Modes {
  i: boolean;
  s: boolean;
  m: boolean;
  x: boolean;
  n: boolean;
}

/** An escape outside and inside a class: one byte, a set of bytes, or something only one of the two contexts has. */
type Escape = { byte: number } | { set: ByteSet };

const CHARS: Readonly<Record<string, number>> = { __proto__: null as never, a: 7, e: 27, f: 12, n: 10, r: 13, t: 9 };

const REFUSED: Readonly<Record<string, string>> = {
  __proto__: null as never,
  C: "\\C (a single code unit)",
  G: "\\G (where the match started)",
  K: "\\K (reset of the match)",
  X: "\\X (grapheme cluster)",
  p: "\\p (Unicode property)",
  P: "\\P (Unicode property)",
  L: "\\L",
  l: "\\l",
  U: "\\U",
  u: "\\u",
};

class Parser {
  private readonly text: string;
  private at = 0;
  private readonly jsIgnoreCase: boolean;
  private readonly dollarEndOnly: boolean;
  private modes: Modes;
  private groupCount = 0;
  private readonly names = new Map<string, number>();
  private quoting = false; // between \Q and \E
  private lookbehind = -1; // groups opened before the lookbehind we are in; -1: in none

  constructor(text: string, flags: RegexFlags) {
    this.text = text;
    this.jsIgnoreCase = flags.ignoreCase === true || /^\(\?[imsx]*i[imsx]*\)/.test(text);
    this.dollarEndOnly = flags.dollarEndOnly ?? true;
    this.modes = { i: flags.ignoreCase === true, s: flags.dotAll ?? true, m: false, x: false, n: false };
  }

  parse(): ParsedPattern {
    for (let i = 0; i < this.text.length; i++) {
      if (this.text.charCodeAt(i) > 0xff) this.fail("character that is not a byte", i);
    }
    const body = this.alternatives();
    if (this.at < this.text.length) this.fail("unmatched )", this.at);
    return { body, names: this.names, groupCount: this.groupCount, ignoreCase: this.jsIgnoreCase };
  }

  // Up to the closing parenthesis or the end. Modes set inside end here, but reach over the bars, as in PCRE.
  /** @param reset the groups of each alternative are numbered alike: (?| */
  private alternatives(reset = false): PatternNode[] {
    const outer = { ...this.modes };
    const nodes: PatternNode[] = [];
    const before = this.groupCount;
    let most = before;
    while (this.at < this.text.length || this.quoting) {
      if (!this.quoting) {
        this.skipIgnored();
        if (this.at >= this.text.length) break;
        if (this.text[this.at] === ")") break;
        if (this.text[this.at] === "|") {
          this.at++;
          nodes.push("|");
          most = Math.max(most, this.groupCount);
          if (reset) this.groupCount = before;
          continue;
        }
      }
      this.item(nodes);
    }
    this.groupCount = Math.max(most, this.groupCount);
    this.modes = outer;
    return nodes;
  }

  // One atom with its quantifier.
  private item(nodes: PatternNode[]): void {
    const start = this.at;
    const before = nodes.length;
    const shape = this.atom(nodes);
    if (nodes.length === before) return; // a mode, a comment, \Q
    if (this.quoting && !this.endOfQuote()) return;
    this.skipIgnored();
    const place = this.at;
    const quantifier = this.quantifier();
    if (quantifier === null) return;
    if (shape === "anchor") this.fail("quantifier with nothing to repeat", place);
    let body = nodes.splice(before);
    // PCRE repeats an assertion too; RegExp wants it wrapped.
    if (shape === "bare") body = [{ kind: "group", open: "(?:", user: 0, body }];
    body.push(quantifier.text);
    if (quantifier.possessive && this.lookbehind >= 0) {
      this.fail("possessive quantifier in a lookbehind is not supported", start);
    }
    nodes.push(quantifier.possessive ? { kind: "atomic", body } : { kind: "sequence", body });
    this.skipIgnored();
    const second = this.at;
    if (this.quantifier() !== null) this.fail("quantifier with nothing to repeat", second);
  }

  private quantifier(): { text: string; possessive: boolean } | null {
    const c = this.text[this.at];
    let text: string;
    if (c === "*" || c === "+" || c === "?") {
      text = c;
      this.at++;
    } else if (c === "{") {
      const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.text.slice(this.at, this.at + 16));
      if (match === null) return null;
      const low = Number(match[1]);
      const high = match[3] ? Number(match[3]) : low;
      if (low > 65535 || high > 65535) this.fail("number too big in {} quantifier", this.at);
      if (high < low) this.fail("numbers out of order in {} quantifier", this.at);
      text = match[0];
      this.at += text.length;
    } else {
      return null;
    }
    const next = this.text[this.at];
    if (next === "?") {
      this.at++;
      return { text: `${text}?`, possessive: false };
    }
    if (next === "+") this.at++;
    return { text, possessive: next === "+" };
  }

  /**
   * Appends at most one node. "whole": can take a quantifier as it is; "bare": has to be wrapped first; "anchor": takes
   * none, since PCRE2.
   */
  private atom(nodes: PatternNode[]): "whole" | "bare" | "anchor" {
    const start = this.at;
    if (this.quoting) {
      if (this.endOfQuote()) return "whole";
      this.at++;
      nodes.push(this.literal(this.text.charCodeAt(start)));
      return "whole";
    }
    const c = this.text[this.at++]!;
    switch (c) {
      case "\\":
        return this.escape(nodes, start);
      case "[":
        nodes.push(this.printSet(this.charClass(start)));
        return "whole";
      case "(":
        return this.group(nodes, start);
      case ".":
        nodes.push(this.modes.s ? "[^]" : "[^\\n]");
        return "whole";
      case "^":
        // PCRE's multiline ^ does not match after a newline that ends the subject
        nodes.push(this.modes.m ? "(?:^|(?<=\\n)(?=[^]))" : "^");
        return "anchor";
      case "$":
        nodes.push(this.modes.m ? "(?=\\n|$)" : this.dollarEndOnly ? "$" : "(?=\\n?$)");
        return "anchor";
      case "*":
      case "+":
      case "?":
        return this.fail("quantifier with nothing to repeat", start);
      default: {
        if (c === "{") {
          this.at = start;
          if (this.quantifier() !== null) this.fail("quantifier with nothing to repeat", start);
          this.at = start + 1;
        }
        nodes.push(this.literal(c.charCodeAt(0)));
        return "whole";
      }
    }
  }

  private escape(nodes: PatternNode[], start: number): "whole" | "anchor" {
    const c = this.text[this.at];
    if (c === undefined) return this.fail("\\ at end of pattern", start);
    switch (c) {
      case "Q":
        this.at++;
        this.quoting = true;
        return "whole";
      case "E": // without \Q: ignored
        this.at++;
        return "whole";
      case "A":
        this.at++;
        nodes.push("^");
        return "anchor";
      case "z":
        this.at++;
        nodes.push("$");
        return "anchor";
      case "Z":
        this.at++;
        nodes.push("(?=\\n?$)");
        return "anchor";
      case "b":
      case "B":
        this.at++;
        nodes.push(`\\${c}`);
        return "anchor";
      case "N":
        if (this.text[this.at + 1] === "{") this.fail("\\N{} (named character) is not supported", start);
        this.at++;
        nodes.push("[^\\n]");
        return "whole";
      case "R": // atomic in PCRE: never half of \r\n
        this.at++;
        nodes.push("(?:\\r\\n|(?!\\r\\n)[\\n-\\r\\x85])");
        return "whole";
      case "g":
      case "k":
        this.at++;
        nodes.push(this.referenceByName(c, start));
        return "whole";
    }
    if (c >= "1" && c <= "9") {
      const digits = /^\d+/.exec(this.text.slice(this.at, this.at + 6))![0];
      const group = Number(digits);
      if (group < 10 || c >= "8" || group <= this.groupCount) {
        this.at += digits.length;
        nodes.push(this.reference(group, start));
        return "whole";
      }
    }
    const item = this.commonEscape(start);
    nodes.push("byte" in item ? this.literal(item.byte) : this.printSet(item.set));
    return "whole";
  }

  /** What means the same in and outside a class; `at` is behind the backslash. */
  private commonEscape(start: number): Escape {
    const c = this.text[this.at++];
    if (c === undefined) return this.fail("\\ at end of pattern", start);
    const refused = REFUSED[c];
    if (refused !== undefined) this.fail(`${refused} is not supported`, start);
    const char = CHARS[c];
    if (char !== undefined) return { byte: char };
    const set = SETS[c.toLowerCase()];
    if (set !== undefined) return { set: byteSet(set, c !== c.toLowerCase()) };
    if (c >= "0" && c <= "7") {
      const digits = /^[0-7]{1,3}/.exec(this.text.slice(this.at - 1, this.at + 2))![0];
      this.at += digits.length - 1;
      return { byte: this.byte(Number.parseInt(digits, 8), start) };
    }
    if (c === "o" || (c === "x" && this.text[this.at] === "{")) {
      const match = (c === "o" ? /^\{([0-7]+)\}/ : /^\{([0-9A-Fa-f]+)\}/).exec(this.text.slice(this.at));
      if (match === null) return this.fail(`bad number in \\${c}{}`, start);
      this.at += match[0].length;
      return { byte: this.byte(Number.parseInt(match[1]!, c === "o" ? 8 : 16), start) };
    }
    if (c === "x") {
      const digits = /^[0-9A-Fa-f]{0,2}/.exec(this.text.slice(this.at, this.at + 2))![0];
      this.at += digits.length;
      return { byte: digits === "" ? 0 : Number.parseInt(digits, 16) };
    }
    if (c === "c") {
      const control = this.text[this.at++];
      if (control === undefined || control < " " || control > "~") return this.fail("\\c without a character", start);
      return { byte: control.toUpperCase().charCodeAt(0) ^ 0x40 };
    }
    if (/[A-Za-z0-9]/.test(c)) this.fail(`unknown escape \\${c}`, start);
    return { byte: c.charCodeAt(0) };
  }

  // \g{1} \g1 \g{-1} \g{name} \k{name} \k<name> \k'name'
  private referenceByName(letter: string, start: number): PatternNode {
    const match = /^(?:\{\s*([+-]?\d+|\w+)\s*\}|<(\w+)>|'(\w+)'|([+-]?\d+))/.exec(this.text.slice(this.at));
    if (letter === "g" && /^[<']/.test(this.text.slice(this.at)))
      this.fail("\\g<> (subroutine call) is not supported", start);
    const name = match?.[1] ?? match?.[2] ?? match?.[3] ?? match?.[4];
    if (match === null || name === undefined) return this.fail(`bad reference after \\${letter}`, start);
    this.at += match[0].length;
    if (!/^[+-]?\d+$/.test(name)) return this.reference(name, start);
    if (letter === "k") return this.fail("\\k takes a name", start);
    const digits = Number(name.replace(/^[+-]/, ""));
    if (name[0] === "-") return this.reference(this.groupCount + 1 - digits, start);
    return this.reference(name[0] === "+" ? this.groupCount + digits : digits, start);
  }

  private reference(group: number | string, offset: number): PatternNode {
    return { kind: "ref", group, ignoreCase: this.modes.i, offset, limit: this.lookbehind };
  }

  private group(nodes: PatternNode[], start: number): "whole" | "bare" {
    if (this.text[this.at] === "*") this.fail(`verb ${this.shown(/^\(\*[^)]*\)?/, start)} is not supported`, start);
    if (this.text[this.at] !== "?") {
      if (this.modes.n) this.push(nodes, "(?:", 0, start);
      else this.push(nodes, "(", ++this.groupCount, start);
      return "whole";
    }
    const rest = this.text.slice(this.at);
    if (rest.startsWith("?#")) {
      const end = this.text.indexOf(")", this.at);
      if (end < 0) this.fail("no ) after (?# comment", start);
      this.at = end + 1;
      return "whole";
    }
    const named = /^\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/.exec(rest);
    if (named !== null) {
      const name = named[1] ?? named[2]!;
      if (this.names.has(name)) this.fail(`two groups named "${name}"`, start);
      this.at += named[0].length;
      this.names.set(name, ++this.groupCount);
      this.push(nodes, "(", this.groupCount, start);
      return "whole";
    }
    const backReference = /^\?P=(\w+)\)/.exec(rest);
    if (backReference !== null) {
      this.at += backReference[0].length;
      nodes.push(this.reference(backReference[1]!, start));
      return "whole";
    }
    const look = /^\?(?:<?[=!]|:)/.exec(rest);
    if (look !== null) {
      this.at += look[0].length;
      const outer = this.lookbehind;
      if (look[0][1] === "<" && outer < 0) this.lookbehind = this.groupCount;
      this.push(nodes, `(${look[0]}`, 0, start);
      this.lookbehind = outer;
      return look[0] === "?:" ? "whole" : "bare";
    }
    if (rest.startsWith("?|")) {
      this.at += 2;
      const body = this.alternatives(true);
      this.close(start);
      nodes.push({ kind: "group", open: "(?:", user: 0, body });
      return "whole";
    }
    if (rest.startsWith("?>")) {
      // RegExp reads a lookbehind from right to left, and would meet the reference before the group
      if (this.lookbehind >= 0) this.fail("atomic group in a lookbehind is not supported", start);
      this.at += 2;
      const body = this.alternatives();
      this.close(start);
      nodes.push({ kind: "atomic", body });
      return "whole";
    }
    const modes = /^\?(\^?)([imsxn]*)(?:-([imsxn]*))?([:)])/.exec(rest);
    if (modes !== null && !/xx/.test(modes[0])) {
      this.at += modes[0].length;
      const changed = { ...this.modes };
      if (modes[1] === "^") changed.i = changed.m = changed.s = changed.x = changed.n = false;
      for (const mode of modes[2]!) changed[mode as keyof Modes] = true;
      for (const mode of modes[3] ?? "") changed[mode as keyof Modes] = false;
      const outer = this.modes;
      this.modes = changed;
      if (modes[4] === ")") return "whole";
      this.push(nodes, "(?:", 0, start);
      this.modes = outer;
      return "whole";
    }
    return this.fail(`${this.refusedGroup(rest)} is not supported`, start);
  }

  private push(nodes: PatternNode[], open: string, user: number, start: number): void {
    const body = this.alternatives();
    this.close(start);
    nodes.push({ kind: "group", open, user, body });
  }

  private close(start: number): void {
    if (this.text[this.at] !== ")") this.fail("no ) for this (", start);
    this.at++;
  }

  private refusedGroup(rest: string): string {
    if (rest.startsWith("?(")) return "conditional (?(";
    if (rest.startsWith("?C")) return "callout (?C";
    if (/^\?(R|[+-]?\d|&|P>)/.test(rest)) return "recursion or subroutine call";
    return `group ${this.shown(/^\(\?[^)]{0,8}/, this.at - 1)}`;
  }

  private charClass(start: number): ByteSet {
    const set = new Uint8Array(256);
    const negated = this.text[this.at] === "^";
    if (negated) this.at++;
    let first = true; // a ] in first place is itself
    let quoting = false;
    let low = -1; // what a hyphen would make a range of
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined) return this.fail("no ] for this [", start);
      if (this.text.startsWith("\\E", this.at)) {
        quoting = false;
        this.at += 2;
        continue;
      }
      if (!quoting && this.text.startsWith("\\Q", this.at)) {
        quoting = true;
        this.at += 2;
        continue;
      }
      if (c === "]" && !first && !quoting) {
        this.at++;
        break;
      }
      first = false;
      if (!quoting && c === "-" && low >= 0 && this.text[this.at + 1] !== "]") {
        const hyphen = this.at++;
        if (this.text.startsWith("\\Q", this.at) || this.text.startsWith("\\E", this.at)) {
          this.fail("\\Q or \\E in a range", this.at);
        }
        const high = this.classItem(false);
        if (!("byte" in high)) return this.fail("range that ends in a class", hyphen);
        if (high.byte < low) this.fail("range out of order", hyphen);
        set.fill(1, low, high.byte + 1);
        low = -1;
        continue;
      }
      const item = this.classItem(quoting);
      if ("byte" in item) {
        set[item.byte] = 1;
        low = item.byte;
      } else {
        for (let i = 0; i < 256; i++) set[i]! |= item.set[i]!;
        low = -1;
      }
    }
    // Case first, then the complement: [^a] with (?i) excludes A too.
    if (this.modes.i) foldCase(set);
    if (negated) for (let i = 0; i < 256; i++) set[i]! ^= 1;
    return set;
  }

  private classItem(quoting: boolean): Escape {
    const start = this.at;
    const c = this.text[this.at++];
    if (c === undefined) return this.fail("no ] at end of class", start);
    if (quoting) return { byte: c.charCodeAt(0) };
    if (c === "[") {
      const posix = /^\[([:.=])(\^?)(.*?)\1\]/.exec(this.text.slice(start));
      // [:x is a POSIX class only when it closes before a ] or \
      if (posix === null || /[\]\\]/.test(posix[3]!)) return { byte: 0x5b };
      if (posix[1] !== ":") return this.fail(`POSIX collating element ${posix[0]} is not supported`, start);
      const set = POSIX[posix[3]!];
      if (set === undefined) return this.fail(`unknown POSIX class ${posix[0]}`, start);
      this.at = start + posix[0].length;
      const bytes = byteSet(set, false);
      if (this.modes.i && (posix[3] === "lower" || posix[3] === "upper")) foldCase(bytes);
      if (posix[2] === "^") for (let i = 0; i < 256; i++) bytes[i]! ^= 1;
      return { set: bytes };
    }
    if (c !== "\\") return { byte: c.charCodeAt(0) };
    const next = this.text[this.at];
    if (next === "b") {
      this.at++;
      return { byte: 8 };
    }
    if (next === "8" || next === "9") return this.fail(`unknown escape \\${next} in a class`, start);
    if (next !== undefined && "BRNX".includes(next)) return this.fail(`\\${next} in a class`, start);
    return this.commonEscape(start);
  }

  private literal(byte: number): string {
    const letter = isLetter(byte);
    if (this.jsIgnoreCase) {
      // RegExp folds Latin-1 letters, PCRE in the C locale does not
      if (letter ? !this.modes.i : byte >= 0x80) return `(?-i:${printByte(byte)})`;
      return printByte(byte);
    }
    if (letter && this.modes.i) return `[${printByte(byte)}${printByte(byte ^ 0x20)}]`;
    return printByte(byte);
  }

  private printSet(set: ByteSet): string {
    const text = printBytes(set);
    if (!this.jsIgnoreCase) return text;
    for (let upper = 0x41; upper <= 0xde; upper++) {
      const pair = upper <= 0x5a || (upper >= 0xc0 && upper !== 0xd7);
      if (pair && set[upper] !== set[upper + 0x20]) return `(?-i:${text})`;
    }
    return text;
  }

  private endOfQuote(): boolean {
    const ends = this.text.startsWith("\\E", this.at);
    if (!ends && this.at < this.text.length) return false;
    if (ends) this.at += 2;
    this.quoting = false;
    return true;
  }

  // (?x): white space and # comments. Always: an empty \Q\E or a \E alone, which may stand before a quantifier.
  private skipIgnored(): void {
    for (;;) {
      const c = this.text[this.at];
      if (c === "\\" && this.text[this.at + 1] === "E") {
        this.at += 2;
      } else if (this.text.startsWith("\\Q\\E", this.at)) {
        this.at += 4;
      } else if (this.modes.x && c !== undefined && /[\t-\r ]/.test(c)) {
        this.at++;
      } else if (this.modes.x && c === "#") {
        const end = this.text.indexOf("\n", this.at);
        this.at = end < 0 ? this.text.length : end + 1;
      } else {
        return;
      }
    }
  }

  private byte(value: number, offset: number): number {
    return value <= 0xff ? value : this.fail("character code above 255", offset);
  }

  private shown(what: RegExp, at: number): string {
    return what.exec(this.text.slice(at))?.[0] ?? "";
  }

  private fail(what: string, offset: number): never {
    throw new RegexError(what, this.text, offset);
  }
}
