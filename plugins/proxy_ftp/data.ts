/**
 * The data connection, read no faster than the client reads. We open it (EPSV, PASV), or the server does (PORT).
 * Source: RFC 959 section 3.2, RFC 2428; httpd modules/proxy/mod_proxy_ftp.c
 */
import {
  type Bytes,
  describeSocketError,
  type ProcessRec,
  type Socket,
  type SocketError,
  type SocketOwner,
  type Timeout,
} from "../../modules/mod.ts";
import type { DataAddress } from "./reply.ts";

/** Takes what a data connection brings. */
export interface DataSink {
  /** False: no more before `DataConnection.resume`. */
  onBytes(bytes: Bytes, start: number, end: number, from: Socket): boolean;
  /** The last call. @param cause why the data are not whole; null: the server has closed as it should */
  onDataEnd(cause: string | null): void;
}

export class DataConnection implements SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  private readonly process: ProcessRec;
  private readonly timeoutMs: number;
  private socket: Socket | null = null;
  private sink: DataSink | null = null;
  private opening: ((cause: string | null) => void) | null = null;
  private over = false;
  /** Why it ended, if that was before anybody read. */
  private cause: string | null = null;

  /** @param timeoutMs how long nothing may come */
  constructor(process: ProcessRec, timeoutMs: number) {
    this.process = process;
    this.timeoutMs = timeoutMs;
  }

  /** Answers why there is no connection; null: there is one. */
  connect(to: DataAddress, limitMs: number): Promise<string | null> {
    this.process.wheel.arm(this, limitMs);
    this.socket = this.process.sockets.connect({ ...to, unix: false }, this);
    return new Promise((resolve) => {
      this.opening = resolve;
    });
  }

  /** Takes a connection that the server has made. */
  accept(socket: Socket): void {
    this.socket = socket;
    socket.owner = this;
    socket.pause();
  }

  /** Hands what comes to `sink`. */
  read(sink: DataSink): void {
    this.sink = sink;
    if (this.over) sink.onDataEnd(this.cause);
    else this.resume();
  }

  /** The client has room again. */
  resume(): void {
    if (this.over) return;
    this.process.wheel.arm(this, this.timeoutMs);
    this.socket?.resume();
  }

  /** Nobody is told. */
  close(): void {
    this.sink = null;
    this.finish("closed");
  }

  onConnect(): void {
    if (this.over) return;
    this.deadline = 0;
    this.socket?.pause();
    this.opened(null);
  }

  onData(bytes: Bytes, start: number, end: number): void {
    const { sink, socket } = this;
    if (this.over || sink === null || socket === null) return;
    if (sink.onBytes(bytes, start, end, socket)) {
      if (!this.over) this.process.wheel.arm(this, this.timeoutMs);
      return;
    }
    // It is the client's turn: how long that may take is not for us to say.
    this.deadline = 0;
    socket.pause();
  }

  onDrain(): void {}

  onEnd(): void {
    this.finish(null);
  }

  onClose(error: SocketError | null): void {
    this.finish(error === null ? null : describeSocketError(error));
  }

  expire(): void {
    this.finish(this.opening === null ? "read timeout" : "(110)Connection timed out");
  }

  private opened(cause: string | null): void {
    const { opening } = this;
    this.opening = null;
    opening?.(cause);
  }

  private finish(cause: string | null): void {
    if (this.over) return;
    this.over = true;
    this.cause = cause;
    this.deadline = 0;
    this.socket?.destroy();
    if (this.opening !== null) this.opened(cause ?? "connection closed");
    else this.sink?.onDataEnd(cause);
  }
}
