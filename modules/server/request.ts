/**
 * The phases of a request, one after the other.
 * Source: httpd server/request.c, ap_process_request_internal
 */

import { KNOWN_METHODS } from "../core/method.ts";
import { getModuleConfig } from "../core/module.ts";
import { RequestRec } from "../core/records.ts";
import { DECLINED, DONE, OK, type Status } from "../core/status.ts";
import { checkAccess } from "./access.ts";
import * as hooks from "./hooks.ts";
import core from "./mod_core.ts";
import { readAway } from "./read_away.ts";
import { findRemoteName } from "./remote_host.ts";
import { decodePath, hiddenPath, normalizeDecoded, normalizePath, pathAtRoot, splitTarget } from "./uri.ts";
import { sectionWalk } from "./walk.ts";

type Phase = (r: RequestRec) => Status | Promise<Status>;

/** OK or DECLINED: on to the next phase. Anything else ends the request. */
const PHASES: readonly Phase[] = [
  parseUri,
  postRead,
  normalizeUri,
  preTranslate,
  decodeUri,
  translate,
  mapToStorage,
  headerParser,
  checkAccess,
  fixups,
  serve,
];

/** Answers how the request ended: OK and DONE when a response went out, else the status of an error page to send. */
export function processRequestInternal(r: RequestRec): Status | Promise<Status> {
  return from(0, r);
}

/** What is asked of a URI that is not served: mapping and access. */
const LOOKUP = PHASES.filter((phase) => phase !== postRead && phase !== serve);

/**
 * Whether a GET of `uri` by the client of `r` would be let through. An answer that has to be waited for counts as no: an
 * expression cannot wait.
 * Source: httpd ap_sub_req_lookup_uri, op_url_subr
 */
export function isAccessible(r: RequestRec, uri: string): boolean {
  if (r.main !== null) return false; // a condition on the way would ask again
  const answer = lookup(0, subRequest(r, uri, r.headersIn.clone()));
  if (typeof answer !== "number") return false;
  return answer < 400 && answer !== DONE;
}

/**
 * Looks for what a GET of `uri` would be served with, and makes that what `r` is served with: OK. Otherwise the status with which
 * it would end, 404 where nothing is there, and `r` has only fields of a redirect. Fields of the request stay as they are in `r`.
 * @param instead is asked for an `uri` that nobody serves; it may have another one take its place
 * Source: httpd ap_sub_req_lookup_uri, ap_internal_fast_redirect
 */
export function takeOver(
  r: RequestRec,
  uri: string,
  instead: (sub: RequestRec) => Status | Promise<Status> = () => 404,
): Status | Promise<Status> {
  if (isTooDeep(r)) return 500;
  const sub = subRequest(r, uri, r.headersIn.clone());
  const then = (status: Status) => (status === OK && sub.proxyreq === "none" ? instead(sub) : status);
  const answer = lookup(0, sub);
  const found = typeof answer === "number" ? then(answer) : answer.then(then);
  return typeof found === "number" ? adopt(r, sub, found) : found.then((status) => adopt(r, sub, status));
}

function isTooDeep(r: RequestRec): boolean {
  const limit = getModuleConfig(r.server.config, core).limitSubrequests;
  let depth = 1;
  for (let at = r; at.main !== null; at = at.main) depth++;
  if (depth <= limit) return false;
  r.log.error(
    "core",
    "AH00125",
    `Request exceeded the limit of ${limit} subrequest nesting levels due to probable configuration error. Use ` +
      "'LimitInternalRecursion' to increase the limit if necessary. Use 'LogLevel debug' to get a backtrace.",
    r,
  );
  return true;
}

function subRequest(r: RequestRec, uri: string, headers: RequestRec["headersIn"]): RequestRec {
  const { conn, server, protoNum, requestLine, requestTimeUs } = r;
  const target = uri.startsWith("/") ? uri : r.encodedUri.slice(0, r.encodedUri.lastIndexOf("/") + 1) + uri;
  const sub = new RequestRec(conn, server, { method: "GET", target, protoNum, requestLine, headers }, requestTimeUs);
  sub.main = r;
  sub.encodedUri = target;
  sub.hostname = r.hostname;
  sub.useragentIp = r.useragentIp;
  sub.useragentPort = r.useragentPort;
  for (const [name, value] of r.env) sub.setEnv(name, value);
  return sub;
}

function lookup(phase: number, sub: RequestRec): Status | Promise<Status> {
  for (let i = phase; i < LOOKUP.length; i++) {
    const answer = LOOKUP[i]!(sub);
    if (typeof answer !== "number")
      return answer.then((status) => (status === OK || status === DECLINED ? lookup(i + 1, sub) : status));
    if (answer !== OK && answer !== DECLINED) return answer;
  }
  return OK;
}

function adopt(r: RequestRec, sub: RequestRec, status: Status): Status {
  if (status !== OK) {
    if (status >= 300 && status < 400) for (const [name, value] of sub.headersOut) r.headersOut.add(name, value);
    return status;
  }
  r.encodedUri = sub.encodedUri;
  r.uri = sub.uri;
  r.args = sub.args;
  r.perDirConfig = sub.perDirConfig;
  r.log = sub.log;
  r.handler = sub.handler;
  r.proxyreq = sub.proxyreq;
  r.mapped = sub.mapped;
  if (sub.filenameSource !== null) r.filenameSource = sub.filenameSource;
  else r.filename = sub.filename;
  for (const [name, value] of sub.env) r.setEnv(name, value);
  return OK;
}

function from(phase: number, r: RequestRec): Status | Promise<Status> {
  for (let i = phase; i < PHASES.length - 1; i++) {
    const answer = PHASES[i]!(r);
    if (typeof answer !== "number") return resume(answer, i + 1, r);
    if (answer !== OK && answer !== DECLINED) return answer;
  }
  return PHASES[PHASES.length - 1]!(r);
}

// Not written where it is used: a closure in a function costs every call an object for the variables it holds.
function resume(answer: Promise<Status>, next: number, r: RequestRec): Promise<Status> {
  return answer.then((status) => (status === OK || status === DECLINED ? from(next, r) : status));
}

/** A target that is in one piece is cut in two. `post_read_request` sees the path as it was sent, but for slashes at its begin, of which one is left. */
function parseUri(r: RequestRec): Status {
  let path = r.encodedUri;
  if (path.includes("?") || path.includes("#")) {
    const target = splitTarget(path);
    path = target.path;
    r.args = target.query;
  }
  r.encodedUri = path.startsWith("//") ? path.replace(/^\/+/, "/") : path;
  r.uri = r.encodedUri;
  return OK;
}

function normalizeUri(r: RequestRec): Status {
  const conf = getModuleConfig(r.server.config, core);
  const normal = normalizePath(r.encodedUri, conf.mergeSlashes);
  if (normal === null) {
    r.uri = pathAtRoot(r.encodedUri, conf.mergeSlashes);
    r.log.error("core", "AH10244", `invalid URI path (${r.unparsedUri})`, r);
    return 400;
  }
  r.encodedUri = normal;
  r.uri = normal;
  return OK;
}

function postRead(r: RequestRec): Status | Promise<Status> {
  const { hostnameLookups } = getModuleConfig(r.server.config, core);
  if (hostnameLookups !== "off") return nameFirst(r, hostnameLookups, hooks.postReadRequest);
  return hooks.postReadRequest.run(r.server.process.hooks, r);
}

function headerParser(r: RequestRec): Status | Promise<Status> {
  const { hostnameLookups } = getModuleConfig(r.perDirConfig, core);
  if (hostnameLookups !== "off") return nameFirst(r, hostnameLookups, hooks.headerParser);
  return hooks.headerParser.run(r.server.process.hooks, r);
}

/** The phase waits for the client's name. */
function nameFirst(r: RequestRec, how: "on" | "double", phase: typeof hooks.postReadRequest): Status | Promise<Status> {
  return findRemoteName(r, how).then(() => phase.run(r.server.process.hooks, r));
}

/** The paths of <Location> are seen here as they are sent, so that a section's own `mapping=encoded` rule can act. */
function preTranslate(r: RequestRec): Status | Promise<Status> {
  if (r.uri.charCodeAt(0) !== 0x2f) return OK;
  sectionWalk(r, null);
  return hooks.preTranslateName.run(r.server.process.hooks, r);
}

function decodeUri(r: RequestRec): Status {
  if (r.filename !== "") return OK; // mapped already
  const conf = getModuleConfig(r.server.config, core);
  const decoded = decodePath(r.encodedUri, conf.encodedSlashes);
  if (typeof decoded === "number") {
    if (decoded === 404) {
      r.uri = hiddenPath(r.encodedUri);
      // No section is about it.
      r.perDirConfig = r.server.config;
      r.log = r.server.log;
    }
    return decoded;
  }
  r.uri = conf.encodedSlashes === "on" ? normalizeDecoded(decoded, conf.mergeSlashes) : decoded;
  return OK;
}

function translate(r: RequestRec): Status | Promise<Status> {
  const { uri } = r;
  if (r.filename === "" && uri !== r.encodedUri) sectionWalk(r, null);
  const answer = hooks.translateName.run(r.server.process.hooks, r);
  return typeof answer === "number" ? translated(r, uri, answer) : translatedLater(r, uri, answer);
}

function translatedLater(r: RequestRec, before: string, answer: Promise<Status>): Promise<Status> {
  return answer.then((status) => translated(r, before, status));
}

/** A path that was mapped to another one is in the sections of that one. */
function translated(r: RequestRec, before: string, status: Status): Status {
  if (r.uri !== before) sectionWalk(r, null);
  return status;
}

function mapToStorage(r: RequestRec): Status | Promise<Status> {
  const { hooks: chains } = r.server.process;
  // What the request was mapped to may be what a condition asks for.
  if (r.server.conditional && r.proxyreq === "none") sectionWalk(r, null);
  return hooks.mapToStorage.isEmpty(chains) ? OK : hooks.mapToStorage.run(chains, r);
}

/** SetHandler wins over what the path was mapped to, and what fixups say over SetHandler. */
function fixups(r: RequestRec): Status | Promise<Status> {
  const { handler } = getModuleConfig(r.perDirConfig, core);
  if (handler !== "") r.handler = handler;
  return hooks.fixups.run(r.server.process.hooks, r);
}

function serve(r: RequestRec): Status | Promise<Status> {
  const answer = hooks.handler.run(r.server.process.hooks, r);
  return answer === DECLINED ? unhandled(r) : answer;
}

/** What no handler takes. Source: httpd server/core.c, default_handler */
function unhandled(r: RequestRec): Status | Promise<Status> {
  const { limitRequestBody } = getModuleConfig(r.perDirConfig, core);
  if (limitRequestBody > 0 && r.body.length > limitRequestBody) return 413;
  const body = readAway(r);
  if (typeof body !== "number") return body.then((status) => status || nothingHere(r));
  return body === OK ? nothingHere(r) : body;
}

/** sluice serves no files, so there is nothing here. */
function nothingHere(r: RequestRec): Status {
  switch (r.method) {
    case "GET":
    case "HEAD":
    case "POST":
      return 404;
    case "OPTIONS":
      r.headersOut.set("Allow", allowed(r));
      if (r.uri === "/") r.headersOut.set("Content-Type", "httpd/unix-directory");
      r.out.begin(0);
      r.out.end();
      return DONE;
    default:
      r.headersOut.set("Allow", allowed(r));
      if (KNOWN_METHODS.has(r.method)) return 405;
      r.log.error("core", "AH00135", `Invalid method in request ${r.requestLine}`, r);
      return 501;
  }
}

/** The methods that are allowed where nothing is. */
export function allowed(r: RequestRec): string {
  const { traceEnable } = getModuleConfig(r.server.config, core);
  return traceEnable === "off" ? "POST,OPTIONS,HEAD,GET" : "POST,OPTIONS,HEAD,GET,TRACE";
}
