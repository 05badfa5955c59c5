/**
 * One request from its record to its log line. Both fronts call this.
 * Source: httpd modules/http/http_request.c, ap_process_request, ap_die
 */
import { clientAddress, type RequestRec } from "../core/records.ts";
import { DECLINED, DONE, OK, type Status } from "../core/status.ts";
import { logTransaction } from "../server/hooks.ts";
import { processRequestInternal } from "../server/request.ts";
import { sendErrorResponse } from "./error_response.ts";

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
  if (typeof answer !== "number") {
    finishLater(r, answer, end);
    return false;
  }
  finish(r, answer);
  return true;
}

// Not written where it is used: a closure in a function costs every call an object for the variables it holds.
function finishLater(r: RequestRec, answer: Promise<Status>, end: RequestEnd): void {
  answer.then(
    (status) => settle(r, status, end),
    (error: unknown) => {
      r.server.log.crit("core", "", `handler failed: ${String((error as Error)?.stack ?? error)}`, {
        client: clientAddress(r.conn),
      });
      settle(r, 500, end);
    },
  );
}

function settle(r: RequestRec, status: Status, end: RequestEnd): void {
  try {
    finish(r, status);
  } catch (error) {
    end.requestCrashed(error);
    return;
  }
  end.requestEnded();
}

/** Answers a request that never got to its phases, such as one that cannot be read. */
export function refuseRequest(r: RequestRec, status: Status): void {
  finish(r, status);
}

/** Internal redirects of one request. Source: httpd include/http_core.h, AP_DEFAULT_MAX_INTERNAL_REDIRECTS */
const MAX_REDIRECTS = 10;

/**
 * Serves another path in the place of the one asked for: the phases run anew, the client sees nothing of it.
 * @param target path and query, percent-encoded
 * Source: httpd modules/http/http_request.c, ap_internal_redirect
 */
export function internalRedirect(target: string, r: RequestRec): Status | Promise<Status> {
  if (r.redirects >= MAX_REDIRECTS) {
    r.server.log.error(
      "core",
      "AH00124",
      `Request exceeded the limit of ${MAX_REDIRECTS} internal redirects due to probable configuration error.`,
      { client: clientAddress(r.conn) },
    );
    return 500;
  }
  r.redirectTo(target);
  return processRequestInternal(r);
}

function finish(r: RequestRec, status: Status): void {
  if (status !== OK && status !== DONE) die(r, status === DECLINED ? 500 : status);
  if (!r.out.ended) r.out.end();
  const { hooks } = r.server.process;
  if (!logTransaction.isEmpty(hooks)) void logTransaction.run(hooks, r);
}

/** A response that has begun cannot become an error page: it is cut short. */
function die(r: RequestRec, status: Status): void {
  if (r.out.started) r.out.abort();
  else sendErrorResponse(r, status);
}
