/**
 * WebSockets of a front that has messages and no bytes: the handshake goes to the backend by the host's WebSocket client, then
 * messages are relayed.
 *
 * What one side does not take is queued by the runtime. On Bun the other side is not read meanwhile; Deno's cannot be told to
 * wait: a relay that has more than QUEUE_BYTES queued for a side is closed. So is, on either, one that adds to more than
 * ALL_BYTES of all, so that memory has a bound.
 */
import {
  ABNORMAL,
  acquireConnection,
  ClientWatch,
  clientAddress,
  disableWorker,
  type FailureRetry,
  type FailureSource,
  type FailureStage,
  getProxyConfig,
  HeaderTable,
  MESSAGE_TOO_BIG,
  NO_STATUS,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  proxyError,
  type RequestRec,
  requestHead,
  type Status,
  serverTimeoutMs,
  type Timeout,
  type Timer,
  type WebSocketOffer,
  type WebSocketOwner,
  type WebSocketPeer,
} from "../../modules/mod.ts";
import { describe, isConnectError } from "./fetch_error.ts";

const MODULE = "proxy_fetch";
/** More waits for one side: the other is held up. */
const HOLD_BYTES = 65_536;
/** How often a side that is held up is looked after: no client tells when it has room, and of the servers only Bun's does. */
const LOOK_MS = 20;
/** The most that waits for one side, where the other cannot be held up. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** The most that waits in all relays. */
const ALL_BYTES = 32 * QUEUE_BYTES;
/** Fields that the client of the handshake makes itself, or that are this hop's. */
const OWN_FIELDS = /^(host|connection|upgrade|content-length|sec-websocket-(key|version|extensions|protocol))$/i;
const TOO_MUCH = 1013;
const NO_ROOM = "message too large";

/** What Bun's client has besides. */
interface BunClient {
  pause?(): void;
  resume?(): void;
  ping?(data: Uint8Array): void;
  terminate?(): void;
}

/** Those with messages on the way, and what they had queued when they were last looked at. */
const relays = new Set<WebSocketRelay>();
let allBytes = 0;

export class WebSocketRelay implements WebSocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  private readonly r: RequestRec;
  private readonly worker: ProxyWorker;
  private readonly url: ProxyUrl;
  private readonly attempt: ProxyAttempt;
  private readonly offer: WebSocketOffer;
  private readonly watch = new ClientWatch();
  /** For the handshake. */
  private readonly timeoutMs: number;
  /** Longest silence. Source: httpd, a tunnel lives by the longer of both sides' time-outs */
  private readonly idleMs: number;
  private backend: (WebSocket & BunClient) | null = null;
  private client: WebSocketPeer | null = null;
  /** Who is not read, as the other one does not take what came. */
  private clientHeld = false;
  private backendHeld = false;
  private lookTimer: Timer | null = null;
  private cause = "closed";
  /** For both sides, when it was looked at. */
  private queuedBytes = 0;
  private result: Status | null = null;
  private resolve: ((status: Status) => void) | null = null;

  constructor(r: RequestRec, worker: ProxyWorker, url: ProxyUrl, attempt: ProxyAttempt, offer: WebSocketOffer) {
    this.r = r;
    this.worker = worker;
    this.url = url;
    this.attempt = attempt;
    this.offer = offer;
    this.timeoutMs = worker.params.timeoutMs ?? getProxyConfig(r.perDirConfig).timeoutMs ?? serverTimeoutMs(r);
    this.idleMs = Math.max(serverTimeoutMs(r), this.timeoutMs);
  }

  async run(): Promise<Status> {
    const { watch } = this;
    const pool = await acquireConnection("WS", this.r, this.worker, this.attempt, watch);
    if (typeof pool === "number") return pool;
    const ended = new Promise<Status>((resolve) => {
      this.resolve = resolve;
    });
    watch.onLeave = () => this.clientLeft();
    if (watch.gone) this.clientLeft();
    else this.connect();
    const status = await ended;
    pool.free();
    return status;
  }

  private connect(): void {
    const socket = this.open();
    this.backend = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened();
    socket.onerror = (event) => this.errored(event as ErrorEvent);
    socket.onclose = ({ code, reason }) => this.backendClosed(code === 0 ? ABNORMAL : code, reason);
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.toClient(data);
    // Bun alone tells of pings.
    socket.addEventListener("ping", (event) => this.client?.ping(pingData(event)));
    this.r.conn.process.wheel.arm(this, this.timeoutMs);
  }

  /** Fields can be sent by Bun and Deno only: the standard's client has none. */
  private open(): WebSocket {
    const { r, url } = this;
    const name = url.host.includes(":") ? `[${url.host}]` : url.host;
    const secure = url.scheme === "https" || url.scheme === "wss";
    const target = `${secure ? "wss" : "ws"}://${name}${url.port === 0 ? "" : `:${url.port}`}${url.target}`;
    const protocols = [...this.offer.protocols];
    if (!("Bun" in globalThis || "Deno" in globalThis)) return new WebSocket(target, protocols);
    const framing = { length: "", expect: false, keepAlive: true, http10: false, upgrade: "" };
    const headers: Record<string, string> = {};
    for (const line of requestHead(r, getProxyConfig(r.perDirConfig), url, framing).split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      if (colon > 0 && !OWN_FIELDS.test(line.slice(0, colon))) {
        headers[line.slice(0, colon)] = line.slice(colon + 1).trim();
      }
    }
    return new WebSocket(target, { headers, protocols } as unknown as string[]);
  }

  // The handshake

  private opened(): void {
    if (this.result !== null) return;
    const { r, worker, backend } = this;
    worker.connected();
    r.status = 101;
    r.statusLine = null;
    try {
      this.client = this.offer.accept(backend!.protocol, new HeaderTable(), this);
    } catch (error) {
      r.log.error(MODULE, "", `the host cannot switch to a WebSocket: ${describe(error)}`, r);
      this.failed("tunnel", "proxy", "never", "no upgrade");
      this.finish(500);
      return;
    }
    relays.add(this);
    this.touch();
  }

  private errored(event: ErrorEvent): void {
    this.cause = event.message || describe(event.error ?? "error");
  }

  private backendClosed(code: number, reason: string): void {
    if (this.result !== null) return;
    if (this.client === null) {
      this.refused();
      return;
    }
    if (code === ABNORMAL) this.failed("tunnel", "backend", "never", this.cause);
    close(() => this.client!.close(code, reason));
    this.finish(OK);
  }

  /** The backend did not switch. What it answered instead the client shows at best as a number in a sentence. */
  private refused(): void {
    const { r, worker, cause } = this;
    const status = Number(/status code: (\d{3})/.exec(cause)?.[1] ?? 0);
    if (status >= 300) {
      worker.connected();
      this.finish(status);
    } else if (isConnectError(cause)) {
      const { process } = r.conn;
      disableWorker(worker, process.clock.wallUs() / 1000, process.log, cause);
      r.log.error(MODULE, "AH01114", `WS: failed to make connection to backend: ${worker.host}: ${cause}`, r);
      this.failed("connect", "backend", "yes", cause);
      this.finish(503);
    } else {
      r.log.error(MODULE, "AH01102", `error reading status line from remote server ${worker.hostPort}: ${cause}`, r);
      this.failed("read-head", "backend", "never", cause);
      this.finish(proxyError(r, 502, "Error reading from remote server"));
    }
  }

  // Messages

  private toClient(data: string | ArrayBuffer): void {
    const { client } = this;
    if (client === null || this.result !== null) return;
    const message = typeof data === "string" ? data : new Uint8Array(data);
    this.worker.s.read += message.length;
    if (message.length > this.offer.maxMessage) {
      this.tooLarge("backend", message.length);
      return;
    }
    client.send(message);
    this.touch();
    const { backend } = this;
    if (client.queuedBytes > HOLD_BYTES && !this.backendHeld && backend?.pause !== undefined) {
      this.backendHeld = true;
      backend.pause();
      this.lookLater();
    }
    if (this.holdsTooMuch(this.backendHeld ? 0 : client.queuedBytes)) this.overflow("the client");
  }

  onMessage(data: string | Uint8Array): void {
    const { backend } = this;
    if (this.result !== null || backend === null) return;
    if (data.length > this.offer.maxMessage) {
      this.tooLarge("client", data.length);
      return;
    }
    this.worker.s.transferred += data.length;
    backend.send(data as string | Uint8Array<ArrayBuffer>);
    this.touch();
    const { client } = this;
    if (backend.bufferedAmount > HOLD_BYTES && !this.clientHeld && client?.pause !== undefined) {
      this.clientHeld = true;
      client.pause();
      this.lookLater();
    }
    if (this.holdsTooMuch(this.clientHeld ? 0 : backend.bufferedAmount)) this.overflow("the backend");
  }

  onPing(data: Uint8Array): void {
    this.backend?.ping?.(data);
    this.touch();
  }

  onClose(code: number, reason: string): void {
    if (this.result !== null) return;
    this.closeBackend(code, reason);
    this.finish(OK);
  }

  private lookLater(): void {
    this.lookTimer ??= this.r.conn.process.clock.setTimer(() => this.lookAfter(), LOOK_MS);
  }

  /** Reads on where there is room again. What is taken, however slowly, is no silence. */
  private lookAfter(): void {
    this.lookTimer = null;
    const { client, backend, queuedBytes } = this;
    if (this.result !== null || client === null || backend === null) return;
    this.look();
    if (this.queuedBytes < queuedBytes) this.touch();
    if (this.backendHeld && client.queuedBytes <= HOLD_BYTES) {
      this.backendHeld = false;
      backend.resume!();
    }
    if (this.clientHeld && backend.bufferedAmount <= HOLD_BYTES) {
      this.clientHeld = false;
      client.resume!();
    }
    if (this.backendHeld || this.clientHeld) this.lookLater();
  }

  private holdsTooMuch(queued: number): boolean {
    this.look();
    if (queued > QUEUE_BYTES) return true;
    if (allBytes <= ALL_BYTES) return false;
    for (const relay of relays) relay.look(); // what others have sent meanwhile nobody has told
    return allBytes > ALL_BYTES;
  }

  private look(): void {
    const { client, backend } = this;
    const queued = client === null || backend === null ? 0 : client.queuedBytes + backend.bufferedAmount;
    allBytes += queued - this.queuedBytes;
    this.queuedBytes = queued;
  }

  private tooLarge(source: FailureSource, size: number): void {
    this.r.log.error(MODULE, "", `WebSocket closed: a message of ${size} from the ${source} is too large`, this.r);
    this.failed("tunnel", source, "never", NO_ROOM);
    this.closeBoth(MESSAGE_TOO_BIG, NO_ROOM);
  }

  private overflow(who: string): void {
    this.r.log.error(MODULE, "", `WebSocket closed: ${who} does not take ${this.queuedBytes} bytes`, this.r);
    this.failed("tunnel", who === "the client" ? "client" : "backend", "never", "too slow");
    this.closeBoth(TOO_MUCH, "too slow");
  }

  private touch(): void {
    this.r.conn.process.wheel.arm(this, this.idleMs);
  }

  // The ends

  /** The wheel's call. */
  expire(): void {
    if (this.result !== null) return;
    if (this.client === null) {
      this.cause = "read timeout";
      this.failed("read-head", "backend", "never", this.cause, true);
      this.finish(proxyError(this.r, 502, "Error reading from remote server"));
      return;
    }
    this.failed("tunnel", "proxy", "never", "idle time-out");
    this.closeBoth(ABNORMAL, "");
  }

  /** Before the handshake was complete. */
  private clientLeft(): void {
    if (this.result !== null) return;
    this.failed("send-head", "client", "never", "client left");
    this.finish(OK);
  }

  private closeBoth(code: number, reason: string): void {
    close(() => this.client!.close(code, reason));
    this.closeBackend(code, reason);
    this.finish(OK);
  }

  /** A client may send but few codes: of others it says only that it goes. */
  private closeBackend(code: number, reason: string): void {
    const { backend } = this;
    if (backend === null) return;
    if (code === ABNORMAL && backend.terminate !== undefined) backend.terminate();
    else if (code === ABNORMAL || code === NO_STATUS) close(() => backend.close());
    else if (!close(() => backend.close(code, reason))) close(() => backend.close());
  }

  private failed(stage: FailureStage, source: FailureSource, retry: FailureRetry, cause: string, late = false): void {
    this.attempt.failure = { stage, source, retry, cause, timedOut: late };
  }

  private finish(status: Status): void {
    if (this.result !== null) return;
    this.result = status;
    const { wheel, clock } = this.r.conn.process;
    wheel.drop(this);
    if (this.lookTimer !== null) clock.clearTimer(this.lookTimer);
    relays.delete(this);
    allBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.r.out.watcher = null;
    if (this.client === null) this.closeBackend(ABNORMAL, "");
    const client = clientAddress(this.r.conn);
    this.r.log.debug(MODULE, "", `WebSocket of ${client} ended: ${this.attempt.failure?.cause ?? "closed"}`, this.r);
    this.resolve?.(status);
  }
}

/** Whether the host let itself be told: a code it does not like is an exception, and one that is closed already no matter. */
function close(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

function pingData(event: Event): Uint8Array {
  const { data } = event as MessageEvent<unknown>;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return data instanceof Uint8Array ? data : new TextEncoder().encode(String(data ?? ""));
}
