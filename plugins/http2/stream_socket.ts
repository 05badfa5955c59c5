/**
 * A stream that carries bytes, as a socket: what a tunnel has of a WebSocket's client.
 * Source: RFC 8441 section 5
 */
import { type Bytes, latin1Bytes, type Socket, type SocketOwner, type TlsInfo } from "../../modules/mod.ts";
import { CANCEL, NO_ERROR } from "./frame.ts";
import type { Http2Stream, StreamOwner } from "./stream.ts";

export class StreamSocket implements Socket, StreamOwner {
  owner: SocketOwner;
  private readonly below: Socket;
  private readonly stream: Http2Stream;
  private paused = true;
  private held: Bytes[] = [];
  private remoteEnded: boolean;
  private endTold = false;
  private ended = false;
  private closed = false;
  /** Bytes of DATA delivered. */
  receivedBytes = 0;

  /** Not read from before `resume`. */
  constructor(stream: Http2Stream, below: Socket, owner: SocketOwner, early: readonly Bytes[]) {
    this.stream = stream;
    this.below = below;
    this.owner = owner;
    this.held = [...early];
    this.remoteEnded = stream.remoteEnded;
    stream.owner = this;
  }

  get remoteAddress(): string {
    return this.below.remoteAddress;
  }

  get remotePort(): number {
    return this.below.remotePort;
  }

  get localAddress(): string {
    return this.below.localAddress;
  }

  get localPort(): number {
    return this.below.localPort;
  }

  get tls(): TlsInfo | null {
    return this.below.tls;
  }

  get queuedBytes(): number {
    return this.stream.queued;
  }

  write(data: string | Uint8Array): boolean {
    if (this.closed || this.ended) return true;
    return this.stream.send(typeof data === "string" ? latin1Bytes(data) : data);
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    let room = true;
    for (const part of parts) room = this.write(part);
    return room;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    return bytes.subarray(start, end) as Bytes;
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    while (!this.paused && this.held.length > 0) this.deliver(this.held.shift()!);
    this.tellEnd();
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.stream.end();
  }

  destroy(): void {
    if (this.closed) return;
    const orderly = this.ended && this.stream.queued === 0;
    // What was ended in order ends so for the client, too, whatever it still sends.
    if (orderly) this.stream.flush();
    this.stream.owner = null;
    this.stream.reset(orderly ? NO_ERROR : CANCEL);
    this.close(null);
  }

  setKeepAlive(): void {}

  // Of the stream

  onData(bytes: Bytes): void {
    if (this.paused || this.held.length > 0) this.held.push(bytes);
    else this.deliver(bytes);
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.tellEnd();
    this.check();
  }

  onDrain(): void {
    this.owner.onDrain();
  }

  onSent(): void {
    this.check();
  }

  onReset(_code: number, why: string): void {
    this.close({ code: "ECONNRESET", message: why });
  }

  private deliver(bytes: Bytes): void {
    this.receivedBytes += bytes.length;
    this.stream.consumed(bytes.length);
    this.owner.onData(bytes, 0, bytes.length);
  }

  private tellEnd(): void {
    if (!this.remoteEnded || this.endTold || this.paused || this.held.length > 0 || this.closed) return;
    this.endTold = true;
    this.owner.onEnd();
  }

  private check(): void {
    if (this.remoteEnded && this.stream.localEnded) this.close(null);
  }

  private close(error: { readonly code: string; readonly message: string } | null): void {
    if (this.closed) return;
    this.closed = true;
    for (const bytes of this.held) this.stream.consumed(bytes.length);
    this.held = [];
    queueMicrotask(() => this.owner.onClose(error));
  }
}
