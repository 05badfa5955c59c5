/**
 * A Deno.Conn as a socket. One that Deno.serve has let go of is what a tunnel has of its client on the fetch front.
 *
 * Not Deno.upgradeWebSocket, for its memory: a WebSocket of Deno (2.9.5, ext/websocket with fastwebsockets 0.8) keeps until it
 * closes a buffer as large as the largest frame that it has read (`ReadHalf.buffer`) and one as large as the largest that it has
 * sent (`WriteHalf.write_buffer`), gathers fragments without a limit, and reads on while what it sends is not taken. Measured:
 * an echo server held 1018 MB after 20 sockets had carried 16 MB each, and 43 MB with the bytes passed on as here.
 */
import { type Bytes, latin1Bytes, OwnBytes } from "../core/bytes.ts";
import type { Socket, SocketError, SocketOwner } from "./socket.ts";

/** What is used of a Deno.Conn. */
export interface DenoConn {
  /** null: the peer sends no more. */
  read(into: Uint8Array): Promise<number | null>;
  /** Answers how many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Where it is, which the connection itself does not know. */
export interface ConnAddresses {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** A connection that waits holds a small buffer; one that fills it gets a large one. */
const SMALL_BYTES = 4096;
const LARGE_BYTES = 65_536;
/** `write` answers false from here on. */
const HIGH_WATER_BYTES = 65_536;

export class DenoConnSocket implements Socket {
  owner: SocketOwner;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls = null;
  queuedBytes = 0;
  receivedBytes = 0;
  /** null: it is not open yet. */
  protected conn: DenoConn | null;
  /** What it reads into; null: `keep` gave it away. */
  private buffer: Bytes | null = null;
  private bufferBytes = SMALL_BYTES;
  /** A read is on its way; it cannot be called back. */
  private reading = false;
  protected paused = true;
  /** Bytes that were read into `buffer` while it was paused; null: the peer's end was. */
  private held: number | null = 0;
  protected peerEnded = false;
  private readonly queue: Uint8Array[] = [];
  private needsDrain = false;
  private ended = false;
  protected closed = false;

  /** Not read from before `resume`. */
  constructor(conn: DenoConn | null, addresses: ConnAddresses, owner: SocketOwner) {
    this.conn = conn;
    this.owner = owner;
    this.remoteAddress = addresses.remoteAddress;
    this.remotePort = addresses.remotePort;
    this.localAddress = addresses.localAddress;
    this.localPort = addresses.localPort;
  }

  write(data: string | Uint8Array): boolean {
    if (this.closed || this.ended) return true;
    if (data.length > 0) {
      this.queue.push(typeof data === "string" ? this.encode(data) : data);
      this.queuedBytes += data.length;
      if (this.queue.length === 1) this.writeOn();
      if (this.queuedBytes >= HIGH_WATER_BYTES) this.needsDrain = true;
    }
    return !this.needsDrain;
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    let room = true;
    for (const part of parts) room = this.write(part);
    return room;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    const whole = (end - start) * 2 > bytes.length;
    if (whole && bytes === this.buffer) this.buffer = null;
    return (whole ? bytes.subarray(start, end) : bytes.slice(start, end)) as Bytes;
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused || this.closed) return;
    this.paused = false;
    const { held } = this;
    this.held = 0;
    if (held !== 0) this.deliver(held);
    this.readOn();
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    if (this.queue.length === 0 && this.conn !== null) this.finish();
  }

  destroy(): void {
    this.close(null);
  }

  setKeepAlive(): void {}

  protected alloc(size: number): Bytes {
    return new OwnBytes(size);
  }

  protected encode(text: string): Uint8Array {
    return latin1Bytes(text);
  }

  /** All is written. Deno closes such a connection in both directions or not at all: what the peer still sends is lost. */
  protected finish(): void {
    this.close(null);
  }

  /** It is open now. */
  protected opened(conn: DenoConn): void {
    this.conn = conn;
    if (this.queue.length > 0) this.writeOn();
    else if (this.ended) this.finish();
    this.readOn();
  }

  protected readOn(): void {
    if (this.conn === null || this.reading || this.paused || this.closed || this.peerEnded) return;
    if (this.buffer?.length !== this.bufferBytes) this.buffer = this.alloc(this.bufferBytes);
    this.reading = true;
    this.conn.read(this.buffer).then(this.hasRead, this.cannotRead);
  }

  private readonly hasRead = (size: number | null): void => {
    this.reading = false;
    if (this.closed) return;
    if (this.paused) this.held = size;
    else this.deliver(size);
    this.readOn();
  };

  protected deliver(size: number | null): void {
    if (size === null) {
      this.peerEnded = true;
      this.owner.onEnd();
      return;
    }
    this.receivedBytes += size;
    if (size < SMALL_BYTES) this.bufferBytes = SMALL_BYTES;
    else if (size === this.bufferBytes) this.bufferBytes = LARGE_BYTES;
    this.owner.onData(this.buffer!, 0, size);
  }

  /** In TLS many a client closes without saying so; that it closed is seen all the same. */
  private readonly cannotRead = (error: unknown): void => {
    if ((error as Error).name === "UnexpectedEof") this.hasRead(null);
    else this.failed(error);
  };

  private writeOn(): void {
    this.conn?.write(this.queue[0]!).then(this.hasWritten, this.failed);
  }

  private readonly hasWritten = (size: number): void => {
    if (this.closed) return;
    const { queue } = this;
    this.queuedBytes -= size;
    if (size < queue[0]!.length) queue[0] = queue[0]!.subarray(size);
    else queue.shift();
    if (queue.length > 0) {
      this.writeOn();
      return;
    }
    if (this.ended) this.finish();
    else if (this.needsDrain) {
      this.needsDrain = false;
      this.owner.onDrain();
    }
  };

  protected readonly failed = (error: unknown): void => {
    const { code, name, message } = error as Error & { readonly code?: string };
    this.close({ code: code ?? name, message });
  };

  protected close(error: SocketError | null): void {
    if (this.closed) return;
    this.closed = true;
    this.queue.length = 0;
    this.queuedBytes = 0;
    try {
      this.conn?.close();
    } catch {
      // It is closed already.
    }
    queueMicrotask(() => this.owner.onClose(error));
  }
}
