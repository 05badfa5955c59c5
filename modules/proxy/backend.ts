/**
 * A connection to a backend: made here, used by one exchange after the other, kept by its pool in between.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_connect_backend
 */
import type { Bytes } from "../core/bytes.ts";
import type { Timeout } from "../core/clock.ts";
import type { ErrorLog } from "../core/error_log.ts";
import type { Socket, SocketError, SocketOwner, TlsClientOptions, TlsInfo } from "../net/socket.ts";
import type { ConnPool } from "./conn_pool.ts";

/** What uses a backend connection: gets the events of its socket and its time-out. */
export interface BackendUser extends SocketOwner {
  /** What `Backend.arm` waited for did not happen. */
  onTimeout(): void;
}

export class Backend implements SocketOwner, Timeout {
  readonly pool: ConnPool;
  readonly address: string;
  readonly socket: Socket;
  /** null: plain. */
  readonly tls: BackendTls | null;
  /** Responses that were read from it. 0: nobody knows yet whether it works. */
  served = 0;
  /** When it became idle; only kept where a ttl is set. */
  idleSince = 0;
  // Timeout, the wheel's.
  deadline = 0;
  slot = 0;
  private isClosed = false;
  private user: BackendUser | null = null;
  private strayCrlf = false;

  constructor(pool: ConnPool, address: string, socket: Socket, tls: BackendTls | null = null) {
    this.pool = pool;
    this.address = address;
    this.socket = socket;
    this.tls = tls;
    socket.owner = this;
    pool.open.add(this);
  }

  /** Nothing can be sent any more. */
  get closed(): boolean {
    return this.isClosed;
  }

  set closed(closed: boolean) {
    this.isClosed = closed;
    if (closed) this.pool.open.delete(this);
  }

  /** Hands the events over. */
  attach(user: BackendUser): void {
    this.user = user;
    this.socket.owner = user;
  }

  /** Takes the events back: idle from here on. */
  detach(): void {
    this.deadline = 0;
    this.user = null;
    this.strayCrlf = false;
    this.socket.owner = this;
  }

  /** `onTimeout` in `ms` unless armed again before. */
  arm(ms: number): void {
    this.pool.process.wheel.arm(this, ms);
  }

  disarm(): void {
    this.deadline = 0;
  }

  expire(): void {
    this.user?.onTimeout();
  }

  /** Closes without further events to the user. */
  close(): void {
    this.detach();
    this.pool.process.wheel.drop(this);
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
  }

  // Idle: whatever comes in, the next answer shall not begin with it.

  onData(bytes: Bytes, start: number, end: number): void {
    if (!this.strayCrlf && end - start === 2 && bytes[start] === 13 && bytes[start + 1] === 10) {
      this.strayCrlf = true;
      return;
    }
    this.pool.notEmpty();
    this.drop();
  }

  onDrain(): void {}

  onEnd(): void {
    this.disconnected();
  }

  onClose(): void {
    this.disconnected();
  }

  private disconnected(): void {
    if (!this.closed) this.pool.disconnected();
    this.drop();
  }

  private drop(): void {
    this.pool.forget(this);
    this.close();
  }
}

/** TLS to a backend. One object for each identity: connections of different ones are never exchanged. */
export interface BackendTls {
  readonly options: TlsClientOptions;
  /** Whether the backend's certificate will do. Answers what is wrong, after a log line about it, or null. */
  check(tls: TlsInfo, log: ErrorLog, nowMs: number): string | null;
}

/** How connecting ended without a connection. */
export interface ConnectFailure {
  readonly timedOut: boolean;
  /** It was for want of descriptors of our own: that says nothing of the backend. */
  readonly exhausted: boolean;
  readonly cause: string;
  /** The backend took the connection, and TLS failed on it. */
  readonly inHandshake: boolean;
}

/** Tries the addresses one after the other, each for `timeoutMs`; TLS may then take `handshakeMs`. */
export function connectBackend(
  pool: ConnPool,
  addresses: readonly string[],
  port: number,
  timeoutMs: number,
  log: ErrorLog,
  tls: BackendTls | null = null,
  handshakeMs = timeoutMs,
): Promise<Backend | ConnectFailure> {
  return new Promise((resolve) => {
    new Connecting(pool, addresses, port, timeoutMs, log, tls, handshakeMs, resolve).next();
  });
}

class Connecting implements SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  private at = 0;
  private exhausted = false;
  private socket: Socket | null = null;
  private readonly pool: ConnPool;
  private readonly addresses: readonly string[];
  private readonly port: number;
  private readonly timeoutMs: number;
  private readonly log: ErrorLog;
  private readonly tls: BackendTls | null;
  private readonly handshakeMs: number;
  /** Connected; TLS begins. */
  private inHandshake = false;
  private readonly resolve: (result: Backend | ConnectFailure) => void;

  constructor(
    pool: ConnPool,
    addresses: readonly string[],
    port: number,
    timeoutMs: number,
    log: ErrorLog,
    tls: BackendTls | null,
    handshakeMs: number,
    resolve: (result: Backend | ConnectFailure) => void,
  ) {
    this.pool = pool;
    this.addresses = addresses;
    this.port = port;
    this.timeoutMs = timeoutMs;
    this.log = log;
    this.tls = tls;
    this.handshakeMs = handshakeMs;
    this.resolve = resolve;
  }

  next(): void {
    const { worker, host } = this.pool;
    const unix = worker.unixPath !== null;
    this.pool.process.wheel.arm(this, this.timeoutMs);
    this.socket = host.connect(
      {
        address: this.addresses[this.at]!,
        port: this.port,
        unix,
        keepAlive: worker.params.keepAlive,
        tls: this.tls === null ? null : this.tls.options,
      },
      this,
    );
  }

  onConnect(): void {
    if (this.socket === null) return;
    if (this.tls === null) {
      this.connected();
      return;
    }
    this.inHandshake = true;
    this.pool.process.wheel.arm(this, this.handshakeMs);
  }

  onSecure(): void {
    const { socket } = this;
    if (socket === null) return;
    const wrong = this.tls!.check(socket.tls!, this.log, this.pool.process.clock.wallUs() / 1000);
    if (wrong === null) this.connected();
    else this.giveUp(socket, wrong, false);
  }

  private connected(): void {
    this.pool.process.wheel.drop(this);
    const backend = new Backend(this.pool, this.addresses[this.at]!, this.socket!, this.tls);
    this.socket = null;
    // A backend that speaks first is paused until the exchange listens, one microtask later.
    backend.socket.pause();
    this.resolve(backend);
  }

  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  onClose(error: SocketError | null): void {
    if (this.socket === null) return;
    if (this.inHandshake) this.handshakeFailed(error?.message ?? "connection closed", false);
    else {
      this.exhausted = error?.code === "EMFILE" || error?.code === "ENFILE";
      this.failed(error === null ? "connection closed" : describeSocketError(error), false);
    }
  }

  expire(): void {
    const socket = this.socket;
    if (socket === null) return;
    if (this.inHandshake) {
      this.giveUp(socket, "handshake time-out", true);
      return;
    }
    socket.owner = NOBODY;
    socket.destroy();
    this.failed("(110)Connection timed out", true);
  }

  private giveUp(socket: Socket, cause: string, timedOut: boolean): void {
    socket.owner = NOBODY;
    socket.destroy();
    this.handshakeFailed(cause, timedOut);
  }

  /** The next address is the same backend: it is not tried. */
  private handshakeFailed(cause: string, timedOut: boolean): void {
    this.socket = null;
    this.pool.process.wheel.drop(this);
    this.log.info("ssl", "AH02003", `SSL Proxy connect failed: ${cause} (${this.pool.worker.hostPort})`);
    this.resolve({ timedOut, cause, inHandshake: true, exhausted: false });
  }

  private failed(cause: string, timedOut: boolean): void {
    this.socket = null;
    this.pool.process.wheel.drop(this);
    const address = this.addresses[this.at]!;
    const { worker } = this.pool;
    const name = `${worker.scheme}: attempt to connect to `;
    if (worker.unixPath !== null) {
      this.log.error("proxy", "AH02454", `${name}Unix domain socket ${address} (${worker.host}:${this.port}) failed`, {
        error: cause,
      });
    } else {
      const shown = address.includes(":") ? `[${address}]` : address;
      this.log.error("proxy", "AH00957", `${name}${shown}:${this.port} (${worker.host}:${this.port}) failed`, {
        error: cause,
      });
    }
    if (++this.at < this.addresses.length && !this.exhausted) this.next();
    else this.resolve({ timedOut, cause, inHandshake: false, exhausted: this.exhausted });
  }
}

const NOBODY: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

const ERRNO: Readonly<Record<string, string>> = {
  ECONNREFUSED: "(111)Connection refused",
  ECONNRESET: "(104)Connection reset by peer",
  ETIMEDOUT: "(110)Connection timed out",
  EHOSTUNREACH: "(113)No route to host",
  ENETUNREACH: "(101)Network is unreachable",
  ENOENT: "(2)No such file or directory",
  EACCES: "(13)Permission denied",
  EPIPE: "(32)Broken pipe",
  EMFILE: "(24)Too many open files",
};

/** A system error as httpd's log has it. */
export function describeSocketError(error: SocketError): string {
  return ERRNO[error.code] ?? `${error.code}: ${error.message}`;
}
