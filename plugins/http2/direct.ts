/**
 * A connection whose protocol its first bytes tell: HTTP/2 without having been agreed on, or HTTP/1.1.
 * Source: RFC 9113 section 3.3; httpd modules/http2/h2_c1.c h2_c1_hook_process_connection
 */
import {
  type Bytes,
  type ConnectionView,
  type ConnRec,
  connectionClosed,
  connectionOpened,
  type HttpSettings,
  joinBytes,
  LINGER_MS,
  type ProcessRec,
  type ServedConnection,
  type Socket,
  type SocketOwner,
  type Timeout,
  timeLeft,
} from "../../modules/mod.ts";
import { PREFACE } from "./frame.ts";

export class DirectReader implements ServedConnection, SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  private readonly conn: ConnRec;
  private readonly socket: Socket;
  private readonly settings: HttpSettings;
  /** Speaks what was found; the socket has another owner then. */
  private readonly found: (http2: boolean) => void;
  private bytes: Bytes | null = null;
  private done = false;

  constructor(conn: ConnRec, socket: Socket, settings: HttpSettings, found: (http2: boolean) => void) {
    this.conn = conn;
    this.socket = socket;
    this.settings = settings;
    this.found = found;
  }

  start(): void {
    connectionOpened(this);
    this.socket.owner = this;
    const { timeoutMs, headerTimeout } = this.settings;
    this.conn.process.wheel.arm(this, Math.min(timeoutMs, timeLeft(headerTimeout, 0, 0)));
  }

  get view(): ConnectionView {
    return { conn: this.conn, phase: "waiting", r: null };
  }

  belongsTo(process: ProcessRec): boolean {
    return this.conn.process === process;
  }

  closeIfIdle(): void {
    if (this.conn.process.stopping) this.conn.process.wheel.arm(this, LINGER_MS);
  }

  destroy(): void {
    this.socket.destroy();
  }

  onData(bytes: Bytes, start: number, end: number): void {
    const before = this.bytes?.length ?? 0;
    const verdict = beginsPreface(bytes, start, end, before);
    if (verdict === "more") {
      this.bytes = joinBytes(this.bytes, bytes, start, end);
      return;
    }
    this.handOver(verdict === "yes");
    if (this.bytes !== null) this.socket.owner.onData(this.bytes, 0, this.bytes.length);
    this.socket.owner.onData(bytes, start, end);
  }

  private handOver(http2: boolean): void {
    this.conn.process.wheel.drop(this);
    this.found(http2);
    this.leave();
  }

  onDrain(): void {}

  onEnd(): void {
    if (this.bytes === null) {
      this.socket.end();
      this.destroy();
      return;
    }
    // Half a word of HTTP/1.1, maybe: it is for that to answer.
    this.handOver(false);
    this.socket.owner.onData(this.bytes, 0, this.bytes.length);
    this.socket.owner.onEnd();
  }

  onClose(): void {
    this.conn.process.wheel.drop(this);
    this.leave();
  }

  /** The wheel's call. */
  expire(): void {
    if (this.bytes === null) this.socket.destroy();
    else this.onEnd();
  }

  private leave(): void {
    if (this.done) return;
    this.done = true;
    connectionClosed(this, this.conn.process);
  }
}

/** Whether bytes go on as the preface does, of which `from` characters came before. */
function beginsPreface(bytes: Bytes, start: number, end: number, from: number): "yes" | "no" | "more" {
  for (let i = start, at = from; i < end && at < PREFACE.length; i++, at++) {
    if (bytes[i] !== PREFACE.charCodeAt(at)) return "no";
  }
  return from + end - start >= PREFACE.length ? "yes" : "more";
}
