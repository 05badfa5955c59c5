/**
 * A connection whose first bytes are to be a PROXY header: read before anything else sees the connection.
 */
import {
  type Bytes,
  type ConnRec,
  clientAddress,
  core,
  getModuleConfig,
  OK,
  processConnection,
  type Socket,
  type SocketOwner,
  type Timeout,
} from "../../modules/mod.ts";
import { type ProxyClient, parseProxyHeader } from "./proxy_header.ts";

/** A load balancer sends the header at once. */
const MOST_MS = 20_000;

export class ProxyReader implements SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  readonly conn: ConnRec;
  private readonly socket: Socket;
  /** Is told once: who the client is, or that there is none. */
  private readonly done: (reader: ProxyReader, client: ProxyClient | null | undefined) => void;
  private text = "";

  constructor(
    conn: ConnRec,
    socket: Socket,
    done: (reader: ProxyReader, client: ProxyClient | null | undefined) => void,
  ) {
    this.conn = conn;
    this.socket = socket;
    this.done = done;
  }

  start(): void {
    this.socket.owner = this;
    const { timeoutMs } = getModuleConfig(this.conn.vhosts[0]!.config, core);
    this.conn.process.wheel.arm(this, Math.min(MOST_MS, timeoutMs));
  }

  onData(bytes: Bytes, start: number, end: number): void {
    this.text += bytes.latin1Slice(start, end);
    const header = parseProxyHeader(this.text);
    if (header === "more") return;
    if ("error" in header) {
      this.log("AH03507", header.error);
      this.destroy();
      return;
    }
    this.conn.process.wheel.drop(this);
    this.done(this, header.client);
    this.goOn(bytes, end - (this.text.length - header.length), end);
  }

  /** The connection begins anew, behind the header. */
  private goOn(bytes: Bytes, start: number, end: number): void {
    const { conn, socket } = this;
    if (processConnection.run(conn.process.hooks, conn, socket) !== OK) socket.destroy();
    else if (start < end) socket.owner.onData(bytes, start, end);
  }

  onDrain(): void {}

  onEnd(): void {
    this.destroy();
  }

  onClose(): void {
    this.conn.process.wheel.drop(this);
    this.done(this, undefined);
  }

  expire(): void {
    this.log("AH10184", "no PROXY header in time");
    this.destroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private log(ah: string, what: string): void {
    const about = { client: clientAddress(this.conn) };
    this.conn.vhosts[0]!.log.error("remoteip", ah, `RemoteIPProxyProtocol: ${what}`, about);
  }
}
