/**
 * What the server answers to TRACE and OPTIONS * itself, before access is looked at and without what modules add to responses.
 * Source: httpd modules/http/http_filters.c ap_send_http_trace; http_core.c http_send_options
 */
import type { Bytes } from "../core/bytes.ts";
import { getModuleConfig } from "../core/module.ts";
import type { BodyConsumer, RequestRec } from "../core/records.ts";
import { DECLINED, DONE, type Status } from "../core/status.ts";
import core from "../server/mod_core.ts";

/** What TraceEnable extended takes of a body. */
const MOST_BYTES = 65_536;

/** map_to_storage, of requests that are not proxied. */
export function answerItself(r: RequestRec): Status | Promise<Status> {
  if (r.method === "OPTIONS") return r.uri === "*" ? pong(r) : DECLINED;
  if (r.method !== "TRACE") return DECLINED;
  if (traceIsOff(r)) return refuseTrace(r);
  r.unfiltered = true;
  if (r.body.length === 0) return echo(r, "");
  if (getModuleConfig(r.server.config, core).traceEnable === "on") {
    r.errorNotes = "TRACE with a request body is not allowed";
    return 413;
  }
  return bodyOf(r).then((body) => (typeof body === "string" ? echo(r, body) : body));
}

/** Nobody can tell what may be asked of a server as a whole. */
function pong(r: RequestRec): Status {
  r.unfiltered = true;
  r.out.begin(0);
  r.out.end();
  return DONE;
}

/** Answers DONE; 405 with `TraceEnable off`. */
export function sendTrace(r: RequestRec): Status {
  return traceIsOff(r) ? refuseTrace(r) : echo(r, "");
}

export function traceIsOff(r: RequestRec): boolean {
  return getModuleConfig(r.server.config, core).traceEnable === "off";
}

export function refuseTrace(r: RequestRec): Status {
  r.errorNotes = "TRACE denied by server configuration";
  return 405;
}

function echo(r: RequestRec, body: string): Status {
  r.headersOut.set("Content-Type", "message/http");
  r.out.begin(-1);
  r.out.writeText(requestText(r) + body);
  r.out.end();
  return DONE;
}

/** The request's head as it was understood: fields of one name are one. */
function requestText(r: RequestRec): string {
  const fields = new Map<string, { name: string; value: string }>();
  for (const [name, value] of r.headersIn) {
    const known = fields.get(name.toLowerCase());
    if (known === undefined) fields.set(name.toLowerCase(), { name, value });
    else known.value += `, ${value}`;
  }
  const lines = [...fields.values()].map(({ name, value }) => `${name}: ${value}\r\n`);
  return `${r.requestLine}\r\n${lines.join("")}\r\n`;
}

function bodyOf(r: RequestRec): Promise<string | Status> {
  return new Promise((resolve) => {
    let text = "";
    const consumer: BodyConsumer = {
      onBody(bytes: Bytes) {
        if (text.length <= MOST_BYTES) text += bytes.latin1Slice(0, bytes.length);
      },
      onBodyEnd() {
        if (text.length <= MOST_BYTES) {
          resolve(text);
          return;
        }
        r.errorNotes = "Extended TRACE request bodies cannot exceed 64k";
        resolve(413);
      },
      onBodyError: (status) => resolve(status),
    };
    r.body.read(consumer);
  });
}
