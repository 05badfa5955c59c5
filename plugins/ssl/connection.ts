/**
 * A client's connection: the handshake before its first request, and what it found.
 * Source: httpd modules/ssl/mod_ssl.c ssl_hook_pre_connection; ssl_engine_io.c ssl_io_filter_handshake; ssl_engine_kernel.c
 */
import {
  type ClientHello,
  type ConnRec,
  clientAddress,
  DECLINED,
  handshakeTimeLeft,
  OK,
  ownBytes,
  type ServerRec,
  type Socket,
  type SocketError,
  type Status,
  serveConnection,
  type Timeout,
  type TlsAcceptor,
  type TlsInfo,
  type TlsServer,
  vhostNamed,
} from "../../modules/mod.ts";
import { type SslServer, sslServerOf } from "./server.ts";
import { type Certificate, CLIENT_AUTH, certificateOf, verifyChain } from "./verify.ts";

/** What is known of a connection to a host with SSLEngine on. */
export interface SslConn {
  readonly ssl: SslServer;
  /** The virtual host that SNI named, be it one without TLS; else the default one. */
  readonly met: ServerRec;
  /** null: the client spoke plain HTTP. */
  readonly tls: TlsInfo | null;
  /** Ours. */
  readonly certificate: Certificate;
  /** The client's; null: it has shown none. */
  readonly client: Certificate | null;
  /** As SSL_CLIENT_VERIFY has it: NONE, SUCCESS, or "FAILED:" and why (optional_no_ca). */
  readonly verified: string;
}

const connections = new WeakMap<ConnRec, SslConn>();

export function sslConnOf(conn: ConnRec): SslConn | undefined {
  return connections.get(conn.master ?? conn);
}

export function rememberConn(conn: ConnRec, known: SslConn): SslConn {
  connections.set(conn, known);
  return known;
}

/** pre_connection */
export function preConnection(conn: ConnRec, socket: Socket): Status {
  const ssl = sslServerOf(conn.vhosts[0]!);
  if (ssl === undefined) return DECLINED;
  new Handshake(conn, socket, ssl).start();
  return OK;
}

/** What httpd takes a request of plain HTTP for, whatever it is. */
const PLAIN_REQUEST = ownBytes(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));

class Handshake implements TlsAcceptor, Timeout {
  deadline = 0;
  slot = 0;
  private readonly conn: ConnRec;
  private readonly socket: Socket;
  private readonly startMs: number;
  private ssl: SslServer;
  private met: ServerRec;
  private certificate: Certificate;

  constructor(conn: ConnRec, socket: Socket, ssl: SslServer) {
    this.conn = conn;
    this.socket = socket;
    this.ssl = ssl;
    this.met = ssl.server;
    this.certificate = ssl.choose({ serverName: "", ecdsa: false, protocols: [] }).certificate;
    this.startMs = conn.process.clock.now();
  }

  start(): void {
    this.arm();
    this.conn.process.sockets.acceptTls(this.socket, this);
  }

  /** Time is up, or bytes came that give more of it. */
  expire(): void {
    if (this.arm()) return;
    this.log("AH01991", "SSL input filter read failed: handshake time-out");
    this.socket.destroy();
  }

  /** RequestReadTimeout handshake=, else Timeout. False: nothing is left. */
  private arm(): boolean {
    const { clock, wheel } = this.conn.process;
    const left = handshakeTimeLeft(this.ssl.server, clock.now() - this.startMs, this.socket.receivedBytes);
    if (left > 0) wheel.arm(this, left);
    return left > 0;
  }

  onHello(hello: ClientHello): TlsServer {
    const found = hello.serverName === "" ? undefined : vhostNamed(this.conn.vhosts, hello.serverName);
    if (found !== undefined) {
      this.met = found;
      this.ssl = sslServerOf(found) ?? this.ssl;
    }
    const { tls, certificate } = this.ssl.choose(hello);
    this.certificate = certificate;
    return tls;
  }

  onSecure(): void {
    const { conn, socket, ssl, met, certificate } = this;
    conn.process.wheel.drop(this);
    const tls = socket.tls!;
    const verified = this.verify(tls);
    if (verified === null) {
      socket.destroy();
      return;
    }
    // What `verify` has seen can be read.
    const client = verified === "NONE" ? null : certificateOf(tls.peerChain[0]!);
    conn.secure = true;
    rememberConn(conn, { ssl, met, tls, certificate, client, verified });
    serveConnection(conn, socket);
  }

  /** SSLVerifyClient; null: the client may not go on. */
  private verify(tls: TlsInfo): string | null {
    const { verifyClient, verifyDepth } = this.ssl.conf;
    if (verifyClient === "none") return "NONE";
    if (tls.peerChain.length === 0) {
      if (verifyClient !== "require") return "NONE";
      this.failed("peer did not return a certificate");
      return null;
    }
    const nowMs = this.conn.process.clock.wallUs() / 1000;
    const wrong = verifyChain(tls.peerChain, this.ssl.roots, verifyDepth, CLIENT_AUTH, nowMs);
    if (wrong === null) return "SUCCESS";
    if (verifyClient === "optional_no_ca" && wrong.untrustedOnly)
      return tls.protocol === "TLSv1.3" ? `FAILED:${wrong.text}` : "GENEROUS";
    this.log("AH02276", `Certificate Verification: Error (${wrong.code}): ${wrong.text}`);
    this.failed("certificate verify failed");
    return null;
  }

  onPlain(): void {
    const { conn, ssl, met, certificate } = this;
    conn.process.wheel.drop(this);
    this.log("AH01996", "SSL handshake failed: HTTP spoken on HTTPS port; trying to send HTML error page");
    rememberConn(conn, { ssl, met, tls: null, certificate, client: null, verified: "NONE" });
    serveConnection(conn, this.socket);
    const { owner } = this.socket;
    this.socket.owner = {
      onData() {}, // what a client asks of a port by mistake is none of any host's
      onDrain: () => owner.onDrain(),
      onEnd: () => owner.onEnd(),
      onClose: (error) => owner.onClose(error),
    };
    owner.onData(PLAIN_REQUEST, 0, PLAIN_REQUEST.length);
  }

  onFailed(error: SocketError | null): void {
    this.conn.process.wheel.drop(this);
    if (error !== null) this.failed(error.message);
  }

  private failed(why: string): void {
    this.log("AH02008", `SSL library error in handshake (server ${this.ssl.server.hostname}): ${why}`);
  }

  private log(ah: string, text: string): void {
    this.ssl.server.log.info("ssl", ah, text, { client: clientAddress(this.conn) });
  }
}
