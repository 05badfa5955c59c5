/**
 * One request from its record to its log line, with the redirects inside of the server on the way. Both fronts call this.
 * Source: httpd modules/http/http_request.c, ap_process_request, ap_die, ap_internal_redirect
 */
import { getModuleConfig } from "../core/module.ts";
import { PendingStatus, type StatusWaiter } from "../core/pending.ts";
import { type RequestBody, RequestRec } from "../core/records.ts";
import { DONE, hasNoBody, hasReason, OK, type Status } from "../core/status.ts";
import { LOCATION } from "../core/table.ts";
import { type ErrorDocument, findErrorDocument } from "../server/error_document.ts";
import { requestSubject } from "../server/expr_subject.ts";
import { logTransaction } from "../server/hooks.ts";
import core from "../server/mod_core.ts";
import { readAway } from "../server/read_away.ts";
import { processRequestInternal } from "../server/request.ts";
import { serverOrigin } from "../server/server_name.ts";
import { NO_BODY, ZERO_BODY } from "./body_in.ts";
import { sendErrorResponse, setStatus } from "./error_response.ts";
import { dropsConnection } from "./header_out.ts";

/** Is told of a request that did not end within `processRequest`. */
export interface RequestEnd {
  /** The response is complete, or given up. */
  requestEnded(): void;
  /** Something threw that is not a hook's function. */
  requestCrashed(error: unknown): void;
}

/** Serves the request. True: it has ended; false: `end` will be told. */
export function processRequest(r: RequestRec, end: RequestEnd): boolean {
  const answer = processRequestInternal(r);
  if (typeof answer === "number") return finish(r, answer, end);
  finishLater(r, answer, end);
  return false;
}

/** Answers a request that never got to its phases, such as one that cannot be read. True: it has ended. */
export function refuseRequest(r: RequestRec, status: Status, end: RequestEnd): boolean {
  return finish(r, status, end);
}

/**
 * Serves `r` by another path of this server, as if it had been asked for: `target` is a path with its query. The new
 * request is `r.next`; its environment is that of `r` with REDIRECT_ before each name. Answers what a handler may answer:
 * DONE, or 500 for a request that was redirected too often.
 */
export function internalRedirect(target: string, r: RequestRec): Status | Promise<Status> {
  return redirect(target, r, r.method, r.body);
}

/** What the phases answered is acted on, and logged. True: that is done; false: `end` will be told. */
function finish(r: RequestRec, status: Status, end: RequestEnd): boolean {
  const dying = die(r, status);
  if (dying !== undefined) {
    logLater(r, dying, end);
    return false;
  }
  log(r);
  return true;
}

function finishLater(r: RequestRec, answer: Promise<Status>, end: RequestEnd): void {
  const waiter = new Finish(r, end);
  if (answer instanceof PendingStatus) answer.tell(waiter);
  else finishAfter(answer, waiter);
}

// Not written where it is used: a closure in a function costs every call an object for the variables it holds.
function finishAfter(answer: Promise<Status>, waiter: StatusWaiter): void {
  answer.then(
    (status) => waiter.settled(status),
    (error: unknown) => waiter.failed(error),
  );
}

/** Waits for the end of a request's phases. */
class Finish implements StatusWaiter {
  private readonly r: RequestRec;
  private readonly end: RequestEnd;

  constructor(r: RequestRec, end: RequestEnd) {
    this.r = r;
    this.end = end;
  }

  settled(status: Status): void {
    settle(this.r, status, this.end);
  }

  failed(error: unknown): void {
    settle(this.r, crashed(this.r, error), this.end);
  }
}

function settle(r: RequestRec, status: Status, end: RequestEnd): void {
  try {
    if (!finish(r, status, end)) return;
  } catch (error) {
    end.requestCrashed(error);
    return;
  }
  end.requestEnded();
}

function logLater(r: RequestRec, dying: Promise<void>, end: RequestEnd): void {
  dying
    .then(() => log(r))
    .then(
      () => end.requestEnded(),
      (error: unknown) => end.requestCrashed(error),
    );
}

function crashed(r: RequestRec, error: unknown): Status {
  r.log.crit("core", "", `handler failed: ${String((error as Error)?.stack ?? error)}`, r);
  return 500;
}

function log(r: RequestRec): void {
  const { hooks } = r.server.process;
  if (!logTransaction.isEmpty(hooks)) void logTransaction.run(hooks, r);
}

/** Ends a request by what its phases answered: nothing is left to do, or an ErrorDocument or a page is due. */
function die(r: RequestRec, answer: Status): undefined | Promise<void> {
  if (answer === OK || answer === DONE) {
    if (!r.out.ended) r.out.end();
    return undefined;
  }
  if (r.out.started) {
    // A response that has begun cannot become an error page: it is cut short.
    r.out.abort();
    return undefined;
  }
  const known = hasReason(answer) ? answer : 500;
  // A status that is nobody's but the backend's, with its own words.
  const status = r.statusLine?.startsWith(`${answer} `) ? answer : known;
  if (r.status !== 200) {
    // An ErrorDocument that cannot be had: the page is about what it was for.
    let first = r;
    while (first.prev !== null && first.prev.status !== 200) first = first.prev;
    r.status = status;
    r.out.serve(first);
    sendErrorResponse(first, first.status, { recursive: status });
    return undefined;
  }
  // Decided by the error, not by the status that an ErrorDocument may have of its own.
  if (dropsConnection(answer)) r.conn.closing = true;
  const document = documentOf(r, known);
  setStatus(r, status);
  switch (document?.kind) {
    case "path":
      return fetchDocument(r, document.value);
    case "url":
      // The client sees the redirect instead of the error.
      setStatus(r, 302);
      r.headersOut.set("Location", document.value);
      return sendPage(r, 302);
    default:
      return sendPage(r, status, document?.value);
  }
}

/** The page follows the body, if that is of use to nobody, and is about it if it is bad. */
function sendPage(r: RequestRec, status: Status, text?: string): undefined | Promise<void> {
  const wrong = unread(r, status);
  if (typeof wrong !== "number")
    return wrong.then((found) => sendErrorResponse(r, found || status, { text: found === OK ? text : undefined }));
  sendErrorResponse(r, wrong || status, { text: wrong === OK ? text : undefined });
  return undefined;
}

function unread(r: RequestRec, status: Status): Status | Promise<Status> {
  if (r.body.length === 0 || r.body.taken || r.conn.closing || dropsConnection(status) || hasNoBody(status)) return OK;
  const { limitRequestBody } = getModuleConfig(r.perDirConfig, core);
  if (limitRequestBody === 0 || r.body.length <= limitRequestBody) return readAway(r);
  r.conn.closing = true;
  return 413;
}

/** ErrorDocument's answer to a status; null: the server's own page. */
function documentOf(r: RequestRec, status: Status): { kind: ErrorDocument["kind"]; value: string } | null {
  const found = findErrorDocument(getModuleConfig(r.perDirConfig, core).errorDocuments, status);
  if (found === null || found.expr === null) return found;
  try {
    return { kind: found.kind, value: found.expr.evaluate(requestSubject(r)) };
  } catch (error) {
    r.log.error("core", "AH02841", `core: ErrorDocument: can't evaluate expression: ${(error as Error).message}`, r);
    return null;
  }
}

/**
 * An ErrorDocument is fetched with GET, whatever the request was. A body that nobody has taken goes along, as in httpd; one that
 * the client holds back until it is asked does not.
 */
function fetchDocument(r: RequestRec, target: string): undefined | Promise<void> {
  r.setEnv("REQUEST_METHOD", r.method);
  if (r.errorNotes !== null) r.setEnv("ERROR_NOTES", r.errorNotes);
  const gone = r.body.announced ? ZERO_BODY : NO_BODY;
  const answer = redirect(target, r, "GET", r.body.taken || r.expecting100 ? gone : r.body);
  if (typeof answer === "number") {
    if (answer !== DONE) sendErrorResponse(r, r.status);
    return undefined;
  }
  return answer.then(() => undefined);
}

function redirect(target: string, r: RequestRec, method: string, body: RequestBody): Status | Promise<Status> {
  if (tooManyRedirects(r)) return 500;
  const next = new RequestRec(
    r.conn,
    r.server,
    { method, target, protoNum: r.protoNum, requestLine: r.requestLine, headers: r.headersIn },
    r.requestTimeUs,
  );
  next.prev = r;
  r.next = next;
  next.encodedUri = target;
  next.hostname = r.hostname;
  next.headerOnly = r.headerOnly;
  next.status = hasReason(r.status) ? r.status : 500;
  next.errHeadersOut = r.errHeadersOut;
  const location = r.status >= 300 && r.status < 400 ? r.headersOut.getId(LOCATION) : undefined;
  if (location !== undefined) next.headersOut.setId(LOCATION, "Location", location);
  next.useragentIp = r.useragentIp;
  next.useragentPort = r.useragentPort;
  next.expecting100 = r.expecting100;
  next.wireIn = r.wireIn;
  next.body = body;
  next.out = r.out;
  r.out.serve(next);
  for (const [name, value] of r.env) next.setEnv(`REDIRECT_${name}`, value);
  next.setEnv("REDIRECT_STATUS", String(r.status));
  const { qualifyRedirectUrl } = getModuleConfig(r.perDirConfig, core);
  next.setEnv("REDIRECT_URL", qualifyRedirectUrl ? serverOrigin(r) + r.uri : r.uri);
  if (r.args !== null) next.setEnv("REDIRECT_QUERY_STRING", r.args);
  const answer = processRequestInternal(next);
  const dying = typeof answer === "number" ? die(next, answer) : dieLater(next, answer);
  return dying === undefined ? DONE : dying.then(() => DONE);
}

function dieLater(r: RequestRec, answer: Promise<Status>): Promise<void> {
  return answer.then(
    (status) => die(r, status),
    (error: unknown) => die(r, crashed(r, error)),
  );
}

function tooManyRedirects(r: RequestRec): boolean {
  const limit = getModuleConfig(r.server.config, core).limitRedirects;
  let count = 0;
  for (let at: RequestRec | null = r; at.prev !== null; at = at.prev) count++;
  if (count < limit) return false;
  r.log.error(
    "core",
    "AH00124",
    `Request exceeded the limit of ${limit} internal redirects due to probable configuration error. Use ` +
      "'LimitInternalRecursion' to increase the limit if necessary. Use 'LogLevel debug' to get a backtrace.",
    r,
  );
  return true;
}
