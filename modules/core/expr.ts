/**
 * What an expression is, and what it is evaluated against. modules/server parses them.
 * Source: httpd include/ap_expr.h
 *
 * Values are binary strings, one character per byte, as everything that comes from a request is.
 */

/** What an expression is evaluated against. */
export interface ExprSubject {
  /** The value of %{NAME}; "" when it is not set. `name` is upper case. */
  variable(name: string): string;
  /**
   * The value of a string function, such as `req` with "Host"; "" when there is none. `name` is lower case. Unary
   * operators on files and URIs come here as well, as "-d" with the path: any text but "" is true. Functions that depend on their argument alone
   * (`tolower`, `base64`...) do not come here.
   */
  call(name: string, argument: string): string;
  /** What the regular expressions matched last: $0 to $9. Kept between the expressions of one subject. */
  groups: readonly string[];
  /** A boolean expression was evaluated: time to tell caches which fields it read. */
  evaluated?(): void;
}

/** A parsed expression that answers a `T`. */
export interface Expr<T> {
  readonly text: string;
  /** @throws ExprFailure when the subject cannot answer, as where `file('x')` cannot be read */
  evaluate(subject: ExprSubject): T;
}

/** An evaluation that came to no result. */
export class ExprFailure extends Error {}
