/**
 * What the front and the backends need of a socket. `node.ts` gives it on node:net and node:tls.
 */
import type { Bytes } from "../core/bytes.ts";
import type { DatagramOptions, DatagramOwner, DatagramSocket } from "./datagram.ts";

/** An error of the system: `code` as in "ECONNREFUSED". */
export interface SocketError {
  readonly code: string;
  readonly message: string;
}

/** Gets the events of a socket. A socket has one owner at a time; `owner` may be replaced between events. */
export interface SocketOwner {
  /** A socket made by `connect` is open; calls of `write` before it are queued. */
  onConnect?(): void;
  /**
   * Bytes [start, end) of `bytes` were read. The buffer may be used again after the call: what is kept must be kept
   * by `Socket.keep`.
   */
  onData(bytes: Bytes, start: number, end: number): void;
  /** What `write` had to queue is written. */
  onDrain(): void;
  /** The peer sends no more. Writing is still possible. */
  onEnd(): void;
  /** The last event, always, once: closed, by whomever. */
  onClose(error: SocketError | null): void;
}

export interface Socket {
  owner: SocketOwner;
  /** Without the ::ffff: of IPv4 in IPv6; "" on a unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes of `write` calls that the system has not taken yet. */
  readonly queuedBytes: number;
  /**
   * Sends a latin-1 string, or bytes, which the socket may still need after the call. After `end`, `destroy` or the close it
   * does nothing and returns true.
   * @returns false: do not write more before `onDrain`
   */
  write(data: string | Uint8Array): boolean;
  /** Sends the parts in one go: one segment if they fit. */
  writev(parts: readonly (string | Uint8Array)[]): boolean;
  /** The bytes [start, end) in a buffer of their own, valid for good. Only inside `onData`. */
  keep(bytes: Bytes, start: number, end: number): Bytes;
  /** Stops `onData` at once, and with it the peer, soon. `onEnd` waits for `resume`; a reset may not. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then a FIN; reading goes on. */
  end(): void;
  /** Closes now; unread input may turn it into a reset. No event but `onClose` follows, and that not within the call. */
  destroy(): void;
  setKeepAlive(on: boolean): void;
}

/** How to open a connection. */
export interface ConnectOptions {
  /** An IP address, or the path of a unix socket. */
  readonly address: string;
  /** Ignored for a unix socket. */
  readonly port: number;
  readonly unix: boolean;
  readonly keepAlive?: boolean;
  /** SO_RCVBUF, bytes; 0: the system's. */
  readonly receiveBufferSize?: number;
}

export interface ListenOptions {
  /** "" or "*": every address. */
  readonly address: string;
  readonly port: number;
  /** Path of a unix socket, instead of address and port. */
  readonly unix?: string;
  /** @default 511 (Bun always has 512) */
  readonly backlog?: number;
  /** SO_REUSEPORT: several listeners share the port, and the system spreads connections over them. @default false */
  readonly reusePort?: boolean;
}

export interface Listener {
  /** The port that was bound, also if 0 was asked for. */
  readonly port: number;
  /** Stops accepting; connections go on. Resolves when they have ended, too. */
  close(): Promise<void>;
}

/** A host that has sockets. */
export interface SocketHost {
  connect(options: ConnectOptions, owner: SocketOwner): Socket;
  /** Resolves when bound; rejects with a SocketError. `accept` must set the socket's owner before it returns. */
  listen(options: ListenOptions, accept: (socket: Socket) => void): Promise<Listener>;
  /** A buffer whose contents are to be written before they are read. */
  alloc(size: number): Bytes;
  /** All addresses of a name, in the resolver's order; rejects with a SocketError. IP addresses resolve to themselves. */
  lookup(name: string): Promise<readonly string[]>;
  /** UDP. Resolves when bound; rejects with a SocketError. */
  datagram(options: DatagramOptions, owner: DatagramOwner): Promise<DatagramSocket>;
  /** The name of an IP address; rejects with a SocketError if it has none. */
  reverse(address: string): Promise<string>;
}
