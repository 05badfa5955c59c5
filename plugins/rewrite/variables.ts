/**
 * %{NAME}: what rules can know of a request, the server and the time.
 * Source: httpd modules/mappers/mod_rewrite.c lookup_variable
 */
import {
  core,
  getModuleConfig,
  HOST,
  type Host,
  type RequestRec,
  remoteName,
  requestScheme,
  requestSubject,
  serverNameForUrl,
  serverPort,
  serverToken,
} from "../../modules/mod.ts";
import type { RewriteContext } from "./context.ts";

type Read = (ctx: RewriteContext) => string;

const EMPTY: Read = () => "";

const VARIABLES: Readonly<Record<string, Read>> = {
  __proto__: null as never,
  HTTP_HOST: ({ r }) => r.headersIn.getId(HOST) ?? "",
  HTTP_ACCEPT: header("Accept"),
  HTTP_COOKIE: header("Cookie"),
  HTTP_REFERER: header("Referer"),
  HTTP_FORWARDED: header("Forwarded"),
  HTTP_USER_AGENT: header("User-Agent"),
  HTTP_PROXY_CONNECTION: header("Proxy-Connection"),
  REQUEST_METHOD: ({ r }) => r.method,
  REQUEST_URI: ({ r }) => r.uri,
  REQUEST_SCHEME: ({ r }) => requestScheme(r),
  REQUEST_FILENAME: (ctx) => ctx.filename,
  SCRIPT_FILENAME: (ctx) => ctx.filename,
  PATH_INFO: (ctx) => ctx.pathInfo,
  QUERY_STRING: ({ r }) => r.args ?? "",
  THE_REQUEST: ({ r }) => r.requestLine,
  HTTPS: ({ r }) => (r.conn.secure ? "on" : "off"),
  IPV6: ({ r }) => (r.useragentIp.includes(":") ? "on" : "off"),
  IS_SUBREQ: () => "false",
  AUTH_TYPE: ({ r }) => r.authType ?? "",
  REMOTE_ADDR: ({ r }) => r.useragentIp,
  REMOTE_HOST: ({ r }) => remoteName(r),
  REMOTE_PORT: ({ r }) => String(r.useragentPort),
  REMOTE_USER: ({ r }) => r.user ?? "",
  REMOTE_IDENT: EMPTY,
  CONN_REMOTE_ADDR: ({ r }) => r.conn.peerIp,
  SERVER_NAME: ({ r }) => serverNameForUrl(r),
  SERVER_ADDR: ({ r }) => r.conn.localIp,
  SERVER_PORT: ({ r }) => String(serverPort(r)),
  SERVER_ADMIN: ({ r }) => getModuleConfig(r.server.config, core).serverAdmin,
  SERVER_PROTOCOL: ({ r }) => `HTTP/${Math.floor(r.protoNum / 1000)}.${r.protoNum % 1000}`,
  SERVER_SOFTWARE: ({ r }) => serverToken(getModuleConfig(r.server.config, core)),
  API_VERSION: () => "20120211:142",
  DOCUMENT_ROOT: ({ r }) => documentRoot(r),
  CONTEXT_DOCUMENT_ROOT: ({ r }) => documentRoot(r),
  CONTEXT_PREFIX: EMPTY,
  SCRIPT_USER: () => "<unknown>",
  SCRIPT_GROUP: () => "<unknown>",
  TIME: time(
    (t) =>
      `${t.getFullYear()}${[t.getMonth() + 1, t.getDate(), t.getHours(), t.getMinutes(), t.getSeconds()].map(two).join("")}`,
  ),
  TIME_YEAR: time((t) => String(t.getFullYear())),
  TIME_MON: time((t) => two(t.getMonth() + 1)),
  TIME_DAY: time((t) => two(t.getDate())),
  TIME_HOUR: time((t) => two(t.getHours())),
  TIME_MIN: time((t) => two(t.getMinutes())),
  TIME_SEC: time((t) => two(t.getSeconds())),
  TIME_WDAY: time((t) => String(t.getDay())),
};

/**
 * What reads `%{name}`; an unknown name reads nothing, as in httpd. A text says why a known one is refused.
 * @param inSection in <Location> and its like, where authentication is over
 */
export function variable(name: string, inSection: boolean): Read | string {
  const colon = /^(env|ssl|http|la-u|la-f):(.+)$/is.exec(name);
  if (colon === null) return VARIABLES[name.toUpperCase()] ?? EMPTY;
  const rest = colon[2]!;
  switch (colon[1]!.toUpperCase()) {
    case "ENV":
      return ({ r, host }) => r.getNote(rest) ?? r.getEnv(rest) ?? host.env(rest) ?? "";
    case "HTTP":
      return header(rest);
    case "SSL": {
      const ssl = rest.toUpperCase();
      return ({ r }) => requestSubject(r).variable(ssl);
    }
    default:
      return lookAhead(name, rest, inSection);
  }
}

/**
 * %{LA-U:NAME}, %{LA-F:NAME}: httpd runs the phases up to fixups for the name that a later phase sets. In a section they are
 * over for the request itself; at a server's rules only the file name can be told without them.
 */
function lookAhead(name: string, rest: string, inSection: boolean): Read | string {
  const upper = rest.toUpperCase();
  if (inSection && /^(REMOTE_USER|AUTH_TYPE)$/.test(upper)) return VARIABLES[upper]!;
  if (/^(REQUEST|SCRIPT)_FILENAME$/.test(upper)) return (ctx) => lookAheadFile(ctx);
  return `%{${name}} is not supported${inSection ? "" : " outside of <Location>"}: no lookahead is made`;
}

function lookAheadFile(ctx: RewriteContext): string {
  const path = ctx.subject.startsWith("/") ? ctx.subject : `${ctx.directory ?? "/"}${ctx.subject}`;
  const root = documentRoot(ctx.r);
  return splitPathInfo(path.startsWith(`${root}/`) ? path : root + path, root, ctx.host)[0];
}

/** A path up to its first part that is no folder, and the rest. DocumentRoot counts as one even if it is not there. */
export function splitPathInfo(path: string, root: string, host: Host): [filename: string, pathInfo: string] {
  let end = path.indexOf("/", path.startsWith(`${root}/`) ? root.length + 1 : 1);
  while (end >= 0 && host.files?.stat(path.slice(0, end), true)?.kind === "dir") end = path.indexOf("/", end + 1);
  return end < 0 ? [path, ""] : [path.slice(0, end), path.slice(end)];
}

/** DocumentRoot, or httpd's default under ServerRoot; no slash at its end. */
export function documentRoot(r: RequestRec): string {
  const { documentRoot: root } = getModuleConfig(r.server.config, core);
  return root === "" ? `${r.server.process.serverRoot}/htdocs` : root.replace(/\/$/, "");
}

function header(name: string): Read {
  return ({ r }) => r.headersIn.get(name) ?? "";
}

/** Of the local time. */
function time(read: (date: Date) => string): Read {
  return ({ r }) => read(new Date(r.conn.process.clock.wallUs() / 1000));
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}
