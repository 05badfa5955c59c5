/**
 * A connection whose first bytes are to be a PROXY header: read before anything else sees the connection.
 */
import {
  type Bytes,
  beginConnection,
  type ConnRec,
  clientAddress,
  core,
  type FirstReader,
  getModuleConfig,
  type Socket,
  type SocketOwner,
  type Timeout,
} from "../../modules/mod.ts";
import { MOST_BYTES, type ProxyClient, parseProxyHeader } from "./proxy_header.ts";

/** A load balancer sends the header at once. */
const MOST_MS = 20_000;

export class ProxyReader implements FirstReader, SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  readonly conn: ConnRec;
  private readonly socket: Socket;
  /** Is told once: who the client is, or that there is none. */
  private readonly done: (reader: ProxyReader, client: ProxyClient | null | undefined) => void;

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
    const { conn, socket } = this;
    const { wheel, sockets } = conn.process;
    const { timeoutMs } = getModuleConfig(conn.vhosts[0]!.config, core);
    socket.owner = this;
    wheel.arm(this, Math.min(MOST_MS, timeoutMs));
    sockets.readFirst(socket, this);
  }

  onFirst(bytes: Bytes): number {
    const header = parseProxyHeader(bytes.latin1Slice(0, Math.min(bytes.length, MOST_BYTES)));
    if (header === "more") return -1;
    if ("error" in header) {
      this.log("AH03507", header.error);
      this.destroy();
      return -1;
    }
    this.conn.process.wheel.drop(this);
    this.done(this, header.client);
    return header.length;
  }

  /** The connection begins anew, behind the header. */
  onRest(): void {
    beginConnection(this.conn, this.socket);
  }

  onData(): void {}

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
