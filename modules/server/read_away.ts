/**
 * A request's body read into nothing, before an answer that has no use for it: a bad or large one is told then, and the log counts
 * its bytes.
 * Source: httpd modules/http/http_filters.c, ap_discard_request_body
 */
import { PendingStatus } from "../core/pending.ts";
import type { BodyConsumer, RequestRec } from "../core/records.ts";
import { OK, type Status } from "../core/status.ts";

/** Nobody waits for more: the connection ends behind the answer. */
export const DISCARD_BYTES = 262_144;

/** OK, or the status that is wrong with the body. A client that waits to be asked for it is not asked. */
export function readAway(r: RequestRec): Status | Promise<Status> {
  const { body } = r;
  if (body.length === 0 || body.taken || r.expecting100 || body.length > DISCARD_BYTES) return OK;
  const reading = new ReadAway(r);
  body.read(reading);
  return reading.answer ?? reading;
}

class ReadAway extends PendingStatus implements BodyConsumer {
  answer: Status | null = null;
  private readonly r: RequestRec;
  private read = 0;

  constructor(r: RequestRec) {
    super();
    this.r = r;
  }

  onBody(bytes: Uint8Array): void {
    this.read += bytes.length;
    if (this.read <= DISCARD_BYTES || this.answer !== null) return;
    this.r.conn.closing = true;
    this.r.body.pause();
    this.end(OK);
  }

  onBodyEnd(): void {
    this.end(OK);
  }

  onBodyError(status: Status): void {
    this.r.conn.closing = true;
    this.end(status);
  }

  /** Not within the calls of the client's side: they may have the next request in hand. */
  private end(answer: Status): void {
    if (this.answer !== null) return;
    this.answer = answer;
    queueMicrotask(() => this.settle(answer));
  }
}
