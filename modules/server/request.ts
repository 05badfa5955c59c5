/**
 * The phases of a request, one after the other.
 * Source: httpd server/request.c, ap_process_request_internal
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { DECLINED, DONE, OK, type Status } from "../core/status.ts";
import * as hooks from "./hooks.ts";
import core from "./mod_core.ts";
import { decodePath, normalizePath, splitTarget } from "./uri.ts";
import { sectionWalk } from "./walk.ts";

type Phase = (r: RequestRec) => Status | Promise<Status>;

/** OK or DECLINED: on to the next phase. Anything else ends the request. */
const PHASES: readonly Phase[] = [
  parseUri,
  (r) => hooks.postReadRequest.run(r.server.process.hooks, r),
  preTranslate,
  decodeUri,
  translate,
  mapToStorage,
  (r) => hooks.headerParser.run(r.server.process.hooks, r),
  (r) => hooks.accessChecker.run(r.server.process.hooks, r),
  fixups,
  serve,
];

/** Answers how the request ended: OK and DONE when a response went out, else the status of an error page to send. */
export function processRequestInternal(r: RequestRec): Status | Promise<Status> {
  return from(0, r);
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

function parseUri(r: RequestRec): Status {
  const { path, query } = splitTarget(r.encodedUri);
  r.args = query;
  const conf = getModuleConfig(r.server.config, core);
  const normal = normalizePath(path, conf.mergeSlashes);
  if (normal === null) return 400;
  r.encodedUri = normal;
  r.uri = normal;
  return OK;
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
  if (typeof decoded === "number") return decoded;
  r.uri = decoded;
  return OK;
}

function translate(r: RequestRec): Status | Promise<Status> {
  if (r.filename !== "") return OK;
  if (r.uri !== r.encodedUri) sectionWalk(r, null);
  const { uri } = r;
  const answer = hooks.translateName.run(r.server.process.hooks, r);
  return typeof answer === "number" ? translated(r, uri, answer) : answer.then((status) => translated(r, uri, status));
}

/** A path that was mapped to another one is in the sections of that one. */
function translated(r: RequestRec, before: string, status: Status): Status {
  if (r.uri !== before) sectionWalk(r, null);
  return status;
}

function mapToStorage(r: RequestRec): Status | Promise<Status> {
  const { hooks: chains } = r.server.process;
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

/** What no handler takes: sluice serves no files, so there is nothing here. */
function unhandled(r: RequestRec): Status {
  switch (r.method) {
    case "GET":
    case "HEAD":
    case "POST":
      return 404;
    case "OPTIONS":
      r.headersOut.set("Allow", ALLOW);
      r.out.begin(0);
      r.out.end();
      return DONE;
    default:
      if (!KNOWN_METHODS.has(r.method)) return 501;
      r.headersOut.set("Allow", ALLOW);
      return 405;
  }
}

const ALLOW = "POST,OPTIONS,HEAD,GET,TRACE";
const KNOWN_METHODS = new Set(
  (
    "PUT DELETE TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION-CONTROL CHECKOUT UNCHECKOUT " +
    "CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE"
  ).split(" "),
);
