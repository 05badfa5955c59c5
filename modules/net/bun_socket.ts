/**
 * Sockets on Bun past node:net and, for clients, node:tls: Bun's own socket and an object of ours, no stream and no emitter
 * between them. Long, and one class: what may still be written, read or told is one state.
 *
 * Measured (Bun 1.4.4): a bare proxy of small messages costs 0.80 to 0.91 of nginx's CPU time so, 1.03 to 1.16 on node:net.
 * - `write(string, "latin1")` is not in Bun's documentation of `write`, but in what it does.
 * - What `data` hands over is fresh, of exact size, and never used again. It is memory that the collector gives back late, and
 *   the allocator to the system by then: a large one comes with a page fault for each 4 KB. So it is given back by hand: at
 *   once, or, where it was kept, by who writes it away.
 * - A pause holds back the peer's end as well, but not what a reset finds unread.
 * - Once both sides have ended `close` may come without `end`.
 * - `upgradeTLS` takes what was read before as `initialData`. It parts the socket in two: what TLS says, and a twin with the
 *   listener's handlers that goes on to deliver what is read below TLS. Handlers are the listener's for good: `reload` of a
 *   twin would change them for all.
 */

import net from "node:net";
import type { Bytes } from "../core/bytes.ts";
import { type BunSecureHandle, type BunUpgrade, bunTlsInfo, upgradeOptions } from "./bun_tls.ts";
import type { ClientHello } from "./client_hello.ts";
import { descriptors } from "./descriptors.ts";
import { type HandleTaker, openHandle } from "./handle.ts";
import type { NodeTlsServer } from "./node_tls.ts";
import type { Securable, ServerHandshake } from "./server_handshake.ts";
import type { Accept, Listener, Socket, SocketError, SocketOwner, TlsInfo } from "./socket.ts";
import { joinSmall, plainAddress, socketError } from "./system.ts";

/** What is used of Bun's socket; its types leave some of it out. */
interface Handle {
  data: BunSocket | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** Answers how many bytes were taken; below 0: it is closed. */
  write(data: string, encoding: "latin1"): number;
  write(data: Uint8Array, start?: number, size?: number): number;
  pause(): void;
  resume(): void;
  /** Sends a FIN. */
  shutdown(): void;
  /** Calls the handler `close` before it returns. */
  close(): void;
  setKeepAlive(on: boolean, delay: number): void;
  /** Gives a socket that was connected, and only that one, other handlers. */
  reload?(options: { readonly socket: object }): void;
  /** The twin, and what TLS says. */
  upgradeTLS(options: BunUpgrade<BunSocket>): readonly [Handle, Handle];
}

type SecureHandle = Handle & BunSecureHandle;

/** From so many bytes on, reads are given back. Less is found again in the allocator's own lists. */
const LARGE_READ = 32_768;
/** Of the read that an owner is being told of: somebody has kept of it; the one who was to write of it at once. */
let kept = false;
let taker: BunSocket | null = null;

const nobody: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

export class BunSocket implements Securable, HandleTaker {
  owner: SocketOwner;
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;
  tls: TlsInfo | null = null;
  queuedBytes = 0;
  receivedBytes = 0;
  /** null: not connected yet. */
  private handle: Handle | null;
  /** What goes on below TLS until that is set up. */
  private twin: Handle | null = null;
  private handshake: ServerHandshake | null = null;
  private serverName = "";
  /** Connects. */
  private connector: net.Socket | null = null;
  /** What the system has not taken yet; null: nothing. */
  private queue: (string | Uint8Array)[] | null = null;
  /** What of it nobody else has. */
  private lent: ArrayBuffer[] | null = null;
  private error: SocketError | null = null;
  private readonly accepted: boolean;
  /** Destroyed, failed or closed: only onClose may follow. */
  private gone = false;
  /** `end` was called: nothing more can be written. */
  private ended = false;
  private peerEnded = false;
  private paused = false;
  private closeSeen = false;
  private readonly onClosed: (() => void) | null;

  /**
   * @param handle null: `connect` follows
   * @param onClosed called before the owner's `onClose`
   */
  constructor(owner: SocketOwner, handle: Handle | null, onClosed: (() => void) | null = null) {
    this.owner = owner;
    this.handle = handle;
    this.onClosed = onClosed;
    this.accepted = handle !== null;
    descriptors.opened(this.accepted);
  }

  write(data: string | Uint8Array): boolean {
    if (this.gone || this.ended) return true;
    const { handle } = this;
    if (this.queue !== null || handle === null) return this.enqueue(data);
    if (data.length === 0) return true;
    const taken = send(handle, data);
    // Below 0 it is closed, and `close` tells.
    return taken === data.length || taken < 0 || this.enqueue(rest(data, taken));
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    const small = joinSmall(parts);
    if (small !== null) return this.write(small);
    let more = true;
    for (const part of parts) more = this.write(part);
    return more;
  }

  writeAway(parts: readonly (string | Uint8Array)[]): boolean {
    const more = this.writev(parts);
    for (const part of parts) {
      if (typeof part === "string" || part.byteOffset + part.length !== part.buffer.byteLength) continue;
      if (part.buffer.byteLength >= LARGE_READ) giveBack(part.buffer as ArrayBuffer, this);
    }
    return more;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    kept = true;
    return start === 0 && end === bytes.length ? bytes : (bytes.subarray(start, end) as Bytes);
  }

  lend(bytes: Bytes, start: number, end: number, to: Socket): Bytes {
    if (!(to instanceof BunSocket)) return this.keep(bytes, start, end);
    giveTo(to);
    return bytes.subarray(start, end) as Bytes;
  }

  pass(to: Socket, before: string, bytes: Bytes, start: number, end: number): boolean | null {
    const at = start - before.length;
    if (at < 0 || !(to instanceof BunSocket)) return null;
    giveTo(to);
    // One buffer instead of three: of a request for 10 KB, a quarter of the time.
    if (before !== "") (bytes as Bytes & { latin1Write(text: string, at: number): void }).latin1Write(before, at);
    return to.writePart(bytes, at, end);
  }

  private writePart(bytes: Bytes, start: number, end: number): boolean {
    if (this.gone || this.ended) return true;
    const { handle } = this;
    if (this.queue !== null || handle === null) return this.enqueue(bytes.subarray(start, end));
    const size = end - start;
    const taken = size === 0 ? 0 : handle.write(bytes, start, size);
    return taken === size || taken < 0 || this.enqueue(bytes.subarray(start + taken, end));
  }

  pause(): void {
    if (this.gone || this.paused) return;
    this.paused = true;
    this.handle?.pause();
  }

  resume(): void {
    if (this.gone || !this.paused) return;
    this.paused = false;
    this.handle?.resume();
  }

  end(): void {
    if (this.gone || this.ended) return;
    this.ended = true;
    if (this.queue === null) this.handle?.shutdown();
  }

  destroy(): void {
    if (this.gone) return;
    this.gone = true;
    if (this.handle !== null) this.handle.close();
    else this.connector!.destroy();
  }

  setKeepAlive(on: boolean): void {
    if (this.gone) return;
    if (this.handle !== null) this.handle.setKeepAlive(on, 0);
    else this.connector!.setKeepAlive(on);
  }

  private enqueue(data: string | Uint8Array): boolean {
    if (data.length === 0) return this.queue === null;
    if (this.queue === null) this.queue = [data];
    else this.queue.push(data);
    this.queuedBytes += data.length;
    return false;
  }

  // Connecting

  connect(options: net.SocketConnectOpts, room: boolean): void {
    this.connector = openHandle(options, this, room);
  }

  connected(raw: net.Socket): void {
    if (this.gone) return;
    const handle = (raw as unknown as { readonly _handle?: Handle })._handle;
    if (handle?.reload === undefined) {
      connectable = false;
      raw.destroy(new Error("this version of Bun keeps its sockets to itself"));
      return;
    }
    handle.reload({ socket: handlers });
    handle.data = this;
    this.handle = handle;
    this.connector = null;
    this.learnPeer();
    this.learnLocal();
    this.owner.onConnect?.();
    if (this.gone) return;
    if (!this.paused) handle.resume();
    if (this.queue !== null) this.flush();
    else if (this.ended) handle.shutdown();
  }

  connectFailed(error: Error): void {
    if (!this.gone) this.error = socketError(error);
    this.gone = true;
  }

  connectEnded(): void {
    this.closed(undefined);
  }

  // TLS

  secure(server: NodeTlsServer, hello: ClientHello, bytes: Bytes, handshake: ServerHandshake): void {
    const plain = this.handle!;
    kept = true; // by Bun, as what TLS begins with
    this.handshake = handshake;
    this.serverName = hello.serverName;
    const [twin] = plain.upgradeTLS(upgradeOptions(server, bytes, this, secureHandlers));
    if (this.handshake === null) twin.data = undefined;
    else this.twin = twin;
  }

  fail(error: SocketError): void {
    if (this.gone) return;
    this.error = error;
    this.destroy();
  }

  /** Says what was `handle` so far. */
  layered(handle: SecureHandle): void {
    this.handle = handle;
  }

  /** @param error why it is not there; null: it is */
  secured(handle: SecureHandle, error: unknown): void {
    const { handshake } = this;
    if (handshake === null) return;
    this.handshake = null;
    if (this.twin !== null) this.twin.data = undefined;
    this.twin = null;
    if (this.gone) return;
    if (error !== null) {
      handshake.failed(error);
      return;
    }
    this.tls = bunTlsInfo(handle, this.serverName);
    handshake.secured();
  }

  // Below: called by the handlers of this file.

  /** Addresses are there while it is open only; each of them is a call of the system. */
  learnPeer(): void {
    this.remoteAddress = plainAddress(this.handle?.remoteAddress);
    this.remotePort = this.handle?.remotePort ?? 0;
  }

  learnLocal(): void {
    this.localAddress = plainAddress(this.handle?.localAddress);
    this.localPort = this.handle?.localPort ?? 0;
  }

  received(bytes: Bytes): void {
    this.receivedBytes += bytes.length;
    // Paused: a reset, which comes next and takes these bytes with it.
    if (this.gone || this.paused) return;
    if (bytes.length < LARGE_READ) {
      this.owner.onData(bytes, 0, bytes.length);
      return;
    }
    kept = false;
    taker = null;
    this.owner.onData(bytes, 0, bytes.length);
    if (!kept && bytes.length === bytes.buffer.byteLength) giveBack(bytes.buffer as ArrayBuffer, taker);
    kept = true; // in case that this was within another call
  }

  /** Whether it has not written all of what it was given; if so, it gives that buffer back when it has. */
  holds(buffer: ArrayBuffer): boolean {
    if (this.queue === null) return false;
    this.lent ??= [];
    this.lent.push(buffer);
    return true;
  }

  /** The system takes more; it says so at other times, too. */
  flush(): void {
    const { queue, handle } = this;
    if (queue === null || handle === null || this.gone) return;
    let at = 0;
    for (; at < queue.length; at++) {
      const data = queue[at]!;
      const taken = send(handle, data);
      if (taken < 0) return;
      this.queuedBytes -= taken;
      if (taken < data.length) {
        queue[at] = rest(data, taken);
        queue.splice(0, at);
        return;
      }
    }
    this.queue = null;
    if (this.lent !== null) {
      for (const buffer of this.lent) buffer.transfer(0);
      this.lent = null;
    }
    if (this.ended) handle.shutdown();
    else this.owner.onDrain();
  }

  peerEnds(): void {
    this.peerEnded = true;
    if (!this.gone) this.owner.onEnd();
  }

  closed(error: unknown): void {
    if (this.closeSeen) return; // of the twin
    this.closeSeen = true;
    descriptors.closed(this.accepted);
    this.onClosed?.();
    this.queue = this.lent = null;
    this.queuedBytes = 0;
    if (this.gone) {
      process.nextTick(tellClosed, this); // perhaps within the call of `destroy`
      return;
    }
    if (error !== undefined) this.error = socketError(error);
    else if (!this.peerEnded && this.handle !== null) this.owner.onEnd();
    this.gone = true;
    this.tellClosed();
  }

  tellClosed(): void {
    this.owner.onClose(this.error);
  }
}

function tellClosed(socket: BunSocket): void {
  socket.tellClosed();
}

const handlers = {
  data(handle: Handle, bytes: Bytes): void {
    handle.data?.received(bytes);
  },
  drain(handle: Handle): void {
    handle.data?.flush();
  },
  end(handle: Handle): void {
    handle.data?.peerEnds();
  },
  close(handle: Handle, error: unknown): void {
    handle.data?.closed(error);
  },
};

/** TLS's own: the twin's are those of the listener. */
const secureHandlers = {
  ...handlers,
  open(handle: SecureHandle): void {
    handle.data?.layered(handle);
  },
  handshake(handle: SecureHandle, done: boolean, error: unknown): void {
    // Whether the client is to be trusted is told as an error of a handshake that is done.
    handle.data?.secured(handle, done ? null : error);
  },
};

/** Until a version of Bun is met that keeps from us what node:net has connected: that one connection fails. */
let connectable = true;

/** Opens a connection; null: what node:net connects cannot be taken over. */
export function connectBun(options: net.SocketConnectOpts, owner: SocketOwner): BunSocket | null {
  if (!connectable) return null;
  const room = descriptors.canConnect;
  const socket = new BunSocket(owner, null);
  socket.connect(options, room);
  return socket;
}

interface BunListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly reusePort: boolean;
}

interface BunApi {
  listen(options: BunListenOptions & { readonly allowHalfOpen: boolean; readonly socket: object }): {
    readonly port: number;
    stop(): void;
  };
}

/** TCP. @throws an error with the system's code */
export function listenBun(options: BunListenOptions, accept: Accept, shed?: () => void): Listener {
  const { Bun } = globalThis as unknown as { readonly Bun: BunApi };
  /** What every connection has for its local address, if that is known. */
  const local = net.isIPv4(options.hostname) && options.hostname !== "0.0.0.0" ? options.hostname : "";
  let open = 0;
  let allClosed: (() => void) | null = null;
  const closed = (): void => {
    if (--open === 0) allClosed?.();
  };
  const listener = Bun.listen({
    ...options,
    allowHalfOpen: true,
    socket: {
      ...handlers,
      open(handle: Handle): void {
        if (!descriptors.canAccept) {
          handle.close();
          shed?.();
          return;
        }
        open++;
        const socket = new BunSocket(nobody, handle, closed);
        handle.data = socket;
        socket.learnPeer();
        if (local === "") socket.learnLocal();
        else {
          socket.localAddress = local;
          socket.localPort = port;
        }
        accept(socket);
      },
    },
  });
  const { port } = listener;
  return {
    port,
    close() {
      listener.stop();
      if (open === 0) return Promise.resolve();
      return new Promise((resolve) => {
        allClosed = resolve;
      });
    },
  };
}

/** It is to write of the read. Of two, none knows when the other has. */
function giveTo(to: BunSocket): void {
  if (taker !== null && taker !== to) kept = true;
  taker = to;
}

/** Frees the memory of a read. @param to who was to write of it */
function giveBack(buffer: ArrayBuffer, to: BunSocket | null): void {
  if (to === null || !to.holds(buffer)) buffer.transfer(0);
}

function send(handle: Handle, data: string | Uint8Array): number {
  return typeof data === "string" ? handle.write(data, "latin1") : handle.write(data);
}

function rest(data: string | Uint8Array, start: number): string | Uint8Array {
  return typeof data === "string" ? data.slice(start) : data.subarray(start);
}
