/**
 * One client connection: bytes in, requests one after the other, responses out.
 * Long, and one class: all of it is about the one state below. What has a state of its own is in inbox, body_in, body_out, read_request.
 * Source: httpd modules/http/http_core.c, ap_process_http_connection; server/connection.c, ap_lingering_close
 *
 *   waiting ── first byte ──▶ head ── complete ──▶ busy ──▶ (rest of the body discarded) ──▶ waiting
 *      │                       │                    │
 *      └───────────────────────┴──▶ lingering ◀─────┤──▶ closed
 *                                                   └──▶ upgraded: its bytes are somebody else's
 */
import type { Bytes } from "../core/bytes.ts";
import type { Timeout } from "../core/clock.ts";
import { KNOWN_METHODS } from "../core/method.ts";
import { getModuleConfig, type Module } from "../core/module.ts";
import type { BodyConsumer, ConnRec, ProcessRec, RequestRec, UpgradedClient } from "../core/records.ts";
import { OK, type Status } from "../core/status.ts";
import { CONNECTION, KEEP_ALIVE, VIA } from "../core/table.ts";
import type { Socket, SocketError, SocketOwner } from "../net/socket.ts";
import core from "../server/mod_core.ts";
import { DISCARD_BYTES } from "../server/read_away.ts";
import { BodyIn, type BodySource, NO_BODY, ZERO_BODY } from "./body_in.ts";
import { BodyOut, type ResponseSink } from "./body_out.ts";
import { connectionTokens } from "./field_value.ts";
import { HTTP_09, HTTP_10, HTTP_11 } from "./head.ts";
import { dropsConnection, ownConnection, type ResponseProtocol } from "./header_out.ts";
import { type HttpConfig, type HttpSettings, settingsOf, timeLeft } from "./http_config.ts";
import { Inbox } from "./inbox.ts";
import {
  type ConnectionView,
  connectionClosed,
  connectionOpened,
  type Phase,
  room,
  type ServedConnection,
} from "./open_connections.ts";
import { processRequest, type RequestEnd, refuseRequest } from "./process_request.ts";
import { readRequest } from "./read_request.ts";
import { parseRequestHead, type RequestHead, requestHeads } from "./request_head.ts";

/** How long a closed connection waits for the client to take the last response. Source: httpd, SECONDS_TO_LINGER is 30, and 2 between reads */
export const LINGER_MS = 2000;

/** process_connection: takes over the socket. */
export function serveHttp(conn: ConnRec, socket: Socket): Status {
  new HttpConnection(conn, socket).start();
  return OK;
}

export class HttpConnection implements ServedConnection, SocketOwner, Timeout, BodySource, ResponseSink, RequestEnd {
  deadline = 0;
  slot = 0;
  readonly socket: Socket;
  private readonly conn: ConnRec;
  private readonly settings: HttpSettings;
  /** Of the request that comes in; null: none does. */
  private head: RequestHead | null = null;
  private phase: Phase = "waiting";
  /** Bytes read and not used yet. */
  private readonly inbox: Inbox;
  /** The client sends no more. */
  private inputEnded = false;
  private paused = false;
  /** The inbox is being delivered to the body. */
  private feeding = false;
  private headStartMs = 0;
  /** Of the head that was read last. */
  private headBytes = 0;
  private bodyStartMs = 0;
  private r: RequestRec | null = null;
  private body: BodyIn | null = null;
  private out: BodyOut | null = null;
  private requestDone = false;
  private responseDone = false;
  /** The client has announced that it sends no more requests. */
  private said = false;
  /** A request is being started: what ends meanwhile is seen by the loop of `drive`. */
  private driving = false;
  /** Who has the bytes after an upgrade. */
  private tunnel: SocketOwner | null = null;

  constructor(conn: ConnRec, socket: Socket) {
    this.conn = conn;
    this.socket = socket;
    this.inbox = new Inbox(conn.process.sockets);
    const server = conn.vhosts[0]!;
    this.settings = settingsOf(
      server,
      () =>
        getModuleConfig(server.config, conn.process.modules.find((m) => m.name === "mod_http") as Module<HttpConfig>),
      getModuleConfig(server.config, core).timeoutMs,
    );
  }

  start(): void {
    connectionOpened(this);
    this.socket.owner = this;
    this.armHead();
  }

  get view(): ConnectionView {
    return { conn: this.conn, phase: this.phase, r: this.r };
  }

  belongsTo(process: ProcessRec): boolean {
    return this.conn.process === process;
  }

  closeIfIdle(): void {
    if (this.phase !== "waiting" || !this.conn.process.stopping) return;
    if (this.conn.keepalives > 0) this.linger();
    // A client that has just connected is about to ask, and takes an end without an answer for a failure.
    else this.conn.process.wheel.arm(this, LINGER_MS);
  }

  giveWay(): boolean {
    if (this.phase !== "waiting" || this.conn.keepalives === 0) return false;
    this.linger();
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  // The socket's events

  onData(bytes: Bytes, start: number, end: number): void {
    switch (this.phase) {
      case "waiting":
      case "head":
        this.takeHead(bytes, start, end);
        break;
      case "busy":
      case "discarding":
        this.takeBody(bytes, start, end);
        break;
      case "upgraded":
        this.tunnel!.onData(bytes, start, end);
        break;
      default: // what comes after a close is nobody's
    }
  }

  onDrain(): void {
    if (this.phase === "lingering") this.conn.process.wheel.arm(this, LINGER_MS);
    else if (this.phase === "busy") this.armBody();
    else if (this.phase === "upgraded") this.tunnel!.onDrain();
    this.out?.watcher?.onClientDrain();
  }

  onEnd(): void {
    this.inputEnded = true;
    if (this.phase === "upgraded") {
      this.tunnel!.onEnd();
      return;
    }
    if (this.phase === "busy" || this.phase === "discarding") {
      // A client may send FIN behind its request and wait for the answer.
      if (this.inbox.isEmpty) this.body?.fail(400, "the client closed in the middle of the body");
      if (this.phase === "discarding") this.linger();
      return;
    }
    // Half a line is nobody's; a request whose head breaks off is a bad one, as in httpd.
    if (this.head?.started) {
      this.head.ah = "AH00567";
      this.head.reason = "request failed: error reading the headers";
      this.refuse(400);
    } else this.linger();
  }

  onClose(error: SocketError | null): void {
    const was = this.phase;
    this.phase = "closed";
    this.conn.process.wheel.drop(this);
    connectionClosed(this, this.conn.process);
    this.inbox.clear();
    if (was === "upgraded") this.tunnel!.onClose(error);
    if (was !== "busy") return;
    this.conn.aborted = true;
    this.body?.fail(400, "the client left");
    this.out?.gone();
  }

  /** The wheel's call: time is up for what is going on. */
  expire(): void {
    switch (this.phase) {
      case "waiting":
        this.linger();
        break;
      case "head":
        if (this.conn.keepalives > 0 && !this.head!.started) this.linger();
        else this.refuse(408);
        break;
      case "busy":
        if (this.body?.wanted) this.body.fail(408, "the client sends its body too slowly");
        else this.socket.destroy();
        break;
      default:
        this.socket.destroy();
    }
  }

  // Heads

  private takeHead(bytes: Bytes, start: number, end: number): void {
    const { inbox } = this;
    if (!inbox.isEmpty) {
      inbox.append(bytes, start, end);
      this.parseInbox();
      return;
    }
    const taken = this.parse(bytes, start, end);
    if (taken >= 0 && start + taken < end) inbox.put(this.socket.keep(bytes, start + taken, end));
    this.parsed(taken);
  }

  private parseInbox(): void {
    const { inbox } = this;
    const taken = this.parse(inbox.bytes!, inbox.start, inbox.end);
    if (taken > 0) inbox.consume(taken);
    this.parsed(taken);
  }

  private parse(bytes: Bytes, start: number, end: number): number {
    if (this.phase === "waiting") {
      this.phase = "head";
      this.headStartMs = 0;
      this.head = requestHeads.lend();
    }
    return parseRequestHead(bytes, start, end, this.settings.limits, this.head!);
  }

  /** @param taken what the parser answered: bytes, 0 for more, a refusal */
  private parsed(taken: number): void {
    this.headBytes = taken > 0 ? taken : 0;
    if (taken === 0) this.armHead();
    else if (taken < 0) this.refuse(-taken);
    else {
      this.begin(0);
      this.drive();
    }
  }

  /** A head that is refused ends the connection. */
  private refuse(status: Status): void {
    this.inbox.clear();
    this.conn.closing = true;
    this.begin(status);
    this.drive();
  }

  private begin(bad: Status): void {
    this.phase = "busy";
    this.requestDone = this.responseDone = false;
    this.conn.keepalives++;
    const head = this.head!;
    const read = readRequest(this.conn, head, bad);
    const { started } = head;
    this.head = null;
    requestHeads.giveBack(head);
    const { r, body } = read;
    const refused = read.refused || this.unwanted(r);
    // Who sends what cannot be read is told so in HTTP/1.0.
    if (refused !== 0 && r.protoNum === HTTP_09) r.protoNum = HTTP_10;
    this.r = r;
    r.wireIn = this.headBytes;
    const out = new BodyOut(this, r);
    this.out = out;
    r.out = out;
    if (body.length === 0) {
      this.body = null;
      r.body = body.announced ? ZERO_BODY : NO_BODY;
    } else {
      this.body = new BodyIn(this, r, body.length, body.announced, this.settings.limits);
      r.body = this.body;
    }
    this.bodyStartMs = 0;
    // Who has not even said what is wanted is not answered, as in httpd: it may be a connection opened ahead. The log tells of it.
    if (bad === 408 && !started) out.abort();
    if (body.closes || refused !== 0) this.conn.closing = true;
    this.conn.process.wheel.disarm(this);
    const driving = this.driving;
    this.driving = true;
    const ended = refused !== 0 ? refuseRequest(r, refused, this) : processRequest(r, this);
    if (ended) this.requestDone = true;
    this.driving = driving;
  }

  /** HttpProtocolOptions: 0, or the status to refuse the request with. */
  private unwanted(r: RequestRec): Status {
    const { settings } = this;
    if (settings.require10 && r.protoNum < HTTP_10) {
      r.log.info("core", "AH02426", "HTTP/0.9 is disallowed by HttpProtocolOptions Require1.0", r);
      return 400;
    }
    if (settings.registeredMethods && !KNOWN_METHODS.has(r.method)) {
      r.log.info("core", "AH02423", `Unknown method ${r.method} is disallowed by HttpProtocolOptions`, r);
      return 501;
    }
    return 0;
  }

  requestEnded(): void {
    this.requestDone = true;
    this.drive();
  }

  requestCrashed(error: unknown): void {
    this.conn.process.log.crit("core", "", `request failed: ${String((error as Error)?.stack ?? error)}`, this.conn);
    this.socket.destroy();
  }

  /** Goes from a complete request to the next, as far as the bytes at hand reach. */
  private drive(): void {
    if (this.driving) return;
    this.driving = true;
    while (this.phase === "busy" && this.requestDone && this.responseDone && this.nextRequest());
    this.driving = false;
  }

  /** False: wait for bytes, or for the end. */
  private nextRequest(): boolean {
    if (this.conn.closing || this.conn.process.stopping) {
      if (this.nothingFollows()) {
        this.phase = "lingering";
        this.socket.destroy();
      } else this.linger();
      return false;
    }
    if (this.body !== null && !this.body.ended) {
      this.discard(this.body);
      if (this.phase !== "waiting") return false;
    }
    this.phase = "waiting";
    this.body = this.out = null;
    // A third of what an idle connection takes: 1,600 bytes on Bun, 1,400 on Deno.
    if (!this.conn.process.keepsRequests) this.r = null;
    if (!this.inbox.isEmpty) {
      this.parseInbox();
      if (this.phase !== "waiting" && this.phase !== "head") return true;
    }
    if (this.inputEnded || room.wanted > 0) {
      this.linger();
      return false;
    }
    this.listenAgain();
    if (this.phase === "waiting") this.conn.process.wheel.arm(this, this.settings.keepAliveTimeoutMs);
    return false;
  }

  // Bodies

  private takeBody(bytes: Bytes, start: number, end: number): void {
    const { body } = this;
    let at = start;
    if (body?.wanted && this.inbox.isEmpty) {
      at += body.feed(bytes, start, end);
      if (body.ended) this.bodyEnded(body);
      else if (!body.failed) this.armBody();
    }
    if (at >= end) return;
    // The end of the body may have been what an upgrade waited for.
    if (this.tunnel !== null) this.tunnel.onData(bytes, at, end);
    else this.stash(bytes, at, end);
  }

  /** Keeps what is not wanted yet, and reads no more until it is. */
  private stash(bytes: Bytes, start: number, end: number): void {
    if (this.inbox.isEmpty) this.inbox.put(this.socket.keep(bytes, start, end));
    else this.inbox.append(bytes, start, end);
    this.paused = true;
    this.socket.pause();
  }

  wantBody(): void {
    const { body } = this;
    if (body === null) return;
    if (this.feeding) return; // a consumer that pauses and resumes inside of onBody: the loop below goes on
    this.feeding = true;
    const { inbox } = this;
    while (inbox.bytes !== null && body.wanted) {
      const taken = body.feed(inbox.bytes, inbox.start, inbox.end);
      if (taken === 0) break;
      inbox.consume(taken);
    }
    this.feeding = false;
    if (body.ended) this.bodyEnded(body);
    if (!body.wanted) return;
    if (this.inputEnded) {
      body.fail(400, "the client closed in the middle of the body");
      return;
    }
    this.listenAgain();
    this.armBody();
  }

  /** Nothing more is due from the client for this request, unless it is slow to take the response. */
  private bodyEnded(body: BodyIn): void {
    if (this.phase !== "busy" || body !== this.body) return;
    const { wheel } = this.conn.process;
    if (this.socket.queuedBytes > 0) wheel.arm(this, this.settings.timeoutMs);
    else wheel.disarm(this);
  }

  stopBody(): void {
    this.paused = true;
    this.socket.pause();
    if (this.phase === "busy") this.conn.process.wheel.disarm(this);
  }

  sendContinue(): void {
    this.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
  }

  hold(bytes: Bytes, start: number, end: number, to: Socket | null): Bytes {
    return to !== null ? this.socket.lend(bytes, start, end, to) : this.socket.keep(bytes, start, end);
  }

  private listenAgain(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** The rest of a body that nobody read must not become the next request. */
  private discard(body: BodyIn): void {
    if (body.failed || this.r?.expecting100 || body.length - body.received > DISCARD_BYTES) {
      this.conn.closing = true;
      this.linger();
      return;
    }
    this.phase = "discarding";
    this.conn.process.wheel.arm(this, this.settings.timeoutMs);
    body.read(new Discard(body, this));
  }

  /** Called by Discard. */
  discarded(whole: boolean): void {
    if (this.phase !== "discarding") return;
    if (!whole) {
      this.linger();
      return;
    }
    this.phase = "waiting";
    if (this.driving) return;
    this.body = null;
    this.phase = "busy"; // as if the response had just ended
    this.drive();
  }

  // Responses

  connectionFields(r: RequestRec, protocol: ResponseProtocol, delimited: boolean): string {
    const { settings, conn } = this;
    const own = ownConnection(r);
    const closes = own !== "" && connectionSays(own).close;
    const says = connectionSays(r.headersIn.getId(CONNECTION));
    const left = settings.maxKeepAliveRequests - (conn.keepalives - 1);
    const version = protocol.number;
    const wants = !says.close && (version >= HTTP_11 || (version === HTTP_10 && says.keepAlive));
    this.said = !wants && !conn.closing;
    const keep =
      wants &&
      delimited &&
      !closes &&
      !protocol.forced &&
      settings.keepAlive &&
      !conn.closing &&
      !conn.process.stopping &&
      // behind a FIN nothing follows but what is here
      !(this.inputEnded && this.inbox.isEmpty) &&
      !r.expecting100 &&
      !dropsConnection(r.status) &&
      (r.getEnv("nokeepalive") === undefined || r.headersIn.hasId(VIA)) &&
      (settings.maxKeepAliveRequests === 0 || left > 0);
    if (!keep) {
      conn.closing = true;
      return closes ? `Connection: ${own}\r\n` : connectionField(own, "close");
    }
    if (!says.keepAlive) return own === "" ? "" : `Connection: ${own}\r\n`;
    r.headersOut.unsetId(KEEP_ALIVE);
    r.errHeadersOut?.unsetId(KEEP_ALIVE);
    const most = settings.maxKeepAliveRequests === 0 ? "" : `, max=${left}`;
    const seconds = Math.floor(settings.keepAliveTimeoutMs / 1000);
    return `Keep-Alive: timeout=${seconds}${most}\r\n${connectionField(own, "Keep-Alive")}`;
  }

  blocked(): void {
    if (this.phase === "busy") this.conn.process.wheel.arm(this, this.settings.timeoutMs);
  }

  responseEnded(cutShort: boolean): void {
    this.responseDone = true;
    if (cutShort) this.conn.closing = true;
    this.drive();
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    const { inbox, socket } = this;
    const early = inbox.bytes === null ? null : (inbox.bytes.subarray(inbox.start, inbox.end) as Bytes);
    this.phase = "upgraded";
    this.conn.closing = true;
    this.conn.process.wheel.drop(this);
    this.tunnel = owner;
    this.body = this.out = null;
    inbox.clear();
    socket.pause();
    return { socket, early, ended: this.inputEnded };
  }

  // Ends

  /**
   * Whether a close resets nothing: all is written, and the client said that it sends no more, nor has it begun to. Without
   * the wait of `linger` a connection for one request costs 7 % less. Not over TLS, whose end is told in TLS.
   */
  private nothingFollows(): boolean {
    return this.said && this.body === null && this.inbox.isEmpty && !this.conn.secure && this.socket.queuedBytes === 0;
  }

  /** Sends FIN and reads on for a while: a reset would take the last response with it. */
  private linger(): void {
    if (this.phase === "lingering" || this.phase === "closed") return;
    this.phase = "lingering";
    this.inbox.clear();
    this.body = null;
    if (this.inputEnded && this.socket.queuedBytes === 0) {
      this.socket.end();
      this.socket.destroy();
      return;
    }
    this.socket.end();
    this.listenAgain();
    this.conn.process.wheel.arm(this, this.socket.queuedBytes > 0 ? this.settings.timeoutMs : LINGER_MS);
  }

  private armHead(): void {
    const { clock } = this.conn.process;
    const { headerTimeout, timeoutMs } = this.settings;
    if (this.headStartMs === 0) this.headStartMs = clock.now();
    const used = clock.now() - this.headStartMs;
    this.armFor(Math.min(timeoutMs, timeLeft(headerTimeout, used, this.inbox.size)));
  }

  /** Time that is used up is not given anew: a client that drips bytes would move its deadline before every tick. */
  private armFor(ms: number): void {
    if (ms > 0 || this.deadline === 0) this.conn.process.wheel.arm(this, Math.max(1, ms));
  }

  private armBody(): void {
    const { body } = this;
    const { wheel, clock } = this.conn.process;
    if (body === null || !body.wanted) {
      wheel.disarm(this);
      return;
    }
    if (this.bodyStartMs === 0) this.bodyStartMs = clock.now();
    const used = clock.now() - this.bodyStartMs;
    this.armFor(Math.min(this.settings.timeoutMs, timeLeft(this.settings.bodyTimeout, used, body.received)));
  }
}

/** Reads the rest of a body into nothing. */
class Discard implements BodyConsumer {
  private readonly body: BodyIn;
  private readonly connection: HttpConnection;

  constructor(body: BodyIn, connection: HttpConnection) {
    this.body = body;
    this.connection = connection;
  }

  onBody(): void {
    if (this.body.received > DISCARD_BYTES) this.connection.discarded(false);
  }

  onBodyEnd(): void {
    this.connection.discarded(true);
  }

  onBodyError(): void {
    this.connection.discarded(false);
  }
}

/** @param own what the response's own fields say of the connection */
function connectionField(own: string, word: string): string {
  return own === "" ? `Connection: ${word}\r\n` : `Connection: ${own}, ${word}\r\n`;
}

/** What a Connection field says of persistence. One object: it is read before the next call. */
const says = { close: false, keepAlive: false };

function connectionSays(value: string | undefined): typeof says {
  says.close = says.keepAlive = false;
  if (value !== undefined) connectionTokens(value, readToken);
  return says;
}

function readToken(token: string): void {
  const lower = token.toLowerCase();
  if (lower === "close") says.close = true;
  else if (lower === "keep-alive") says.keepAlive = true;
}
