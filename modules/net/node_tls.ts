/**
 * TLS on node:tls, for Bun (BoringSSL) and Deno (rustls): towards backends, and to clients where bun_tls.ts and deno_tls.ts
 * cannot be had. What the two do not do alike is put right or told here.
 *
 * Measured (Bun 1.4.4, Deno 2.9.5):
 * - Signatures of handshakes are checked on both whatever `rejectUnauthorized` says. What else Deno says of a client's
 *   certificate cannot be relied on: a resumed session counts as authorized though the certificate never was. So nobody is
 *   trusted here, and the owner checks the chain.
 * - Bytes that were read before TLS begins can be put back by `unshift`, and a tls.Server takes a socket by its `connection` event.
 * - Deno's `pause()` does not stop reading, and 'end' is lost meanwhile: the TCP socket below must be stopped as well.
 * - `handshakeTimeout` never fires on Deno: the owner has a timer and destroys the socket.
 * - Deno takes suites and their order from rustls, and issues session tickets always.
 */
import { constants } from "node:crypto";
import type net from "node:net";
import tls from "node:tls";
import { type ClientHello, INCOMPLETE, type PLAIN_HTTP, parseClientHello } from "./client_hello.ts";
import { chainOf } from "./server_handshake.ts";
import type { TlsClientOptions, TlsInfo, TlsLimits, TlsOptions, TlsServer, TlsServerOptions } from "./socket.ts";

const onDeno = "Deno" in globalThis;

const TLS13_SUITES = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];

export const tlsLimits: TlsLimits = onDeno
  ? {
      name: "Deno",
      oldest: "TLSv1.2",
      fixedSuites: [
        ...TLS13_SUITES,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
      ],
      serverOrder: false,
      ticketsOff: false,
    }
  : { name: "Bun", oldest: "TLSv1", fixedSuites: TLS13_SUITES, serverOrder: true, ticketsOff: true };

/** A TLSSocket knows the socket below; node's own name, on both runtimes. */
interface Layered extends tls.TLSSocket {
  readonly _parent?: net.Socket;
}

/** Who waits for a handshake. */
export interface HandshakeOwner {
  secured(socket: tls.TLSSocket): void;
  handshakeFailed(error: unknown): void;
}

/** Answers handshakes on sockets that others accepted. */
export class NodeTlsServer implements TlsServer {
  readonly options: TlsServerOptions;
  /** Certificates, suites and sessions: one for all connections, for sockets that go below node:tls. */
  readonly context: tls.SecureContext;
  /** For those on node:net. */
  private server: tls.Server | null = null;
  private readonly pending = new Map<net.Socket, HandshakeOwner>();

  /** @throws Error if certificate, key or suites cannot be used */
  constructor(options: TlsServerOptions) {
    this.options = options;
    this.context = tls.createSecureContext(serverContext(options));
  }

  private nodeServer(): tls.Server {
    const { options } = this;
    const server = tls.createServer({
      ...serverContext(options),
      allowHalfOpen: true,
      requestCert: options.requestCert,
      rejectUnauthorized: false,
      ...(options.alpn !== "" && { ALPNProtocols: [options.alpn] }),
    });
    server.on("secureConnection", (socket: tls.TLSSocket) => this.ownerOf(socket)?.secured(socket));
    server.on("tlsClientError", (error: Error, socket: tls.TLSSocket) => {
      socket.on("error", ignore);
      this.ownerOf(socket)?.handshakeFailed(error);
    });
    return server;
  }

  handshake(raw: net.Socket, owner: HandshakeOwner): void {
    this.pending.set(raw, owner);
    raw.once("close", () => {
      if (this.pending.delete(raw)) owner.handshakeFailed(null);
    });
    this.server ??= this.nodeServer();
    this.server.emit("connection", raw);
  }

  private ownerOf(socket: Layered): HandshakeOwner | undefined {
    const raw = socket._parent ?? this.samePeer(socket);
    const owner = raw === undefined ? undefined : this.pending.get(raw);
    if (raw !== undefined) this.pending.delete(raw);
    return owner;
  }

  /** Bun parts a socket whose handshake failed from the one below. */
  private samePeer(socket: tls.TLSSocket): net.Socket | undefined {
    for (const raw of this.pending.keys()) {
      if (raw.remotePort === socket.remotePort && raw.remoteAddress === socket.remoteAddress) return raw;
    }
    return undefined;
  }
}

/** What is kept for connections of one identity: the prepared options, and the last session. */
interface ClientState {
  readonly context: tls.SecureContext;
  session: Buffer | undefined;
}

const clients = new WeakMap<TlsClientOptions, ClientState>();

/** Begins TLS on a connected socket. @throws Error if certificate, key or suites cannot be used */
export function startTlsClient(raw: net.Socket, options: TlsClientOptions, owner: HandshakeOwner): void {
  let state = clients.get(options);
  if (state === undefined) {
    state = { context: tls.createSecureContext(common(options)), session: undefined };
    clients.set(options, state);
  }
  const kept = state;
  const socket = tls.connect({
    socket: raw,
    secureContext: kept.context,
    servername: options.serverName,
    rejectUnauthorized: false,
    allowHalfOpen: true,
    checkServerIdentity: () => undefined,
    ...(kept.session !== undefined && { session: kept.session }),
  } as tls.ConnectionOptions);
  let done = false;
  const failed = (error: unknown): void => {
    if (done) return;
    done = true;
    owner.handshakeFailed(error);
  };
  socket.once("secureConnect", () => {
    if (done) return;
    done = true;
    socket.off("close", closed);
    owner.secured(socket);
  });
  const closed = (): void => failed(null);
  socket.on("session", (session: Buffer) => {
    kept.session = session;
  });
  socket.on("error", failed);
  socket.once("close", closed);
}

function common(options: TlsOptions): tls.SecureContextOptions {
  return {
    minVersion: options.minVersion,
    maxVersion: options.maxVersion,
    ...(options.cert !== "" && { cert: options.cert, key: options.key }),
    ...(options.ciphers !== "" && { ciphers: options.ciphers }),
  };
}

function serverContext(options: TlsServerOptions): tls.SecureContextOptions {
  return {
    ...common(options),
    honorCipherOrder: options.honorCipherOrder,
    sessionTimeout: options.sessionTimeout,
    ...(options.ca !== "" && { ca: options.ca }),
    secureOptions:
      (options.tickets ? 0 : constants.SSL_OP_NO_TICKET) |
      (options.honorCipherOrder ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE : 0),
  };
}

export function tlsInfo(socket: tls.TLSSocket, serverName: string): TlsInfo {
  return {
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.name ?? "",
    resumed: socket.isSessionReused?.() ?? false,
    serverName,
    alpn: socket.alpnProtocol || "",
    peerChain: chainOf(socket.getPeerCertificate(true)),
  };
}

/** Reads the first message of a client, puts it back, and tells what it was. The socket is paused then. */
export function readClientHello(raw: net.Socket, done: (hello: ClientHello | typeof PLAIN_HTTP) => void): void {
  const parts: Buffer[] = [];
  const onData = (chunk: Buffer): void => {
    parts.push(chunk);
    const bytes = parts.length === 1 ? chunk : Buffer.concat(parts);
    const hello = parseClientHello(bytes);
    if (hello === INCOMPLETE) return;
    raw.off("data", onData);
    raw.pause();
    raw.unshift(bytes);
    done(hello);
  };
  raw.on("data", onData);
}

/** Stops and starts reading below TLS. Needed on Deno, harmless on Bun. */
export function stopBelow(raw: net.Socket): void {
  (raw as HandleOwner)._handle?.readStop?.();
}

export function startBelow(raw: net.Socket): void {
  (raw as HandleOwner)._handle?.readStart?.();
}

type HandleOwner = net.Socket & { _handle?: { readStop?(): void; readStart?(): void } };

function ignore(): void {}
