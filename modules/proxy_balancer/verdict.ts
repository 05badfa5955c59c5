/**
 * The verdict: what the end of a request says about the member that served it. The response itself is not changed.
 * Source: httpd modules/proxy/mod_proxy_balancer.c proxy_balancer_post_request
 */
import type { RequestRec } from "../core/records.ts";
import { OK, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "../proxy/attempt.ts";

const LOG = "proxy_balancer";
const DEBUG = 7;

/** failonstatus and failontimeout. `r.status` is the status that the client gets, be it the backend's or ours. */
export function judge(r: RequestRec, attempt: ProxyAttempt): Status {
  attempt.release();
  const { balancer, worker } = attempt;
  if (balancer === null || worker === null) return OK;
  if (r.log.enabled(LOG, DEBUG)) r.log.debug(LOG, "AH01176", `proxy_balancer_post_request for (${balancer.name})`, r);
  const { failOnStatus, failOnTimeout } = balancer.params;
  if (failOnStatus.length > 0 && failOnStatus.includes(r.status)) {
    forceError(r, attempt, "AH01174", `due to status code ${r.status} matching 'failonstatus' balancer parameter`);
  }
  if (failOnTimeout && attempt.failure?.timedOut) {
    forceError(r, attempt, "AH02460", "due to timeout and 'failontimeout' parameter being set");
  }
  return OK;
}

function forceError(r: RequestRec, attempt: ProxyAttempt, ah: string, why: string): void {
  if (!attempt.worker!.setError(r.conn.process.clock.wallUs() / 1000, why)) return;
  const name = attempt.worker!.displayName;
  r.log.error(LOG, ah, `${attempt.balancer!.name}: Forcing worker (${name}) into error state ${why}`, r);
}
