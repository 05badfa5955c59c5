/**
 * ap_expr: the expressions of <If>, Require expr, Header expr=, CustomLog expr= and ProxyHCExpr.
 * Source: httpd server/util_expr_eval.c, docs/manual/expr.html
 */
import type { RequestRec } from "../core/records.ts";

/** What an expression is evaluated against. */
export interface ExprSubject {
  /** The value of %{NAME}; "" when it is not set. `name` is upper case. */
  variable(name: string): string;
  /** The value of a string function, such as `req` with "Host"; "" when there is none. `name` is lower case. */
  call(name: string, argument: string): string;
  /** What the regular expressions matched last: $0 to $9. Kept between the expressions of one subject. */
  groups: readonly string[];
}

/** The variables and string functions that an expression may use; any other is an error where it is parsed. */
export interface ExprNames {
  readonly variables: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
}

/** A parsed expression that answers a `T`. */
export interface Expr<T> {
  readonly text: string;
  evaluate(subject: ExprSubject): T;
}

/** A text that is no expression. */
export interface ExprError {
  readonly error: string;
  /** Where in the text, from 1. */
  readonly column: number;
}

/** @param names what may be used; by default, what a request has */
export function parseExpr(_text: string, _names?: ExprNames): { readonly expr: Expr<boolean> } | ExprError {
  return { error: "expressions are not supported yet", column: 1 };
}

/** A text with %{VAR}, %{func:arg} and $1 in it, as `Require` and `RedirectMatch` take it. */
export function parseStringExpr(_text: string, _names?: ExprNames): { readonly expr: Expr<string> } | ExprError {
  return { error: "expressions are not supported yet", column: 1 };
}

export function requestSubject(_r: RequestRec): ExprSubject {
  return { variable: () => "", call: () => "", groups: [] };
}
