/**
 * The rules, one after the other, over one request.
 * Source: httpd modules/mappers/mod_rewrite.c apply_rewrite_list, apply_rewrite_rule
 */
import {
  clientAddress,
  getModuleConfig,
  type HeaderTable,
  http,
  matchGroups,
  requestScheme,
  serverOrigin,
} from "../../modules/mod.ts";
import { testConds } from "./cond.ts";
import { NO_GROUPS, type RewriteContext } from "./context.ts";
import { setCookie } from "./cookie.ts";
import type { RewriteRule } from "./rule.ts";
import { absoluteScheme } from "./scheme.ts";
import { namesServer } from "./self.ts";

/** What became of the request: nothing, a new file name, one that is not to be escaped, or the status in `ctx.status`. */
export type Outcome = "unchanged" | "changed" | "unescaped" | "status";

/** What one rule did. */
type Applied = "no match" | "match" | "no substitution" | "status";

/**
 * Requests that a rule with [END] has seen: no rule sees them again, not even after an internal redirect. By the client's
 * fields, which are one table whatever is made of the request inside.
 */
const ended = new WeakSet<HeaderTable>();

export function hasEnded(ctx: RewriteContext): boolean {
  return ended.has(ctx.r.headersIn);
}

export function applyRules(rules: readonly RewriteRule[], ctx: RewriteContext): Outcome {
  let outcome: Outcome = "unchanged";
  let round = 1;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    const applied = applyRule(rule, ctx);
    if (applied === "no match") {
      while (i < rules.length && rules[i]!.chain) i++;
      continue;
    }
    if (!rule.noSubstitution) {
      if (ctx.traceDepth >= 2) ctx.trace(2, `setting lastsub to rule with output ${rule.output.source}`);
      ctx.lastRule = rule;
    }
    // What grows beyond this grows without end.
    const most = 2 * getModuleConfig(ctx.r.server.config, http).limitRequestLine;
    if (ctx.filename.length > most) {
      return fail(ctx, "", `RewriteRule '${rule.pattern}' and URI '${ctx.r.uri}' exceeded maximum length (${most})`);
    }
    if (applied === "status" || rule.endsWithStatus) return "status";
    if (applied === "match") outcome = rule.noEscape ? "unescaped" : "changed";
    if (rule.passThrough) {
      if (ctx.traceDepth >= 2)
        ctx.trace(2, `forcing '${ctx.filename}' to get passed through to next API URI-to-filename handler`);
      ctx.filename = `passthrough:${ctx.filename}`;
      return "changed";
    }
    if (rule.end) {
      if (ctx.traceDepth >= 8) ctx.trace(8, "Rule has END flag, no further rewriting for this request");
      ended.add(ctx.r.headersIn);
      return outcome;
    }
    if (rule.proxy || rule.last) return outcome;
    if (rule.maxRounds !== null) {
      if (++round >= rule.maxRounds) {
        const limit = `exceeded maximum number of rounds (${rule.maxRounds}) via the [N] flag`;
        return fail(ctx, "AH02596", `RewriteRule '${rule.pattern}' and URI '${ctx.r.uri}' ${limit}`);
      }
      i = -1;
    } else {
      i += rule.skip;
    }
  }
  return outcome;
}

function fail(ctx: RewriteContext, ah: string, text: string): Outcome {
  ctx.r.log.error("rewrite", ah, text, { client: clientAddress(ctx.r.conn) });
  ctx.status = 500;
  return "status";
}

function applyRule(rule: RewriteRule, ctx: RewriteContext): Applied {
  const { r, directory } = ctx;
  const trace = ctx.traceDepth;
  const proxied = directory !== null && ctx.filename.startsWith("proxy:");
  let subject = ctx.filename;
  if (directory !== null) {
    if (ctx.pathInfo !== "") {
      if (trace >= 3) ctx.trace(3, `add path info postfix: ${subject} -> ${subject}${ctx.pathInfo}`);
      subject += ctx.pathInfo;
    }
    if (!proxied && subject.startsWith(directory)) {
      const rest = subject.slice(directory.length);
      if (trace >= 3) ctx.trace(3, `strip per-dir prefix: ${subject} -> ${rest}`);
      subject = rest;
    }
  }
  ctx.subject = subject;
  if (trace >= 3) ctx.trace(3, `applying pattern '${rule.pattern}' to uri '${subject}'`);
  const groups = matchGroups(rule.regex, subject);
  if ((groups === null) !== rule.negated) return "no match";
  ctx.condGroups = NO_GROUPS;
  ctx.ruleGroups = groups ?? NO_GROUPS;
  if (!testConds(rule.conds, ctx)) return "no match";

  let result = "";
  if (!rule.noSubstitution) {
    const checked = rule.unsafeAllow3F
      ? { text: rule.output.expand(ctx, rule.escape), unsafe: false }
      : rule.output.expandChecked(ctx, rule.escape, rule.queryLast);
    result = checked.text;
    if (trace >= 2) ctx.trace(2, `rewrite '${subject}' -> '${result}'`);
    if (checked.unsafe) {
      r.log.error("rewrite", "AH10508", "Unsafe URL with %3f URL rewritten without UnsafeAllow3F", {
        client: clientAddress(r.conn),
      });
      ctx.status = 403;
      return "status";
    }
  }
  for (const env of rule.env) setEnv(env.expand(ctx), ctx);
  for (const cookie of rule.cookies) {
    if (setCookie(cookie.expand(ctx), ctx)) continue;
    fail(ctx, "AH02430", "Response header 'Set-Cookie' contains invalid characters, aborting request");
    return "status";
  }
  if (rule.noSubstitution) {
    forceTypeAndHandler(rule, ctx);
    if (rule.endsWithStatus) {
      if (trace >= 2) ctx.trace(2, `forcing responsecode ${rule.status} for ${ctx.filename}`);
      ctx.status = rule.status;
    }
    return "no substitution";
  }

  let prefixed = false;
  if (!proxied && !result.startsWith("/") && absoluteScheme(result).length === 0) {
    if (directory !== null) {
      if (trace >= 3) ctx.trace(3, `add per-dir prefix: ${result} -> ${directory}${result}`);
      result = directory + result;
      prefixed = true;
    } else if (!rule.proxy && !rule.redirect) {
      // So that `^/x(.*) $1` does not make a URL of "/xhttp://..."
      if (trace >= 3) ctx.trace(3, `add root prefix: ${result} -> /${result}`);
      result = `/${result}`;
      prefixed = true;
    }
  }
  ctx.filename = result;
  if (directory !== null && rule.discardPathInfo) ctx.pathInfo = "";
  splitQuery(rule, ctx);
  if (rule.proxy) {
    qualify(ctx);
    if (trace >= 2) ctx.trace(2, `forcing proxy-throughput with ${ctx.filename}`);
    ctx.filename = `proxy:${ctx.filename}`;
    return "match";
  }
  if (rule.redirect) {
    qualify(ctx);
    if (trace >= 2) ctx.trace(2, `explicitly forcing redirect with ${ctx.filename}`);
    ctx.status = rule.status;
    return "match";
  }
  reduce(ctx);
  if (absoluteScheme(ctx.filename).length > 0) {
    if (trace >= 2) ctx.trace(2, `implicitly forcing redirect (rc=${rule.status} with ${ctx.filename}`);
    ctx.status = rule.status;
    return "match";
  }
  if (!rule.keepSlashes && !prefixed && !rule.output.source.startsWith("//")) {
    ctx.filename = ctx.filename.replace(/^\/{2,}/, "/");
  }
  forceTypeAndHandler(rule, ctx);
  return "match";
}

/** NAME:VALUE, NAME, or !NAME. */
function setEnv(text: string, ctx: RewriteContext): void {
  if (text.startsWith("!")) {
    ctx.r.unsetEnv(text.slice(1));
    if (ctx.traceDepth >= 5) ctx.trace(5, `unsetting env variable '${text.slice(1)}'`);
    return;
  }
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? "" : text.slice(colon + 1);
  ctx.r.setEnv(name, value);
  if (ctx.traceDepth >= 5) ctx.trace(5, `setting env variable '${name}' to '${value}'`);
}

/** The query of the result, if it has one, takes the place of the request's, or is put before it. */
function splitQuery(rule: RewriteRule, ctx: RewriteContext): void {
  const { r } = ctx;
  if (rule.queryNone) {
    if (ctx.traceDepth >= 2) ctx.trace(2, "discarding query string, no parse from substitution");
    r.args = null;
    return;
  }
  const before = ctx.filename;
  const scheme = absoluteScheme(before);
  if (scheme.length > 0 && !scheme.query) {
    r.args = null;
    return;
  }
  if (rule.queryDiscard) {
    r.args = null;
    if (ctx.traceDepth >= 2) ctx.trace(2, "discarding query string");
  }
  const mark = rule.queryLast ? before.lastIndexOf("?") : before.indexOf("?", scheme.length);
  if (mark < scheme.length) return;
  const query = before.slice(mark + 1);
  ctx.filename = before.slice(0, mark);
  let args = r.args;
  if (!rule.queryAppend) args = query;
  else if (query !== "") args = `${query}&${args ?? ""}`;
  if (args?.endsWith("&")) args = args.slice(0, -1);
  else if (args === "") args = null;
  r.args = args;
  if (ctx.traceDepth >= 3) ctx.trace(3, `split uri=${before} -> uri=${ctx.filename}, args=${args ?? "<none>"}`);
}

/** A path becomes a URL of this server. */
function qualify(ctx: RewriteContext): void {
  if (ctx.r.method === "CONNECT" || absoluteScheme(ctx.filename).length > 0) return;
  ctx.filename = serverOrigin(ctx.r) + (ctx.filename.startsWith("/") ? "" : "/") + ctx.filename;
}

/** A URL of this server becomes a path: nobody is sent to where they are. */
function reduce(ctx: RewriteContext): void {
  const { r } = ctx;
  const match = /^(https?):\/\/([^/:]*)(?::([^/]*))?(\/.*)?$/is.exec(ctx.filename);
  if (match === null || match[1]!.toLowerCase() !== requestScheme(r)) return;
  const port = match[3] === undefined ? (r.conn.secure ? 443 : 80) : Number.parseInt(match[3], 10) || 0;
  if (!namesServer(r.server, match[2]!, port)) return;
  const path = match[4] ?? "/";
  if (ctx.traceDepth >= 3) ctx.trace(3, `reduce ${ctx.filename} -> ${path}`);
  ctx.filename = path;
  ctx.reduced = true;
}

/** [H] and [T] wait for the end of fixups, where they win over SetHandler. */
function forceTypeAndHandler(rule: RewriteRule, ctx: RewriteContext): void {
  const { r } = ctx;
  const type = rule.mimeType?.expand(ctx, rule.escape).toLowerCase() ?? "";
  if (type !== "") {
    if (ctx.traceDepth >= 2) ctx.trace(2, `remember ${ctx.filename} to have MIME-type '${type}'`);
    r.setNote(FORCED_TYPE, type);
  }
  const handler = rule.handler?.expand(ctx, rule.escape).toLowerCase() ?? "";
  if (handler !== "") {
    if (ctx.traceDepth >= 2) ctx.trace(2, `remember ${ctx.filename} to have Content-handler '${handler}'`);
    r.setNote(FORCED_HANDLER, handler);
  }
}

/** Notes of a request. Source: REWRITE_FORCED_MIMETYPE_NOTEVAR, REWRITE_FORCED_HANDLER_NOTEVAR */
export const FORCED_TYPE = "rewrite-forced-mimetype";
export const FORCED_HANDLER = "rewrite-forced-handler";
