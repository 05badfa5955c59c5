/**
 * What expressions see of a request.
 * Source: httpd server/util_expr_eval.c, request_var_fn, req_table_func, misc_var_fn, conn_var_fn
 */

import { ExprFailure, type ExprSubject } from "../core/expr.ts";
import type { Host } from "../core/host.ts";
import { getModuleConfig } from "../core/module.ts";
import { providerGroup } from "../core/providers.ts";
import type { ProcessRec, RequestRec } from "../core/records.ts";
import { CONTENT_TYPE } from "../core/table.ts";
import core, { serverToken } from "./mod_core.ts";
import { remoteName } from "./remote_host.ts";
import { requestScheme, serverNameForUrl, serverPort } from "./server_name.ts";

/** Variables and functions of modules: `SSL_` for %{SSL_...}, `ssl` for ssl(...). Given what follows; null is "". */
export const exprLookup = providerGroup<(r: RequestRec, name: string) => string | null>("expr_lookup");

/** The newest API number that modules of httpd 2.4 ask for, MODULE_MAGIC_NUMBER_MAJOR. */
const API_VERSION = "20120211";

/** What file() reads at most. Source: httpd MAX_FILE_SIZE */
const LARGEST_FILE = 10 * 1024 * 1024;

const HTTP_FIELDS: Readonly<Record<string, string>> = {
  HTTP_USER_AGENT: "User-Agent",
  HTTP_PROXY_CONNECTION: "Proxy-Connection",
  HTTP_REFERER: "Referer",
  HTTP_COOKIE: "Cookie",
  HTTP_FORWARDED: "Forwarded",
  HTTP_HOST: "Host",
  HTTP_ACCEPT: "Accept",
};

/** Of one evaluation, or of several that share $0 to $9. */
export function requestSubject(r: RequestRec): ExprSubject {
  return new RequestSubject(r);
}

class RequestSubject implements ExprSubject {
  groups: readonly string[] = [];
  private readonly r: RequestRec;
  private vary = "";

  constructor(r: RequestRec) {
    this.r = r;
  }

  variable(name: string): string {
    const field = HTTP_FIELDS[name];
    if (field !== undefined) return this.field(field);
    const read = VARIABLES[name];
    if (read !== undefined) return read(this.r) ?? "";
    const prefix = name.slice(0, name.indexOf("_") + 1);
    const lookup = this.r.server.process.providers.lookup(exprLookup, prefix);
    return lookup?.(this.r, name.slice(prefix.length)) ?? commonVariable(this.r.server.process, name);
  }

  call(name: string, argument: string): string {
    const { r } = this;
    switch (name) {
      case "req":
      case "http":
        return this.field(argument);
      case "req_novary":
        return r.headersIn.get(argument) ?? "";
      case "resp":
        return r.headersOut.get(argument) ?? r.errHeadersOut?.get(argument) ?? "";
      case "note":
        return r.getNote(argument) ?? "";
      case "reqenv":
        return r.getEnv(argument) ?? "";
      case "env":
        return r.getNote(argument) ?? r.getEnv(argument) ?? r.server.process.host.env(argument) ?? "";
      case "-U":
      case "-A":
        return r.server.process.isAccessible(r, argument) ? "1" : "";
      default: {
        const lookup = r.server.process.providers.lookup(exprLookup, name);
        return lookup?.(r, argument) ?? commonCall(r.server.process.host, name, argument);
      }
    }
  }

  /** A condition on a field of the request makes the answer one of several: caches are told by Vary. */
  evaluated(): void {
    if (this.vary !== "") this.r.headersOut.merge("Vary", this.vary);
    this.vary = "";
  }

  private field(name: string): string {
    if (name.toLowerCase() !== "host") this.vary += this.vary === "" ? name : `, ${name}`;
    return this.r.headersIn.get(name) ?? "";
  }
}

const VARIABLES: Readonly<Record<string, (r: RequestRec) => string | null | undefined>> = {
  REQUEST_METHOD: (r) => r.method,
  REQUEST_SCHEME: requestScheme,
  REQUEST_URI: (r) => r.uri,
  REQUEST_FILENAME: fileName,
  SCRIPT_FILENAME: fileName,
  REQUEST_STATUS: (r) => String(r.status),
  REMOTE_ADDR: (r) => r.useragentIp,
  REMOTE_HOST: remoteName,
  REMOTE_PORT: (r) => String(r.conn.peerPort),
  REMOTE_USER: (r) => r.user,
  AUTH_TYPE: (r) => r.authType,
  SERVER_ADMIN: (r) => getModuleConfig(r.server.config, core).serverAdmin,
  SERVER_NAME: serverNameForUrl,
  SERVER_PORT: (r) => String(serverPort(r)),
  SERVER_PROTOCOL: (r) => `HTTP/${Math.floor(r.protoNum / 1000)}.${r.protoNum % 1000}`,
  QUERY_STRING: (r) => r.args,
  REQUEST_LOG_ID: (r) => r.logId,
  CONN_LOG_ID: (r) => r.conn.logId,
  IS_SUBREQ: (r) => String(r.main !== null),
  THE_REQUEST: (r) => r.requestLine,
  DOCUMENT_ROOT: documentRoot,
  DOCUMENT_URI: (r) => r.getEnv("DOCUMENT_URI") ?? r.uri,
  CONTEXT_DOCUMENT_ROOT: documentRoot,
  CONTENT_TYPE: (r) => r.headersOut.getId(CONTENT_TYPE),
  HANDLER: (r) => r.handler,
  LAST_MODIFIED: () => localTime(0).all, // no file, no time
  HTTPS: (r) => (r.conn.secure ? "on" : "off"),
  HTTP2: (r) => (r.protoNum >= 2000 ? "on" : "off"),
  IPV6: (r) => (r.conn.peerIp.includes(":") ? "on" : "off"),
  CONN_REMOTE_ADDR: (r) => r.conn.peerIp,
};

/** The variables that no request is needed for: time and the server; "" for any other. */
export function commonVariable(process: ProcessRec, name: string): string {
  switch (name) {
    case "SERVER_SOFTWARE":
      return serverToken(getModuleConfig(process.servers[0]!.config, core));
    case "API_VERSION":
      return API_VERSION;
  }
  if (!name.startsWith("TIME")) return "";
  const time = localTime(process.clock.wallUs() / 1000);
  switch (name) {
    case "TIME":
      return time.all;
    case "TIME_YEAR":
      return time.all.slice(0, 4);
    case "TIME_MON":
      return time.all.slice(4, 6);
    case "TIME_DAY":
      return time.all.slice(6, 8);
    case "TIME_HOUR":
      return time.all.slice(8, 10);
    case "TIME_MIN":
      return time.all.slice(10, 12);
    case "TIME_SEC":
      return time.all.slice(12, 14);
    default:
      return time.weekday;
  }
}

/**
 * The functions and file tests that no request is needed for; "" for any other.
 * @throws ExprFailure
 */
export function commonCall(host: Host, name: string, argument: string): string {
  switch (name) {
    case "osenv":
      return host.env(argument) ?? "";
    case "md5":
    case "sha1":
      return host.digest(name, argument);
    case "file":
      return fileText(host, argument);
    case "filesize": {
      const info = host.files?.stat(argument, true);
      return info?.kind === "file" ? String(info.size) : "0";
    }
  }
  return name.startsWith("-") && fileTest(host, name.slice(1), argument) ? "1" : "";
}

function fileTest(host: Host, test: string, path: string): boolean {
  if (test === "L" || test === "h") return host.files?.stat(path, false)?.kind === "link";
  if (test === "x") return host.files?.stat(path, false)?.executable ?? false;
  const info = host.files?.stat(path, true) ?? null;
  if (info === null) return false;
  switch (test) {
    case "d":
      return info.kind === "dir";
    case "f":
      return info.kind === "file";
    case "s":
      return info.kind === "file" && info.size > 0;
    default:
      return test === "e";
  }
}

function fileText(host: Host, path: string): string {
  const info = host.files?.stat(path, true) ?? null;
  if (info === null || info.kind !== "file") throw new ExprFailure(`Cannot open file ${path}`);
  if (info.size > LARGEST_FILE) throw new ExprFailure(`File ${path} too large`);
  try {
    return host.files!.read(path).split("\0", 1)[0]!;
  } catch {
    throw new ExprFailure(`Cannot read from file ${path}`);
  }
}

/** All as YYYYMMDDhhmmss. */
function localTime(ms: number): { all: string; weekday: string } {
  const date = new Date(ms);
  const parts = [date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  const all = String(date.getFullYear()).padStart(4, "0") + parts.map((part) => String(part).padStart(2, "0")).join("");
  return { all, weekday: String(date.getDay()) };
}

/** What is not proxied would be a file below DocumentRoot. */
function fileName(r: RequestRec): string {
  return r.filename === "" ? documentRoot(r) + r.uri : r.filename;
}

function documentRoot(r: RequestRec): string {
  return getModuleConfig(r.server.config, core).documentRoot;
}
