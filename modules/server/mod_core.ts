/**
 * mod_core: the directives of the server itself. Long for their number, most of a few lines.
 * Source: httpd server/core.c
 */

import { ConfigError, splitWords } from "../config/directive.ts";
import { atoi, intervalOrInt } from "../config/units.ts";
import { ArgumentError, type CommandContext } from "../core/command.ts";
import { LEVELS, levelRank } from "../core/error_log.ts";
import { registerMethod } from "../core/method.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import * as z from "../core/schema.ts";
import { addErrorDocument, type ErrorDocument } from "./error_document.ts";
import { addErrorLogFormat, type ErrorLogFormatSpec } from "./error_log_format.ts";
import { checkConfig } from "./hooks.ts";
import { noEffectCommands } from "./no_effect.ts";
import { sectionCommands } from "./sections.ts";

/** What `Listen` asks for. */
export interface ListenSpec {
  /** "" is every address; an IPv6 address has no brackets. */
  readonly address: string;
  readonly port: number;
  /** The path of a unix socket, instead of the two above. */
  readonly unix: string;
  readonly protocol: string;
  readonly file: string;
  readonly line: number;
}

/** `Front`: who takes the clients of a listener. */
export interface FrontSpec {
  /** As in Listen; "": every listener that no other line names. */
  readonly listen: string;
  readonly front: "net" | "fetch";
  readonly file: string;
  readonly line: number;
}

/** `LogLevel`: rank of the base level, and of single modules. */
export interface LogLevelSpec {
  readonly base: number | null;
  readonly modules: Readonly<Record<string, number>>;
}

export const SERVER_VERSION = "2.4.71";
/** "Server Built" of status pages: the day of this release, as nothing is built. */
export const SERVER_BUILT = "2026-11-20T00:00:00";
const SERVER_BASE = "Apache";

const schema = z.object({
  serverRoot: z.string().default(""),
  runtimeDir: z.string().default(""),
  pidFile: z.string().default(""),
  errorLog: z.string().default(""),
  /** The last of each kind counts. */
  errorLogFormats: z.array(z.custom<ErrorLogFormatSpec>()).default([]),
  logLevels: z.array(z.custom<LogLevelSpec>()).default([]),
  listen: z.array(z.custom<ListenSpec>()).default([]),
  fronts: z.array(z.custom<FrontSpec>()).default([]),
  /** Milliseconds. Timeout of httpd is whole seconds. */
  timeoutMs: z.number().default(60_000),
  /** AllowEncodedSlashes, which no virtual host inherits from the main server. */
  encodedSlashes: z.enum(["off", "on", "nodecode"]).default("off"),
  qualifyRedirectUrl: z.boolean().default(false),
  mergeSlashes: z.boolean().default(true),
  traceEnable: z.enum(["on", "off", "extended"]).default("on"),
  useCanonicalName: z.enum(["on", "off", "dns"]).default("off"),
  useCanonicalPhysicalPort: z.boolean().default(false),
  strictHostCheck: z.boolean().default(false),
  hostnameLookups: z.enum(["off", "on", "double"]).default("off"),
  serverTokens: z.enum(["full", "os", "minimal", "minor", "major", "prod"]).default("full"),
  serverSignature: z.enum(["off", "on", "email"]).default("off"),
  serverAdmin: z.string().default("[no address given]"),
  documentRoot: z.string().default(""),
  errorDocuments: z.array(z.custom<ErrorDocument>()).default([]),
  /** GracefulShutdownTimeout; 0: no limit. */
  gracefulShutdownTimeoutMs: z.number().default(0),
  /** LimitRequestBody, bytes; 0: no limit. Of proxied requests the backend is the judge, as in httpd 2.4. */
  limitRequestBody: z.number().default(1_073_741_824),
  /** MaxRanges, MaxRangeOverlaps, MaxRangeReversals: beyond them an answer stays whole. Source: httpd modules/http/byterange_filter.c */
  maxRanges: z.number().default(200),
  maxRangeOverlaps: z.number().default(20),
  maxRangeReversals: z.number().default(20),
  /** LimitInternalRecursion: how many redirects inside of the server a request may go through. */
  limitRedirects: z.number().default(10),
  /** LimitInternalRecursion: how deep requests that are only looked up may be within each other. */
  limitSubrequests: z.number().default(10),
  /** AddDefaultCharset; "": none is added. */
  defaultCharset: z.string().default(""),
  /** From SetHandler; "" is none. */
  handler: z.string().default(""),
});

export type CoreConfig = z.output<typeof schema>;

const RANGE_LIMITS = [
  { name: "MaxRanges", key: "maxRanges", what: "Ranges in a request" },
  { name: "MaxRangeOverlaps", key: "maxRangeOverlaps", what: "overlaps in Ranges in a request" },
  { name: "MaxRangeReversals", key: "maxRangeReversals", what: "reversals in Ranges in a request" },
] as const;
const DEFAULT_LIMIT = -1;
const RANGE_WORDS: Readonly<Record<string, number>> = {
  none: 0,
  default: DEFAULT_LIMIT,
  unlimited: Number.MAX_SAFE_INTEGER,
};

const core = defineModule({
  name: "mod_core",
  config: schema,
  perScope: ["encodedSlashes"],
  append: ["listen", "fronts", "logLevels", "errorDocuments"],
  commands: ({ flag, take1, take12, take2, iterate, raw }) => [
    take1("ServerName", "server", setServerName, "The hostname and port of the server"),
    iterate("ServerAlias", "vhost", addServerAlias, "A name or names alternately used to access the server"),
    take1("ServerPath", "server", setServerPath, "The pathname the server can be reached at"),
    take1("ServerRoot", "global", "serverRoot", "Common directory of server-related files (logs, confs, etc.)"),
    take1(
      "DefaultRuntimeDir",
      "global",
      "runtimeDir",
      "Common directory for run-time files (shared memory, locks, etc.)",
    ),
    take1("PidFile", "global", "pidFile", "A file for logging the server process ID"),
    take1("ServerAdmin", "server", "serverAdmin", "The email address of the server administrator"),
    take1("DocumentRoot", "server", "documentRoot", "Root directory of the document tree", {
      noEffect: "sluice serves no files; expressions and rewrite rules can name it",
    }),
    take12(
      "Listen",
      "global",
      addListen,
      "A port number or a numeric IP address and a port number, and an optional protocol",
    ),
    take12(
      "Front",
      "global",
      addFront,
      "net: sluice's own HTTP on sockets; fetch: the runtime's server; then the Listen that it is for, if not for all",
    ),
    take1("ErrorLog", "server", setErrorLog, "The filename of the error log"),
    take12("ErrorLogFormat", "server", addErrorLogFormat, "Format string for the ErrorLog"),
    take2("ErrorDocument", "any", addErrorDocument, "Change responses for HTTP errors"),
    take1("LimitRequestBody", "any", setLimitRequestBody, "Limit (in bytes) on maximum size of request message body"),
    ...RANGE_LIMITS.map(({ name, key, what }) =>
      take1(
        name,
        "any",
        (cmd, arg) => setRangeLimit(cmd, arg, key),
        `Maximum number of ${what} before returning the entire resource, or 0 for unlimited`,
      ),
    ),
    take12(
      "LimitInternalRecursion",
      "server",
      setLimitRecursion,
      "maximum recursion depth of internal redirects and subrequests",
    ),
    take1(
      "AddDefaultCharset",
      "any",
      setDefaultCharset,
      "The name of the default charset to add to any Content-Type without one or 'Off' to disable",
    ),
    iterate("LogLevel", "any", addLogLevel, "Level of verbosity in error logging"),
    take1("Timeout", "server", setTimeoutSeconds, "Timeout duration (sec)"),
    take1(
      "GracefulShutdownTimeout",
      "global",
      setGracefulTimeout,
      "Seconds that requests of a server that stops, or of members taken out, may go on; 0: as long as they take",
    ),
    take1("AllowEncodedSlashes", "server", setEncodedSlashes, "Allow URLs containing '/' encoded as '%2F'"),
    flag("MergeSlashes", "server", "mergeSlashes", "Controls whether consecutive slashes in the URI path are merged"),
    take1("TraceEnable", "server", setTraceEnable, "'on' (default), 'off' or 'extended' to trace request body content"),
    take1(
      "HostnameLookups",
      "any",
      setLookups,
      '"on" to enable, "off" to disable reverse DNS lookups, or "double" to enable double-reverse DNS lookups',
    ),
    take1("UseCanonicalName", "any", setCanonicalName, "How to work out the ServerName : Port when constructing URLs"),
    flag(
      "UseCanonicalPhysicalPort",
      "any",
      "useCanonicalPhysicalPort",
      "Whether to use the physical port when constructing URLs",
    ),
    iterate("RegisterHttpMethod", "global", registerHttpMethod, "Registers non-standard HTTP methods"),
    flag(
      "QualifyRedirectURL",
      "any",
      "qualifyRedirectUrl",
      "Controls whether the REDIRECT_URL environment variable is fully qualified",
    ),
    flag("StrictHostCheck", "server", "strictHostCheck", "Controls whether a hostname match is required"),
    raw("ServerTokens", "global", setServerTokens, "Determine tokens displayed in the Server: header"),
    take1("ServerSignature", "any", setServerSignature, "En-/disable server signature (on|off|email)"),
    take1("SetHandler", "any", setHandler, "a handler name that overrides any other configured handler"),
    raw(
      "Error",
      "any",
      (_cmd, text) => text.replace(/^(["'])(.*)\1$/, "$2") || "The Error directive was used with no message.",
      "Generate a configuration error: its text",
    ),
    iterate("Define", "any", () => undefined, "Define a variable (executed while reading)"),
    take1("NameVirtualHost", "server", nameVirtualHost, "without effect since httpd 2.4", {
      noEffect: "has none in httpd 2.4 either",
    }),
    ...sectionCommands,
    ...noEffectCommands,
  ],
  registerHooks({ hook }) {
    hook(checkConfig, checkFronts);
  },
});
export default core;

function nameVirtualHost(cmd: CommandContext): void {
  cmd.warn("AH00548", "NameVirtualHost has no effect and will be removed in the next release");
}

/** "Apache/2.4.71 (sluice)" by ServerTokens. */
export function serverToken(conf: CoreConfig): string {
  const [major, minor] = SERVER_VERSION.split(".");
  switch (conf.serverTokens) {
    case "prod":
      return SERVER_BASE;
    case "major":
      return `${SERVER_BASE}/${major}`;
    case "minor":
      return `${SERVER_BASE}/${major}.${minor}`;
    case "minimal":
      return `${SERVER_BASE}/${SERVER_VERSION}`;
    default:
      return `${SERVER_BASE}/${SERVER_VERSION} (sluice)`;
  }
}

function setServerName(cmd: CommandContext, arg: string): string | undefined {
  if (/[*?]|\[[^\]]*\]/.test(arg)) return `Invalid ServerName "${arg}" use ServerAlias to set multiple server names.`;
  const [, scheme = "", name = "", digits] = /^(?:(.*?):\/\/)?([^:]*)(?::(.*))?$/s.exec(arg)!;
  const port = digits === undefined ? 0 : Number.parseInt(digits, 10) || 0;
  if (digits !== undefined && (port <= 0 || port > 65535))
    return `The port number "${arg}" is outside the appropriate range (i.e., 1..65535).`;
  cmd.server.scheme = scheme.toLowerCase();
  cmd.server.hostname = name;
  cmd.server.port = port;
  return undefined;
}

function addServerAlias(cmd: CommandContext, name: string): void {
  const list = /[*?]/.test(name) ? cmd.server.wildNames : cmd.server.names;
  list.push(name.toLowerCase());
}

/** For clients so old that they send no Host: the path says which virtual host is meant. */
function setServerPath(cmd: CommandContext, path: string): void {
  cmd.server.path = path;
}

function addListen(cmd: CommandContext, arg: string, protocol?: string): string | undefined {
  const path = /^unix:(.+)/i.exec(arg)?.[1];
  const { file, line } = cmd.directive;
  const before = (cmd.raw.listen as ListenSpec[] | undefined) ?? [];
  if (path !== undefined) {
    const unix = cmd.resolvePath(path);
    if (before.some((l) => l.unix === unix)) return "Cannot define multiple Listeners on the same IP:port";
    cmd.push("listen", { address: "", port: 0, unix, protocol: protocol ?? "http", file, line });
    return undefined;
  }
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^[\]:\s]*):)?(\d*)$/.exec(arg);
  if (match === null || match[2] === "") throw listenError("Port must be specified", arg, arg);
  if (match[1]?.includes("/")) throw listenError("Listen setup failed", arg, match[1]);
  const port = Number(match[2]);
  if (port < 1 || port > 65535) return "Invalid address or port";
  const host = match[1] ?? "";
  if (protocol !== undefined && !/^https?$/i.test(protocol))
    return `Listen protocol "${protocol}" is not supported yet`;
  const address = host === "*" ? "" : host.replace(/^\[|\]$/g, "");
  if (before.some((l) => l.unix === "" && l.port === port && l.address === address)) {
    return "Cannot define multiple Listeners on the same IP:port";
  }
  cmd.push("listen", { address, port, unix: "", protocol: protocol ?? (port === 443 ? "https" : "http"), file, line });
  return undefined;
}

/** @param path what may be one of a unix socket */
function listenError(message: string, arg: string, path: string): ArgumentError {
  const hint = /\/|\.sock$/.test(path) ? `A unix socket is Listen unix:${path}` : undefined;
  return new ArgumentError(message, { text: arg, column: 1 }, hint);
}

function addFront(cmd: CommandContext, word: string, listen = ""): string | undefined {
  const front = word.toLowerCase();
  if (front !== "net" && front !== "fetch") return "Front must be net or fetch";
  const { file, line } = cmd.directive;
  const name = /^unix:/i.test(listen) ? cmd.resolvePath(listen.slice(5)) : listen.replace(/^\*:/, "");
  cmd.push("fronts", { listen: name, front, file, line } satisfies FrontSpec);
  return undefined;
}

/** A listener as Front names it. */
function listenerName(spec: ListenSpec): string {
  const address = spec.address.includes(":") ? `[${spec.address}]` : spec.address;
  return spec.unix || (address === "" ? String(spec.port) : `${address}:${spec.port}`);
}

/** check_config: a line that names no listener is a mistake. */
function checkFronts(generation: ProcessRec): void {
  const conf = getModuleConfig(generation.servers[0]!.config, core);
  for (const { listen, file, line } of conf.fronts) {
    if (listen === "" || conf.listen.some((spec) => listenerName(spec) === listen)) continue;
    throw new ConfigError(`Front: there is no Listen ${listen}`, { position: { file, line, column: 1 } });
  }
}

/** The front of a listener. @default net */
export function frontOf(conf: CoreConfig, spec: ListenSpec): "net" | "fetch" {
  const name = listenerName(spec);
  const named = conf.fronts.findLast((line) => line.listen === name);
  return (named ?? conf.fronts.findLast((line) => line.listen === ""))?.front ?? "net";
}

/** A file's name, "|program", or "syslog[:facility[:tag]]". */
function setErrorLog(cmd: CommandContext, arg: string): void {
  if (/^syslog(:|$)/i.test(arg)) cmd.remark({ differs: "speaks to syslog through logger(1)" });
  cmd.set("errorLog", arg);
}

function setLimitRequestBody(cmd: CommandContext, arg: string): string | undefined {
  if (!/^\d+$/.test(arg)) return "LimitRequestBody requires a non-negative integer.";
  const limit = Number(arg);
  if (!Number.isSafeInteger(limit)) return "LimitRequestBody argument is not parsable.";
  cmd.set("limitRequestBody", limit);
  return undefined;
}

/** none, default, unlimited, or a number. */
function setRangeLimit(
  cmd: CommandContext,
  arg: string,
  key: (typeof RANGE_LIMITS)[number]["key"],
): string | undefined {
  const limit = RANGE_WORDS[arg.toLowerCase()] ?? Number(/^\d{1,9}/.exec(arg)?.[0] ?? 0);
  if (limit === 0 && arg.toLowerCase() !== "none")
    return `${cmd.directive.name} requires 'none', 'default', 'unlimited' or a positive integer`;
  cmd.set(key, limit === DEFAULT_LIMIT ? schema.shape[key].parse(undefined) : limit);
  return undefined;
}

function setLimitRecursion(cmd: CommandContext, redirects: string, subrequests?: string): string | undefined {
  const depth = subrequests ?? redirects;
  if ([redirects, depth].some((limit) => !/^\d+$/.test(limit) || Number(limit) < 1))
    return "The recursion limit must be greater than zero.";
  if (Number(redirects) < 4)
    cmd.warn("AH00119", "Limiting internal redirects to very low numbers may cause normal requests to fail.");
  if (subrequests !== undefined && Number(subrequests) < 4)
    cmd.warn("AH00120", "Limiting the subrequest depth to a very low level may cause normal requests to fail.");
  cmd.set("limitRedirects", Number(redirects));
  cmd.set("limitSubrequests", Number(depth));
  return undefined;
}

function setDefaultCharset(cmd: CommandContext, arg: string): void {
  const word = arg.toLowerCase();
  cmd.set("defaultCharset", word === "off" ? "" : word === "on" ? "iso-8859-1" : arg);
}

function addLogLevel(cmd: CommandContext, word: string): string | undefined {
  const colon = word.lastIndexOf(":");
  const module = colon < 0 ? "" : word.slice(0, colon);
  const rank = levelRank(word.slice(colon + 1));
  if (rank === undefined) {
    const text = `Log level keyword must be one of emerg/alert/crit/error/warn/notice/info/debug/trace1/.../trace8`;
    return module === "" ? text : `${module}:${word.slice(colon + 1)}: ${text}`;
  }
  if (module === "") {
    cmd.push("logLevels", { base: rank, modules: {} });
    return undefined;
  }
  const found = /^(?:mod_)?(\w+)\.c$|^(\w+?)(?:_module)?$/.exec(module);
  const name = found?.[1] ?? found?.[2] ?? "";
  if (!cmd.hasModule(`mod_${name}`)) return `Cannot find module ${module}`;
  cmd.push("logLevels", { base: null, modules: { [name]: rank } });
  return undefined;
}

/**
 * Later words win; a bare level resets all per-module levels.
 * @param start the rank where nothing is said. @default warn, or what -e says
 */
export function logLevelsOf(
  specs: readonly LogLevelSpec[],
  start: number = LEVELS.indexOf("warn"),
): { base: number; modules: Map<string, number> } {
  let base = start;
  let modules = new Map<string, number>();
  for (const spec of specs) {
    if (spec.base !== null) {
      base = spec.base;
      modules = new Map();
    }
    for (const [name, rank] of Object.entries(spec.modules)) modules.set(name, rank);
  }
  return { base, modules };
}

// httpd drops what follows the digits (`500ms` is 500 s); here a unit counts.
function setTimeoutSeconds(cmd: CommandContext, arg: string): string | undefined {
  if (!/^\s*\+?\d/.test(arg)) return `Cannot parse Timeout "${arg}": it must be a number`;
  const ms = intervalOrInt(arg, "s");
  cmd.set("timeoutMs", ms);
  if (ms !== atoi(arg) * 1000) cmd.remark({ differs: "the unit counts; httpd drops it and takes seconds" });
  return undefined;
}

/** Seconds; what is no number is 0, as in httpd. */
function setGracefulTimeout(cmd: CommandContext, arg: string): void {
  cmd.set("gracefulShutdownTimeoutMs", Math.max(0, intervalOrInt(arg, "s")));
}

function registerHttpMethod(_cmd: CommandContext, method: string): void {
  registerMethod(method);
}

function setEncodedSlashes(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (value !== "on" && value !== "off" && value !== "nodecode")
    return "AllowEncodedSlashes must be On, Off, or NoDecode";
  cmd.set("encodedSlashes", value);
  return undefined;
}

function setTraceEnable(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (value !== "on" && value !== "off" && value !== "extended")
    return "TraceEnable must be one of 'on', 'off', or 'extended'";
  cmd.set("traceEnable", value);
  return undefined;
}

function setLookups(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (!/^(on|off|double)$/.test(value)) return "parameter must be 'on', 'off', or 'double'";
  cmd.set("hostnameLookups", value);
  return undefined;
}

function setCanonicalName(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (value === "dns") return "UseCanonicalName DNS is not supported: sluice makes no reverse look-up for a request";
  if (value !== "on" && value !== "off") return "parameter must be 'on', 'off', or 'dns'";
  cmd.set("useCanonicalName", value);
  return undefined;
}

const TOKENS: Readonly<Record<string, CoreConfig["serverTokens"]>> = {
  prod: "prod",
  productonly: "prod",
  major: "major",
  minor: "minor",
  min: "minimal",
  minimal: "minimal",
  os: "os",
  full: "full",
};

function setServerTokens(cmd: CommandContext, arg: string): string | undefined {
  const words = splitWords(arg, 1);
  const value = TOKENS[(words[0]?.text ?? "").toLowerCase()];
  if (value === undefined || words.length > 1)
    return "ServerTokens takes 1 argument: 'Prod(uctOnly)', 'Major', 'Minor', 'Min(imal)', 'OS', or 'Full'";
  cmd.set("serverTokens", value);
  if (value === "os" || value === "full")
    cmd.remark({ differs: `the field says ${SERVER_BASE}/${SERVER_VERSION} (sluice)` });
  return undefined;
}

function setServerSignature(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (value !== "on" && value !== "off" && value !== "email") return "ServerSignature: use one of: off | on | email";
  cmd.set("serverSignature", value);
  return undefined;
}

/** Handlers of httpd that are still missing here. */
const LATER_HANDLERS: readonly string[] = ["server-info"];

function setHandler(cmd: CommandContext, arg: string): string | undefined {
  const name = arg.toLowerCase() === "none" ? "" : arg;
  if (LATER_HANDLERS.includes(name)) return `SetHandler ${name} is not supported yet`;
  // httpd 2.4.71 asks "proxy:http://host" for /srv/www/name: the first of its files that is missing.
  if (name.startsWith("proxy:"))
    return `SetHandler ${name} asks for files of DocumentRoot, and there are none: use ProxyPass`;
  cmd.set("handler", name);
  return undefined;
}
