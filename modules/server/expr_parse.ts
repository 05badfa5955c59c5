/**
 * Tokens → closures, by recursive descent. What may follow is said in httpd's messages in the order of its grammar.
 * Source: httpd server/util_expr_parse.y
 */
import { capturingGroups, compileRegex, matchGroups, RegexError } from "../config/regex.ts";
import type { ExprSubject } from "../core/expr.ts";
import { IpSubnet, parseIpSubnet } from "../core/ipsubnet.ts";
import { Scanner, type Token, type TokenKind } from "./expr_lex.ts";
import { BINARY, compareNumbers, isTrueText, PURE_FUNCTIONS, SUBJECT_TESTS } from "./expr_ops.ts";

/** The variables and string functions that an expression may use; any other is an error where it is parsed. */
export interface ExprNames {
  /** Upper case; "SSL_*" stands for every name with that beginning. */
  readonly variables: ReadonlySet<string>;
  /** Lower case. */
  readonly functions: ReadonlySet<string>;
}

export type Cond = (subject: ExprSubject) => boolean;
type Value = (subject: ExprSubject) => string;

/** A value; `constant` is its text where that depends on nothing. */
interface Word {
  readonly value: Value;
  readonly constant: string | null;
}

export class ParseError extends Error {
  /** Index into the expression. */
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** As deep as parentheses, negations and variables may nest; httpd's evaluation ends at 20. */
const DEEPEST = 100;

/** @throws ParseError */
export function parseBool(text: string, names: ExprNames, comparisons = COMPARISONS): Cond {
  return new Parser(new Scanner(text, false), names, comparisons).wholeCondition();
}

/** @throws ParseError */
export function parseString(text: string, names: ExprNames): Value {
  return new Parser(new Scanner(text, true), names).wholeString();
}

type Compare = (a: string, b: string) => boolean;
type Comparisons = Readonly<Record<TokenKind, Compare>>;

const COMPARISONS: Comparisons = {
  T_OP_EQ: (a, b) => compareNumbers(a, b) === 0,
  T_OP_NE: (a, b) => compareNumbers(a, b) !== 0,
  T_OP_LT: (a, b) => compareNumbers(a, b) < 0,
  T_OP_LE: (a, b) => compareNumbers(a, b) <= 0,
  T_OP_GT: (a, b) => compareNumbers(a, b) > 0,
  T_OP_GE: (a, b) => compareNumbers(a, b) >= 0,
  T_OP_STR_EQ: (a, b) => a === b,
  T_OP_STR_NE: (a, b) => a !== b,
  T_OP_STR_LT: (a, b) => a < b,
  T_OP_STR_LE: (a, b) => a <= b,
  T_OP_STR_GT: (a, b) => a > b,
  T_OP_STR_GE: (a, b) => a >= b,
};

const equal: Compare = (a, b) => a === b;
const differs: Compare = (a, b) => a !== b;
const less: Compare = (a, b) => (a.length === b.length ? a < b : a.length < b.length);
const more: Compare = (a, b) => less(b, a);
const notMore: Compare = (a, b) => !less(b, a);
const notLess: Compare = (a, b) => !less(a, b);

/** Those of SSLRequire: words and signs compare texts, of which the longer one is the greater. Source: httpd strcmplex */
export const SSL_COMPARISONS: Comparisons = {
  T_OP_EQ: equal,
  T_OP_NE: differs,
  T_OP_LT: less,
  T_OP_LE: notMore,
  T_OP_GT: more,
  T_OP_GE: notLess,
  T_OP_STR_EQ: equal,
  T_OP_STR_NE: differs,
  T_OP_STR_LT: less,
  T_OP_STR_LE: notMore,
  T_OP_STR_GT: more,
  T_OP_STR_GE: notLess,
};

class Parser {
  private readonly scanner: Scanner;
  private readonly names: ExprNames;
  private readonly comparisons: Comparisons;
  private token: Token;
  private depth = 0;

  constructor(scanner: Scanner, names: ExprNames, comparisons = COMPARISONS) {
    this.scanner = scanner;
    this.names = names;
    this.comparisons = comparisons;
    this.token = scanner.next();
  }

  wholeCondition(): Cond {
    const cond = this.condition();
    this.expect("$end");
    return cond;
  }

  wholeString(): Value {
    const { value } = this.string("$end", true);
    this.expect("$end");
    return value;
  }

  private condition(): Cond {
    return this.chain("T_OP_OR", () => this.chain("T_OP_AND", () => this.negation(), every), some);
  }

  private chain(operator: TokenKind, operand: () => Cond, join: (conds: readonly Cond[]) => Cond): Cond {
    const conds = [operand()];
    while (this.token.kind === operator) {
      this.advance();
      conds.push(operand());
    }
    return conds.length === 1 ? conds[0]! : join(conds);
  }

  private negation(): Cond {
    const { kind, text, at } = this.token;
    switch (kind) {
      case "T_ERROR":
        throw new ParseError(text, at);
      case "T_TRUE":
      case "T_FALSE":
        this.advance();
        return () => kind === "T_TRUE";
      case "T_OP_NOT": {
        this.advance();
        const cond = this.nested(() => this.negation());
        return (s) => !cond(s);
      }
      case "(": {
        this.advance();
        const cond = this.nested(() => this.condition());
        this.expect(")", "T_OP_OR", "T_OP_AND", "')'");
        return cond;
      }
      case "T_OP_UNARY":
        this.advance();
        return this.unary(text, at, this.word());
      default:
        return this.comparison();
    }
  }

  private comparison(): Cond {
    const { value } = this.word();
    const { kind, text, at } = this.token;
    const compare = this.comparisons[kind];
    if (compare !== undefined) {
      this.advance();
      const right = this.word().value;
      return (s) => compare(value(s), right(s));
    }
    switch (kind) {
      case "T_OP_REG":
      case "T_OP_NRE":
        this.advance();
        return this.regex(value, kind === "T_OP_NRE");
      case "T_OP_IN":
        this.advance();
        return this.list(value);
      case "T_OP_BINARY":
        this.advance();
        return this.binary(text, at, value, this.word());
      default:
        return this.unexpected();
    }
  }

  /** $0 to $9 are set by patterns with groups only: what a test without groups finds must not destroy them. */
  private regex(value: Value, negated: boolean): Cond {
    const { kind, text, at } = this.token;
    if (kind !== "T_REGEX" && kind !== "T_REGEX_I") return this.unexpected("T_REGEX", "T_REGEX_I");
    let pattern: RegExp;
    try {
      pattern = compileRegex(text, { ignoreCase: kind === "T_REGEX_I" });
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      throw new ParseError("Failed to compile regular expression", at);
    }
    this.advance();
    if (capturingGroups(pattern) === 0) return (s) => pattern.test(value(s)) !== negated;
    return (s) => {
      const groups = matchGroups(pattern, value(s));
      s.groups = groups ?? [];
      return (groups !== null) !== negated;
    };
  }

  private list(value: Value): Cond {
    if (this.token.kind === "T_ID") return this.listFunction();
    if (this.token.kind !== "{") return this.unexpected("T_ID", "'{'");
    this.advance();
    const words = [this.word().value];
    while (this.sees(",")) {
      this.advance();
      words.push(this.word().value);
    }
    this.expect("}", "'}'", "','");
    return (s) => {
      const wanted = value(s);
      for (const word of words) if (word(s) === wanted) return true;
      return false;
    };
  }

  /** httpd has one, in mod_ssl: PeerExtList. */
  private listFunction(): never {
    const { text, at } = this.token;
    this.advance();
    this.expect("(", "'('");
    this.nested(() => this.word());
    this.expect(")", "T_OP_CONCAT", "')'");
    throw new ParseError(`List-returning function '${text}' does not exist`, at);
  }

  private unary(name: string, at: number, word: Word): Cond {
    const { value } = word;
    switch (name) {
      case "n":
        return (s) => value(s) !== "";
      case "z":
        return (s) => value(s) === "";
      case "T":
        return (s) => isTrueText(value(s));
      case "R": {
        const subnet = this.subnet(name, at, word);
        return (s) => subnet.has(s.variable("REMOTE_ADDR"));
      }
      case "F":
        throw new ParseError("Unary operator '-F' is not supported: sluice serves no files", at);
    }
    if (!SUBJECT_TESTS.has(name)) throw new ParseError(`Unary operator '-${name}' does not exist`, at);
    return (s) => s.call(`-${name}`, value(s)) !== "";
  }

  private binary(name: string, at: number, left: Value, right: Word): Cond {
    const lower = name.toLowerCase();
    if (lower === "ipmatch") {
      const subnet = this.subnet(name, at, right);
      return (s) => subnet.has(left(s));
    }
    const make = BINARY.get(lower);
    if (make === undefined) throw new ParseError(`Binary operator '-${name}' does not exist`, at);
    if (right.constant !== null) {
      const test = make(right.constant);
      return (s) => test(left(s));
    }
    return (s) => {
      const text = left(s);
      return make(right.value(s))(text);
    };
  }

  private subnet(name: string, at: number, word: Word): IpSubnet {
    if (word.constant === null) throw new ParseError(`-${name} requires subnet/netmask as constant argument`, at);
    const subnet = parseIpSubnet(word.constant);
    if (subnet instanceof IpSubnet) return subnet;
    throw new ParseError("parsing of subnet/netmask failed", at);
  }

  private word(): Word {
    let word = this.simpleWord();
    while (this.token.kind === "T_OP_CONCAT") {
      this.advance();
      word = concat([word, this.simpleWord()]);
    }
    return word;
  }

  private simpleWord(): Word {
    const { kind, text, at } = this.token;
    switch (kind) {
      case "T_DIGIT":
        this.advance();
        return { value: () => text, constant: null }; // a subnet is no number
      case "T_VAR_BEGIN":
        return this.nested(() => this.variable());
      case "T_REGEX_BACKREF":
        return this.reference();
      case "T_STR_BEGIN": {
        this.advance();
        const word = this.string("T_STR_END", true);
        this.expect("T_STR_END");
        return word;
      }
      case "T_ID": {
        this.advance();
        this.expect("(", "'('");
        const argument = this.nested(() => this.word());
        this.expect(")", "T_OP_CONCAT", "')'");
        return this.call(text, at, argument);
      }
      default:
        return this.unexpected();
    }
  }

  /** The parts of a string up to `end`, which is not taken. */
  private string(end: TokenKind, mayBeEmpty: boolean): Word {
    const parts: Word[] = [];
    while (this.token.kind !== end || (parts.length === 0 && !mayBeEmpty)) {
      const { kind, text, at } = this.token;
      if (kind === "T_STRING") {
        this.advance();
        parts.push(constant(text));
      } else if (kind === "T_VAR_BEGIN") {
        parts.push(this.nested(() => this.variable()));
      } else if (kind === "T_REGEX_BACKREF") {
        parts.push(this.reference());
      } else if (kind === "T_ERROR" && parts.length === 0) {
        throw new ParseError(text, at);
      } else if (end === "$end") {
        return this.unexpected("$end");
      } else {
        const [before, after] = end === "T_STR_END" ? [[end], []] : [[], [end]];
        return parts.length === 0
          ? this.unexpected("T_ERROR", "T_STRING", "T_REGEX_BACKREF", "T_VAR_BEGIN")
          : this.unexpected("T_STRING", "T_REGEX_BACKREF", ...before, "T_VAR_BEGIN", ...after);
      }
    }
    return concat(parts);
  }

  private variable(): Word {
    this.advance();
    const { kind, text: name, at } = this.token;
    if (kind !== "T_ID") return this.unexpected("T_ID");
    this.advance();
    if (this.token.kind === ":") {
      this.advance();
      const argument = this.string("T_VAR_END", false);
      this.expect("T_VAR_END");
      return this.call(name, at, argument);
    }
    this.expect("T_VAR_END", "T_VAR_END", "':'");
    const upper = name.toUpperCase();
    if (!this.knowsVariable(upper)) throw new ParseError(`Variable '${name}' does not exist`, at);
    return { value: (s) => s.variable(upper), constant: null };
  }

  private knowsVariable(upper: string): boolean {
    const { variables } = this.names;
    return variables.has(upper) || variables.has(`${upper.slice(0, upper.indexOf("_") + 1)}*`);
  }

  private call(name: string, at: number, argument: Word): Word {
    const lower = name.toLowerCase();
    const { value } = argument;
    const pure = PURE_FUNCTIONS.get(lower);
    if (pure !== undefined) return { value: (s) => pure(value(s)), constant: null };
    if (!this.names.functions.has(lower)) throw new ParseError(`Function '${name}' does not exist`, at);
    return { value: (s) => s.call(lower, value(s)), constant: null };
  }

  private reference(): Word {
    const number = Number(this.token.text);
    this.advance();
    return { value: (s) => s.groups[number] ?? "", constant: null };
  }

  private nested<T>(parse: () => T): T {
    if (++this.depth > DEEPEST) throw new ParseError("memory exhausted", this.token.at);
    const result = parse();
    this.depth--;
    return result;
  }

  private sees(kind: TokenKind): boolean {
    return this.token.kind === kind;
  }

  private advance(): void {
    this.token = this.scanner.next();
  }

  /** Takes a token of that kind. @param expected what the message lists, up to four as in httpd's */
  private expect(kind: TokenKind, ...expected: string[]): void {
    if (this.token.kind !== kind) this.unexpected(...(expected.length === 0 ? [kind] : expected));
    if (kind !== "$end") this.advance();
  }

  private unexpected(...expected: string[]): never {
    const { kind, text, at } = this.token;
    const found = kind.length === 1 ? `'${kind}'` : kind;
    const wanted = expected.length === 0 ? "" : `, expecting ${expected.join(" or ")}`;
    const why = kind === "T_ERROR" ? `: ${text}` : "";
    throw new ParseError(`syntax error, unexpected ${found}${wanted}${why}`, at);
  }
}

function constant(text: string): Word {
  return { value: () => text, constant: text };
}

function concat(parts: readonly Word[]): Word {
  if (parts.length === 0) return constant("");
  if (parts.length === 1) return parts[0]!;
  const values = parts.map((part) => part.value);
  const join: Value = (s) => {
    let text = "";
    for (const value of values) text += value(s);
    return text;
  };
  return { value: join, constant: null };
}

function some(conds: readonly Cond[]): Cond {
  return (s) => {
    for (const cond of conds) if (cond(s)) return true;
    return false;
  };
}

function every(conds: readonly Cond[]): Cond {
  return (s) => {
    for (const cond of conds) if (!cond(s)) return false;
    return true;
  };
}
