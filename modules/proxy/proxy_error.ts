/**
 * Answers that the proxy itself gives.
 * Source: httpd modules/proxy/proxy_util.c ap_proxyerror
 */
import type { RequestRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";

/** Answers `status` with a page that gives the reason ("502 Proxy Error"). */
export function proxyError(r: RequestRec, status: Status, reason: string): Status {
  r.errorNotes = reason;
  r.statusLine = `${status} Proxy Error`;
  r.log.error("proxy", "AH00898", `${reason} returned by ${r.uri}`, r);
  return status;
}
