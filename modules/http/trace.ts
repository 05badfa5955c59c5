/**
 * TRACE answered here: the request as it came, for a client that wants to know what stands between.
 * Source: httpd modules/http/http_filters.c ap_send_http_trace
 */
import { latin1Bytes } from "../core/bytes.ts";
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { DECLINED, DONE, type Status } from "../core/status.ts";
import core from "../server/mod_core.ts";

/** map_to_storage: what is not proxied is answered before anybody asks who may have it, as in httpd. */
export function traceHere(r: RequestRec): Status {
  if (r.method !== "TRACE") return DECLINED;
  return r.body.announced && r.body.length !== 0 && !traceIsOff(r) ? 413 : sendTrace(r);
}

/** Answers DONE; 405 with `TraceEnable off`. */
export function sendTrace(r: RequestRec): Status {
  if (traceIsOff(r)) return refuseTrace(r);
  let text = `${r.requestLine}\r\n`;
  for (const [name, value] of r.headersIn) text += `${name}: ${value}\r\n`;
  const bytes = latin1Bytes(`${text}\r\n`);
  r.headersOut.set("Content-Type", "message/http");
  r.out.begin(-1);
  r.out.write(bytes, 0, bytes.length);
  r.out.end();
  return DONE;
}

export function traceIsOff(r: RequestRec): boolean {
  return getModuleConfig(r.server.config, core).traceEnable === "off";
}

export function refuseTrace(r: RequestRec): Status {
  r.headersOut.set("Allow", "");
  return 405;
}
