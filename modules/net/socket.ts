/**
 * What the front and the backends need of a socket. `node.ts` gives it.
 */
import type { Bytes } from "../core/bytes.ts";
import type { ClientHello } from "./client_hello.ts";
import type { DatagramOptions, DatagramOwner, DatagramSocket } from "./datagram.ts";

export type { ClientHello };

/** An error of the system: `code` as in "ECONNREFUSED". */
export interface SocketError {
  readonly code: string;
  readonly message: string;
  /** The connection was open, and TLS failed on it. */
  readonly inHandshake?: boolean;
}

/** Gets the events of a socket. A socket has one owner at a time; `owner` may be replaced between events. */
export interface SocketOwner {
  /** A socket made by `connect` is open; calls of `write` before it are queued. */
  onConnect?(): void;
  /** After `onConnect`, if TLS was asked for: the handshake is done, and `Socket.tls` is set. */
  onSecure?(): void;
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
  /** Bytes that were read from the network so far, those of TLS included. */
  readonly receivedBytes: number;
  /** What the TLS handshake found; null: plain. */
  readonly tls: TlsInfo | null;
  /**
   * Sends a latin-1 string, or bytes, which the socket may still need after the call. After `end`, `destroy` or the close it
   * does nothing and returns true.
   * @returns false: do not write more before `onDrain`
   */
  write(data: string | Uint8Array): boolean;
  /** Sends the parts in one go: one segment if they fit. */
  writev(parts: readonly (string | Uint8Array)[]): boolean;
  /**
   * As `writev`. Buffers that end with one of the parts are nobody's any more: their memory may be given back once they are
   * written. Absent where nothing is gained by it.
   */
  writeAway?(parts: readonly (string | Uint8Array)[]): boolean;
  /** The bytes [start, end) in a buffer of their own, valid for good. Only inside `onData`. */
  keep(bytes: Bytes, start: number, end: number): Bytes;
  /** The same for `to.write` or `to.writev`, which must get it before `onData` returns, and nobody else: perhaps without a copy. */
  lend(bytes: Bytes, start: number, end: number, to: Socket): Bytes;
  /**
   * Writes [start, end) of `bytes` to another socket without a copy, behind `before`, latin-1, which goes over what lies in front
   * of `start`, as that was read. Only inside `onData`. Absent where a copy is cheaper.
   * @returns what `to.write` does; null: nothing was written, for want of room or as the other socket is of another kind
   */
  pass?(to: Socket, before: string, bytes: Bytes, start: number, end: number): boolean | null;
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
  /** Speak TLS on it. What is written before `onSecure` is lost. */
  readonly tls?: TlsClientOptions | null;
}

export type TlsVersion = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** One side of TLS. Nothing is said here of whom to trust: certificates of peers are for the owner to check. */
export interface TlsOptions {
  /** PEM: the certificate, then its chain; "": none. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names of suites, joined by colons; "": the host's own choice. */
  readonly ciphers: string;
}

/** One object for each identity: the host keeps what can be kept from one connection to the next by it. */
export interface TlsClientOptions extends TlsOptions {
  /** For SNI; "": none is sent. */
  readonly serverName: string;
}

export interface TlsServerOptions extends TlsOptions {
  /** The server's order of suites counts, not the client's. */
  readonly honorCipherOrder: boolean;
  /** Ask the client for a certificate. */
  readonly requestCert: boolean;
  /** PEM: the authorities that are named to the client then. */
  readonly ca: string;
  /** Session tickets. */
  readonly tickets: boolean;
  /** How long a session may be resumed, seconds. */
  readonly sessionTimeout: number;
  /** The protocol that clients are told by ALPN: only for those that offer it; "": none. */
  readonly alpn: string;
}

/** Made by `SocketHost.tlsServer`. */
export interface TlsServer {
  readonly options: TlsServerOptions;
}

/** What a handshake found. */
export interface TlsInfo {
  /** "TLSv1.3"; "": not known, as where the runtime's server has the connection. */
  readonly protocol: string;
  /** OpenSSL's name of the suite; "": not known. */
  readonly cipher: string;
  /** null: not known. */
  readonly resumed: boolean | null;
  /** From SNI, lower case; "" if none was sent. */
  readonly serverName: string;
  /** The protocol that was agreed on by ALPN; "": none. */
  readonly alpn: string;
  /** The peer's certificates, DER, its own first; none if it has shown none. Their signatures on the handshake are checked. */
  readonly peerChain: readonly Uint8Array[];
}

/** Follows the handshake of a client. One of `onSecure`, `onPlain`, `onFailed` is the last call. */
export interface TlsAcceptor {
  /** The server that answers; null closes the connection. */
  onHello(hello: ClientHello): TlsServer | null;
  /** `Socket.tls` is set; the socket's owner must be set before it returns. */
  onSecure(): void;
  /** The client speaks plain HTTP: the socket is plain, and will deliver it. The owner must be set before it returns. */
  onPlain(): void;
  onFailed(error: SocketError | null): void;
}

/** Reads what stands before a connection's protocol, such as a PROXY header. */
export interface FirstReader {
  /**
   * What came so far.
   * @returns how many of the bytes are the reader's; those behind belong to the connection. -1: more is needed
   */
  onFirst(bytes: Bytes): number;
  /** The connection begins: its owner is set, or `acceptTls` called, before it returns. */
  onRest(): void;
}

/** What a host's TLS does whatever it is told. */
export interface TlsLimits {
  /** The oldest protocol that it knows. */
  readonly oldest: TlsVersion;
  /** Suites that it offers even if `ciphers` does not name them. */
  readonly fixedSuites: readonly string[];
  /** `honorCipherOrder` has an effect. */
  readonly serverOrder: boolean;
  /** `tickets: false` has an effect. */
  readonly ticketsOff: boolean;
  /** Who runs it, for messages: "Deno". */
  readonly name: string;
}

export interface ListenOptions {
  /** "" or "*": every address. */
  readonly address: string;
  readonly port: number;
  /** Path of a unix socket, instead of address and port. */
  readonly unix?: string;
  /** @default 511 (Bun always has 512) */
  readonly backlog?: number;
  /** A listening socket that is open already, of this address. @default undefined: one is opened */
  readonly fd?: number | undefined;
  /**
   * A unix socket's path stays when the listener is closed, as another one goes on with the socket: who closes the last one
   * removes it. @default false
   */
  readonly keepPath?: boolean;
  /** SO_REUSEPORT: several listeners share the port, and the system spreads connections over them. @default false */
  readonly reusePort?: boolean;
  /** TLS may begin on its connections. @default false */
  readonly tls?: boolean;
}

/** Must set the socket's owner before it returns. */
export type Accept = (socket: Socket) => void;

export interface Listener {
  /** The port that was bound, also if 0 was asked for. */
  readonly port: number;
  /** What it accepts cannot speak TLS. @default false */
  readonly plainOnly?: boolean;
  /** Stops accepting; connections go on. Resolves when they have ended, too. */
  close(): Promise<void>;
}

/** A host that has sockets. */
export interface SocketHost {
  connect(options: ConnectOptions, owner: SocketOwner): Socket;
  /** A server's side of TLS. @throws Error if certificate, key or suites cannot be used */
  tlsServer(options: TlsServerOptions): TlsServer;
  /**
   * Hands the first bytes of a socket that was accepted to a reader; only before its `accept` returns. Until the reader has them
   * the socket's owner gets `onClose` alone.
   */
  readFirst(socket: Socket, reader: FirstReader): void;
  /** Speaks TLS on a socket that a listener with `tls` accepted; only before its `accept`, or a reader's `onRest`, returns. */
  acceptTls(socket: Socket, acceptor: TlsAcceptor): void;
  readonly tlsLimits: TlsLimits;
  /**
   * Resolves when bound; rejects with a SocketError.
   * @param shed a connection was closed at once, for want of descriptors
   */
  listen(options: ListenOptions, accept: Accept, shed?: () => void): Promise<Listener>;
  /** A buffer whose contents are to be written before they are read. */
  alloc(size: number): Bytes;
  /** All addresses of a name, in the resolver's order; rejects with a SocketError. IP addresses resolve to themselves. */
  lookup(name: string): Promise<readonly string[]>;
  /** UDP. Resolves when bound; rejects with a SocketError. */
  datagram(options: DatagramOptions, owner: DatagramOwner): Promise<DatagramSocket>;
  /** The name of an IP address; rejects with a SocketError if it has none. */
  reverse(address: string): Promise<string>;
}
