/**
 * The fetch front: a web Request → RequestRec → phases → Response. For the runtimes' own servers, and for the handler that
 * others embed. What it cannot keep of HTTP is in README.md, "Two fronts".
 */
import { byteString } from "../core/bytes.ts";
import type { Timeout } from "../core/clock.ts";
import { getModuleConfig, type Module } from "../core/module.ts";
import { ConnRec, clientAddress, type ProcessRec, type RequestRec, type UpgradedClient } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import {
  CONNECTION,
  CONTENT_LENGTH,
  HeaderTable,
  HOST,
  headerId,
  headerName,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../core/table.ts";
import { ABNORMAL, type WebSocketOffer, type WebSocketOwner, type WebSocketPeer } from "../core/web_socket.ts";
import { HTTP_10, HTTP_11 } from "../http/head.ts";
import { type HttpConfig, type HttpSettings, settingsOf } from "../http/http_config.ts";
import {
  type ConnectionView,
  connectionClosed,
  connectionOpened,
  type ServedConnection,
} from "../http/open_connections.ts";
import { processRequest, type RequestEnd, refuseRequest } from "../http/process_request.ts";
import { readRequest } from "../http/read_request.ts";
import { RequestHead } from "../http/request_head.ts";
import { type DenoConn, DenoConnSocket } from "../net/deno_conn.ts";
import type { SocketOwner } from "../net/socket.ts";
import { nextConnectionId, vhosts } from "../server/connection.ts";
import core from "../server/mod_core.ts";
import { type BodyReader, FetchBody } from "./fetch_body.ts";
import { FetchOut, type FetchSink } from "./fetch_out.ts";
import type { ReleasedConnection, TunnelHost } from "./tunnel_host.ts";
import type { WebSocketHost } from "./web_socket_host.ts";

/** Where a request came in: for virtual hosts by address, and for the logs. */
export interface FetchListener {
  readonly localIp: string;
  readonly localPort: number;
}

/** Who asks: "" and 0 where the host does not tell. */
export interface FetchPeer {
  readonly ip: string;
  readonly port: number;
}

export const NO_PEER: FetchPeer = { ip: "", port: 0 };

/** What a host gives for one request. */
export interface FetchHost {
  readonly peer: FetchPeer;
  /** null: it has no WebSockets. */
  readonly webSocket: WebSocketHost | null;
  /** null: it keeps its connections, or there are no sockets to backends. Goes before `webSocket`. */
  readonly tunnel: TunnelHost | null;
}

/**
 * Serves one request. Of one that became a WebSocket on Bun the answer is undefined, as Bun wants it.
 * @param ended called when the response was handed over to the last byte, or given up
 */
export function serveFetch(
  process: ProcessRec,
  listener: FetchListener,
  host: FetchHost,
  request: Request,
  ended?: () => void,
): Promise<Response> {
  return new Promise((resolve) => new FetchRequest(process, listener, host, request, resolve, ended).start());
}

class FetchRequest implements FetchSink, RequestEnd, ServedConnection, Timeout, WebSocketOffer {
  deadline = 0;
  slot = 0;
  private readonly process: ProcessRec;
  private readonly request: Request;
  private readonly conn: ConnRec;
  private readonly target: string;
  private readonly authority: string;
  private readonly settings: HttpSettings;
  private readonly host: FetchHost;
  private readonly resolve: (response: Response) => void;
  private readonly ended: (() => void) | undefined;
  private body: FetchBody | null = null;
  private out: FetchOut | null = null;
  private r: RequestRec | null = null;
  private requestDone = false;
  private responseDone = false;
  private webSocket: WebSocketPeer | null = null;
  private tunnel: DenoConnSocket | null = null;

  constructor(
    process: ProcessRec,
    listener: FetchListener,
    host: FetchHost,
    request: Request,
    resolve: (response: Response) => void,
    ended: (() => void) | undefined,
  ) {
    this.process = process;
    this.request = request;
    this.host = host;
    this.resolve = resolve;
    this.ended = ended;
    const { secure, authority, target } = splitUrl(request.url);
    this.authority = authority;
    this.target = target;
    const { localIp } = listener;
    const localPort = listener.localPort || (secure ? 443 : 80);
    this.conn = new ConnRec({
      id: nextConnectionId(),
      process,
      peerIp: host.peer.ip,
      peerPort: host.peer.port,
      localIp,
      localPort,
      vhosts: vhosts(process, localIp, localPort),
      secure,
    });
    this.conn.keepalives = 1;
    const server = this.conn.vhosts[0]!;
    this.settings = settingsOf(
      server,
      () => getModuleConfig(server.config, process.modules.find((m) => m.name === "mod_http") as Module<HttpConfig>),
      getModuleConfig(server.config, core).timeoutMs,
    );
  }

  start(): void {
    connectionOpened(this);
    this.request.signal.addEventListener("abort", this.aborted);
    const head = this.readHead();
    const { body } = this.request;
    if (body === null) {
      forgetBody(head.headers);
      this.begin(head, null, null);
      return;
    }
    const reader: BodyReader = body.getReader();
    if (head.headers.hasId(CONTENT_LENGTH) || head.headers.hasId(TRANSFER_ENCODING)) this.begin(head, reader, null);
    else this.peek(head, reader);
  }

  /** No field tells of a body: HTTP/2 needs none, and Deno gives every POST a stream. Whether there is one shows in reading. */
  private peek(head: RequestHead, reader: BodyReader): void {
    reader.read().then(
      ({ done, value }) => {
        if (done) this.begin(head, null, null);
        else if (value.length === 0) this.peek(head, reader);
        else {
          head.headers.addId(TRANSFER_ENCODING, "Transfer-Encoding", "chunked");
          this.begin(head, reader, value);
        }
      },
      () => this.nobodyLeft(),
    );
  }

  private readHead(): RequestHead {
    const { request, target } = this;
    const head = new RequestHead();
    head.method = request.method;
    // The URL of Bun's is the host that was asked for, and nothing else.
    head.target = request.method === "CONNECT" ? this.authority || request.url : target;
    head.protocol = HTTP_11;
    head.requestLine = `${request.method} ${target} HTTP/1.1`;
    head.headers = fieldsOf(request.headers);
    const host = head.headers.getId(HOST);
    // Only Bun shows that there was none, and takes that from HTTP/1.0 alone.
    if (host === undefined && this.authority === "") head.protocol = HTTP_10;
    // Of an absolute target Deno shows the host in the URL; Bun never does, and drops the scheme's port.
    if (this.authority !== "" && (host === undefined || !sameHost(host, this.authority))) {
      head.headers.setId(HOST, "Host", this.authority);
    }
    return head;
  }

  /** The client left before the request was begun. */
  private nobodyLeft(): void {
    this.respond(new Response(null, { status: 499 }));
    this.requestDone = true;
    this.responseEnded();
  }

  private begin(head: RequestHead, reader: BodyReader | null, first: Uint8Array | null): void {
    const { conn, settings } = this;
    if (this.request.signal.aborted) {
      this.nobodyLeft();
      return;
    }
    const bad = this.overLimit(head);
    const { r, body, refused } = readRequest(conn, head, bad);
    r.expecting100 = false; // the runtime answers 100 Continue itself
    this.r = r;
    this.out = new FetchOut(this, r);
    const { tunnel, webSocket } = this.host;
    if (tunnel !== null && reader === null && wantsUpgrade(r)) this.out.needs101 = true;
    else if (tunnel === null && webSocket !== null && wantsWebSocket(r)) this.out.webSocket = this;
    else r.headersIn.unsetId(UPGRADE); // there are no bytes to switch
    r.out = this.out;
    const length = reader === null ? 0 : body.length;
    this.body = new FetchBody(reader, first, length, body.announced, r, settings);
    r.body = this.body;
    const done = refused !== 0 ? refuseRequest(r, refused, this) : processRequest(r, this);
    if (done) this.requestEnded();
  }

  /** Limit*, of what the runtime let through. 0: within them. */
  private overLimit(head: RequestHead): Status {
    const { limits } = this.settings;
    if (head.requestLine.length > limits.requestLine) return 414;
    const { headers } = head;
    if (limits.fields > 0 && headers.size > limits.fields) {
      head.note = "The number of request header fields exceeds this server's limit.";
      return 400;
    }
    for (let i = 0; i < headers.size; i++) {
      if (headers.nameAt(i).length + headers.valueAt(i).length + 2 <= limits.fieldSize) continue;
      head.note = "Size of a request header field exceeds server limit.";
      return 400;
    }
    return 0;
  }

  // What the request's end and the response say

  requestEnded(): void {
    this.requestDone = true;
    this.settle();
  }

  requestCrashed(error: unknown): void {
    this.process.log.crit("core", "", `request failed: ${String((error as Error)?.stack ?? error)}`, {
      client: clientAddress(this.conn),
    });
    this.destroy();
    this.requestEnded();
  }

  respond(response: Response): void {
    // From here on the stream tells of a client that leaves; Deno's signal aborts at the end of every response.
    this.forgetSignal();
    this.resolve(response);
  }

  private forgetSignal(): void {
    this.request.signal.removeEventListener("abort", this.aborted);
  }

  responseEnded(): void {
    this.responseDone = true;
    this.settle();
  }

  private settle(): void {
    if (!this.requestDone || !this.responseDone) return;
    connectionClosed(this, this.process);
    this.ended?.();
  }

  blocked(): void {
    this.process.wheel.arm(this, this.settings.timeoutMs);
  }

  unblocked(): void {
    this.process.wheel.disarm(this);
  }

  // A tunnel

  upgrade(owner: SocketOwner, head: string): UpgradedClient {
    this.forgetSignal(); // the upgrade aborts it
    const { peerIp: remoteAddress, peerPort: remotePort, localIp: localAddress, localPort } = this.conn;
    const { conn, response } = this.release();
    const socket = new DenoConnSocket(conn, { remoteAddress, remotePort, localAddress, localPort }, owner);
    socket.write(head);
    this.tunnel = socket;
    this.out!.switched(response);
    this.responseEnded();
    return { socket, early: null, ended: false };
  }

  private release(): ReleasedConnection {
    try {
      return this.host.tunnel!.release(this.request);
    } catch (error) {
      const { message } = error as Error;
      this.process.log.error("core", "", `the host does not let the connection go: ${message}`, this.r!);
      return { conn: refusedConn(error), response: new Response(null, { status: 500 }) };
    }
  }

  // A WebSocket

  get protocols(): readonly string[] {
    const offered = this.request.headers.get("Sec-WebSocket-Protocol") ?? "";
    return offered
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
  }

  get maxMessage(): number {
    return this.settings.limitWebSocketMessage;
  }

  accept(protocol: string, table: HeaderTable, owner: WebSocketOwner): WebSocketPeer {
    const fields = new Headers();
    for (const [name, value] of table) fields.append(name, value);
    this.forgetSignal(); // on Deno 2.9.5 the upgrade aborts it
    const { peer, response } = this.host.webSocket!.upgrade(this.request, protocol, fields, owner);
    this.webSocket = peer;
    this.out!.switched(response);
    this.responseEnded();
    return peer;
  }

  // What ends it early

  private readonly aborted = (): void => this.clientLeft();

  clientLeft(): void {
    if (this.out === null || this.responseDone) return;
    this.conn.aborted = true;
    this.unblocked();
    this.body?.fail(400, "the client left");
    this.out.gone();
    this.responseEnded();
  }

  /** The wheel's call: the client does not take the response. */
  expire(): void {
    this.destroy();
  }

  get view(): ConnectionView {
    return { conn: this.conn, phase: "busy", r: this.r };
  }

  belongsTo(process: ProcessRec): boolean {
    return this.process === process;
  }

  closeIfIdle(): void {}

  destroy(): void {
    this.webSocket?.close(ABNORMAL, "");
    this.tunnel?.destroy();
    this.out?.destroy();
    this.clientLeft();
  }
}

/** Only so far as Deno sees it as one, too. HTTP/2 has none, and h2c is the runtime's. */
function wantsUpgrade(r: RequestRec): boolean {
  const protocol = r.headersIn.getId(UPGRADE);
  if (protocol === undefined || /^h2c\b/i.test(protocol)) return false;
  return /(^|,)\s*upgrade\s*(,|$)/i.test(r.headersIn.getId(CONNECTION) ?? "");
}

function wantsWebSocket(r: RequestRec): boolean {
  if (r.method !== "GET" || !r.headersIn.has("Sec-WebSocket-Key")) return false;
  return r.headersIn.getId(UPGRADE)?.toLowerCase() === "websocket";
}

/** A connection that ends at once. */
function refusedConn(error: unknown): DenoConn {
  return { read: () => Promise.resolve(null), write: () => Promise.reject(error), close() {} };
}

interface UrlParts {
  readonly secure: boolean;
  readonly authority: string;
  /** One character for each byte. */
  readonly target: string;
}

/** By hand: `new URL` would normalise what a runtime has left alone. */
function splitUrl(url: string): UrlParts {
  const colon = url.indexOf("://");
  const scheme = colon < 0 ? "" : url.slice(0, colon).toLowerCase();
  const from = colon < 0 ? 0 : colon + 3;
  let end = from;
  while (end < url.length && !"/?#".includes(url[end]!)) end++;
  const hash = url.indexOf("#", end);
  const rest = byteString(hash < 0 ? url.slice(end) : url.slice(end, hash));
  return {
    secure: scheme === "https",
    // Of a unix socket the authority is no host.
    authority: scheme === "http" || scheme === "https" ? url.slice(from, end) : "",
    target: rest.startsWith("/") ? rest : `/${rest}`,
  };
}

function sameHost(host: string, authority: string): boolean {
  return host.toLowerCase().replace(/:(80|443)$/, "") === authority.toLowerCase().replace(/:(80|443)$/, "");
}

/** Names have lost their case; those that are known get it back. */
function fieldsOf(headers: Headers): HeaderTable {
  const table = new HeaderTable();
  headers.forEach((value, name) => {
    const id = headerId(name);
    table.addId(id, headerName(id) || name, value);
  });
  return table;
}

/** A runtime shows no body of a GET: its length is that of nothing. */
function forgetBody(headers: HeaderTable): void {
  headers.unsetId(TRANSFER_ENCODING);
  if (headers.getId(CONTENT_LENGTH) !== "0") headers.unsetId(CONTENT_LENGTH);
}
