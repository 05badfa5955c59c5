/**
 * What the rules made of a request, carried out: a status, a redirect, a proxied URL, or a path.
 * Source: httpd modules/mappers/mod_rewrite.c hook_uri2file, hook_fixup
 */
import {
  clientAddress,
  escapeUri,
  hasControlOrSpace,
  isFieldValue,
  OK,
  proxyTo,
  type Status,
} from "../../modules/mod.ts";
import type { RewriteContext } from "./context.ts";
import type { Outcome } from "./engine.ts";
import { escapeAbsoluteUri } from "./escape.ts";
import { absoluteScheme } from "./scheme.ts";

/**
 * Carries out all but a path: null then.
 * @param args the query before the rules
 * @param base of the section, for the path of a redirect
 */
export function conclude(
  ctx: RewriteContext,
  outcome: Outcome,
  args: string | null,
  base: string | null,
): Status | null {
  const { r } = ctx;
  const absolute = absoluteScheme(ctx.filename).length > 0;
  if (r.args !== null && !(absolute && outcome !== "unescaped") && hasControlOrSpace(r.args)) {
    const ah = ctx.directory === null ? "AH10410" : "AH10411";
    r.log.error("rewrite", ah, "Rewritten query string contains control characters or spaces", {
      client: clientAddress(r.conn),
    });
    return 403;
  }
  if (outcome === "status") return ctx.status;
  if (ctx.filename.length > 6 && ctx.filename.startsWith("proxy:")) return proxy(ctx, outcome === "unescaped");
  return absolute ? redirect(ctx, outcome === "unescaped", args, base) : null;
}

function proxy(ctx: RewriteContext, raw: boolean): Status {
  const { r } = ctx;
  let url = ctx.filename.slice(6);
  if (ctx.directory === null) url += ctx.pathInfo;
  if (raw && r.args !== null) url += `?${r.args}`;
  proxyTo(r, url, raw);
  if (ctx.traceDepth >= 1) ctx.trace(1, `go-ahead with proxy request proxy:${url} [OK]`);
  return OK;
}

function redirect(ctx: RewriteContext, raw: boolean, args: string | null, base: string | null): Status {
  const { r } = ctx;
  let url = base === null ? ctx.filename : rebase(ctx.filename, ctx.directory!, base);
  if (!raw) {
    if (ctx.traceDepth >= 1) ctx.trace(1, `escaping ${url} for redirect`);
    url = escapeAbsoluteUri(url);
  }
  if (r.args !== null) {
    // The client's own query is encoded already.
    const kept = raw || r.args === args;
    const query = kept ? r.args : escapeUri(r.args);
    url += `?${query}`;
    if (ctx.traceDepth >= 1)
      ctx.trace(1, `${kept ? "copying" : "escaping"} ${r.args} to query string for redirect ${kept ? "" : query}`);
  }
  if (!isFieldValue(url)) {
    const why = `Response header 'Location' value of '${url}' contains invalid characters, aborting request`;
    r.log.error("http", "AH02430", why, r);
    return 500;
  }
  const status = ctx.status >= 300 && ctx.status < 400 ? ctx.status : 302;
  r.headersOut.set("Location", url);
  if (ctx.traceDepth >= 1) ctx.trace(1, `redirect to ${url} [REDIRECT/${status}]`);
  return status;
}

/** RewriteBase in the place of the section's path in a URL, whose first slash is the one after the host. */
function rebase(url: string, directory: string, base: string): string {
  const slash = url.indexOf("/", absoluteScheme(url).length);
  if (slash < 0 || slash + 1 === url.length) return url;
  const from = directory.startsWith("/") ? directory.slice(1) : directory;
  return url.slice(0, slash + 1) + replacePrefix(url.slice(slash + 1), from, base.slice(1));
}

/** `prefix`/rest becomes `base`/rest; what has another prefix stays. */
export function replacePrefix(text: string, prefix: string, base: string): string {
  const bare = prefix.replace(/\/$/, "");
  if (!text.startsWith(bare) || text[bare.length] !== "/") return text;
  const rest = text.slice(bare.length + 1);
  return base === "" || base.endsWith("/") ? base + rest : `${base}/${rest}`;
}
