/**
 * One stream of a session: its states, its windows, what waits to be sent on it.
 * Source: RFC 9113 section 5
 */
import type { Bytes } from "../../modules/mod.ts";
import { INTERNAL_ERROR, NO_ERROR } from "./frame.ts";
import type { Http2Session } from "./session.ts";

/** Who serves a stream. */
export interface StreamOwner {
  /** `bytes` may be kept. They count against the client's window until `consumed`. */
  onData(bytes: Bytes): void;
  /** The client has sent all. */
  onEnd(): void;
  /** After `send` answered false, once there is room. */
  onDrain(): void;
  /** The stream is over before its time, by the client's word or an error: nothing is sent or received any more. */
  onReset(code: number, why: string): void;
  /** All that was to be sent is handed to the socket. */
  onSent(): void;
}

/** What goes out of a stream's queue. */
export interface Piece {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
  /** Nothing follows but `trailers`. */
  readonly last: boolean;
  readonly trailers: readonly string[] | null;
}

export class Http2Stream {
  readonly id: number;
  owner: StreamOwner | null = null;
  /** The client sends no more. */
  remoteEnded: boolean;
  /** END_STREAM was sent. */
  localEnded = false;
  /** Neither side sends on it any more, and it is out of the session. */
  closed = false;
  /** What we may send, by the client's window. */
  sendWindow: number;
  /** What the client may send. */
  receiveWindow: number;
  /** Bytes of DATA received. */
  received = 0;
  /** Bytes that wait. */
  queued = 0;
  /** Bytes of DATA sent. */
  sentBytes = 0;
  /** A head of the response other than an interim one was sent. */
  responded = false;
  private readonly session: Http2Session;
  private queue: Uint8Array[] = [];
  /** Of the first in the queue. */
  private sentOfFirst = 0;
  /** END_STREAM follows the queue. */
  private ending = false;
  /** In a header block, if there is one. */
  private trailers: readonly string[] | null = null;
  private full = false;
  /** Consumed, and not yet told to the client. */
  private unacknowledged = 0;

  constructor(session: Http2Session, id: number, remoteEnded: boolean, sendWindow: number, receiveWindow: number) {
    this.session = session;
    this.id = id;
    this.remoteEnded = remoteEnded;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** Something waits that only the windows or the socket hold up. */
  get pending(): boolean {
    return this.queued > 0 || (this.ending && !this.localEnded);
  }

  /** A header block of our side. @param fields name, value, name, value... */
  sendHead(fields: readonly string[], end: boolean): number {
    if (this.closed || this.localEnded) return 0;
    if (blockBytes(fields) > this.session.options.maxBlockBytes) {
      this.session.abandon(this, INTERNAL_ERROR, "the response's fields are larger than H2MaxHeaderBlockLen");
      return 0;
    }
    if (end) this.localEnded = true;
    const bytes = this.session.writeHead(this.id, fields, end);
    if (end) this.session.sent(this);
    return bytes;
  }

  /** Sends bytes that stay as they are. False: no more before `onDrain`. */
  send(bytes: Uint8Array): boolean {
    if (this.closed || this.ending) return true;
    if (bytes.length > 0) {
      this.queue.push(bytes);
      this.queued += bytes.length;
      this.session.wantsToSend(this);
    }
    // What the socket takes at once is no queue.
    this.full = this.queued >= this.session.options.streamMemory;
    return !this.full;
  }

  /** @param trailers fields behind what was sent: name, value, name, value... */
  end(trailers: readonly string[] | null = null): void {
    if (this.closed || this.ending) return;
    this.ending = true;
    this.trailers = trailers;
    this.session.wantsToSend(this);
  }

  /** Ends the stream at once, with what waits on it. */
  reset(code: number): void {
    if (this.closed || (this.remoteEnded && this.localEnded)) return;
    this.session.resetStream(this, code);
  }

  /** Sends what waits as far as it can go. */
  flush(): void {
    this.session.flush();
  }

  /** The request that came on it breaks the rules: the client is told so, and `owner` that it is over. */
  refuse(code: number): void {
    this.session.streamError(this.id, code);
  }

  /** So many bytes of `onData` are out of the way: the client may send as many more. */
  consumed(bytes: number): void {
    this.session.consumed(bytes);
    if (this.closed || this.remoteEnded) return;
    this.unacknowledged += bytes;
    if (2 * this.unacknowledged < this.session.options.windowBytes) return;
    this.receiveWindow += this.unacknowledged;
    this.session.writeWindow(this.id, this.unacknowledged);
    this.unacknowledged = 0;
  }

  /** The next piece of at most `most` bytes; there is one. For the session. */
  take(most: number): Piece {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (size < most && this.queue.length > 0) {
      const first = this.queue[0]!;
      const part = first.subarray(this.sentOfFirst, this.sentOfFirst + most - size);
      parts.push(part);
      size += part.length;
      this.sentOfFirst += part.length;
      if (this.sentOfFirst < first.length) break;
      this.queue.shift();
      this.sentOfFirst = 0;
    }
    this.queued -= size;
    this.sentBytes += size;
    const last = this.ending && this.queued === 0;
    if (last) this.localEnded = true;
    return { parts, size, last, trailers: last ? this.trailers : null };
  }

  /** There may be room again. For the session. */
  drained(): void {
    if (!this.full || 2 * this.queued > this.session.options.streamMemory) return;
    this.full = false;
    this.owner?.onDrain();
  }

  /** For the session: it has taken the stream out. @param code null: both sides have ended */
  close(code: number | null, why: string): void {
    this.closed = true;
    this.queue = [];
    this.queued = 0;
    const { owner } = this;
    this.owner = null;
    if (code !== null) owner?.onReset(code, why);
  }

  /** The response is complete; a request that goes on is of no use. Source: RFC 9113 section 8.1 */
  stopRequest(): void {
    if (!this.remoteEnded) this.reset(NO_ERROR);
  }
}

/** The most that fields can take. Source: nghttp2 lib/nghttp2_hd.c nghttp2_hd_deflate_bound */
function blockBytes(fields: readonly string[]): number {
  let bytes = 12 + 3 * fields.length;
  for (const text of fields) bytes += text.length;
  return bytes;
}
