/**
 * The tokens of an expression. Inside of quotes and of %{...} other rules hold than outside, so the scanner keeps a stack
 * of states, as httpd's does. Token names are those that httpd's messages say.
 * Source: httpd server/util_expr_scan.l
 */

/** "T_..." or the character itself: `(`, `)`, `{`, `}`, `,`, `:`. */
export type TokenKind = string;

export interface Token {
  readonly kind: TokenKind;
  /** Of T_STRING, T_ID, T_DIGIT, T_REGEX, operators by name; of T_ERROR the message. */
  readonly text: string;
  /** Index into the expression. */
  readonly at: number;
}

/** httpd's buffer for one string, MAX_STRING_LEN. */
const LONGEST_STRING = 8192;

const SPACE = /[ \t\n]+/y;
const WORD = /[a-zA-Z][a-zA-Z0-9_]*/y;
const NUMBER = /-?[0-9]+/y;
const OPERATOR = /=~|!~|==?|!=|<=?|>=?|&&|\|\||[!.(){},]/y;
const DASHED = /-[a-zA-Z_][a-zA-Z0-9_]*/y;
const REGEX = /m[/#$%^,;:_?|!.'"-]|\//y;
const ESCAPE = /\\(?:[0-9]+|[\s\S])/y;

const OPERATORS: Readonly<Record<string, TokenKind>> = {
  "=": "T_OP_STR_EQ",
  "==": "T_OP_STR_EQ",
  "!=": "T_OP_STR_NE",
  "<": "T_OP_STR_LT",
  "<=": "T_OP_STR_LE",
  ">": "T_OP_STR_GT",
  ">=": "T_OP_STR_GE",
  "=~": "T_OP_REG",
  "!~": "T_OP_NRE",
  "&&": "T_OP_AND",
  "||": "T_OP_OR",
  "!": "T_OP_NOT",
  ".": "T_OP_CONCAT",
};

const KEYWORDS = new Map(
  Object.entries({
    true: "T_TRUE",
    false: "T_FALSE",
    and: "T_OP_AND",
    or: "T_OP_OR",
    not: "T_OP_NOT",
    eq: "T_OP_EQ",
    ne: "T_OP_NE",
    lt: "T_OP_LT",
    le: "T_OP_LE",
    gt: "T_OP_GT",
    ge: "T_OP_GE",
    in: "T_OP_IN",
  }),
);
const DASHED_KEYWORDS = new Map(
  ["eq", "ne", "lt", "le", "gt", "ge", "in"].map((word) => [`-${word}`, KEYWORDS.get(word)!]),
);

const ESCAPED: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };

/** `text`: within a string; its end is the quote, or "" for the end of the input. `argument`: behind %{name: */
type State = { readonly kind: "expr" | "var" | "argument" } | { readonly kind: "text"; readonly end: string };

export class Scanner {
  private readonly input: string;
  private at = 0;
  private readonly states: State[];

  /** @param isString the whole input is the inside of a string */
  constructor(input: string, isString: boolean) {
    this.input = input;
    this.states = [isString ? { kind: "text", end: "" } : { kind: "expr" }];
  }

  next(): Token {
    const state = this.states[this.states.length - 1]!;
    if (state.kind === "expr") return this.expression();
    if (state.kind === "var") return this.variable();
    return this.text(state.kind === "text" ? state.end : "}", state.kind === "argument");
  }

  private expression(): Token {
    this.take(SPACE);
    const at = this.at;
    const c = this.input[at];
    if (c === undefined) return { kind: "$end", text: "", at };
    if (c === '"' || c === "'") {
      this.at++;
      this.states.push({ kind: "text", end: c });
      return { kind: "T_STR_BEGIN", text: c, at };
    }
    if (this.startsVariable()) return this.openVariable();
    if (this.startsReference()) return this.reference();
    const number = this.take(NUMBER);
    if (number !== "") return { kind: "T_DIGIT", text: number, at };
    const word = this.take(WORD);
    this.at = at;
    const opening = this.take(REGEX);
    // `m#` and `m_` open a pattern unless a longer word is there.
    if (opening !== "" && word.length <= 2) return this.regex(at, opening[opening.length - 1]!);
    if (word !== "") {
      this.at = at + word.length;
      return { kind: KEYWORDS.get(word) ?? "T_ID", text: word, at };
    }
    const dashed = this.take(DASHED);
    if (dashed !== "") {
      const kind = DASHED_KEYWORDS.get(dashed) ?? (dashed.length === 2 ? "T_OP_UNARY" : "T_OP_BINARY");
      return { kind, text: dashed.slice(1), at };
    }
    const operator = this.take(OPERATOR);
    if (operator !== "") return { kind: OPERATORS[operator] ?? operator, text: operator, at };
    return this.error(near(c), at);
  }

  /** There is no way to write the delimiter inside of the pattern. */
  private regex(at: number, delimiter: string): Token {
    const end = this.input.indexOf(delimiter, this.at);
    // httpd reads a pattern that does not end as nothing at all.
    if (end < 0) {
      this.at = this.input.length;
      return { kind: "$end", text: "", at: this.at };
    }
    const text = this.input.slice(this.at, end);
    if (text.length >= LONGEST_STRING) return this.error("Regexp too long", at);
    this.at = end + 1;
    if (this.input[this.at] !== "i") return { kind: "T_REGEX", text, at };
    this.at++;
    return { kind: "T_REGEX_I", text, at };
  }

  private variable(): Token {
    const at = this.at;
    const word = this.take(WORD);
    if (word !== "") return { kind: "T_ID", text: word, at };
    const c = this.input[this.at++];
    if (c === "}") {
      this.states.pop();
      return { kind: "T_VAR_END", text: c, at };
    }
    if (c === ":") {
      this.states.push({ kind: "argument" });
      return { kind: ":", text: c, at };
    }
    if (c === undefined) return this.error("Unterminated string or variable", at);
    return this.error(`Invalid character in variable name '${shown(c)}'`, at);
  }

  /** A piece of a string or of a function's argument; or what ends it, or what stands within. */
  private text(end: string, isArgument: boolean): Token {
    const { input } = this;
    const at = this.at;
    let text = "";
    for (;;) {
      const c = input[this.at];
      if (c === undefined && end !== "") return this.error("Unterminated string or variable", this.at);
      const stops = c === undefined || c === end || this.startsVariable() || this.startsReference();
      if (stops && text !== "") return { kind: "T_STRING", text, at };
      if (c === undefined) return { kind: "$end", text: "", at };
      if (c === end) return this.closeText(isArgument);
      if (stops) return this.startsVariable() ? this.openVariable() : this.reference();
      if (c === "\n") return this.error("Unterminated string or variable", this.at);
      // httpd gives up without a message.
      if (isArgument && (c === '"' || c === "'")) return this.error(near(c), this.at);
      const piece = c === "\\" ? this.escape() : c;
      if (typeof piece !== "string") return piece;
      if (c !== "\\") this.at++;
      text += piece;
      if (text.length >= LONGEST_STRING) return this.error("String too long", at);
    }
  }

  private closeText(isArgument: boolean): Token {
    const at = this.at++;
    this.states.pop();
    if (!isArgument) return { kind: "T_STR_END", text: this.input[at]!, at };
    this.states.pop(); // the brace ends the variable, too
    return { kind: "T_VAR_END", text: "}", at };
  }

  private escape(): string | Token {
    const at = this.at;
    const escaped = this.take(ESCAPE).slice(1);
    if (escaped === "") return this.error("Unterminated string or variable", at);
    const first = escaped[0]!;
    if (/^[0-9]/.test(escaped)) {
      if (!/^[0-7]{1,3}$/.test(escaped)) return this.error("Bad escape sequence", at);
      const code = Number.parseInt(escaped, 8);
      return code > 255 ? this.error("Escape sequence out of bound", at) : String.fromCharCode(code);
    }
    return ESCAPED[first] ?? first;
  }

  private startsVariable(): boolean {
    return this.input[this.at] === "%" && this.input[this.at + 1] === "{";
  }

  private openVariable(): Token {
    const at = this.at;
    this.at += 2;
    this.states.push({ kind: "var" });
    return { kind: "T_VAR_BEGIN", text: "%{", at };
  }

  private startsReference(): boolean {
    const digit = this.input[this.at + 1];
    return this.input[this.at] === "$" && digit !== undefined && digit >= "0" && digit <= "9";
  }

  private reference(): Token {
    const at = this.at;
    this.at += 2;
    return { kind: "T_REGEX_BACKREF", text: this.input[at + 1]!, at };
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const text = pattern.exec(this.input)?.[0] ?? "";
    this.at += text.length;
    return text;
  }

  private error(message: string, at: number): Token {
    return { kind: "T_ERROR", text: message, at };
  }
}

function near(c: string): string {
  return `Parse error near '${shown(c)}'`;
}

function shown(c: string): string {
  return c >= " " && c <= "~" ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
