/**
 * mod_alias: paths that are somewhere else. Redirect answers with the place; what Alias maps to files is not found here.
 * Source: httpd modules/mappers/mod_alias.c
 */
import {
  ArgumentError,
  aliasMatch,
  type CommandContext,
  compileRegex,
  DECLINED,
  defineModule,
  type Expr,
  expandGroups,
  fixups,
  getModuleConfig,
  isFieldValue,
  matchGroups,
  OK,
  parseStringExpr,
  type RequestRec,
  requestSubject,
  type Status,
  serverOrigin,
  translateName,
  utf8,
  z,
} from "../../modules/mod.ts";
import {
  escapeTarget,
  isRedirect,
  isUrl,
  parseRedirect,
  type Redirect,
  redirectTarget,
  type SectionRedirect,
} from "./redirect.ts";

interface AliasEntry {
  readonly fake: string;
  readonly regex: RegExp | null;
  readonly real: string;
  /** ScriptAlias. */
  readonly script: boolean;
}

/** The lines of one server or section; those of the innermost are tried first. */
interface AliasScope {
  readonly inSection: boolean;
  readonly redirects: Redirect[];
  readonly aliases: AliasEntry[];
}

interface SectionAlias {
  readonly file: Expr<string>;
  readonly fake: string;
}

const TO_FILES = { differs: "what it maps to files is 404" };

const alias = defineModule({
  name: "mod_alias",
  config: z.object({
    /** Outermost first. */
    scopes: z.array(z.custom<AliasScope>()).default([]),
    sectionRedirect: z.custom<SectionRedirect>().optional(),
    sectionAlias: z.custom<SectionAlias>().optional(),
    /** RedirectRelative: a path is sent as it is, not made a URL. */
    relative: z.boolean().default(false),
    /** AliasPreservePath: the rest of the path is added to the Alias of a section. */
    preservePath: z.boolean().default(false),
  }),
  append: ["scopes"],
  commands: ({ flag, take2, take12, take23, take123 }) => [
    take12("Alias", "any", addAlias, "a fakename and a realname, or a realname in a Location", TO_FILES),
    take12("ScriptAlias", "any", addAlias, "a fakename and a realname, or a realname in a Location", TO_FILES),
    take2("AliasMatch", "server", addAliasMatch, "a regular expression and a filename", TO_FILES),
    take2("ScriptAliasMatch", "server", addAliasMatch, "a regular expression and a filename", TO_FILES),
    take123("Redirect", "any", addRedirect, "an optional status, then document to be redirected and destination URL"),
    take23(
      "RedirectMatch",
      "any",
      addRedirectMatch,
      "an optional status, then a regular expression and destination URL",
    ),
    take2("RedirectTemp", "any", addRedirectTemp, "a document to be redirected, then the destination URL"),
    take2("RedirectPermanent", "any", addRedirectPermanent, "a document to be redirected, then the destination URL"),
    flag("RedirectRelative", "any", "relative", "Set to ON to allow relative redirect targets to be issued as-is"),
    flag(
      "AliasPreservePath",
      "any",
      "preservePath",
      "Set to ON to map the full path after the fakename to the realname.",
    ),
  ],
  registerHooks({ hook }) {
    hook(translateName, translate, { directivesOf: ["mod_alias"] });
    hook(fixups, fixup, { directivesOf: ["mod_alias"] });
  },
});
export default alias;

type AliasConfig = ReturnType<typeof configOf>;

function configOf(r: RequestRec) {
  return getModuleConfig(r.perDirConfig, alias);
}

function scopeOf(cmd: CommandContext): AliasScope {
  const known = (cmd.raw.scopes as AliasScope[] | undefined)?.[0];
  if (known !== undefined) return known;
  const made: AliasScope = { inSection: cmd.scope.kind !== "server", redirects: [], aliases: [] };
  cmd.push("scopes", made);
  return made;
}

function addRedirect(cmd: CommandContext, ...words: (string | undefined)[]): string | undefined {
  return add(cmd, words, 302, false);
}

function addRedirectMatch(cmd: CommandContext, ...words: (string | undefined)[]): string | undefined {
  return add(cmd, words, 302, true);
}

function addRedirectTemp(cmd: CommandContext, fake: string, url: string): string | undefined {
  return add(cmd, [fake, url], 302, false);
}

function addRedirectPermanent(cmd: CommandContext, fake: string, url: string): string | undefined {
  return add(cmd, [fake, url], 301, false);
}

function add(
  cmd: CommandContext,
  words: readonly (string | undefined)[],
  status: number,
  isMatch: boolean,
): string | undefined {
  const given = words.filter((word) => word !== undefined).map(utf8);
  const parsed = parseRedirect(given, status, isMatch, cmd.scope.kind !== "server");
  if (typeof parsed === "string") return parsed;
  if ("section" in parsed) cmd.set("sectionRedirect", parsed.section);
  else scopeOf(cmd).redirects.push(parsed.redirect);
  return undefined;
}

function addAlias(cmd: CommandContext, first: string, real?: string): string | undefined {
  const name = /^script/i.test(cmd.directive.name) ? "ScriptAlias" : "Alias";
  if (cmd.limited !== null) return `${name} cannot occur within <Limit> or <LimitExcept> section`;
  if (cmd.scope.kind === "if") return `${name} cannot occur within <${cmd.scope.section}> section`;
  if (real !== undefined) return addEntry(cmd, first, null, real);
  if (cmd.scope.kind === "server") return "Alias must have two arguments when used globally";
  const expr = parseStringExpr(first);
  if ("error" in expr) throw new ArgumentError(`Cannot parse alias expression '${first}': ${expr.error}`, expr);
  cmd.set("sectionAlias", { file: expr.expr, fake: cmd.scope.arg });
  return undefined;
}

function addAliasMatch(cmd: CommandContext, pattern: string, real: string): string | undefined {
  try {
    return addEntry(cmd, pattern, compileRegex(utf8(pattern)), real);
  } catch {
    return "Regular expression could not be compiled.";
  }
}

function addEntry(cmd: CommandContext, fake: string, regex: RegExp | null, real: string): string | undefined {
  const { name, file, line } = cmd.directive;
  if (cmd.scope.kind !== "server") return `${name} cannot occur within directory context`;
  const { aliases } = scopeOf(cmd);
  const earlier = regex !== null ? undefined : aliases.find((entry) => aliasLength(entry, fake) !== null);
  if (earlier !== undefined) {
    const kind = `${earlier.script ? "Script" : ""}Alias${earlier.regex === null ? "" : "Match"}`;
    cmd.warn(
      "AH00671",
      `The ${name} directive in ${file} at line ${line} will probably never match because it overlaps an earlier ${kind}.`,
    );
  }
  aliases.push({ fake: utf8(fake), regex, real, script: /^script/i.test(name) });
  return undefined;
}

/** How much of a path an entry takes; null: it does not match. */
function aliasLength(entry: AliasEntry, path: string): number | null {
  if (entry.regex !== null) return entry.regex.test(path) ? path.length : null;
  return aliasMatch(path, entry.fake) || null;
}

/** translate_name: after ProxyPass, so that a path that is proxied is not redirected. */
function translate(r: RequestRec): Status {
  if (r.uri !== "" && !r.uri.startsWith("/")) return DECLINED;
  const server = getModuleConfig(r.server.config, alias);
  const conf = configOf(r);
  if (server.scopes.length === 0 && conf === server) return DECLINED;
  const answer = redirect(r, conf, server, false);
  if (answer !== DECLINED) return answer;
  const file = sectionFile(r, conf) ?? aliasFile(r, server);
  if (file === null) return DECLINED;
  r.filename = file;
  return OK;
}

/** fixups: Redirect lines of sections, for proxied paths too. */
function fixup(r: RequestRec): Status {
  const conf = configOf(r);
  if (conf.sectionRedirect === undefined && conf.scopes.length === 0) return DECLINED;
  return redirect(r, conf, conf, true);
}

function redirect(r: RequestRec, conf: AliasConfig, listed: AliasConfig, inSection: boolean): Status {
  const own = conf.sectionRedirect;
  if (own !== undefined) {
    const url = own.url === null ? "" : escapeTarget(own.url.evaluate(requestSubject(r)));
    return answerWith(r, conf, own.status, url);
  }
  for (let i = listed.scopes.length - 1; i >= 0; i--) {
    const scope = listed.scopes[i]!;
    if (scope.inSection !== inSection) continue;
    for (const entry of scope.redirects) {
      const target = redirectTarget(entry, r.uri);
      if (target !== null) return answerWith(r, conf, entry.status, target);
    }
  }
  return DECLINED;
}

function answerWith(r: RequestRec, conf: AliasConfig, status: Status, target: string): Status {
  if (!isRedirect(status)) return status;
  let url = target;
  if (!(conf.relative && url.startsWith("/"))) {
    if (url.startsWith("/")) url = serverOrigin(r) + url;
    if (!isUrl(url)) {
      const why = `cannot redirect '${r.uri}' to '${url}'; target is not a valid absoluteURI or abs_path`;
      r.log.error("alias", "AH00674", why, r);
      return 500;
    }
  }
  if (r.args !== null && !url.includes("?")) url += `?${r.args}`;
  if (!isFieldValue(url)) {
    const why = `Response header 'Location' value of '${url}' contains invalid characters, aborting request`;
    r.log.error("http", "AH02430", why, r);
    return 500;
  }
  r.headersOut.set("Location", url);
  return status;
}

function sectionFile(r: RequestRec, conf: AliasConfig): string | null {
  const own = conf.sectionAlias;
  if (own === undefined) return null;
  const file = own.file.evaluate(requestSubject(r));
  const length = conf.preservePath ? aliasMatch(r.uri, own.fake) : 0;
  return length === 0 ? file : file + r.uri.slice(length);
}

function aliasFile(r: RequestRec, server: AliasConfig): string | null {
  for (let i = server.scopes.length - 1; i >= 0; i--) {
    for (const entry of server.scopes[i]!.aliases) {
      if (entry.regex === null) {
        const length = aliasMatch(r.uri, entry.fake);
        if (length > 0) return entry.real + r.uri.slice(length);
      } else {
        const groups = matchGroups(entry.regex, r.uri);
        if (groups !== null) return expandGroups(entry.real, groups);
      }
    }
  }
  return null;
}
