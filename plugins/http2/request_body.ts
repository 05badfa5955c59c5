/**
 * A request's body on a stream: delivered on demand, the client's window closed while nobody reads, with a least rate.
 * Source: httpd modules/http/http_filters.c, ap_http_filter; modules/filters/mod_reqtimeout.c
 */
import {
  type BodyConsumer,
  type Bytes,
  type HttpSettings,
  isAboveLimit,
  type RequestBody,
  type RequestRec,
  type Status,
  type Timeout,
  TOO_LARGE,
  timeLeft,
} from "../../modules/mod.ts";
import type { Http2Stream } from "./stream.ts";

export class StreamBody implements RequestBody, Timeout {
  deadline = 0;
  slot = 0;
  readonly length: number;
  readonly announced: boolean;
  /** Frames of other streams lie in the same buffers. */
  readonly alone = false;
  ended = false;
  private readonly stream: Http2Stream;
  private readonly r: RequestRec;
  private readonly settings: HttpSettings;
  private readonly sendContinue: () => void;
  private consumer: BodyConsumer | null = null;
  /** Received and not delivered: at most what the window allows. */
  private held: Bytes[] = [];
  private received = 0;
  private delivered = 0;
  private wanted = false;
  private delivering = false;
  /** The client has sent all. */
  private complete = false;
  private startMs = -1;
  private failure: { status: Status; why: string } | null = null;

  /** @param length bytes; -1: not known */
  constructor(
    stream: Http2Stream,
    r: RequestRec,
    length: number,
    announced: boolean,
    settings: HttpSettings,
    sendContinue: () => void,
  ) {
    this.stream = stream;
    this.r = r;
    this.length = length;
    this.announced = announced;
    this.settings = settings;
    this.sendContinue = sendContinue;
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
        this.sendContinue();
      }
      this.resume();
    }
  }

  pause(): void {
    this.wanted = false;
    this.r.conn.process.wheel.disarm(this);
  }

  resume(): void {
    if (this.ended || this.consumer === null || this.failure !== null) return;
    this.wanted = true;
    if (!this.delivering) this.deliver();
  }

  /** From the stream. False: it is longer or shorter than was said. */
  take(bytes: Bytes): boolean {
    this.received += bytes.length;
    if (this.length >= 0 && this.received > this.length) return false;
    this.held.push(bytes);
    if (this.wanted && !this.delivering) this.deliver();
    return true;
  }

  /** The stream has no more. False: it is shorter than was said. */
  finish(): boolean {
    if (this.length >= 0 && this.received !== this.length) return false;
    this.complete = true;
    if (this.wanted && !this.delivering) this.deliver();
    else if (this.length === 0 || (this.held.length === 0 && this.consumer === null)) this.ended = true;
    return true;
  }

  /** The body will not come whole. */
  fail(status: Status, why: string): void {
    if (this.ended || this.failure !== null) return;
    this.failure = { status, why };
    this.discard();
    this.consumer?.onBodyError(status, why);
  }

  /** Nobody will read what is here. */
  discard(): void {
    this.r.conn.process.wheel.drop(this);
    this.wanted = false;
    for (const bytes of this.held) this.stream.consumed(bytes.length);
    this.held = [];
  }

  /** The wheel's call. */
  expire(): void {
    this.fail(408, "the client sends its body too slowly");
  }

  private deliver(): void {
    this.delivering = true;
    while (this.wanted && this.held.length > 0) {
      const bytes = this.held.shift()!;
      this.delivered += bytes.length;
      this.r.wireIn += bytes.length;
      this.stream.consumed(bytes.length);
      if (this.length < 0 && isAboveLimit(this.r, -1, this.delivered)) this.fail(413, TOO_LARGE);
      if (this.failure !== null) break;
      this.consumer!.onBody(bytes);
    }
    this.delivering = false;
    if (!this.wanted) return;
    if (!this.complete) {
      this.arm();
      return;
    }
    this.ended = true;
    this.pause();
    this.consumer!.onBodyEnd();
  }

  private arm(): void {
    const { clock, wheel } = this.r.conn.process;
    if (this.startMs < 0) this.startMs = clock.now();
    const used = clock.now() - this.startMs;
    const left = Math.min(this.settings.timeoutMs, timeLeft(this.settings.bodyTimeout, used, this.delivered));
    if (left > 0 || this.deadline === 0) wheel.arm(this, Math.max(1, left));
  }
}
