/**
 * A request on a stream: its head becomes a record, which goes the way of all requests.
 * Source: httpd modules/http2/h2_request.c, h2_c2.c
 */
import {
  type Bytes,
  CONNECTION,
  ConnRec,
  type HttpSettings,
  KNOWN_METHODS,
  NO_BODY,
  processRequest,
  type RequestEnd,
  type RequestHead,
  type RequestRec,
  readRequest,
  refuseRequest,
  type Socket,
  type SocketOwner,
  type Status,
  TRANSFER_ENCODING,
  UPGRADE,
  type UpgradedClient,
  ZERO_BODY,
} from "../../modules/mod.ts";
import type { Http2Config } from "./config.ts";
import { INTERNAL_ERROR, PROTOCOL_ERROR } from "./frame.ts";
import type { RequestBlock } from "./header_block.ts";
import { StreamBody } from "./request_body.ts";
import { readHead } from "./request_head.ts";
import { StreamOut, type StreamSink } from "./response.ts";
import type { Http2Stream, StreamOwner } from "./stream.ts";
import { StreamSocket } from "./stream_socket.ts";

/** The connection that a request came on. */
export interface RequestHost {
  readonly conn: ConnRec;
  readonly socket: Socket;
  readonly settings: HttpSettings;
  readonly conf: Http2Config;
  requestBegins(r: RequestRec): void;
  /** The request is logged. */
  requestEnded(): void;
}

/** A stream's number, by the record of the connection that its request has. */
const streamIds = new WeakMap<ConnRec, number>();

/** 0: not that of a stream. */
export function streamIdOf(conn: ConnRec): number {
  return streamIds.get(conn) ?? 0;
}

export class StreamRequest implements StreamOwner, StreamSink, RequestEnd {
  readonly earlyHints: boolean;
  tunnel = false;
  private r: RequestRec | null = null;
  private readonly host: RequestHost;
  private readonly stream: Http2Stream;
  private body: StreamBody | null = null;
  private out: StreamOut | null = null;
  private responseDone = false;
  private socket: StreamSocket | null = null;
  /** DATA behind the head of a tunnel that is not there yet. */
  private early: Bytes[] = [];

  constructor(host: RequestHost, stream: Http2Stream) {
    this.host = host;
    this.stream = stream;
    this.earlyHints = host.conf.earlyHints;
  }

  /** Answers 0, or the code to reset the stream with: the block is no request. */
  start(block: RequestBlock): number {
    const { host, stream } = this;
    const { limits } = host.settings;
    const found = readHead(block, stream.remoteEnded, limits, host.conf.webSockets);
    if (typeof found === "number") return found;
    stream.owner = this;
    const conn = this.connection();
    let { bad } = found;
    if (found.protocol !== "" && bad === 0) bad = this.askForTunnel(found.protocol, found.head);
    const { r, body, refused } = readRequest(conn, found.head, bad);
    this.r = r;
    host.requestBegins(r);
    r.wireIn = block.bytes;
    this.out = new StreamOut(this, stream, r);
    r.out = this.out;
    if (this.tunnel) r.body = NO_BODY;
    else if (stream.remoteEnded) r.body = found.length === 0 ? ZERO_BODY : NO_BODY;
    else {
      const out = this.out;
      this.body = new StreamBody(stream, r, found.length, body.announced, host.settings, () => out.sendContinue());
      r.body = this.body;
    }
    const status = refused || this.unwanted(r);
    const done = status !== 0 ? refuseRequest(r, status, this) : processRequest(r, this);
    if (done) this.requestEnded();
    return 0;
  }

  /** Of its own: what ends it, and what its request found out, is no matter of other streams. */
  private connection(): ConnRec {
    const { conn } = this.host;
    const own = new ConnRec({
      id: conn.id,
      process: conn.process,
      peerIp: conn.peerIp,
      peerPort: conn.peerPort,
      localIp: conn.localIp,
      localPort: conn.localPort,
      vhosts: conn.vhosts,
      secure: conn.secure,
      master: conn,
    });
    own.protocol = conn.protocol;
    own.keepalives = 1;
    own.closing = true;
    own.logId = conn.logId;
    own.host = conn.host;
    own.forwarded = conn.forwarded;
    streamIds.set(own, this.stream.id);
    return own;
  }

  /** A WebSocket goes on as HTTP/1.1 asks for one. 0, or the status of a refusal. Source: RFC 8441 section 5 */
  private askForTunnel(protocol: string, head: RequestHead): Status {
    if (protocol !== "websocket" || this.stream.remoteEnded) return protocol === "websocket" ? 400 : 501;
    this.tunnel = true;
    head.method = "GET";
    head.requestLine = `GET ${head.target} HTTP/2.0`;
    head.headers.unsetId(TRANSFER_ENCODING);
    head.headers.addId(UPGRADE, "Upgrade", "websocket");
    head.headers.addId(CONNECTION, "Connection", "Upgrade");
    head.headers.set("Sec-WebSocket-Key", this.webSocketKey());
    return 0;
  }

  /** It proves nothing: the client of HTTP/2 sends none, and the backend wants one. */
  private webSocketKey(): string {
    return btoa(String.fromCharCode(...this.host.conn.process.host.randomBytes(16)));
  }

  /** HttpProtocolOptions RegisteredMethods: 0, or the status to refuse the request with. */
  private unwanted(r: RequestRec): Status {
    if (!this.host.settings.registeredMethods || KNOWN_METHODS.has(r.method)) return 0;
    r.log.info("core", "AH02423", `Unknown method ${r.method} is disallowed by HttpProtocolOptions`, r);
    return 501;
  }

  // The stream

  onData(bytes: Bytes): void {
    if (this.tunnel) this.early.push(bytes);
    else if (this.body === null || this.responseDone) this.stream.consumed(bytes.length);
    else if (!this.body.take(bytes)) this.malformed();
  }

  onEnd(): void {
    if (this.body !== null && !this.responseDone && !this.body.finish()) this.malformed();
  }

  onDrain(): void {
    this.out?.watcher?.onClientDrain();
  }

  /** The response is on its way; what the client still has to send is of no use. */
  onSent(): void {
    this.stream.stopRequest();
  }

  onReset(_code: number, why: string): void {
    const { out, r } = this;
    if (r === null || out === null || this.responseDone) return;
    r.conn.aborted = true;
    this.responseDone = true;
    this.body?.fail(400, why);
    out.gone();
  }

  /** The body is not as long as Content-Length says. */
  private malformed(): void {
    this.stream.refuse(PROTOCOL_ERROR);
  }

  // The request

  requestEnded(): void {
    const { conn } = this.host;
    const own = this.r!.conn;
    conn.host = own.host;
    conn.forwarded = own.forwarded;
    this.host.requestEnded();
  }

  requestCrashed(error: unknown): void {
    const { conn } = this.host;
    conn.process.log.crit("core", "", `request failed: ${String((error as Error)?.stack ?? error)}`, conn);
    this.stream.reset(INTERNAL_ERROR);
    this.requestEnded();
  }

  responseEnded(): void {
    this.responseDone = true;
    this.body?.discard();
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    this.responseDone = true;
    const { stream } = this;
    this.socket = new StreamSocket(stream, this.host.socket, owner, this.early);
    this.early = [];
    return { socket: this.socket, early: null, ended: false };
  }
}
