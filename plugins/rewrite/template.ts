/**
 * Texts with $1, %1, %{VARIABLE} and ${map:key|default} in them, taken apart when the configuration is read. What a request
 * puts into one is never read again for more of these.
 * Source: httpd modules/mappers/mod_rewrite.c do_expand
 */
import type { RewriteContext } from "./context.ts";
import { type BackrefEscape, escapeBackref } from "./escape.ts";
import { variable } from "./variables.ts";

type Token =
  | { readonly kind: "text"; readonly text: string }
  /** After a backslash. */
  | { readonly kind: "quoted"; readonly text: string }
  | { readonly kind: "rule" | "cond"; readonly group: number }
  | { readonly kind: "variable"; readonly read: (ctx: RewriteContext) => string }
  | { readonly kind: "map"; readonly name: string; readonly key: Template; readonly fallback: Template | null };

export class Template {
  readonly source: string;
  private readonly tokens: readonly Token[];

  constructor(source: string, tokens: readonly Token[]) {
    this.source = source;
    this.tokens = tokens;
  }

  /** @param encode of back-references; null: as they are */
  expand(ctx: RewriteContext, encode: BackrefEscape | null = null): string {
    let out = "";
    for (const token of this.tokens) out += expandToken(token, ctx, encode);
    return out;
  }

  /**
   * Whether the "?" that will begin the query was put in by the request, instead of standing in the rule: a path may then
   * hide where it ends. null: no "?" at all.
   * @param last the query begins at the last "?", not the first
   */
  expandChecked(ctx: RewriteContext, encode: BackrefEscape | null, last: boolean): { text: string; unsafe: boolean } {
    let text = "";
    let decided = false;
    let unsafe = false;
    for (const token of this.tokens) {
      const piece = expandToken(token, ctx, encode);
      text += piece;
      if ((decided && !last) || token.kind === "quoted" || !piece.includes("?")) continue;
      decided = true;
      unsafe = token.kind !== "text";
    }
    return { text, unsafe };
  }
}

function expandToken(token: Token, ctx: RewriteContext, encode: BackrefEscape | null): string {
  switch (token.kind) {
    case "text":
    case "quoted":
      return token.text;
    case "rule":
    case "cond": {
      const value = (token.kind === "rule" ? ctx.ruleGroups : ctx.condGroups)[token.group] ?? "";
      if (encode === null || value === "") return value;
      const escaped = escapeBackref(value, encode);
      if (ctx.traceDepth >= 5) ctx.trace(5, `escaping backreference '${value}' to '${escaped}'`);
      return escaped;
    }
    case "variable":
      return token.read(ctx);
    case "map": {
      const found = ctx.maps.get(token.name)?.lookup(ctx, token.key.expand(ctx, encode)) ?? null;
      return found ?? token.fallback?.expand(ctx, encode) ?? "";
    }
  }
}

/** @param inSection in <Location> and its like; answers an error text if a variable is not supported */
export function parseTemplate(source: string, inSection: boolean): Template | string {
  const tokens: Token[] = [];
  let text = "";
  const push = (token: Token) => {
    if (text !== "") tokens.push({ kind: "text", text });
    text = "";
    tokens.push(token);
  };
  for (let at = 0; at < source.length; ) {
    const c = source[at]!;
    const next = source[at + 1];
    if (c === "\\" && next !== undefined) {
      push({ kind: "quoted", text: next });
      at += 2;
    } else if ((c === "$" || c === "%") && next === "{") {
      const end = closingBrace(source, at + 2);
      const body = end < 0 ? "" : source.slice(at + 2, end);
      const token = end < 0 ? null : c === "%" ? variableToken(body, inSection) : mapToken(body, inSection);
      if (typeof token === "string") return token;
      if (token === null) {
        text += c + next;
        at += 2;
      } else {
        push(token);
        at = end + 1;
      }
    } else if ((c === "$" || c === "%") && next !== undefined && next >= "0" && next <= "9") {
      push({ kind: c === "$" ? "rule" : "cond", group: Number(next) });
      at += 2;
    } else {
      text += c;
      at++;
    }
  }
  if (text !== "") tokens.push({ kind: "text", text });
  return new Template(source, tokens);
}

function variableToken(name: string, inSection: boolean): Token | string {
  const read = variable(name, inSection);
  return typeof read === "string" ? read : { kind: "variable", read };
}

/** null: no colon, so no map. */
function mapToken(body: string, inSection: boolean): Token | string | null {
  const colon = outsideBraces(body, ":", 0);
  if (colon < 0) return null;
  const bar = outsideBraces(body, "|", colon + 1);
  const key = parseTemplate(body.slice(colon + 1, bar < 0 ? undefined : bar), inSection);
  if (typeof key === "string") return key;
  const fallback = bar < 0 || bar + 1 === body.length ? null : parseTemplate(body.slice(bar + 1), inSection);
  if (typeof fallback === "string") return fallback;
  return { kind: "map", name: body.slice(0, colon), key, fallback };
}

/** Index of the "}" that closes what was opened before `from`; -1: none. */
function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "}" && --depth === 0) return i;
    if (text[i] === "{") depth++;
  }
  return -1;
}

function outsideBraces(text: string, wanted: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === wanted && depth === 1) return i;
    if (text[i] === "}" && --depth === 0) return -1;
    if (text[i] === "{") depth++;
  }
  return -1;
}
