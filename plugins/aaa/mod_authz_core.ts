/**
 * mod_authz_core: Require, and the sections that combine them.
 * Source: httpd modules/aaa/mod_authz_core.c
 */
import {
  ArgumentError,
  type AuthzCheck,
  type AuthzStatus,
  accessCheckerEx,
  authChecker,
  authTypeOf,
  authz,
  type CommandContext,
  ConfigError,
  checkConfig,
  DECLINED,
  defineModule,
  didYouMean,
  ExprFailure,
  getModuleConfig,
  KNOWN_METHODS,
  noteAuthFailure,
  OK,
  type ProcessRec,
  parseExpr,
  type RequestRec,
  requestSubject,
  restrictsAccess,
  type Status,
  splitWords,
  takeWord,
  z,
} from "../../modules/mod.ts";
import { evaluate } from "./authz_evaluate.ts";
import {
  type AuthzScope,
  addToSection,
  makeSection,
  mergeScopes,
  onlyNegative,
  type Requirement,
  sectionText,
} from "./authz_section.ts";

const authzCore = defineModule({
  name: "mod_authz_core",
  config: z.object({
    /** What `Require` and its sections say: a scope each, read as one section. */
    require: z.array(z.custom<AuthzScope>()).default([]).transform(mergeScopes),
    /** A user who may not gets 403, not 401 once more. */
    forbiddenOnFailure: z.boolean().default(false),
  }),
  append: ["require"],
  commands: ({ flag, raw, section, take1 }) => [
    raw(
      "Require",
      "dir",
      addRequirement,
      "specifies authorization directives which one must pass (or not) for a request to succeed",
    ),
    section("RequireAll", "dir", openSection("and", false), "Container of which none must fail and one must pass"),
    section("RequireAny", "dir", openSection("or", false), "Container of which one must pass"),
    section("RequireNone", "dir", openSection("or", true), "Container of which none must pass"),
    take1("AuthMerging", "dir", setMerging, "How the Require lines of a section join those before: Off, And or Or"),
    flag(
      "AuthzSendForbiddenOnFailure",
      "dir",
      "forbiddenOnFailure",
      "On to answer a user who may not with 403, not 401",
    ),
  ],
  registerHooks({ hook, provider }) {
    hook(checkConfig, refuseNegative);
    hook(restrictsAccess, (r) => (getModuleConfig(r.perDirConfig, authzCore).require !== null ? OK : DECLINED));
    hook(accessCheckerEx, (r) => authorize(r, false), {
      rank: "last",
      directivesOf: ["mod_authz_core", "mod_authn_core"],
    });
    hook(authChecker, (r) => authorize(r, true), { rank: "last" });
    provider(authz, "all", { parse: parseAll });
    provider(authz, "env", { parse: parseEnv });
    provider(authz, "method", { parse: parseMethod });
    provider(authz, "expr", { parse: parseExprLine });
  },
});
export default authzCore;

/** What the commands have read of the scope so far. */
function scopeOf(cmd: CommandContext): AuthzScope {
  const known = (cmd.raw.require as AuthzScope[] | undefined)?.[0];
  if (known !== undefined) return known;
  const scope: AuthzScope = { merging: null, section: null };
  cmd.push("require", scope);
  const all = (cmd.server.state[authzCore.index] ??= []) as AuthzScope[];
  all.push(scope);
  return scope;
}

function addRequirement(cmd: CommandContext, line: string): string | undefined {
  const scope = scopeOf(cmd);
  let first = takeWord(line, 0);
  const negate = first?.word.text.toLowerCase() === "not";
  if (first !== null && negate) first = takeWord(line, first.next);
  const name = first?.word.text ?? "";
  const args = first === null ? "" : line.slice(first.next);
  const provider = cmd.provider(authz, name);
  if (provider === undefined) {
    const known = cmd.providerNames(authz);
    const hint = didYouMean(name, known) ?? `there are ${known.join(", ")}`;
    throw new ArgumentError(`Unknown Authz provider: ${name}`, { text: name, column: 1 }, hint);
  }
  const check = provider.parse(args, cmd);
  if (typeof check === "string") return check;
  scope.section ??= makeSection("or", false);
  if (negate && scope.section.op === "or") {
    return `negative ${cmd.directive.name} directive has no effect in ${sectionText(scope.section)} directive`;
  }
  const requirement: Requirement = {
    text: `Require ${negate ? "not " : ""}${name} ${args}`,
    negate,
    check,
    limited: cmd.limited,
  };
  scope.section.children.push(requirement);
  return undefined;
}

function openSection(op: "and" | "or", negate: boolean) {
  return (cmd: CommandContext, args: string): string | undefined => {
    if (args !== "") return `<${cmd.directive.name}> directive doesn't take additional arguments`;
    const scope = scopeOf(cmd);
    const outer = scope.section;
    const section = makeSection(op, negate);
    scope.section = section;
    cmd.walk();
    scope.section = outer;
    if (section.children.length === 0) return `${sectionText(section)} directive contains no authorization directives`;
    scope.section ??= makeSection("or", false);
    return addToSection(scope.section, section);
  };
}

function setMerging(cmd: CommandContext, arg: string): string | undefined {
  const merging = arg.toLowerCase();
  if (merging !== "off" && merging !== "and" && merging !== "or") return "AuthMerging must be one of: Off | And | Or";
  scopeOf(cmd).merging = merging;
  return undefined;
}

/** check_config: a section that only says who may not lets nobody in. */
function refuseNegative(process: ProcessRec): void {
  for (const server of process.servers) {
    for (const { section } of (server.state[authzCore.index] ?? []) as AuthzScope[]) {
      const guilty = section === null ? null : onlyNegative(section);
      if (guilty === null) continue;
      const what = guilty === section ? "<Directory>, <Location>, or similar" : sectionText(guilty);
      throw new ConfigError(
        `AH01624: ${what} directive contains only negative authorization directives\nAH00014: Configuration check failed`,
      );
    }
  }
}

/** access_checker_ex and auth_checker. @param afterAuthn the user is known, if there is one */
function authorize(r: RequestRec, afterAuthn: boolean): Status | Promise<Status> {
  const section = getModuleConfig(r.perDirConfig, authzCore).require;
  if (section === null) return withoutSection(r);
  const result = evaluate(r, section);
  return typeof result === "string"
    ? conclude(r, afterAuthn, result)
    : result.then((settled) => conclude(r, afterAuthn, settled));
}

function withoutSection(r: RequestRec): Status {
  if (authTypeOf(r) === null) return OK;
  const text = "AuthType configured with no corresponding authorization directives";
  r.log.error("authz_core", "AH01627", text, r);
  return 500;
}

function conclude(r: RequestRec, afterAuthn: boolean, result: AuthzStatus): Status {
  const { log } = r.server;
  switch (result) {
    case "granted":
      return OK;
    case "error":
      return 500; // whoever met it has said it
    case "deniedNoUser":
      if (!afterAuthn) return DECLINED;
      log.error("authz_core", "AH01629", `authorization failure (no authenticated user): ${r.uri}`, r);
      return askAgain(r);
    default:
      if (!afterAuthn || authTypeOf(r) === null) {
        const what = r.filename === "" ? `uri ${r.uri}` : r.filename;
        log.error("authz_core", "AH01630", `client denied by server configuration: ${what}`, r);
        return 403;
      }
      log.error("authz_core", "AH01631", `user ${r.user}: authorization failure for "${r.uri}": `, r);
      return getModuleConfig(r.perDirConfig, authzCore).forbiddenOnFailure ? 403 : askAgain(r);
  }
}

function askAgain(r: RequestRec): Status {
  const type = authTypeOf(r);
  if (r.user !== null && type !== null) void noteAuthFailure.run(r.server.process.hooks, r, type);
  return 401;
}

function parseAll(args: string): AuthzCheck | string {
  const word = args.toLowerCase();
  if (word === "granted") return () => "granted";
  if (word === "denied") return () => "denied";
  return "Argument for 'Require all' must be 'granted' or 'denied'";
}

function parseEnv(args: string): AuthzCheck {
  const names = splitWords(args, 1).map((word) => word.text);
  return (r) => (names.some((name) => r.getEnv(name) !== undefined) ? "granted" : "denied");
}

function parseMethod(args: string): AuthzCheck | string {
  const names = splitWords(args, 1).map((word) => word.text);
  const unknown = names.find((name) => !KNOWN_METHODS.has(name));
  if (unknown !== undefined) return `Invalid Method '${unknown}'`;
  const methods = new Set(names);
  if (methods.has("GET") || methods.has("HEAD")) methods.add("GET").add("HEAD"); // one number in httpd
  return (r) => (methods.has(r.method) ? "granted" : "denied");
}

function parseExprLine(args: string): AuthzCheck {
  const quoted = args.length > 1 && args.startsWith('"') && args.endsWith('"');
  const parsed = parseExpr(quoted ? args.slice(1, -1) : args);
  if ("error" in parsed) throw new ArgumentError(`Cannot parse expression in require line: ${parsed.error}`, parsed);
  const { expr } = parsed;
  // Where the user matters, one who is not known yet may change the answer.
  const refused = /%\{\s*REMOTE_USER\s*\}/i.test(args) ? "deniedNoUser" : "denied";
  return (r) => {
    try {
      return expr.evaluate(requestSubject(r)) ? "granted" : refused;
    } catch (error) {
      if (!(error instanceof ExprFailure)) throw error;
      const text = `Error evaluating expression in 'Require expr': ${error.message}`;
      r.log.error("authz_core", "AH02320", text, r);
      return "error";
    }
  };
}
