/**
 * The body's way from the client to `fetch`: read ahead before a backend is asked, so that another one can be asked, then as a
 * stream.
 */
import type { BodyConsumer, Bytes, ProxyAttempt, RequestBody, Status } from "../../modules/mod.ts";

/** Read ahead until so many bytes are there, as mod_proxy_http does. */
const PREFETCH_BYTES = 16_304;
/** What waits for the backend, before the client is told to wait. */
const QUEUE_BYTES = 65_536;

/** Who waits for the body. */
export interface BodyOwner {
  /** Enough was read ahead, or all. */
  onPrefetched(): void;
  onBodyFailed(status: Status, why: string): void;
  /** From now on it is the client who is waited for, or not any more. */
  onBodyAwaited(awaited: boolean): void;
}

export class FetchRequestBody implements BodyConsumer {
  /** More was read than is kept: no other backend can be asked. */
  streamed = false;
  private readonly body: RequestBody;
  private readonly attempt: ProxyAttempt;
  private readonly owner: BodyOwner;
  private stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  private held = false;
  private over = false;

  constructor(body: RequestBody, attempt: ProxyAttempt, owner: BodyOwner) {
    this.body = body;
    this.attempt = attempt;
    this.owner = owner;
  }

  /** `onPrefetched` follows, maybe at once. */
  prefetch(): void {
    if (this.attempt.prefetchedAll || this.attempt.prefetchedBytes >= PREFETCH_BYTES) this.hold();
    else this.body.read(this);
  }

  /** What fetch is given: bytes if it is all there, else a stream. */
  payload(): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
    const { prefetched, prefetchedBytes, prefetchedAll } = this.attempt;
    if (prefetchedAll) {
      const whole = new Uint8Array(prefetchedBytes);
      let at = 0;
      for (const bytes of prefetched ?? []) {
        whole.set(bytes, at);
        at += bytes.length;
      }
      return whole;
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.stream = controller as ReadableStreamDefaultController<Uint8Array>;
          for (const bytes of prefetched ?? []) this.stream.enqueue(bytes);
        },
        pull: () => {
          if (this.over) return;
          this.streamed = true;
          this.owner.onBodyAwaited(true);
          this.body.read(this);
        },
        cancel: () => this.stop(),
      },
      { highWaterMark: QUEUE_BYTES, size: (bytes) => bytes?.byteLength ?? 0 },
    );
  }

  /** Nothing more is wanted of the body. */
  stop(): void {
    if (this.over) return;
    this.over = true;
    this.stream?.error(new Error("the body is not wanted any more"));
    this.stream = null;
    this.body.pause();
  }

  onBody(bytes: Bytes): void {
    if (this.over) return;
    if (this.stream !== null) {
      this.stream.enqueue(bytes);
      this.owner.onBodyAwaited(false);
      if ((this.stream.desiredSize ?? 1) <= 0) this.body.pause();
      return;
    }
    (this.attempt.prefetched ??= []).push(bytes);
    this.attempt.prefetchedBytes += bytes.length;
    if (this.attempt.prefetchedBytes < PREFETCH_BYTES || this.body.ended) return;
    this.body.pause();
    if (!this.held) queueMicrotask(() => this.hold()); // the body must not be read on from within
    this.held = true;
  }

  onBodyEnd(): void {
    if (this.over) return;
    if (this.stream !== null) {
      this.stream.close();
      this.over = true;
      this.owner.onBodyAwaited(false);
      return;
    }
    this.attempt.prefetchedAll = true;
    if (!this.held) this.hold();
  }

  onBodyError(status: Status, why: string): void {
    if (this.over) return;
    this.stop();
    this.owner.onBodyFailed(status, why);
  }

  private hold(): void {
    this.held = true;
    if (!this.over) this.owner.onPrefetched();
  }
}
