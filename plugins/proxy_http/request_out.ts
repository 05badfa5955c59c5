/**
 * The body's way from the client to the backend: read ahead before a backend is contacted, then streamed.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_prefetch_input; mod_proxy_http.c stream_reqbody
 */
import {
  type BodyConsumer,
  type Bytes,
  chunkHeader,
  LAST_CHUNK,
  type ProxyAttempt,
  type RequestRec,
  type Socket,
  type Status,
} from "../../modules/mod.ts";

/** Read ahead until so many bytes are there. Source: MAX_MEM_SPOOL less the 80 of a bucket read */
export const PREFETCH_BYTES = 16_304;
/** The most that is spooled for proxy-sendcl; httpd goes on to a temporary file. */
const SPOOL_BYTES = 16 * 1024 * 1024;

/** Who waits for the body. */
export interface BodyOwner {
  /** Enough was read ahead, or all. */
  onPrefetched(): void;
  /** The last byte was given to the socket. */
  onBodySent(): void;
  onBodyFailed(status: Status, why: string): void;
  /** The socket has no room; `RequestBodyOut.drained` goes on. */
  onBodyBlocked(): void;
}

export type BodyFraming = "none" | "length" | "chunked";

export class RequestBodyOut implements BodyConsumer {
  /** The body was read to its end. */
  ended = false;
  /** It was also sent to its end. */
  sent = false;
  /** Bytes given to the socket, framing included. */
  transferred = 0;
  private readonly r: RequestRec;
  private readonly attempt: ProxyAttempt;
  private readonly owner: BodyOwner;
  private limit = PREFETCH_BYTES;
  private state: "idle" | "prefetch" | "hold" | "stream" | "off" = "idle";
  private chunked = false;
  private socket: Socket | null = null;

  constructor(r: RequestRec, attempt: ProxyAttempt, owner: BodyOwner) {
    this.r = r;
    this.attempt = attempt;
    this.owner = owner;
    this.ended = attempt.prefetchedAll;
  }

  get passesTo(): Socket | null {
    return this.state === "stream" ? this.socket : null;
  }

  /** Reads ahead; `onPrefetched` follows, maybe at once. @param spool to the end of the body */
  prefetch(spool: boolean): void {
    if (spool) this.limit = SPOOL_BYTES;
    this.state = "prefetch";
    if (this.ended || this.attempt.prefetchedBytes >= this.limit) this.hold();
    else this.r.body.read(this);
  }

  /** What is there without waiting. */
  prefetchNow(): void {
    this.state = "hold";
    if (this.ended || this.attempt.prefetchedBytes >= this.limit) return;
    this.r.body.read(this);
    this.r.body.pause();
  }

  /** Whether a body that was to be spooled is larger than is spooled. */
  get overflown(): boolean {
    return !this.ended && this.attempt.prefetchedBytes >= SPOOL_BYTES;
  }

  /**
   * Sends `head`, if any, and what was read ahead in one go, then the rest as it comes. What was read ahead is gone by that: a
   * backend that was sent any of a body is the last one.
   */
  start(socket: Socket, head: string, framing: BodyFraming): void {
    this.socket = socket;
    this.chunked = framing === "chunked";
    const first = this.attempt.prefetched;
    const parts: (string | Uint8Array)[] = head === "" ? [] : [head];
    let size = 0;
    if (first !== null && this.attempt.prefetchedBytes > 0) {
      size = this.attempt.prefetchedBytes;
      if (this.chunked) parts.push(chunkHeader(size));
      parts.push(...first);
      if (this.chunked) parts.push("\r\n");
    }
    if (this.ended) this.pushTail(parts);
    for (const part of parts) this.transferred += part.length;
    this.attempt.prefetched = null;
    const room = parts.length === 0 || this.sendFirst(socket, parts);
    if (this.ended) {
      this.finish();
      return;
    }
    this.state = "stream";
    if (!room) this.owner.onBodyBlocked();
    else this.goOn();
  }

  private sendFirst(socket: Socket, parts: readonly (string | Uint8Array)[]): boolean {
    return this.r.body.alone && socket.writeAway !== undefined ? socket.writeAway(parts) : socket.writev(parts);
  }

  /** The socket has room again. */
  drained(): void {
    if (this.state === "stream" && !this.ended) this.goOn();
  }

  /** Nothing more is wanted of the body. */
  stop(): void {
    if (this.state === "off") return;
    this.state = "off";
    this.socket = null;
  }

  onBody(bytes: Bytes): void {
    if (this.state === "stream") {
      this.stream(bytes);
      return;
    }
    if (this.state === "off") return;
    (this.attempt.prefetched ??= []).push(bytes);
    this.attempt.prefetchedBytes += bytes.length;
    if (this.state === "prefetch" && this.attempt.prefetchedBytes >= this.limit) {
      this.r.body.pause();
      // With Content-Length the end comes with these very bytes. Else later: the body must not be read on from within.
      this.state = "hold";
      if (this.r.body.ended) this.state = "prefetch";
      else queueMicrotask(this.heldLater);
    }
  }

  onBodyEnd(): void {
    this.ended = true;
    if (this.state === "prefetch") {
      this.attempt.prefetchedAll = true;
      this.hold();
    } else if (this.state === "hold") this.attempt.prefetchedAll = true;
    else if (this.state === "stream") {
      const tail: (string | Uint8Array)[] = [];
      this.pushTail(tail);
      for (const part of tail) {
        this.transferred += part.length;
        this.socket!.write(part);
      }
      this.finish();
    }
  }

  onBodyError(status: Status, why: string): void {
    if (this.state !== "off") this.owner.onBodyFailed(status, why);
  }

  private readonly heldLater = (): void => {
    if (this.state === "hold") this.owner.onPrefetched();
  };

  private hold(): void {
    this.state = "hold";
    this.owner.onPrefetched();
  }

  private stream(bytes: Bytes): void {
    if (bytes.length === 0) return;
    const socket = this.socket!;
    let room: boolean;
    if (this.chunked) {
      const line = chunkHeader(bytes.length);
      this.transferred += line.length + bytes.length + 2;
      room = socket.writev([line, bytes, "\r\n"]);
    } else {
      this.transferred += bytes.length;
      room = socket.write(bytes);
    }
    if (room) return;
    this.r.body.pause();
    this.owner.onBodyBlocked();
  }

  private goOn(): void {
    // `read` again: the consumer may be that of an attempt before.
    this.r.body.read(this);
  }

  private pushTail(parts: (string | Uint8Array)[]): void {
    if (this.chunked) parts.push(LAST_CHUNK);
    if (this.r.getEnv("proxy-sendextracrlf") !== undefined) parts.push("\r\n");
  }

  private finish(): void {
    this.state = "off";
    this.sent = true;
    this.socket = null;
    this.owner.onBodySent();
  }
}
