/**
 * ErrorDocument: what a client gets instead of the server's own page.
 * Source: httpd server/core.c, set_error_document, ap_response_code_string
 */
import { ArgumentError, type CommandContext } from "../core/command.ts";
import { hasReason, type Status } from "../core/status.ts";
import { type Expr, parseStringExpr } from "./expr.ts";

/** The document of one status. */
export interface ErrorDocument {
  readonly status: Status;
  /** default: the server's page. text: a page of its own. path: a request to this server. url: a redirect. */
  readonly kind: "default" | "text" | "path" | "url";
  readonly value: string;
  /** `value` with %{VAR} in it. */
  readonly expr: Expr<string> | null;
}

/** `ErrorDocument 404 /missing.html`, `"a text"`, `http://elsewhere/`, `default`. */
export function addErrorDocument(cmd: CommandContext, code: string, document: string): string | undefined {
  const status = Number(code);
  if (!/^\d{3}$/.test(code) || !hasReason(status)) return `Unsupported HTTP response code ${code}`;
  const kind = kindOf(document);
  if (status === 401 && kind === "url") {
    // The challenge would be lost, and nobody could ever log in.
    const { file, line } = cmd.directive;
    cmd.warn("AH00113", `${file}:${line} cannot use a full URL in a 401 ErrorDocument directive --- ignoring!`);
    return undefined;
  }
  let expr: Expr<string> | null = null;
  if (document.includes("%{")) {
    const parsed = parseStringExpr(document);
    if ("error" in parsed) throw new ArgumentError(`Cannot parse expression in ErrorDocument: ${parsed.error}`, parsed);
    expr = parsed.expr;
  }
  const entry: ErrorDocument = { status, kind, value: document, expr };
  cmd.push("errorDocuments", entry);
  return undefined;
}

function kindOf(document: string): ErrorDocument["kind"] {
  if (document.toLowerCase() === "default") return "default";
  if (document.includes(" ")) return "text";
  if (document.startsWith("/")) return "path";
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(document) ? "url" : "text";
}

/** The last document that says something of a status; null: the server's own page. */
export function findErrorDocument(documents: readonly ErrorDocument[], status: Status): ErrorDocument | null {
  const found = documents.findLast((document) => document.status === status);
  return found === undefined || found.kind === "default" ? null : found;
}
