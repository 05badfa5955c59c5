/**
 * One request from its record to its log line. Both fronts call this.
 * Source: httpd modules/http/http_request.c, ap_process_request, ap_die
 */
import type { RequestRec } from "../core/records.ts";
import { DECLINED, DONE, OK, type Status } from "../core/status.ts";
import { logTransaction } from "../server/hooks.ts";
import { processRequestInternal } from "../server/request.ts";
import { sendErrorResponse } from "./error_response.ts";

/** Serves the request; the promise, if there is one, settles when the response is complete or given up. */
export function processRequest(r: RequestRec): void | Promise<void> {
  const answer = processRequestInternal(r);
  if (typeof answer === "number") finish(r, answer);
  else return answer.then((status) => finish(r, status));
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
