/**
 * Bytes that a client sent and nobody used yet.
 */
import type { Bytes } from "../core/bytes.ts";
import type { SocketHost } from "../net/socket.ts";

/** Bytes [start, end) of `bytes`. It grows by doubling: a client that drips a head costs no more than one that does not. */
export class Inbox {
  bytes: Bytes | null = null;
  start = 0;
  end = 0;
  private readonly sockets: SocketHost;

  constructor(sockets: SocketHost) {
    this.sockets = sockets;
  }

  get isEmpty(): boolean {
    return this.bytes === null;
  }

  get size(): number {
    return this.end - this.start;
  }

  clear(): void {
    this.bytes = null;
    this.start = this.end = 0;
  }

  /** Takes over a buffer that nobody else writes to. */
  put(bytes: Bytes): void {
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
  }

  /** Copies [from, to) of `more` behind what is there. */
  append(more: Bytes, from: number, to: number): void {
    const { bytes, size } = this;
    const needed = size + to - from;
    if (bytes === null || this.end + to - from > bytes.length) {
      const grown = this.sockets.alloc(Math.max(1024, 2 * needed));
      if (bytes !== null) grown.set(bytes.subarray(this.start, this.end));
      this.bytes = grown;
      this.start = 0;
      this.end = size;
    }
    this.bytes!.set(more.subarray(from, to), this.end);
    this.end += to - from;
  }

  /** Forgets the first `count` bytes. */
  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }
}
