/**
 * A client's connection that speaks HTTP/2: its session, its time-outs, its end.
 * Source: httpd modules/http2/h2_session.c; server/mpm/event (keep-alive)
 */
import {
  type Bytes,
  type Clock,
  type ConnectionView,
  type ConnRec,
  clientAddress,
  connectionClosed,
  connectionOpened,
  departure,
  type HttpSettings,
  LINGER_MS,
  type ProcessRec,
  type RequestRec,
  room,
  type ServedConnection,
  type Socket,
  type SocketOwner,
  type Timeout,
  timeLeft,
} from "../../modules/mod.ts";
import type { Http2Config } from "./config.ts";
import { CANCEL, INADEQUATE_SECURITY, NO_ERROR, REFUSED_STREAM } from "./frame.ts";
import type { RequestBlock } from "./header_block.ts";
import { type RequestHost, StreamRequest } from "./request.ts";
import { Http2Session, type SessionUser } from "./session.ts";
import type { Http2Stream } from "./stream.ts";
import type { UpgradeRequest } from "./upgrade.ts";

/** How often streams that are open are looked after. */
const LOOK_MS = 5000;
/** How long a client may take to answer the announcement of our end. */
const GOAWAY_MS = 1000;
/** A client may cancel streams faster than their requests end: so many times its limit of streams may be at hand. */
const OVERLAP = 2;

/** Of a response. Source: nghttp2, NGHTTP2_MAX_HEADERSLEN */
const DEFAULT_BLOCK_BYTES = 65_536;

type Phase = "new" | "idle" | "busy" | "lingering" | "closed";

export class Http2Connection implements ServedConnection, SocketOwner, Timeout, SessionUser, RequestHost {
  deadline = 0;
  slot = 0;
  readonly conn: ConnRec;
  readonly socket: Socket;
  readonly settings: HttpSettings;
  readonly conf: Http2Config;
  readonly clock: Clock;
  private readonly session: Http2Session;
  private phase: Phase = "new";
  private readonly startMs: number;
  /** When the header block at hand began; -1: there is none. */
  private headStartMs = -1;
  /** Requests that are not logged yet. */
  private atHand = 0;
  private lastRequest: RequestRec | null = null;
  /** When we announced our end; -1: we did not. */
  private leavingMs = -1;
  /** The client opens no more streams. */
  private clientLeaves = false;
  /** What streams had sent when they were looked at last, and when they had first sent so much. */
  private readonly progress = new WeakMap<Http2Stream, { bytes: number; sinceMs: number }>();
  private socketProgress = { bytes: 0, sinceMs: 0 };

  constructor(conn: ConnRec, socket: Socket, settings: HttpSettings, conf: Http2Config) {
    this.conn = conn;
    this.socket = socket;
    this.settings = settings;
    this.conf = conf;
    this.clock = conn.process.clock;
    this.startMs = this.clock.now();
    const { limits } = settings;
    this.session = new Http2Session(this, {
      maxStreams: conf.maxSessionStreams,
      windowBytes: conf.windowSize,
      maxListBytes: listBytes(limits),
      maxDataBytes: conf.maxDataFrameLen || Number.MAX_SAFE_INTEGER,
      streamMemory: conf.streamMaxMemSize,
      maxBlockBytes: conf.maxHeaderBlockLen || DEFAULT_BLOCK_BYTES,
      maxStreamErrors: conf.maxStreamErrors,
      connectProtocol: conf.webSockets,
    });
  }

  start(): void {
    this.conn.protocol = this.conn.secure ? "h2" : "h2c";
    connectionOpened(this);
    this.socket.owner = this;
    this.session.start();
    if (this.conf.modernTlsOnly && this.socket.tls !== null && !isModern(this.socket.tls)) {
      this.session.fail(INADEQUATE_SECURITY, `${this.socket.tls.cipher} is not for HTTP/2`);
      return;
    }
    this.arm();
  }

  /** Goes on with a request that asked for it by HTTP/1.1; `early` came behind it. */
  startUpgraded({ settings, fields }: UpgradeRequest, early: Bytes | null): void {
    const before = this.socket.owner;
    this.start();
    // For HTTP/1.1 the connection is over; what counts connections sees the new one first.
    before.onClose(null);
    this.session.upgraded(settings, fields);
    if (early !== null) this.onData(early, 0, early.length);
    this.socket.resume();
  }

  // ServedConnection

  get view(): ConnectionView {
    const phase = this.phase === "new" ? "head" : this.phase === "idle" ? "waiting" : this.phase;
    return { conn: this.conn, phase, r: this.lastRequest };
  }

  belongsTo(process: ProcessRec): boolean {
    return this.conn.process === process;
  }

  closeIfIdle(): void {
    if (!this.conn.process.stopping) return;
    if (this.phase === "idle") this.session.fail(NO_ERROR, "the server stops");
    // A client that has just connected is about to ask.
    else if (this.phase === "new") this.conn.process.wheel.arm(this, LINGER_MS);
    else if (this.phase === "busy") this.leave();
  }

  giveWay(): boolean {
    if (this.phase !== "idle") return false;
    this.session.fail(NO_ERROR, "another connection needs its place");
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  // The socket

  onData(bytes: Bytes, start: number, end: number): void {
    if (this.phase === "lingering" || this.phase === "closed") return;
    this.session.receive(bytes, start, end);
    if (!this.session.midHead) this.headStartMs = -1;
    else if (this.headStartMs < 0) {
      this.headStartMs = this.clock.now();
      if (this.phase === "idle") this.arm();
    }
  }

  onDrain(): void {
    this.session.onDrain();
  }

  /** Who speaks HTTP/2 has no use for half a connection. */
  onEnd(): void {
    this.session.stop(CANCEL, "the client closed the connection");
    this.linger();
  }

  onClose(): void {
    this.phase = "closed";
    this.conn.process.wheel.drop(this);
    this.conn.aborted = true;
    this.session.stop(CANCEL, "the client left");
    connectionClosed(this, this.conn.process);
  }

  // The session

  alloc(size: number): Bytes {
    return this.conn.process.sockets.alloc(size);
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    return this.socket.keep(bytes, start, end);
  }

  write(bytes: Uint8Array): boolean {
    if (departure.watch !== null) departure.watch();
    return this.socket.write(bytes);
  }

  onRequest(stream: Http2Stream, block: RequestBlock): void {
    if (this.atHand >= OVERLAP * this.conf.maxSessionStreams) {
      stream.reset(REFUSED_STREAM);
      return;
    }
    this.conn.keepalives++;
    const wasBusy = this.phase === "busy";
    this.phase = "busy";
    this.atHand++;
    const code = new StreamRequest(this, stream).start(block);
    if (code !== 0) {
      this.atHand--;
      stream.refuse(code);
    }
    if (!wasBusy && this.phase === "busy") this.arm();
    this.settle();
  }

  requestBegins(r: RequestRec): void {
    this.lastRequest = r;
  }

  requestEnded(): void {
    this.atHand--;
    this.settle();
  }

  onIdle(): void {
    this.settle();
  }

  onGoaway(): void {
    this.clientLeaves = true;
    this.settle();
  }

  onFailed(code: number, why: string): void {
    const about = { client: clientAddress(this.conn) };
    const { log } = this.conn.vhosts[0]!;
    if (code === NO_ERROR) log.debug("http2", "", `connection ends: ${why}`, about);
    else log.info("http2", "", `connection ends with error ${code}: ${why}`, about);
    this.linger();
  }

  /** The last stream and its request have ended. */
  private settle(): void {
    if (this.phase !== "busy" || this.session.streams.size > 0 || this.atHand > 0) return;
    this.phase = "idle";
    if (this.leavingMs >= 0 || this.conn.process.stopping) this.session.fail(NO_ERROR, "the server stops");
    else if (this.clientLeaves) this.session.fail(NO_ERROR, "the client goes");
    else if (room.wanted > 0) this.session.fail(NO_ERROR, "another connection needs its place");
    else if (!this.settings.keepAlive) this.session.fail(NO_ERROR, "KeepAlive Off");
    else this.arm();
  }

  // Time

  private arm(): void {
    const { wheel } = this.conn.process;
    switch (this.phase) {
      case "new":
        wheel.arm(this, Math.max(1, this.headTimeLeft(this.startMs)));
        break;
      case "idle":
        if (this.headStartMs >= 0) wheel.arm(this, Math.max(1, this.headTimeLeft(this.headStartMs)));
        else wheel.arm(this, this.settings.keepAliveTimeoutMs);
        break;
      case "busy":
        wheel.arm(this, this.leavingMs >= 0 ? GOAWAY_MS : Math.min(LOOK_MS, this.streamTimeoutMs / 2));
        break;
      default:
    }
  }

  private headTimeLeft(sinceMs: number): number {
    const { headerTimeout, timeoutMs } = this.settings;
    return Math.min(timeoutMs, timeLeft(headerTimeout, this.clock.now() - sinceMs, 0));
  }

  private get streamTimeoutMs(): number {
    return this.conf.streamTimeoutMs ?? this.settings.timeoutMs;
  }

  /** The wheel's call. */
  expire(): void {
    switch (this.phase) {
      case "new":
        this.session.fail(NO_ERROR, "no request came in time");
        break;
      case "idle":
        this.session.fail(NO_ERROR, this.headStartMs < 0 ? "idle for too long" : "a header block does not end");
        break;
      case "busy":
        this.look();
        break;
      default:
        this.socket.destroy();
    }
  }

  /** Looks for what does not go on. */
  private look(): void {
    const now = this.clock.now();
    if (this.leavingMs >= 0 && now - this.leavingMs >= GOAWAY_MS) this.session.onPong();
    if (this.headStartMs >= 0 && this.headTimeLeft(this.headStartMs) <= 0) {
      this.session.fail(NO_ERROR, "a header block does not end");
      return;
    }
    if (this.session.stalled && this.socketStands(now)) {
      this.socket.destroy();
      return;
    }
    for (const stream of [...this.session.streams.values()]) {
      if (stream.pending && this.stands(stream, now)) this.session.abandon(stream, CANCEL, "the client takes nothing");
    }
    if (this.phase === "busy") this.arm();
  }

  private stands(stream: Http2Stream, now: number): boolean {
    const seen = this.progress.get(stream);
    if (seen === undefined || seen.bytes !== stream.sentBytes) {
      this.progress.set(stream, { bytes: stream.sentBytes, sinceMs: now });
      return false;
    }
    return now - seen.sinceMs >= this.streamTimeoutMs;
  }

  private socketStands(now: number): boolean {
    const { queuedBytes } = this.socket;
    if (this.socketProgress.bytes !== queuedBytes) {
      this.socketProgress = { bytes: queuedBytes, sinceMs: now };
      return false;
    }
    return now - this.socketProgress.sinceMs >= this.settings.timeoutMs;
  }

  // Ends

  /** Lets the requests at hand end, and takes no more soon. */
  private leave(): void {
    if (this.leavingMs >= 0) return;
    this.leavingMs = this.clock.now();
    this.session.shutDown();
    this.arm();
  }

  /** Sends FIN and reads on for a while: a reset would take the last frames with it. */
  private linger(): void {
    if (this.phase === "lingering" || this.phase === "closed") return;
    this.phase = "lingering";
    this.socket.end();
    this.conn.process.wheel.arm(this, this.socket.queuedBytes > 0 ? this.settings.timeoutMs : LINGER_MS);
  }
}

/** What Limit* allow, with the pseudo fields, and no more than a client ever means. */
function listBytes(limits: HttpSettings["limits"]): number {
  const fields = limits.fields > 0 ? limits.fields : 1000;
  return Math.min(
    MAX_LIST_BYTES,
    limits.requestLine + fields * (Math.min(limits.fieldSize, 512) + 32) + limits.fieldSize,
  );
}

const MAX_LIST_BYTES = 131_072;

/** What RFC 9113 appendix A does not forbid: forward secrecy and authenticated encryption. */
function isModern({ protocol, cipher }: { readonly protocol: string; readonly cipher: string }): boolean {
  return protocol === "TLSv1.3" || (protocol === "TLSv1.2" && /^(ECDHE|DHE)-.*(GCM|CHACHA20|CCM)/.test(cipher));
}
