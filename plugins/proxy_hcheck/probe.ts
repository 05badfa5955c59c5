/**
 * A probe: one question to one member, over a connection of its own, within a time of its own.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c hc_check_tcp, hc_check_http
 */
import {
  type Backend,
  type BackendUser,
  type Bytes,
  type ChunkConsumer,
  ChunkDecoder,
  CONTENT_LENGTH,
  ConnPool,
  core,
  describeSocketError,
  getModuleConfig,
  getProxyConfig,
  type HealthCheck,
  type HealthCheckProvider,
  type HealthCheckTarget,
  HTTP_09,
  hasNoBody,
  healthCheck,
  isChunked,
  joinBytes,
  type ProcessRec,
  type ProxyWorker,
  parseContentLength,
  parseResponseHead,
  ResponseHead,
  type SocketError,
  type Timeout,
  TRANSFER_ENCODING,
} from "../../modules/mod.ts";
import { tlsOf } from "./probe_tls.ts";
import { ProbeSubject } from "./subject.ts";

/** What a probe found. */
export interface Finding {
  readonly passed: boolean;
  readonly reason: string;
  /** It failed for want of something of ours: that says nothing of the member. */
  readonly ours?: boolean;
}

/** A probe that runs. `done` never rejects. */
export interface Probe {
  readonly done: Promise<Finding>;
  /** Ends it now; `done` resolves with a failure that nobody should count. */
  cancel(): void;
}

const MAX_HEAD_BYTES = 64 * 1024;
/** So much of a body an expression sees; the rest is read and dropped. */
const MAX_BODY_BYTES = 1024 * 1024;
const CHUNK_LIMITS = { fieldSize: 8190, fields: 100 };

/** How long a probe may wait for a connection, and then for its answer. As for traffic, but for the whole answer. */
export function probeLimits(worker: ProxyWorker, check: HealthCheck): { connectMs: number; answerMs: number } {
  const { config } = check.context.server;
  const { timeoutMs, connectionTimeoutMs } = worker.params;
  const answerMs = timeoutMs ?? getProxyConfig(config).timeoutMs ?? getModuleConfig(config, core).timeoutMs;
  return { connectMs: connectionTimeoutMs ?? answerMs, answerMs };
}

/** @param balancer its name: for <Proxy> sections */
export function startProbe(worker: ProxyWorker, check: HealthCheck, balancer: string, process: ProcessRec): Probe {
  return check.params.method === "PROVIDER"
    ? new ProviderProbe(worker, check, process)
    : new SocketProbe(worker, check, balancer, process);
}

/** The request of a probe. The path is joined as httpd does: nothing is normalized. */
export function probeRequest(worker: ProxyWorker, check: HealthCheck): string {
  const { method, uri } = check.params;
  const verb = methodOf(check);
  const path = /^[^:]+:\/\/[^/?#]*(.*)$/s.exec(worker.name)?.[1] ?? "";
  const target = verb === "OPTIONS" ? "*" : path + (path !== "" && uri !== "" ? "/" : "") + uri;
  const host = worker.host.includes(":") ? `[${worker.host}]` : worker.host;
  return `${verb} ${target} HTTP/1.${verb === method ? 0 : 1}\r\nHost: ${host}:${worker.port}\r\n\r\n`;
}

/** GET11 is GET in HTTP/1.1. */
function methodOf({ params }: HealthCheck): string {
  return params.method.endsWith("11") ? params.method.slice(0, -2) : params.method;
}

/** TCP, OPTIONS, HEAD, GET. */
class SocketProbe implements Probe, BackendUser, ChunkConsumer {
  readonly done: Promise<Finding>;
  private readonly worker: ProxyWorker;
  private readonly check: HealthCheck;
  private readonly resolve: (finding: Finding) => void;
  private over = false;
  private backend: Backend | null = null;
  private readonly head = new ResponseHead();
  private headRead = false;
  /** Bytes of a head that is not complete. */
  private pending: Bytes | null = null;
  private body: Bytes | null = null;
  /** Bytes of the body to come; -1: until the close. */
  private left = -1;
  private chunks: ChunkDecoder | null = null;

  constructor(worker: ProxyWorker, check: HealthCheck, balancer: string, process: ProcessRec) {
    this.worker = worker;
    this.check = check;
    const { promise, resolve } = Promise.withResolvers<Finding>();
    this.done = promise;
    this.resolve = resolve;
    const tls = check.params.method === "TCP" ? null : tlsOf(worker, check, balancer, process);
    if (typeof tls === "string") {
      this.finish(false, tls);
      return;
    }
    worker.pool ??= new ConnPool(worker, process.sockets, process);
    const { connectMs, answerMs } = probeLimits(worker, check);
    worker.pool.connect(worker.host, worker.port, connectMs, tls, answerMs).then(
      (result) => {
        if ("cause" in result) {
          this.finish(false, `${result.inHandshake ? "TLS" : "connect"}: ${result.cause}`, result.exhausted);
        } else if (this.over) result.close();
        else this.connected(result, answerMs);
      },
      (error: SocketError) => this.finish(false, `address: ${describeSocketError(error)}`),
    );
  }

  cancel(): void {
    this.finish(false, "cancelled");
  }

  private connected(backend: Backend, answerMs: number): void {
    this.backend = backend;
    if (this.check.params.method === "TCP") {
      this.finish(!backend.closed, backend.closed ? "closed at once" : "connected");
      return;
    }
    backend.attach(this);
    backend.arm(answerMs);
    backend.socket.write(probeRequest(this.worker, this.check));
    backend.socket.resume();
  }

  onData(bytes: Bytes, start: number, end: number): void {
    if (this.over) return;
    if (this.headRead) this.readBody(bytes, start, end);
    else if (this.pending === null) this.readHead(bytes, start, end);
    else {
      const all = joinBytes(this.pending, bytes, start, end);
      this.readHead(all, 0, all.length);
    }
  }

  private readHead(bytes: Bytes, start: number, end: number): void {
    const { head } = this;
    const fieldSize = this.worker.params.responseFieldSize || 8192;
    for (let at = start; ; ) {
      const taken = parseResponseHead(bytes, at, end, fieldSize, "IsError", head);
      if (taken < 0) {
        this.finish(false, `bad head: ${head.reason || head.line}`);
        return;
      }
      if (taken === 0) {
        if (end - at > MAX_HEAD_BYTES) this.finish(false, "bad head: too large");
        else this.pending = joinBytes(null, bytes, at, end);
        return;
      }
      at += taken;
      if (head.protocol === HTTP_09) {
        this.finish(false, "no status line");
        return;
      }
      if (head.status >= 200 || head.status === 101) {
        this.final(bytes, at, end);
        return;
      }
      head.reset(); // an interim answer says nothing
    }
  }

  private final(bytes: Bytes, at: number, end: number): void {
    const { head } = this;
    this.headRead = true;
    if (!this.check.params.method.startsWith("GET") || hasNoBody(head.status)) {
      this.judge();
      return;
    }
    const coding = head.headers.getId(TRANSFER_ENCODING);
    const length = head.headers.getId(CONTENT_LENGTH);
    if (coding !== undefined && isChunked(coding)) this.chunks = new ChunkDecoder(CHUNK_LIMITS);
    else if (coding === undefined && length !== undefined) {
      this.left = parseContentLength(length);
      if (this.left < 0) {
        this.finish(false, "bad Content-Length");
        return;
      }
    }
    this.readBody(bytes, at, end);
  }

  private readBody(bytes: Bytes, start: number, end: number): void {
    if (this.chunks !== null) {
      this.chunks.decode(bytes, start, end, this);
      if (this.chunks.error !== null) this.finish(false, `bad body: ${this.chunks.error}`);
      else if (this.chunks.done) this.judge();
      return;
    }
    const stop = this.left < 0 ? end : Math.min(end, start + this.left);
    this.onChunkData(bytes, start, stop);
    if (this.left < 0) return;
    this.left -= stop - start;
    if (this.left === 0) this.judge();
  }

  /** Body bytes, of chunks or not. */
  onChunkData(bytes: Bytes, start: number, end: number): void {
    if (this.check.params.expr === "" || start === end) return;
    const room = MAX_BODY_BYTES - (this.body?.length ?? 0);
    if (room > 0) this.body = joinBytes(this.body, bytes, start, Math.min(end, start + room));
  }

  onDrain(): void {}

  onEnd(): void {
    if (this.over) return;
    if (!this.headRead) this.finish(false, "closed before the end of the head");
    else if (this.left < 0 && this.chunks === null) this.judge();
    else this.finish(false, "closed in the body");
  }

  onClose(error: SocketError | null): void {
    if (this.backend !== null) this.backend.closed = true;
    if (error === null) this.onEnd();
    else this.finish(false, describeSocketError(error));
  }

  onTimeout(): void {
    this.finish(false, "no answer in time");
  }

  /** The whole answer is there. */
  private judge(): void {
    const { passed, reason } = this.verdict(this.head);
    this.finish(passed, `${reason}status ${this.head.status}`);
  }

  private verdict(head: ResponseHead): Finding {
    const { context, params } = this.check;
    if (params.expr === "") return { passed: head.status >= 200 && head.status <= 399, reason: "" };
    const expr = context.exprs.get(params.expr.toLowerCase());
    if (expr === undefined) return { passed: false, reason: `there is no ProxyHCExpr ${params.expr}, ` };
    const subject = new ProbeSubject(context.server, {
      method: methodOf(this.check),
      protocol: params.method.endsWith("11") ? "HTTP/1.1" : "HTTP/1.0",
      status: head.status,
      headers: head.headers,
      body: this.body === null ? "" : this.body.latin1Slice(),
    });
    try {
      const passed = expr.evaluate(subject);
      return { passed, reason: `${params.expr} is ${passed}, ` };
    } catch (error) {
      return { passed: false, reason: `${params.expr}: ${(error as Error).message}, ` };
    }
  }

  private finish(passed: boolean, reason: string, ours = false): void {
    if (this.over) return;
    this.over = true;
    this.backend?.close();
    this.resolve({ passed, reason, ours });
  }
}

/** Members whose provider was called and has not answered, be it too late: it is not called a second time. */
const asked = new WeakSet<ProxyWorker>();

/** PROVIDER:name. */
class ProviderProbe implements Probe, Timeout {
  readonly done: Promise<Finding>;
  deadline = 0;
  slot = 0;
  private readonly abort = new AbortController();
  private readonly resolve: (finding: Finding) => void;

  constructor(worker: ProxyWorker, check: HealthCheck, process: ProcessRec) {
    const { promise, resolve } = Promise.withResolvers<Finding>();
    this.done = promise;
    this.resolve = resolve;
    const { provider, uri } = check.params;
    const ask = process.providers.lookup(healthCheck, provider);
    if (ask === undefined) this.finish(false, `no provider ${provider}`);
    else if (asked.has(worker)) this.finish(false, `${provider} has still not answered the check before`);
    else {
      const timeoutMs = probeLimits(worker, check).answerMs;
      process.wheel.arm(this, timeoutMs);
      asked.add(worker);
      const { name: url, host, port, unixPath } = worker;
      this.ask(ask, { url, host, port, unixPath, uri, timeoutMs, signal: this.abort.signal }, provider).finally(() =>
        asked.delete(worker),
      );
    }
  }

  private async ask(ask: HealthCheckProvider, target: HealthCheckTarget, name: string): Promise<void> {
    try {
      const verdict = await ask(target);
      if (typeof verdict === "boolean") this.finish(verdict, `${name}: ${verdict ? "well" : "not well"}`);
      else this.finish(verdict.passed, `${name}: ${verdict.reason}`);
    } catch (error) {
      this.finish(false, `${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  cancel(): void {
    this.abort.abort();
    this.finish(false, "cancelled");
  }

  expire(): void {
    this.abort.abort();
    this.finish(false, "no answer in time");
  }

  private finish(passed: boolean, reason: string): void {
    this.deadline = 0;
    this.resolve({ passed, reason });
  }
}
