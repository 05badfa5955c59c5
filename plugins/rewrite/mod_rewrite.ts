/**
 * mod_rewrite: URLs rewritten by rules, before ProxyPass is asked; and in sections, after it was.
 * Source: httpd modules/mappers/mod_rewrite.c
 */
import {
  type CommandContext,
  checkConfig,
  DECLINED,
  type Directive,
  defineModule,
  errorAt,
  fixups,
  getModuleConfig,
  handler,
  internalRedirect,
  OK,
  type ProcessRec,
  type RequestRec,
  type Status,
  serverOrigin,
  translateName,
  utf8,
} from "../../modules/mod.ts";
import { parseCond } from "./cond.ts";
import {
  type MergedRewrite,
  mergedRewrite,
  NO_OPTIONS,
  type RewriteOptions,
  type RewriteScope,
  rewriteSchema,
} from "./config.ts";
import { RewriteContext } from "./context.ts";
import { applyRules, FORCED_HANDLER, FORCED_TYPE, hasEnded } from "./engine.ts";
import { makeMap } from "./map.ts";
import { conclude, replacePrefix } from "./outcome.ts";
import { parseRule } from "./rule.ts";
import { documentRoot, splitPathInfo } from "./variables.ts";

const rewrite = defineModule({
  name: "mod_rewrite",
  config: rewriteSchema,
  append: ["scopes"],
  needs: ["files"],
  commands: ({ flag, iterate, take1, take23, raw }) => [
    flag("RewriteEngine", "any", setEngine, "On or Off to enable or disable (default) the whole rewriting engine"),
    iterate("RewriteOptions", "any", addOption, "List of option strings to set"),
    take1("RewriteBase", "any", setBase, "the base URL of the per-directory context"),
    raw("RewriteCond", "any", addCond, "an input string and a to be applied regexp-pattern"),
    raw("RewriteRule", "any", addRule, "an URL-applied regexp-pattern and a substitution URL"),
    take23("RewriteMap", "server", addMap, "a mapname and a filename and options"),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, prepare);
    hook(translateName, translate, { rank: "first", before: ["mod_proxy"], directivesOf: ["mod_rewrite"] });
    hook(fixups, fixup, { rank: "first", before: ["mod_proxy"], directivesOf: ["mod_rewrite"] });
    hook(fixups, forceTypeAndHandler, { rank: "last", directivesOf: ["mod_rewrite"] });
    hook(handler, redirectHandler, { directivesOf: ["mod_rewrite"] });
  },
});
export default rewrite;

/** What the directives of this scope have said so far. */
function scopeOf(cmd: CommandContext): RewriteScope {
  const known = (cmd.raw.scopes as RewriteScope[] | undefined)?.[0];
  if (known !== undefined) return known;
  const { kind, arg } = cmd.scope;
  const directory = kind === "server" ? null : arg.endsWith("/") ? arg : `${arg}/`;
  const made: RewriteScope = {
    server: cmd.server,
    directory,
    engine: null,
    options: null,
    base: null,
    conds: [],
    rules: [],
    maps: new Map(),
    mapLines: [],
  };
  cmd.push("scopes", made);
  return made;
}

function setEngine(cmd: CommandContext, on: boolean): void {
  scopeOf(cmd).engine = on;
}

const OPTIONS: Readonly<Record<string, keyof RewriteOptions | null>> = {
  __proto__: null as never,
  inherit: "inherit",
  inheritbefore: "inheritBefore",
  inheritdown: "inheritDown",
  inheritdownbefore: "inheritDownBefore",
  ignoreinherit: "ignoreInherit",
  allownoslash: "allowNoSlash",
  allowanyuri: "allowAnyUri",
  mergebase: "mergeBase",
  legacyprefixdocroot: "legacyPrefixDocRoot",
  unsafeprefixstat: "unsafePrefixStat",
  ignorecontextinfo: null, // about Alias, which leads to no file here
};

function addOption(cmd: CommandContext, word: string): string | undefined {
  const scope = scopeOf(cmd);
  scope.options ??= NO_OPTIONS;
  if (/^MaxRedirects=/i.test(word)) {
    cmd.warn(
      "AH00664",
      "RewriteOptions: MaxRedirects option has been removed in favor of the global LimitInternalRecursion directive and will be ignored.",
    );
    return undefined;
  }
  const option = OPTIONS[word.toLowerCase()];
  if (option === undefined) return `RewriteOptions: unknown option '${word}'`;
  if (option !== null) scope.options = { ...scope.options, [option]: true };
  return undefined;
}

function setBase(cmd: CommandContext, url: string): string | undefined {
  if (cmd.scope.kind === "server") return "RewriteBase: only valid in per-directory config files";
  if (url === "") return "RewriteBase: empty URL not allowed";
  if (!url.startsWith("/")) return "RewriteBase: argument is not a valid URL";
  scopeOf(cmd).base = utf8(url);
  return undefined;
}

function addCond(cmd: CommandContext, line: string): string | undefined {
  const cond = parseCond(utf8(line), cmd.scope.kind !== "server", (ah, text) => cmd.warn(ah, text));
  if (typeof cond === "string") return cond;
  scopeOf(cmd).conds.push(cond);
  return undefined;
}

function addRule(cmd: CommandContext, line: string): string | undefined {
  const scope = scopeOf(cmd);
  const rule = parseRule(utf8(line), scope.conds, cmd.scope.kind !== "server");
  if (typeof rule === "string") return rule;
  scope.rules.push(rule);
  scope.conds = [];
  return undefined;
}

function addMap(cmd: CommandContext, name: string, source: string): string | undefined {
  const map = makeMap(name, source, (path) => cmd.resolvePath(path));
  if (typeof map === "string") return map;
  const scope = scopeOf(cmd);
  scope.maps.set(name, map);
  if (map.path !== null) scope.mapLines.push({ at: cmd.directive, name, path: map.path });
  return undefined;
}

/** check_config: puts the scopes of every server together; the files of maps must be there. @throws ConfigError */
function prepare(process: ProcessRec): void {
  const { files } = process.host;
  for (const server of process.servers) {
    const conf = getModuleConfig(server.config, rewrite);
    mergedRewrite(conf);
    for (const { mapLines } of conf.scopes) {
      for (const { at, name, path } of mapLines) {
        if (files === null || files.stat(path, true) === null)
          throw errorAt(at as Directive, `RewriteMap: file for map ${name} not found:${path}`);
      }
    }
  }
}

/** What holds in the sections of a request; null: no Rewrite directive anywhere. */
function sectionsOf(r: RequestRec): MergedRewrite | null {
  const conf = getModuleConfig(r.perDirConfig, rewrite);
  return conf.scopes.length === 0 ? null : mergedRewrite(conf);
}

/** translate_name: the rules of the server, over the path or, where a rule with mapping= was before them, over its URL. */
function translate(r: RequestRec): Status {
  const sections = sectionsOf(r);
  if (!sections?.enabled) return DECLINED;
  const conf = mergedRewrite(getModuleConfig(r.server.config, rewrite));
  // A virtual host without any Rewrite directive has not even the rules of the main server.
  if (conf.server !== r.server) return DECLINED;
  const ctx = new RewriteContext(r, conf.maps, null, r.filename || r.uri);
  if (hasEnded(ctx)) {
    if (ctx.traceDepth >= 8) ctx.trace(8, "Declining, no further rewriting due to END flag");
    return DECLINED;
  }
  if (!sections.options.allowAnyUri && !r.uri.startsWith("/")) {
    if (ctx.traceDepth >= 8) ctx.trace(8, `Declining, request-URI '${r.uri}' is not a URL-path.`);
    return DECLINED;
  }
  const scriptUrl = r.getEnv("REDIRECT_SCRIPT_URL") ?? r.uri;
  r.setEnv("SCRIPT_URL", scriptUrl);
  r.setEnv("SCRIPT_URI", serverOrigin(r) + scriptUrl);
  if (ctx.traceDepth >= 2) {
    const what = r.filename === "" ? "requested uri" : `passed filename ${r.filename}. Original uri =`;
    ctx.trace(2, `init rewrite engine with ${what} ${r.uri}`);
  }
  const args = r.args;
  const outcome = applyRules(conf.serverRules, ctx);
  if (outcome === "unchanged") {
    if (ctx.traceDepth >= 1) ctx.trace(1, `pass through ${ctx.filename}`);
    return DECLINED;
  }
  const status = conclude(ctx, outcome, args, null);
  if (status !== null) return status;
  const mapped = r.proxyreq !== "none";
  if (mapped) unmap(r);
  if (ctx.filename.startsWith("passthrough:")) {
    r.uri = ctx.filename.slice("passthrough:".length);
    if (!r.uri.startsWith("/")) return 400;
    return mapped ? OK : DECLINED; // who was mapped once is not again
  }
  if (ctx.traceDepth >= 2) ctx.trace(2, `local path result: ${ctx.filename}`);
  if (!ctx.filename.startsWith("/")) return 400;
  r.filename = ctx.filename;
  if (!isFileName(ctx, conf.serverOptions)) {
    r.filename = documentRoot(r) + ctx.filename;
    if (ctx.traceDepth >= 2) ctx.trace(2, `prefixed with document_root to ${r.filename}`);
  }
  if (ctx.traceDepth >= 1) ctx.trace(1, `go-ahead with ${r.filename} [OK]`);
  return OK;
}

/** What a rule with mapping= had mapped to a backend is a path again. */
function unmap(r: RequestRec): void {
  r.proxyreq = "none";
  r.mapped = null;
  r.filename = "";
  r.handler = "";
}

/** Whether a path names a file rather than something below DocumentRoot: its first folder is there, and the rule says it. */
function isFileName(ctx: RewriteContext, options: RewriteOptions): boolean {
  if (ctx.reduced && !options.legacyPrefixDocRoot) return false;
  const { filename, lastRule } = ctx;
  const slash = filename.indexOf("/", 1);
  const first = slash < 0 ? filename : filename.slice(0, slash);
  if (!ctx.host.files?.stat(first, true)) return false;
  if (options.unsafePrefixStat || lastRule === null || lastRule.unsafePrefixStat) return true;
  return lastRule.output.source.startsWith(first) || filename.startsWith(documentRoot(ctx.r));
}

/** fixups: the rules of a section, over the file name or, for a proxied request, over its URL. */
function fixup(r: RequestRec): Status {
  const conf = sectionsOf(r);
  if (!conf?.enabled || conf.directory === null) return DECLINED;
  const { directory } = conf;
  const proxied = r.proxyreq !== "none";
  const root = documentRoot(r);
  const [path, rest] = proxied
    ? [r.filename, ""]
    : splitPathInfo(r.filename || (root + r.uri).replace(/\/{2,}/g, "/"), root, r.server.process.host);
  // A section is asked about what is below it: `/a` for <Location /a> is not, unless told so.
  if (!proxied && !conf.options.allowNoSlash && path === directory.slice(0, -1)) return DECLINED;
  const maps = mergedRewrite(getModuleConfig(r.server.config, rewrite)).maps;
  const ctx = new RewriteContext(r, maps, directory, path, rest);
  if (hasEnded(ctx)) {
    if (ctx.traceDepth >= 8) ctx.trace(8, "Declining, no further rewriting due to END flag");
    return DECLINED;
  }
  const args = r.args;
  const outcome = applyRules(conf.sectionRules, ctx);
  if (outcome === "unchanged") {
    if (ctx.traceDepth >= 1) ctx.trace(1, `pass through ${ctx.filename}`);
    return DECLINED;
  }
  const status = conclude(ctx, outcome, args, conf.base);
  if (status !== null) return status;
  if (ctx.filename.startsWith("passthrough:")) ctx.filename = ctx.filename.slice("passthrough:".length);
  if (!ctx.filename.startsWith("/")) return 400;
  if (ctx.filename === path) {
    if (ctx.traceDepth >= 1) ctx.trace(1, `initial URL equal rewritten URL: ${ctx.filename} [IGNORING REWRITE]`);
    return OK;
  }
  let target = ctx.filename;
  if (conf.base !== null) {
    if (ctx.traceDepth >= 2) ctx.trace(2, `trying to replace prefix ${directory} with ${conf.base}`);
    target = replacePrefix(target, directory, conf.base);
  } else if (target.startsWith(`${root}/`)) {
    target = target.slice(root.length);
    if (ctx.traceDepth >= 2) ctx.trace(2, `strip document_root prefix: ${ctx.filename} -> ${target}`);
  }
  if (ctx.traceDepth >= 1) ctx.trace(1, `internal redirect with ${target} [INTERNAL REDIRECT]`);
  r.filename = `redirect:${target}`;
  r.handler = "redirect-handler";
  r.proxyreq = "none";
  return OK;
}

function forceTypeAndHandler(r: RequestRec): Status {
  if (!sectionsOf(r)?.enabled) return DECLINED;
  const type = r.getNote(FORCED_TYPE);
  if (type !== undefined) r.headersOut.set("Content-Type", type);
  const forced = r.getNote(FORCED_HANDLER);
  if (forced !== undefined) r.handler = forced;
  return OK;
}

function redirectHandler(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "redirect-handler" || !r.filename.startsWith("redirect:")) return DECLINED;
  const target = r.filename.slice("redirect:".length);
  return internalRedirect(r.args === null ? target : `${target}?${r.args}`, r);
}
