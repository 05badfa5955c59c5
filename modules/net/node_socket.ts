/**
 * A socket on node:net, for Bun and Deno: TLS towards backends, unix sockets on Bun, listeners that were handed over, and
 * wherever the kinds that are there for speed cannot be had.
 *
 * `write(string, "latin1")` costs what "utf8" costs, and less than a Buffer made first (measured, Bun 1.4.4, Deno 2.9.5): no
 * check for ASCII pays.
 */

import { Buffer } from "node:buffer";
import net from "node:net";
import type tls from "node:tls";
import type { Bytes } from "../core/bytes.ts";
import { type ClientHello, PLAIN_HTTP } from "./client_hello.ts";
import { descriptors } from "./descriptors.ts";
import { type NodeTlsServer, readClientHello, startBelow, startTlsClient, stopBelow, tlsInfo } from "./node_tls.ts";
import type {
  FirstReader,
  Socket,
  SocketError,
  SocketOwner,
  TlsAcceptor,
  TlsClientOptions,
  TlsInfo,
} from "./socket.ts";
import { asBytes, joinSmall, plainAddress, socketError } from "./system.ts";

const nothing: Buffer = Buffer.alloc(0);
const onDeno = "Deno" in globalThis;

/** More than that `writev` sends part by part on Bun, whose cork copies the parts together: 1.96 of nginx's CPU time became 1.48 (100 kB). */
const CORK_MAX_BYTES = onDeno ? Number.POSITIVE_INFINITY : 32_768;

/** A net.Socket that knows its NodeSocket, so that one set of handlers serves all sockets. */
interface RawSocket extends net.Socket {
  ours: NodeSocket;
}

/** The peer closed before TLS was set up. */
const NO_HANDSHAKE: SocketError = { code: "ECONNRESET", message: "closed during the handshake" };

/** An accepted socket has no owner until `accept` has set one. */
export const nobody: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

export class NodeSocket implements Socket {
  owner: SocketOwner;
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;
  tls: TlsInfo | null = null;
  /** What is read and written: the TCP socket, or TLS on it. */
  private raw: RawSocket;
  /** The TCP socket below TLS. */
  private below: net.Socket | null = null;
  /** TLS takes the socket over: what comes in before is not ours. */
  private inHandshake = false;
  private reading = false;
  private paused = false;
  /** The peer's end came while it was paused, as it does where no byte stands before it. */
  private endHeld = false;
  private readonly accepted: boolean;
  private counted = true;
  private error: SocketError | null = null;
  /** Destroyed, failed or closed: only onClose may follow. */
  private gone = false;
  /** `end` was called: nothing more can be written. */
  private ended = false;

  constructor(raw: net.Socket, owner: SocketOwner, accepted: boolean) {
    this.owner = owner;
    this.accepted = accepted;
    descriptors.opened(accepted);
    this.raw = raw as RawSocket;
    this.raw.ours = this;
    // None of these is ever taken off: an 'error' without a listener would end the process.
    raw.on("drain", handleDrain);
    raw.on("end", handleEnd);
    raw.on("error", handleError);
    raw.on("close", handleClose);
  }

  /** Delivers what comes in, unless TLS has the socket. */
  startReading(): void {
    if (this.reading || this.inHandshake || this.gone) return;
    this.reading = true;
    this.raw.on("data", handleData);
  }

  get receivedBytes(): number {
    return (this.below ?? this.raw).bytesRead;
  }

  get queuedBytes(): number {
    return this.raw.writableLength;
  }

  write(data: string | Uint8Array): boolean {
    if (this.gone || this.ended) return true;
    if (data.length === 0) return !this.raw.writableNeedDrain;
    if (typeof data !== "string") return this.raw.write(data);
    // Deno's node:tls sends strings that had to wait as UTF-8, whatever is said: 2.9.5.
    if (onDeno && this.below !== null) return this.raw.write(Buffer.from(data, "latin1"));
    return this.raw.write(data, "latin1");
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    if (this.gone || this.ended) return true;
    if (parts.length === 1) return this.write(parts[0]!);
    const small = joinSmall(parts);
    if (small !== null) return this.write(small);
    let length = 0;
    for (const part of parts) length += part.length;
    let more = true;
    if (length > CORK_MAX_BYTES) {
      for (const part of parts) more = this.write(part);
      return more;
    }
    this.raw.cork();
    for (const part of parts) more = this.write(part);
    this.raw.uncork();
    return more;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    // A buffer of a 'data' event is fresh, of exact size, and never used again, on both runtimes.
    return bytes.subarray(start, end) as Bytes;
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {
    this.paused = true;
    this.raw.pause();
    if (this.below !== null) stopBelow(this.below);
  }

  resume(): void {
    this.paused = false;
    if (this.gone || this.inHandshake) return;
    if (this.below !== null) startBelow(this.below);
    this.raw.resume();
    if (this.endHeld) queueMicrotask(() => this.deliverEnd());
  }

  end(): void {
    if (this.gone || this.ended) return;
    this.ended = true;
    this.raw.end();
  }

  destroy(): void {
    this.gone = true;
    this.raw.destroy();
    this.below?.destroy();
  }

  setKeepAlive(on: boolean): void {
    if (!this.gone) this.raw.setKeepAlive(on);
  }

  // Handshakes, and what stands before.

  /** Accepted, nothing read yet. */
  readFirst(reader: FirstReader): void {
    const { raw } = this;
    this.inHandshake = true;
    let bytes: Buffer = nothing;
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const own = reader.onFirst(asBytes(bytes));
      if (own < 0 || this.gone) return;
      raw.off("data", onData);
      raw.pause();
      if (own < bytes.length) raw.unshift(bytes.subarray(own));
      this.inHandshake = false;
      reader.onRest();
      this.startReading();
      raw.resume();
    };
    raw.on("data", onData);
  }

  /** Accepted, nothing read yet. */
  acceptTls(acceptor: TlsAcceptor): void {
    const { raw } = this;
    this.inHandshake = true;
    this.owner = { onData() {}, onDrain() {}, onEnd() {}, onClose: (error) => acceptor.onFailed(error) };
    readClientHello(raw, (hello) => this.helloRead(raw, hello, acceptor));
  }

  private helloRead(raw: net.Socket, hello: ClientHello | typeof PLAIN_HTTP, acceptor: TlsAcceptor): void {
    if (this.gone) return;
    if (hello === PLAIN_HTTP) {
      this.inHandshake = false;
      acceptor.onPlain();
      this.startReading();
      this.resume();
      return;
    }
    const server = acceptor.onHello(hello) as NodeTlsServer | null;
    if (server === null) {
      this.destroy();
      return;
    }
    server.handshake(raw, {
      secured: (socket) => {
        if (this.gone) return;
        this.layer(socket, hello.serverName);
        acceptor.onSecure();
        this.startReading();
      },
      handshakeFailed: (error) => this.handshakeFailed(error),
    });
  }

  /** Connected. */
  startTls(options: TlsClientOptions): void {
    this.inHandshake = true;
    startTlsClient(this.raw, options, {
      secured: (socket) => {
        if (this.gone) return;
        this.layer(socket, options.serverName);
        this.owner.onSecure?.();
        this.startReading();
      },
      handshakeFailed: (error) => this.handshakeFailed(error),
    });
  }

  private layer(socket: tls.TLSSocket, serverName: string): void {
    this.below = this.raw;
    this.raw = socket as unknown as RawSocket;
    this.raw.ours = this;
    this.inHandshake = false;
    this.tls = tlsInfo(socket, serverName);
    socket.on("drain", handleDrain);
    socket.on("end", handleEnd);
    socket.on("error", handleError);
    socket.on("close", handleClose);
  }

  private handshakeFailed(error: unknown): void {
    if (this.gone) return;
    this.error = { ...(error === null ? NO_HANDSHAKE : socketError(error)), inHandshake: true };
    this.gone = true;
    this.raw.destroy();
  }

  // Below: called by the handlers of this file.

  /** Whether an event comes from what is read and written now, not from what lies below. */
  isTop(raw: net.Socket): boolean {
    return raw === this.raw;
  }

  received(bytes: Bytes, length: number): void {
    if (!this.gone) this.owner.onData(bytes, 0, length);
  }

  connected(): void {
    this.learnAddresses();
    if (!this.gone) this.owner.onConnect?.();
  }

  connectedForTls(options: TlsClientOptions): void {
    this.connected();
    if (this.gone) return;
    try {
      this.startTls(options);
    } catch (error) {
      this.handshakeFailed(error);
    }
  }

  drained(): void {
    if (!this.gone) this.owner.onDrain();
  }

  peerEnded(): void {
    if (this.inHandshake) {
      this.handshakeFailed(null);
      return;
    }
    this.endHeld = true;
    this.deliverEnd();
  }

  private deliverEnd(): void {
    if (!this.endHeld || this.paused || this.gone) return;
    this.endHeld = false;
    this.owner.onEnd();
  }

  failed(error: unknown): void {
    // What `destroy` was called on is not failing any more; and the first error says most.
    if (!this.gone) this.error = socketError(error);
    this.gone = true;
    // A TLS socket that failed, as by the peer's alert, stays open by itself.
    if (this.below !== null) this.destroy();
  }

  closed(): void {
    if (this.counted) descriptors.closed(this.accepted);
    this.counted = false;
    if (this.inHandshake && !this.gone) this.error = { ...NO_HANDSHAKE, inHandshake: true };
    this.gone = true;
    this.owner.onClose(this.error);
  }

  /** While it is open: later the runtimes differ. */
  learnAddresses(): void {
    this.remoteAddress = plainAddress(this.raw.remoteAddress);
    this.remotePort = this.raw.remotePort ?? 0;
    this.localAddress = plainAddress(this.raw.localAddress);
    this.localPort = this.raw.localPort ?? 0;
  }
}

/** Opens a connection, and TLS on it unless that is null. */
export function connectNode(
  options: net.SocketConnectOpts,
  secure: TlsClientOptions | null,
  owner: SocketOwner,
): NodeSocket {
  const raw = new net.Socket({ allowHalfOpen: true });
  const room = descriptors.canConnect;
  const socket = new NodeSocket(raw, owner, false);
  if (!room) {
    raw.destroy(Object.assign(new Error("no descriptor is left"), { code: "EMFILE" }));
    return socket;
  }
  if (secure !== null) raw.once("connect", () => socket.connectedForTls(secure));
  else {
    socket.startReading();
    // Deno starts to read between the two, paused or not, and what `onread` gets is delivered: 2.9.5.
    raw.once(onDeno ? "ready" : "connect", handleConnect);
  }
  try {
    raw.connect(options);
  } catch (error) {
    raw.destroy(error as Error); // a port or a path that cannot be: an error like any other
  }
  return socket;
}

function handleData(this: net.Socket, chunk: Buffer): void {
  (this as RawSocket).ours.received(asBytes(chunk), chunk.length);
}

function handleConnect(this: net.Socket): void {
  (this as RawSocket).ours.connected();
}

function handleDrain(this: net.Socket): void {
  const { ours } = this as RawSocket;
  if (ours.isTop(this)) ours.drained();
}

function handleEnd(this: net.Socket): void {
  const { ours } = this as RawSocket;
  if (ours.isTop(this)) ours.peerEnded();
}

function handleError(this: net.Socket, error: Error): void {
  const { ours } = this as RawSocket;
  if (ours.isTop(this)) ours.failed(error);
}

function handleClose(this: net.Socket): void {
  const { ours } = this as RawSocket;
  if (ours.isTop(this)) ours.closed();
}
