/**
 * The provider groups `authn`, who proves a user, and `authz`, what `Require` may say.
 * Source: httpd include/mod_auth.h
 */
import type { CommandContext } from "../core/command.ts";
import { providerGroup } from "../core/providers.ts";
import type { RequestRec } from "../core/records.ts";
import { type Expr, type ExprError, type ExprSubject, parseStringExpr } from "./expr.ts";
import { unbase64 } from "./expr_ops.ts";

/** "error": something is wrong with the server, and the log says what. */
export type AuthnStatus = "granted" | "denied" | "notFound" | "error";

export interface AuthnProvider {
  /** @param user and `password`: a character for each byte that came */
  checkPassword(r: RequestRec, user: string, password: string): AuthnStatus | Promise<AuthnStatus>;
}

export const authn = providerGroup<AuthnProvider>("authn");

/** "deniedNoUser": no, as long as nobody knows who asks. "neutral": has no say. */
export type AuthzStatus = "granted" | "denied" | "deniedNoUser" | "neutral" | "error";

/** Decides about a request as one `Require` line says. */
export type AuthzCheck = (r: RequestRec) => AuthzStatus | Promise<AuthzStatus>;

export interface AuthzProvider {
  /** What follows `Require NAME`, understood once; a text is an error of the configuration. */
  parse(args: string, cmd: CommandContext): AuthzCheck | string;
}

export const authz = providerGroup<AuthzProvider>("authz");

/**
 * A text in which %{VARIABLES} may stand, as AuthName and `Require user` take it. One without any needs no evaluation.
 * @returns the error of a text that is none
 */
export function textOrExpr(written: string): Expr<string> | ExprError {
  if (!/[%$\\]/.test(written)) {
    const text = byteText(written);
    return { text, evaluate: (_subject: ExprSubject) => text };
  }
  const parsed = parseStringExpr(written);
  return "error" in parsed ? parsed : parsed.expr;
}

/** Text of the configuration as it would come over a connection: a character for each byte of its UTF-8. */
function byteText(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? String.fromCharCode(...new TextEncoder().encode(text)) : text;
}

/**
 * User and password of an Authorization field, a character for each byte; null: it has another scheme. What is malformed is
 * read as far as it can be. Source: httpd ap_pbase64decode
 */
export function basicCredentials(field: string): { readonly user: string; readonly password: string } | null {
  const match = /^basic(?:[ \t]+(.*))?$/is.exec(field);
  if (match === null) return null;
  const text = unbase64(match[1] ?? "");
  const colon = text.indexOf(":");
  return colon < 0 ? { user: text, password: "" } : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
