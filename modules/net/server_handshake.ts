/**
 * TLS that a client begins, on sockets that deliver to their owner whatever comes: its first message is read here and decides
 * who answers; the socket then goes on with what lies below node:tls.
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import { type ClientHello, INCOMPLETE, PLAIN_HTTP, parseClientHello } from "./client_hello.ts";
import type { Socket, SocketError, SocketOwner, TlsAcceptor, TlsInfo, TlsServer } from "./socket.ts";
import { asBytes, socketError } from "./system.ts";

/** The peer closed before TLS was set up. */
const NO_HANDSHAKE: SocketError = { code: "ECONNRESET", message: "closed during the handshake", inHandshake: true };

/** A socket on which TLS can begin. */
export interface Securable extends Socket {
  /**
   * TLS begins with the client's bytes that were read so far. `handshake` is told of its end, perhaps within the call.
   * @throws Error if it cannot begin
   */
  secure(server: TlsServer, hello: ClientHello, bytes: Bytes, handshake: ServerHandshake): void;
  /** Closes, for that reason. */
  fail(error: SocketError): void;
}

/** Owns a socket until TLS is there. */
export class ServerHandshake implements SocketOwner {
  private readonly socket: Securable;
  private readonly acceptor: TlsAcceptor;
  private bytes: Bytes | null = null;
  private helloRead = false;

  constructor(socket: Securable, acceptor: TlsAcceptor) {
    this.socket = socket;
    this.acceptor = acceptor;
  }

  /** Once the hello was read, what comes is for TLS, which has it already. */
  onData(bytes: Bytes, start: number, end: number): void {
    if (this.helloRead) return;
    const { socket, acceptor } = this;
    const so = this.bytes === null ? socket.keep(bytes, start, end) : joined(this.bytes, bytes.subarray(start, end));
    this.bytes = so;
    const hello = parseClientHello(so);
    if (hello === INCOMPLETE) return;
    this.helloRead = true;
    this.bytes = null;
    if (hello === PLAIN_HTTP) {
      acceptor.onPlain();
      socket.owner.onData(so, 0, so.length);
      return;
    }
    const server = acceptor.onHello(hello);
    if (server === null) {
      socket.destroy();
      return;
    }
    try {
      socket.secure(server, hello, so, this);
    } catch (error) {
      this.failed(error);
    }
  }

  onDrain(): void {}

  onEnd(): void {
    this.socket.fail(NO_HANDSHAKE);
  }

  onClose(error: SocketError | null): void {
    this.acceptor.onFailed(error);
  }

  // Below: called by the socket.

  secured(): void {
    this.acceptor.onSecure();
  }

  failed(error: unknown): void {
    this.socket.fail({ ...socketError(error), inHandshake: true });
  }
}

function joined(before: Uint8Array, more: Uint8Array): Bytes {
  return asBytes(Buffer.concat([before, more]));
}

/** A certificate as runtimes have it below node:tls. */
interface NativeCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: NativeCertificate;
}

/** Longer ones are cut, and fail. */
const MAX_CHAIN = 20;

/** The certificates of a chain, DER, its first one first. */
export function chainOf(first: NativeCertificate | null | undefined): TlsInfo["peerChain"] {
  const chain: Uint8Array[] = [];
  let at = first ?? undefined;
  while (at?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(at.raw);
    if (at.issuerCertificate === at) break;
    at = at.issuerCertificate;
  }
  return chain;
}
