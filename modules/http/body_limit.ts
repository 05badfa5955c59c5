/**
 * LimitRequestBody, of what the server reads itself: of a proxied request the backend is the judge.
 * Source: httpd modules/http/http_filters.c, ap_http_filter
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import core from "../server/mod_core.ts";

/** Why a body is a 413. */
export const TOO_LARGE = "larger than LimitRequestBody";

/**
 * Whether that is too much; the log says so.
 * @param length what the client announced; -1: nothing
 * @param bytes announced or, of a body without length, received so far
 */
export function isAboveLimit(r: RequestRec, length: number, bytes: number): boolean {
  // Whoever reads may be what an internal redirect made of it.
  while (r.next !== null) r = r.next;
  if (r.proxyreq !== "none" || bytes <= 0) return false;
  const { limitRequestBody } = getModuleConfig(r.perDirConfig, core);
  if (limitRequestBody === 0 || bytes <= limitRequestBody) return false;
  const what = length < 0 ? `Read content-length of ${bytes}` : `Requested content-length of ${bytes}`;
  const text = `${what} is larger than the configured limit of ${limitRequestBody}`;
  r.log.info("http", length < 0 ? "AH01591" : "AH01588", text, r);
  return true;
}
