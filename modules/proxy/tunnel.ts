/**
 * A tunnel: after an upgrade the bytes of client and backend are copied both ways, and nobody looks at them.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_tunnel_create, ap_proxy_tunnel_run, ap_proxy_worker_can_upgrade
 *
 * An end of one side is passed on as such (FIN after the last byte), and the other direction goes on. What one side cannot take
 * waits in its socket, and the other is not read meanwhile: a tunnel holds one read and one socket's buffer for each direction.
 */
import type { Bytes } from "../core/bytes.ts";
import type { Timeout } from "../core/clock.ts";
import type { RequestRec } from "../core/records.ts";
import { UPGRADE } from "../core/table.ts";
import type { Socket, SocketError } from "../net/socket.ts";
import { type Backend, type BackendUser, describeSocketError } from "./backend.ts";
import type { ProxyUrl } from "./url.ts";
import type { ProxyWorker } from "./worker.ts";

/** How long the sides have to close after a tunnel's end, once their bytes are written. */
const LINGER_MS = 2000;

/** How a tunnel ended: both sides closed, or one failed, or nothing came for too long. */
export interface TunnelEnd {
  readonly source: "both" | "client" | "backend" | "proxy";
  readonly cause: string;
}

/** The value of the client's Upgrade if the worker passes it on; "" if not. */
export function upgradeOf(r: RequestRec, worker: ProxyWorker, url: ProxyUrl): string {
  const wanted = r.headersIn.getId(UPGRADE);
  if (wanted === undefined) return "";
  const isWebSocket = url.scheme === "ws" || url.scheme === "wss";
  return canUpgrade(worker, wanted, isWebSocket ? "WebSocket" : "") ? wanted : "";
}

/**
 * Whether a worker passes an upgrade to this protocol on. As in httpd `upgrade=` is compared with the beginning of the field, so
 * that "websocket, h2c" passes.
 * @param fallback the protocol of a worker without `upgrade=`; "": none
 */
export function canUpgrade(worker: ProxyWorker, protocol: string, fallback: string): boolean {
  const own = worker.params.upgrade.toLowerCase();
  const wanted = protocol.toLowerCase();
  if (own === "") return fallback !== "" && wanted === fallback.toLowerCase();
  return own === "any" || own === "*" || wanted.startsWith(own);
}

export class Tunnel implements Timeout {
  deadline = 0;
  slot = 0;
  /** Bytes so far. */
  toBackend = 0;
  toClient = 0;
  private readonly r: RequestRec;
  /** Longest silence; 0: no limit. */
  private readonly idleMs: number;
  private readonly halfClose: boolean;
  private readonly done: (end: TunnelEnd) => void;
  private readonly client: Side;
  private readonly backend: Side;
  private readonly startMs: number;
  private end: TunnelEnd | null = null;
  private over = false;
  private queued = 0;

  /**
   * Takes both connections over. `done` is called once, when nothing more is read and the backend's connection is closed.
   * @param early bytes that the backend sent behind its answer; valid for good
   */
  constructor(r: RequestRec, backend: Backend, early: Bytes | null, idleMs: number, done: (end: TunnelEnd) => void) {
    this.r = r;
    this.idleMs = idleMs;
    this.done = done;
    this.halfClose = r.getEnv("proxy-nohalfclose") === undefined;
    this.startMs = r.conn.process.clock.now();
    this.client = new Side(this, "client");
    this.backend = new Side(this, "backend");
    const client = r.out.upgrade(this.client);
    this.client.join(client.socket, this.backend);
    this.backend.join(backend.socket, this.client);
    backend.disarm();
    backend.attach(this.backend);
    this.touch();
    if (backend.closed) this.backend.closed = true;
    if (early !== null) this.backend.pass(early);
    if (client.early !== null) this.client.pass(client.early);
    if (this.backend.closed) {
      this.finish({ source: "both", cause: "closed" });
      return;
    }
    if (client.ended) this.client.onEnd();
    else client.socket.resume();
    backend.socket.resume();
  }

  /** Something moved. */
  touch(): void {
    if (this.idleMs > 0 && this.end === null) this.r.conn.process.wheel.arm(this, this.idleMs);
  }

  count(from: Side, bytes: number): void {
    if (from === this.client) {
      this.toBackend += bytes;
      this.r.wireIn += bytes;
    } else {
      this.toClient += bytes;
      this.r.wireOut += bytes;
    }
    this.touch();
  }

  /** A side sends no more; all that it sent is written or queued. */
  sideEnded(side: Side): void {
    side.peer.socket.end();
    this.touch();
    if (!this.halfClose || side.peer.ended) this.finish({ source: "both", cause: "closed" });
  }

  sideClosed(side: Side, error: SocketError | null): void {
    if (error !== null) this.finish({ source: side.name, cause: describeSocketError(error) });
    else this.finish({ source: "both", cause: "closed" });
    this.check();
  }

  /** The wheel's call. What is queued for a slow reader, and grows less, is no silence. */
  expire(): void {
    const { wheel } = this.r.conn.process;
    const queued = this.client.queuedBytes + this.backend.queuedBytes;
    if (queued > 0 && queued !== this.queued) {
      this.queued = queued;
      wheel.arm(this, this.idleMs || LINGER_MS);
    } else if (this.end === null) this.finish({ source: "proxy", cause: "idle time-out" });
    else {
      this.client.destroy();
      this.backend.destroy();
    }
  }

  /** Nothing more is read; what is queued is still written. */
  private finish(end: TunnelEnd): void {
    if (this.end !== null) return;
    this.end = end;
    this.client.shut();
    this.backend.shut();
    this.queued = this.client.queuedBytes + this.backend.queuedBytes;
    this.r.conn.process.wheel.arm(this, this.queued > 0 ? Math.max(this.idleMs, LINGER_MS) : LINGER_MS);
    this.check();
  }

  private check(): void {
    const { wheel, clock } = this.r.conn.process;
    if (this.client.closed && this.backend.closed) wheel.drop(this);
    // A client that lingers holds no place at the backend.
    if (this.over || this.end === null || !this.backend.closed) return;
    this.over = true;
    const { log } = this.r;
    const { end } = this;
    if (log.enabled("proxy", 7)) {
      const seconds = ((clock.now() - this.startMs) / 1000).toFixed(3);
      const who = end.source === "both" ? "" : ` (${end.source})`;
      log.debug(
        "proxy",
        "AH10223",
        `tunnel ended: ${end.cause}${who}; ${this.toBackend} bytes to the backend, ${this.toClient} to the client, ${seconds} s`,
        this.r,
      );
    }
    this.done(end);
  }
}

/** One side of a tunnel: gets the events of its socket. */
class Side implements BackendUser {
  socket!: Socket;
  peer!: Side;
  readonly name: "client" | "backend";
  /** It sends no more. */
  ended = false;
  closed = false;
  private readonly tunnel: Tunnel;
  private shutDown = false;

  constructor(tunnel: Tunnel, name: "client" | "backend") {
    this.tunnel = tunnel;
    this.name = name;
  }

  join(socket: Socket, peer: Side): void {
    this.socket = socket;
    this.peer = peer;
  }

  get queuedBytes(): number {
    return this.closed ? 0 : this.socket.queuedBytes;
  }

  /** Sends bytes on, and keeps none of them. */
  pass(bytes: Bytes): void {
    this.tunnel.count(this, bytes.length);
    if (!this.peer.socket.write(bytes)) this.socket.pause();
  }

  onData(bytes: Bytes, start: number, end: number): void {
    if (!this.shutDown) this.pass(this.socket.lend(bytes, start, end, this.peer.socket));
  }

  onDrain(): void {
    this.tunnel.touch();
    this.peer.socket.resume();
  }

  onEnd(): void {
    this.ended = true;
    this.tunnel.sideEnded(this);
  }

  onClose(error: SocketError | null): void {
    this.closed = true;
    this.tunnel.sideClosed(this, error);
  }

  onTimeout(): void {}

  /** Sends what is queued and a FIN. What a client still sends is read away: a reset could take its last bytes with it. */
  shut(): void {
    this.shutDown = true;
    if (this.closed) return;
    this.socket.end();
    if ((this.ended || this.name === "backend") && this.socket.queuedBytes === 0) this.socket.destroy();
    else this.socket.resume();
  }

  destroy(): void {
    if (!this.closed) this.socket.destroy();
  }
}
