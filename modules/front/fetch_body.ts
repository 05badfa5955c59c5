/**
 * A request's body on the fetch front: read from a web stream on demand, with a least rate.
 * Source: httpd modules/http/http_filters.c, ap_http_filter; modules/filters/mod_reqtimeout.c
 */
import { ownBytes } from "../core/bytes.ts";
import type { Timeout } from "../core/clock.ts";
import type { BodyConsumer, RequestBody, RequestRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import { isAboveLimit, TOO_LARGE } from "../http/body_limit.ts";
import { type HttpSettings, timeLeft } from "../http/http_config.ts";

export type BodyReader = ReadableStreamDefaultReader<Uint8Array>;

export class FetchBody implements RequestBody, Timeout {
  deadline = 0;
  slot = 0;
  readonly length: number;
  readonly announced: boolean;
  readonly alone = false;
  ended: boolean;
  private readonly reader: BodyReader | null;
  private readonly r: RequestRec;
  private readonly settings: HttpSettings;
  private consumer: BodyConsumer | null = null;
  /** Read and not delivered. */
  private held: Uint8Array | null;
  private received = 0;
  private wanted = false;
  private reading = false;
  private delivering = false;
  private startMs = 0;
  private failure: { status: Status; why: string } | null = null;

  /**
   * @param length bytes; -1: not known
   * @param first what was read of it already
   */
  constructor(
    reader: BodyReader | null,
    first: Uint8Array | null,
    length: number,
    announced: boolean,
    r: RequestRec,
    settings: HttpSettings,
  ) {
    this.reader = reader;
    this.held = first;
    this.length = length;
    this.announced = announced;
    this.ended = length === 0;
    this.r = r;
    this.settings = settings;
  }

  get taken(): boolean {
    return this.consumer !== null;
  }

  read(consumer: BodyConsumer): void {
    this.consumer = consumer;
    if (this.failure === null && isAboveLimit(this.r, this.length, this.length))
      this.failure = { status: 413, why: TOO_LARGE };
    if (this.failure !== null) consumer.onBodyError(this.failure.status, this.failure.why);
    else if (this.ended) consumer.onBodyEnd();
    else this.resume();
  }

  pause(): void {
    this.wanted = false;
    this.r.conn.process.wheel.disarm(this);
  }

  resume(): void {
    if (this.ended || this.consumer === null || this.failure !== null) return;
    this.wanted = true;
    if (!this.delivering) this.pull();
  }

  /** The body will not come whole. */
  fail(status: Status, why: string): void {
    if (this.ended || this.failure !== null) return;
    this.failure = { status, why };
    this.pause();
    this.consumer?.onBodyError(status, why);
  }

  /** The wheel's call. */
  expire(): void {
    this.fail(408, "the client sends its body too slowly");
  }

  private pull(): void {
    const { held } = this;
    if (held !== null) {
      this.held = null;
      this.deliver(held);
    }
    if (!this.wanted || this.ended || this.reading || this.held !== null) return;
    this.reading = true;
    this.arm();
    this.reader!.read().then(this.onChunk, this.onError);
  }

  private readonly onChunk = (result: { done: boolean; value?: Uint8Array | undefined }): void => {
    this.reading = false;
    if (this.failure !== null) return;
    if (result.done) {
      if (this.length > this.received) this.fail(400, "the client closed in the middle of the body");
      else this.finish();
      return;
    }
    if (this.wanted) this.deliver(result.value!);
    else this.held = result.value!;
    if (this.wanted) this.pull();
  };

  private readonly onError = (): void => {
    this.reading = false;
    this.fail(400, "the client left");
  };

  private deliver(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.r.wireIn += bytes.length;
    if (this.length < 0 && isAboveLimit(this.r, -1, this.received)) {
      this.fail(413, TOO_LARGE);
      return;
    }
    const last = this.received === this.length;
    if (last) this.ended = true;
    this.delivering = true;
    this.consumer!.onBody(ownBytes(bytes));
    this.delivering = false;
    if (!last) return;
    // Deno 2.9.5 closes the connection of a body whose end nobody has read.
    this.reader!.read().catch(() => {});
    this.finish();
  }

  private finish(): void {
    this.ended = true;
    this.pause();
    this.consumer?.onBodyEnd();
  }

  private arm(): void {
    const { clock, wheel } = this.r.conn.process;
    if (this.startMs === 0) this.startMs = clock.now();
    const used = clock.now() - this.startMs;
    const left = Math.min(this.settings.timeoutMs, timeLeft(this.settings.bodyTimeout, used, this.received));
    if (left > 0 || this.deadline === 0) wheel.arm(this, Math.max(1, left));
  }
}
