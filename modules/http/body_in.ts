/**
 * A request's body: by length or chunked, delivered on demand, with a least rate.
 * Source: httpd modules/http/http_filters.c, ap_http_filter; modules/filters/mod_reqtimeout.c
 */
import type { Bytes } from "../core/bytes.ts";
import type { BodyConsumer, RequestBody, RequestRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import type { Socket } from "../net/socket.ts";
import { isAboveLimit, TOO_LARGE } from "./body_limit.ts";
import { type ChunkConsumer, ChunkDecoder, type ChunkLimits } from "./chunked.ts";
import { HTTP_11 } from "./head.ts";

/** What a body asks of its connection. */
export interface BodySource {
  /** Reads on, first what is already there. */
  wantBody(): void;
  /** Stops reading. */
  stopBody(): void;
  /** Sends 100 Continue. */
  sendContinue(): void;
  /** Bytes that outlive the call. @param to null, or the socket that they go to within it */
  hold(bytes: Bytes, start: number, end: number, to: Socket | null): Bytes;
}

/** The body of a request that has none: nothing in it is of the request, so one serves all. */
class EmptyBody implements RequestBody {
  readonly length = 0;
  readonly announced: boolean;
  readonly ended = true;
  readonly taken = true;
  readonly alone = true;

  constructor(announced: boolean) {
    this.announced = announced;
  }

  read(consumer: BodyConsumer): void {
    consumer.onBodyEnd();
  }

  pause(): void {}
  resume(): void {}
}

export const NO_BODY: RequestBody = new EmptyBody(false);
/** Content-Length: 0 */
export const ZERO_BODY: RequestBody = new EmptyBody(true);

export class BodyIn implements RequestBody, ChunkConsumer {
  readonly length: number;
  readonly announced: boolean;
  /** There were the head, whose text is a string by now, and what of the body was delivered before. */
  readonly alone = true;
  ended: boolean;
  /** Bytes delivered so far. */
  received = 0;
  /** Somebody reads, and is not held up. */
  wanted = false;
  private readonly source: BodySource;
  private readonly r: RequestRec;
  private readonly decoder: ChunkDecoder | null;
  private left: number;
  private consumer: BodyConsumer | null = null;
  private failure: { status: Status; why: string } | null = null;

  /** @param length bytes; -1: chunked */
  constructor(source: BodySource, r: RequestRec, length: number, announced: boolean, limits: ChunkLimits) {
    this.source = source;
    this.r = r;
    this.length = length;
    this.announced = announced;
    this.left = length;
    this.decoder = length < 0 ? new ChunkDecoder(limits) : null;
    this.ended = length === 0;
  }

  get taken(): boolean {
    return this.consumer !== null;
  }

  read(consumer: BodyConsumer): void {
    this.consumer = consumer;
    if (isAboveLimit(this.r, this.length, this.length)) this.fail(413, TOO_LARGE);
    if (this.failure !== null) consumer.onBodyError(this.failure.status, this.failure.why);
    else if (this.ended) consumer.onBodyEnd();
    else {
      if (this.r.expecting100) {
        this.r.expecting100 = false;
        if (this.r.protoNum >= HTTP_11) this.source.sendContinue();
      }
      this.resume();
    }
  }

  pause(): void {
    if (!this.wanted) return;
    this.wanted = false;
    this.source.stopBody();
  }

  resume(): void {
    if (this.wanted || this.ended || this.consumer === null || this.failure !== null) return;
    this.wanted = true;
    this.source.wantBody();
  }

  /** Takes what belongs to the body; answers how many bytes that were. */
  feed(bytes: Bytes, start: number, end: number): number {
    if (this.decoder === null) {
      const size = Math.min(this.left, end - start);
      this.r.wireIn += size;
      this.left -= size;
      this.received += size;
      const last = this.left === 0;
      if (last) this.ended = true;
      this.deliver(bytes, start, start + size);
      if (last) this.finish();
      return size;
    }
    const taken = this.decoder.decode(bytes, start, end, this);
    this.r.wireIn += taken;
    if (this.decoder.error !== null) this.fail(this.decoder.tooLarge ? 413 : 400, this.decoder.error);
    else if (this.decoder.done) {
      this.ended = true;
      this.finish();
    }
    return taken;
  }

  /** The body will not come whole. */
  fail(status: Status, why: string): void {
    if (this.ended || this.failure !== null) return;
    this.failure = { status, why };
    this.wanted = false;
    this.consumer?.onBodyError(status, why);
  }

  get failed(): boolean {
    return this.failure !== null;
  }

  onChunkData(bytes: Bytes, start: number, end: number): void {
    this.received += end - start;
    if (isAboveLimit(this.r, this.length, this.received)) this.fail(413, TOO_LARGE);
    if (this.failure !== null) return;
    this.deliver(bytes, start, end);
  }

  private deliver(bytes: Bytes, start: number, end: number): void {
    const { consumer } = this;
    if (consumer !== null) consumer.onBody(this.source.hold(bytes, start, end, consumer.passesTo ?? null));
  }

  private finish(): void {
    this.wanted = false;
    this.consumer?.onBodyEnd();
  }
}
