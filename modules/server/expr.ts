/**
 * ap_expr: the expressions of <If>, Require expr, Header expr=, CustomLog expr= and ProxyHCExpr. Parsed once, to closures.
 * Source: httpd server/util_expr_eval.c, docs/manual/expr.html
 *
 * The text of an expression is Unicode, as configurations are, and becomes UTF-8 bytes.
 */
import type { Expr, ExprSubject } from "../core/expr.ts";
import { type ExprNames, ParseError, parseBool, parseString, SSL_COMPARISONS } from "./expr_parse.ts";

export { type Expr, ExprFailure, type ExprSubject } from "../core/expr.ts";
export type { ExprNames } from "./expr_parse.ts";

/** A text that is no expression. */
export interface ExprError {
  /** In httpd's words. */
  readonly error: string;
  readonly text: string;
  /** Where in the text, from 1; its length plus 1 when it ends too early. */
  readonly column: number;
}

/** What a request has. */
export const REQUEST_NAMES: ExprNames = {
  variables: new Set(
    (
      "HTTP_ACCEPT HTTP_COOKIE HTTP_FORWARDED HTTP_HOST HTTP_PROXY_CONNECTION HTTP_REFERER HTTP_USER_AGENT " +
      "REQUEST_METHOD REQUEST_SCHEME REQUEST_URI REQUEST_FILENAME REQUEST_LOG_ID REQUEST_STATUS " +
      "REMOTE_ADDR REMOTE_HOST REMOTE_IDENT REMOTE_PORT REMOTE_USER AUTH_TYPE " +
      "SERVER_ADMIN SERVER_NAME SERVER_PORT SERVER_PROTOCOL SERVER_SOFTWARE API_VERSION " +
      "SCRIPT_FILENAME SCRIPT_USER SCRIPT_GROUP PATH_INFO QUERY_STRING IS_SUBREQ THE_REQUEST " +
      "DOCUMENT_ROOT DOCUMENT_URI CONTEXT_PREFIX CONTEXT_DOCUMENT_ROOT CONTENT_TYPE HANDLER LAST_MODIFIED " +
      "TIME TIME_YEAR TIME_MON TIME_DAY TIME_HOUR TIME_MIN TIME_SEC TIME_WDAY " +
      "HTTPS HTTP2 IPV6 CONN_LOG_ID CONN_REMOTE_ADDR SSL_* HC_*"
    ).split(" "),
  ),
  functions: new Set("req http req_novary resp reqenv osenv note env file filesize md5 sha1 ssl hc".split(" ")),
};

/** @param names what may be used; by default, what a request has */
export function parseExpr(
  text: string,
  names: ExprNames = REQUEST_NAMES,
): { readonly expr: Expr<boolean> } | ExprError {
  return parseCondition(text, names);
}

/** The expression of SSLRequire, which compares in its own way. */
export function parseSslExpr(text: string): { readonly expr: Expr<boolean> } | ExprError {
  return parseCondition(text, REQUEST_NAMES, SSL_COMPARISONS);
}

function parseCondition(text: string, names: ExprNames, comparisons?: typeof SSL_COMPARISONS) {
  return attempt(text, (bytes) => {
    const cond = parseBool(bytes, names, comparisons);
    return (subject) => {
      const result = cond(subject);
      subject.evaluated?.();
      return result;
    };
  });
}

/** A text with %{VAR}, %{func:arg} and $1 in it, as `Require` and `RedirectMatch` take it. */
export function parseStringExpr(
  text: string,
  names: ExprNames = REQUEST_NAMES,
): { readonly expr: Expr<string> } | ExprError {
  return attempt(text, (bytes) => parseString(bytes, names));
}

function attempt<T>(
  text: string,
  parse: (bytes: string) => (s: ExprSubject) => T,
): { readonly expr: Expr<T> } | ExprError {
  const bytes = utf8(text);
  try {
    return { expr: { text, evaluate: parse(bytes) } };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    // Bytes that continue a character count for no column.
    return { error: error.message, text, column: bytes.slice(0, error.at).replace(/[\x80-\xbf]/g, "").length + 1 };
  }
}

/** The bytes of a text of the configuration, one character each, as everything that comes from a request is. */
export function utf8(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text;
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}
