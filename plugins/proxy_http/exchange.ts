/**
 * One attempt at one backend: place, body read ahead, connection, request, answer, and the failure table.
 * Long, and one class: whatever happens at one end decides what is still done at the other. What is said each way is in request_out
 * and response_in.
 * Source: httpd modules/proxy/mod_proxy_http.c proxy_http_handler, ap_proxy_http_process_response
 */
import {
  type Backend,
  type Bytes,
  type ConnectFailure,
  ConnPool,
  canUpgrade,
  DONE,
  defaultPort,
  disableWorker,
  type FailureRetry,
  type FailureSource,
  type FailureStage,
  getProxyConfig,
  HeaderTable,
  httpDate,
  isChunked,
  OK,
  PendingStatus,
  type PoolWaiter,
  type ProxyAttempt,
  type ProxyConfig,
  type ProxyUrl,
  type ProxyWorker,
  proxyError,
  type RequestFraming,
  type RequestRec,
  type ResponseWatcher,
  requestHead,
  retryWorker,
  type Status,
  serverTimeoutMs,
  TRANSFER_ENCODING,
  Tunnel,
  upgradeOf,
} from "../../modules/mod.ts";
import { logAcquired, logConnected, logReleased, logTarget } from "./connection_log.ts";
import { type BodyFraming, type BodyOwner, PREFETCH_BYTES, RequestBodyOut } from "./request_out.ts";
import { ResponseIn } from "./response_in.ts";

const MODULE = "proxy_http";
const DEBUG = 7;
/** Seconds, where descriptors have run out. */
const RETRY_AFTER = "5";

export class Exchange extends PendingStatus implements BodyOwner, ResponseWatcher, RequestFraming {
  readonly r: RequestRec;
  readonly worker: ProxyWorker;
  readonly pool: ConnPool;
  readonly conf: ProxyConfig;
  /** How long one read or write at the backend may take. */
  readonly timeoutMs: number;
  readonly http10: boolean;
  /** The client sent Expect: 100-continue and got no answer to it yet, at the start. */
  readonly clientExpects: boolean;
  /** The protocol that is asked of the backend; "": none. */
  readonly upgrade: string;
  /** null: there is no body. */
  readonly body: RequestBodyOut | null;
  /** The head was sent alone; 100 Continue is waited for. */
  waiting100 = false;
  backend: Backend | null = null;
  /** The response was read; false too while there is none. */
  settled = false;
  private response: ResponseIn | null = null;
  private readonly url: ProxyUrl;
  readonly attempt: ProxyAttempt;
  readonly expect: boolean;
  private framing: BodyFraming = "none";
  private turn: PoolWaiter | null = null;
  private reserved = false;
  private result: Status | null = null;
  /** On the clock's `now`; only where there is a meter. */
  private connectAtMs = 0;
  private retried = false;
  private drainWanted = false;
  /** The log wants to know what becomes of the connection. */
  private readonly verbose: boolean;
  /** Told when the last byte of the request was given to the socket. */
  onRequestSent: (() => void) | null = null;

  constructor(r: RequestRec, worker: ProxyWorker, url: ProxyUrl, attempt: ProxyAttempt) {
    super();
    this.r = r;
    this.worker = worker;
    this.url = url;
    this.attempt = attempt;
    this.conf = getProxyConfig(r.perDirConfig);
    this.pool = worker.pool ??= new ConnPool(worker, r.conn.process.sockets, r.conn.process);
    this.verbose = r.log.enabled("proxy", DEBUG);
    this.timeoutMs = worker.params.timeoutMs ?? this.conf.timeoutMs ?? serverTimeoutMs(r);
    this.http10 = r.getEnv("force-proxy-request-1.0") !== undefined;
    this.clientExpects = r.expecting100;
    const hasBody = r.body.announced && r.body.length !== 0;
    this.body = hasBody ? new RequestBodyOut(r, attempt, this) : null;
    this.upgrade = this.http10 ? "" : upgradeOf(r, worker, url);
    const ping = worker.params.pingMs !== undefined && r.proxyreq === "reverse";
    const wanted = (ping && hasBody) || (r.expecting100 && this.conf.proxy100Continue);
    this.expect = wanted && !this.http10;
  }

  run(): Status | Promise<Status> {
    const { r, worker } = this;
    this.attempt.failure = null;
    r.statusLine = r.errorNotes = null; // of an attempt before
    if (!worker.isUsable && !this.mayRetry()) {
      r.log.error("proxy", "AH00940", `HTTP: disabled connection for (${worker.hostPort})`);
      return this.failed(503, "acquire", "proxy", "yes", "worker is not usable");
    }
    const coding = r.headersIn.getId(TRANSFER_ENCODING);
    if (coding !== undefined && !isChunked(coding)) {
      r.log.error(MODULE, "AH01093", `${coding} Transfer-Encoding is not supported`, this.r);
      return this.failed(500, "send-head", "client", "never", "unknown transfer coding");
    }
    r.out.watcher = this;
    if (this.pool.reserve()) this.placed();
    else this.queue();
    return this.result ?? this;
  }

  // Not written where they are used: a closure in a function costs every call an object for the variables it holds.
  private queue(): void {
    this.turn = this.pool.wait((granted) => this.queued(granted));
  }

  private mayRetry(): boolean {
    const { process } = this.r.conn;
    return retryWorker(this.worker, process.clock.wallUs() / 1000, process.log, "HTTP") && this.worker.isUsable;
  }

  private queued(granted: boolean): void {
    this.turn = null;
    if (granted) this.placed();
    else {
      this.r.log.error("proxy", "AH00941", `HTTP: failed to acquire connection for (${this.worker.hostPort})`);
      this.finish(this.failed(503, "acquire", "proxy", "yes", "no free connection"));
    }
  }

  // ---- with a place in the pool: the body first, so that a slow client holds no backend

  private placed(): void {
    this.reserved = true;
    const { body, r } = this;
    if (this.verbose) logAcquired(this.r, this.worker, this.url);
    if (body === null) this.ready();
    else if (this.expect) {
      // What the client sent without waiting. To ask for more is for the backend's 100 Continue.
      const { expecting100 } = r;
      r.expecting100 = false;
      body.prefetchNow();
      r.expecting100 = expecting100;
      if (this.result === null) this.ready();
    } else if (r.getEnv("proxy-prefetch-nonblocking") !== undefined) {
      body.prefetchNow();
      if (this.result === null) this.ready();
    } else {
      const spool = r.body.length < 0 && (this.http10 || r.getEnv("proxy-sendcl") !== undefined);
      body.prefetch(spool);
    }
  }

  onPrefetched(): void {
    if (this.result !== null) return;
    if (this.body!.overflown && this.framingOf() === "length" && this.r.body.length < 0) {
      this.r.log.error("proxy", "AH01095", `prefetch request body failed to ${this.worker.hostPort}: too large`);
      this.finish(this.failed(413, "send-body", "client", "never", "body too large to spool"));
    } else this.ready();
  }

  private ready(): void {
    if (this.verbose) logTarget(this.r, this.worker, this.url);
    const idle = this.retried ? null : this.pool.take(this.attempt.tls);
    if (idle === null) this.connect();
    else if (this.wantsFresh()) {
      // In its place: else there might be more than `max`.
      idle.close();
      this.connect();
    } else this.send(idle);
  }

  private wantsFresh(): boolean {
    if (!this.keepAlive) return true;
    return this.r.conn.keepalives <= 1 && this.r.getEnv("proxy-initial-not-pooled") !== undefined;
  }

  private connect(): void {
    const { worker, url, r } = this;
    const timeoutMs = worker.params.connectionTimeoutMs ?? this.timeoutMs;
    const port = url.port || (url.host === worker.host && worker.port) || (defaultPort(url.scheme) ?? 0);
    if (worker.meter !== null) this.connectAtMs = r.conn.process.clock.now();
    this.pool.connect(url.host, port, timeoutMs, this.attempt.tls, this.timeoutMs).then(
      (result) => this.connected(result),
      () => {
        if (this.result !== null) return;
        this.attempt.failure = failure("resolve", "backend", "never", "DNS lookup failure");
        this.finish(proxyError(r, 500, `DNS lookup failure for: ${url.host}`));
      },
    );
  }

  private connected(result: Backend | ConnectFailure): void {
    const { worker, r } = this;
    if ("pool" in result) {
      worker.connected();
      if (this.verbose) logConnected(r, worker, this.url, result.address);
      worker.meter?.connected(r.conn.process.clock.now() - this.connectAtMs);
      const times = this.attempt.times?.at(-1);
      if (times !== undefined) times.connectedUs = r.conn.process.clock.wallUs();
      if (this.result !== null)
        result.close(); // the client left meanwhile
      else {
        this.send(result);
        result.socket.resume();
      }
      return;
    }
    if (this.result !== null) return;
    if (result.inHandshake) {
      this.attempt.failure = failure("tls", "backend", "never", result.cause, result.timedOut);
      this.finish(proxyError(r, 500, "Error during SSL Handshake with remote server"));
      return;
    }
    if (result.exhausted) {
      r.headersOut.set("Retry-After", RETRY_AFTER);
      this.finish(this.failed(503, "connect", "proxy", "never", result.cause));
      return;
    }
    const { process } = r.conn;
    disableWorker(worker, process.clock.wallUs() / 1000, process.log, result.cause);
    r.log.error(MODULE, "AH01114", `HTTP: failed to make connection to backend: ${worker.host}`, this.r);
    this.finish(this.failed(503, "connect", "backend", "yes", result.cause, result.timedOut));
  }

  // ---- with a connection

  private send(backend: Backend): void {
    const { r, body } = this;
    this.backend = backend;
    this.settled = false;
    this.drainWanted = false;
    this.response = new ResponseIn(this, backend);
    backend.attach(this.response);
    if (backend.closed) {
      this.connect();
      return;
    }
    this.framing = this.framingOf();
    const head = requestHead(r, this.conf, this.url, this);
    if (body === null) {
      this.worker.s.transferred += head.length;
      backend.socket.write(head);
      backend.arm(this.timeoutMs);
    } else if (this.expect) {
      this.worker.s.transferred += head.length;
      this.waiting100 = true;
      backend.socket.write(head);
      backend.arm(this.worker.params.pingMs ?? this.timeoutMs);
    } else body.start(backend.socket, head, this.framing);
  }

  // RequestFraming, besides `expect`, `http10` and `upgrade`

  /** Whether the connection may be used again as far as we are concerned. */
  get keepAlive(): boolean {
    return this.pool.reusable && !this.http10 && this.r.getEnv("proxy-nokeepalive") === undefined;
  }

  private framingOf(): BodyFraming {
    const { body, r } = this;
    if (body === null) return r.body.announced ? "length" : "none";
    if (r.body.length >= 0 || this.http10 || r.getEnv("proxy-sendcl") !== undefined) return "length";
    // More may be here by now than httpd reads ahead: what the backend gets does not depend on how the bytes came.
    return this.attempt.prefetchedAll && this.attempt.prefetchedBytes < PREFETCH_BYTES ? "length" : "chunked";
  }

  get length(): string {
    if (this.framing === "none") return "";
    if (this.framing === "chunked") return "Transfer-Encoding: chunked\r\n";
    const known = this.attempt.prefetchedAll || this.r.body.length < 0;
    return `Content-Length: ${known ? this.attempt.prefetchedBytes : this.r.body.length}\r\n`;
  }

  /** 100 Continue came, or a final answer after which the body is sent all the same. */
  sendBody(): void {
    this.waiting100 = false;
    this.body?.start(this.backend!.socket, "", this.framing);
  }

  onBodyBlocked(): void {
    this.drainWanted = true;
    this.backend?.arm(this.timeoutMs);
  }

  onDrain(): void {
    if (!this.drainWanted) return;
    this.drainWanted = false;
    this.backend?.disarm();
    this.body?.drained();
  }

  onBodySent(): void {
    this.drainWanted = false;
    this.backend?.arm(this.timeoutMs);
    this.onRequestSent?.();
  }

  onBodyFailed(status: Status, why: string): void {
    if (this.result !== null) return;
    const sending = this.backend !== null;
    const text = sending ? "pass request body failed" : "prefetch request body failed";
    const log = this.r.log;
    log.error(
      sending ? MODULE : "proxy",
      sending ? "AH01097" : "AH01095",
      `${text} to ${this.worker.hostPort} from ${this.r.conn.peerIp}: ${why}`,
    );
    this.giveUp(status, sending ? "send-body" : "send-head", "client", "never", why);
  }

  /** The first bytes of an answer came. */
  answered(): void {
    const times = this.attempt.times?.at(-1);
    if (times?.firstByteUs === 0) times.firstByteUs = this.r.conn.process.clock.wallUs();
  }

  get requestSent(): boolean {
    return !this.waiting100 && (this.body === null || this.body.sent);
  }

  // ---- the ends

  /** The time set by `arm` has passed. */
  onTimeout(responseStarted: boolean): void {
    const { r } = this;
    if (this.drainWanted) {
      r.log.error(MODULE, "AH01097", `pass request body failed to ${this.worker.hostPort}: write timeout`, this.r);
      this.giveUp(504, "send-body", "backend", "never", "write timeout", true);
    } else if (responseStarted) this.truncated("read timeout");
    else if (this.waiting100) {
      this.logNoStatusLine();
      r.log.debug(MODULE, "AH01103", "read timeout", this.r);
      this.attempt.failure = failure("read-head", "backend", "yes", "timeout on 100-continue", true);
      this.drop(proxyError(r, 503, "Timeout on 100-Continue"));
    } else this.noStatusLine(true);
  }

  /** The backend closed before the status line, or said nothing. */
  noStatusLine(timedOut: boolean): void {
    const { r, worker, backend } = this;
    const reused = backend!.served > 0;
    const log = r.log;
    if (this.waiting100 && reused && !timedOut && !this.retried) {
      // The body was not touched: once more on a fresh connection.
      log.info(MODULE, "AH01115", `HTTP: 100-Continue failed to ${worker.hostPort}`, this.r);
      this.retried = true;
      this.waiting100 = false;
      backend!.close();
      this.backend = null;
      this.connect();
      return;
    }
    if (!this.requestSent && !this.waiting100) {
      log.error(MODULE, "AH01097", `pass request body failed to ${worker.hostPort}`, this.r);
      this.giveUp(502, "send-body", "backend", "never", "closed while the body was sent");
      return;
    }
    this.logNoStatusLine();
    if (timedOut) log.debug(MODULE, "AH01103", "read timeout", this.r);
    if (!timedOut && r.conn.keepalives > 1) {
      log.debug(
        MODULE,
        "AH01104",
        `Closing connection to client because reading from backend server ${worker.hostPort} failed. Number of keepalives ${r.conn.keepalives - 1}`,
        this.r,
      );
      // On a connection that had served, a race of keep-alive and nobody's fault: source "proxy".
      this.attempt.failure = failure(
        "read-head",
        reused ? "proxy" : "backend",
        "never",
        "closed before the status line",
      );
      r.status = 502;
      r.out.abort();
      this.drop(DONE);
      return;
    }
    if (r.conn.keepalives <= 1) {
      log.debug(
        MODULE,
        "AH01105",
        `NOT Closing connection to client although reading from backend server ${worker.hostPort} failed.`,
        this.r,
      );
    }
    const cause = timedOut ? "read timeout" : "closed before the status line";
    this.attempt.failure = failure("read-head", "backend", "never", cause, timedOut);
    this.drop(proxyError(r, 502, "Error reading from remote server"));
  }

  private logNoStatusLine(): void {
    const where = `remote server ${this.worker.hostPort}`;
    this.r.log.error(MODULE, "AH01102", `error reading status line from ${where}`, this.r);
  }

  /** The answer cannot be used. @param reason for the page; "": the plain page */
  badAnswer(status: Status, reason: string, cause: string): void {
    this.attempt.failure = failure("read-head", "backend", "never", cause);
    this.drop(reason === "" ? status : proxyError(this.r, status, reason));
  }

  /** The head can be used, and the body is wrong from its first byte on: the client can still get a page. */
  badBody(cause: string): void {
    const { r } = this;
    this.logBody(cause);
    this.badAnswer(502, "", cause);
    (r.errHeadersOut ??= new HeaderTable()).set("Expires", httpDate(r.requestTimeUs));
  }

  private logBody(cause: string): void {
    this.r.log.error(MODULE, "AH01110", `error reading response: ${cause}`, this.r);
  }

  /** The answer broke off after its head was passed on. */
  truncated(cause: string): void {
    this.logBody(cause);
    this.attempt.failure = failure("read-body", "backend", "never", cause, cause === "read timeout");
    this.r.out.abort();
    this.drop(DONE);
  }

  /** Fails before the head of an answer was passed on; else cuts it short. */
  private giveUp(
    status: Status,
    stage: FailureStage,
    source: FailureSource,
    retry: FailureRetry,
    cause: string,
    timedOut = false,
  ): void {
    this.attempt.failure = failure(stage, source, retry, cause, timedOut);
    if (this.r.out.started) {
      this.r.out.abort();
      this.drop(DONE);
    } else this.drop(status);
  }

  /** Whether the client may hear that the backend offers a protocol. */
  mayUpgrade(protocol: string): boolean {
    return canUpgrade(this.worker, protocol, /^wss?$/.test(this.url.scheme) ? "WebSocket" : "");
  }

  /** The backend switched protocols: from here on bytes are copied. @param early what it sent behind the 101 */
  tunnel(early: Bytes | null): void {
    const { r, worker } = this;
    r.status = 101;
    r.statusLine = null;
    r.log.debug(MODULE, "AH10239", `HTTP: tunneling protocol ${this.upgrade}`, r);
    const idleMs = Math.max(serverTimeoutMs(r), this.timeoutMs);
    const tunnel = new Tunnel(r, this.backend!, early, idleMs, ({ source, cause }) => {
      worker.s.read += tunnel.toClient;
      worker.s.transferred += tunnel.toBackend;
      if (source !== "both") this.attempt.failure = failure("tunnel", source, "never", cause);
      this.release(false);
      this.finish(OK);
    });
  }

  /** The last byte of the answer was read: the connection goes back before the client has it all. */
  release(reusable: boolean): void {
    const backend = this.backend;
    if (backend === null) return;
    this.backend = null;
    this.reserved = false;
    if (this.verbose) logReleased(this.r, this.worker, this.url);
    this.body?.stop();
    this.countBody();
    if (reusable && this.requestSent && this.keepAlive) {
      backend.served++;
      this.pool.release(backend);
    } else {
      backend.close();
      this.pool.free();
    }
  }

  /** Ends without the backend being of further use. */
  private drop(status: Status): void {
    this.release(false);
    this.finish(status);
  }

  onClientDrain(): void {
    this.response?.resume();
  }

  onClientGone(): void {
    if (this.result !== null) return;
    if (this.turn !== null) this.pool.leaveQueue(this.turn);
    this.attempt.failure = failure(this.backend === null ? "send-head" : "read-body", "client", "never", "client left");
    this.drop(DONE);
  }

  /** ProxyErrorOverride: answers in place of the backend, whose body may still be read away. */
  override(status: Status): void {
    this.attempt.overridden = true;
    this.body?.stop();
    this.finish(status);
  }

  /** Not within the calls of the client's side: it may be in the middle of a body. */
  finish(status: Status): void {
    if (this.conclude(status)) this.settleLater(status);
  }

  /** The answer is complete. Of the backend's events only: what comes next on the client's connection begins within. */
  finishNow(): void {
    if (this.conclude(OK)) this.settle(OK);
  }

  // Not written where it is used: a closure in a function costs every call an object for the variables it holds.
  private settleLater(status: Status): void {
    queueMicrotask(() => this.settle(status));
  }

  private conclude(status: Status): boolean {
    if (this.result !== null) return false;
    this.result = status;
    this.r.out.watcher = null;
    this.body?.stop();
    if (this.reserved && this.backend === null) {
      this.reserved = false;
      if (this.verbose) logReleased(this.r, this.worker, this.url);
      this.pool.free();
    }
    if (status > OK) this.r.headersOut = new HeaderTable();
    return true;
  }

  get finished(): boolean {
    return this.result !== null;
  }

  private countBody(): void {
    if (this.body !== null) {
      this.worker.s.transferred += this.body.transferred;
      this.body.transferred = 0;
    }
  }

  private failed(
    status: Status,
    stage: FailureStage,
    source: FailureSource,
    retry: FailureRetry,
    cause: string,
    timedOut = false,
  ): Status {
    this.attempt.failure = failure(stage, source, retry, cause, timedOut);
    return status;
  }
}

function failure(
  stage: FailureStage,
  source: FailureSource,
  retry: FailureRetry,
  cause: string,
  timedOut = false,
): NonNullable<ProxyAttempt["failure"]> {
  return { stage, source, retry, cause, timedOut };
}
