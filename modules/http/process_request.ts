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
