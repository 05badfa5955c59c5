/**
 * Answers that the proxy itself gives, and bytes that it makes itself.
 * Source: httpd modules/proxy/proxy_util.c ap_proxyerror
 */
import type { Bytes } from "../core/bytes.ts";
import type { RequestRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";

/** Answers `status` with a page that gives the reason ("502 Proxy Error"). */
export function proxyError(r: RequestRec, status: Status, reason: string): Status {
  r.errorNotes = reason;
  r.statusLine = `${status} Proxy Error`;
  r.log.error("proxy", "AH00898", `${reason} returned by ${r.uri}`, r);
  return status;
}

/** Bytes made here and not by the socket layer; `latin1Slice` is slow, and seldom called. */
export class OwnBytes extends Uint8Array implements Bytes {
  latin1Slice(start = 0, end: number = this.length): string {
    let text = "";
    for (let i = start; i < end; i += 4096) text += String.fromCharCode(...this.subarray(i, Math.min(i + 4096, end)));
    return text;
  }
}

/** `a`, then [start, end) of `b`. */
export function joinBytes(a: Uint8Array | null, b: Uint8Array, start: number, end: number): Bytes {
  const before = a === null ? 0 : a.length;
  const joined = new OwnBytes(before + end - start);
  if (a !== null) joined.set(a);
  joined.set(b.subarray(start, end), before);
  return joined;
}

/** A latin-1 string as bytes. */
export function latin1Bytes(text: string): Bytes {
  const bytes = new OwnBytes(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
