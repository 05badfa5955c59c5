/**
 * One attempt at one backend by `fetch`, and how each failure ends: as those of mod_proxy_http, where fetch can tell them apart.
 */
import {
  acquireConnection,
  ClientWatch,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  DONE,
  disableWorker,
  type FailureRetry,
  type FailureSource,
  type FailureStage,
  getProxyConfig,
  HeaderTable,
  hasNoBody,
  OK,
  overridesError,
  ownBytes,
  type ProxyAttempt,
  type ProxyConfig,
  type ProxyUrl,
  type ProxyWorker,
  parseContentLength,
  proxyError,
  type RequestRec,
  reasonPhrase,
  requestHead,
  responseHeaders,
  reverseMapHeaders,
  type Status,
  serverTimeoutMs,
  type Timeout,
} from "../../modules/mod.ts";
import { classifyFetchError, describe } from "./fetch_error.ts";
import { type BodyOwner, FetchRequestBody } from "./request_body.ts";

const MODULE = "proxy_fetch";
/** Only Bun has `decompress: false`. */
const canKeepCoding = "Bun" in globalThis;
/** What a `fetch` without it decodes: Deno less than browsers. */
const DECODED = "Deno" in globalThis ? /^(gzip|br)$/i : /^(x-)?(gzip|br|deflate|zstd)$/i;
/** Methods that may be sent twice (RFC 9110, section 9.2.2). */
const IDEMPOTENT = /^(GET|HEAD|OPTIONS|PUT|DELETE)$/;
/** Fields of the request's head that fetch makes itself. */
const OWN_FIELDS = /^(connection|content-length|transfer-encoding|expect)$/;

/** What some runtimes add to the options of `fetch`. */
interface FetchOptions extends RequestInit {
  readonly duplex?: "half";
  readonly decompress?: boolean;
}

export class FetchExchange implements BodyOwner, Timeout {
  deadline = 0;
  slot = 0;
  private readonly r: RequestRec;
  private readonly worker: ProxyWorker;
  private readonly url: ProxyUrl;
  private readonly attempt: ProxyAttempt;
  private readonly conf: ProxyConfig;
  private readonly timeoutMs: number;
  private readonly body: FetchRequestBody | null;
  private readonly client = new ClientWatch();
  private readonly abort = new AbortController();
  private result: Status | null = null;
  private resolve: ((status: Status) => void) | null = null;
  private reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  private reading = false;
  private paused = false;
  /** The coding was taken off the response, and with it its length. */
  private plainOnly = false;

  constructor(r: RequestRec, worker: ProxyWorker, url: ProxyUrl, attempt: ProxyAttempt) {
    this.r = r;
    this.worker = worker;
    this.url = url;
    this.attempt = attempt;
    this.conf = getProxyConfig(r.perDirConfig);
    this.timeoutMs = worker.params.timeoutMs ?? this.conf.timeoutMs ?? serverTimeoutMs(r);
    this.body = r.body.announced && r.body.length !== 0 ? new FetchRequestBody(r.body, attempt, this) : null;
  }

  async run(): Promise<Status> {
    const { r, client } = this;
    r.statusLine = r.errorNotes = null; // of an attempt before
    const pool = await acquireConnection("HTTP", r, this.worker, this.attempt, client);
    if (typeof pool === "number") return pool;
    const ended = new Promise<Status>((resolve) => {
      this.resolve = resolve;
    });
    client.onLeave = () => this.clientLeft();
    client.onRoom = () => this.clientReads();
    if (client.gone) this.clientLeft();
    else if (this.body === null) this.send();
    else this.body.prefetch();
    const status = await ended;
    pool.free();
    return status;
  }

  onPrefetched(): void {
    if (this.result === null) this.send();
  }

  onBodyFailed(status: Status, why: string): void {
    if (this.result !== null) return;
    this.r.log.error(MODULE, "AH01095", `request body failed to ${this.worker.hostPort}: ${why}`, this.r);
    this.failed(this.reader === null ? "send-body" : "read-body", "client", "never", why);
    this.abort.abort();
    this.end(status);
  }

  onBodyAwaited(awaited: boolean): void {
    if (this.result !== null || this.reader !== null) return;
    const { wheel } = this.r.conn.process;
    if (awaited) wheel.disarm(this);
    else wheel.arm(this, this.timeoutMs);
  }

  private send(): void {
    const { r, body } = this;
    const request = this.request();
    if (request === null) {
      r.log.error(MODULE, "", `the host's fetch cannot send the method ${r.method}`, r);
      this.failed("send-head", "proxy", "never", "method");
      this.finish(501);
      return;
    }
    const { signal } = this.abort;
    const options: FetchOptions = canKeepCoding ? { signal, decompress: false } : { signal };
    r.conn.process.wheel.arm(this, this.timeoutMs);
    fetch(request, options).then(
      (response) => this.answered(response),
      (error: unknown) => this.rejected(error),
    );
    if (body !== null) this.worker.s.transferred += this.attempt.prefetchedBytes;
  }

  /** Null: `fetch` forbids the method, or would send another one (Bun 1.4.4 makes unknown ones GET). */
  private request(): Request | null {
    const { r, url, body } = this;
    const options: FetchOptions = {
      method: r.method,
      headers: this.fields(),
      redirect: "manual",
      ...(body === null ? {} : { body: body.payload(), duplex: "half" }),
    };
    try {
      const request = new Request(urlOf(url), options);
      return request.method === r.method ? request : null;
    } catch {
      return null;
    }
  }

  private fields(): Headers {
    const { r } = this;
    const framing = { length: "", expect: false, keepAlive: true, http10: false, upgrade: "" };
    const lines = requestHead(r, this.conf, this.url, framing).split("\r\n");
    const fields = new Headers();
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i]!;
      const colon = line.indexOf(":");
      if (colon < 1) continue;
      const name = line.slice(0, colon);
      if (!OWN_FIELDS.test(name.toLowerCase())) fields.append(name, line.slice(colon + 1).trim());
    }
    // Of a client that takes no coding the runtime would ask for some.
    if (!fields.has("Accept-Encoding")) fields.set("Accept-Encoding", "identity");
    const coding = fields.get("Accept-Encoding");
    this.plainOnly = !canKeepCoding && coding !== "identity" && !fields.has("Range");
    return fields;
  }

  private rejected(error: unknown): void {
    if (this.result !== null) return;
    const { r, worker, body } = this;
    const streamed = body?.streamed ?? false;
    const { stage, cause } = classifyFetchError(error, !streamed && IDEMPOTENT.test(r.method));
    if (stage === "resolve") {
      this.failed(stage, "backend", "never", "DNS lookup failure");
      this.end(proxyError(r, 500, `DNS lookup failure for: ${this.url.host}`));
    } else if (stage === "tls") {
      r.log.error(MODULE, "AH00961", `HTTPS: TLS failed to ${worker.hostPort}: ${cause}`, r);
      this.failed(stage, "backend", "never", cause);
      this.end(proxyError(r, 500, "Error during SSL Handshake with remote server"));
    } else if (stage === "connect" && !streamed) {
      const { process } = r.conn;
      disableWorker(worker, process.clock.wallUs() / 1000, process.log, cause);
      const text = `HTTP: failed to make connection to backend: ${worker.host}: ${cause}`;
      r.log.error(MODULE, "AH01114", text, r);
      this.failed(stage, "backend", "yes", cause);
      this.end(503);
    } else this.noAnswer(cause, false);
  }

  private noAnswer(cause: string, timedOut: boolean): void {
    const { r, worker } = this;
    const text = `error reading status line from remote server ${worker.hostPort}: ${cause}`;
    r.log.error(MODULE, "AH01102", text, r);
    this.failed("read-head", "backend", "never", cause, timedOut);
    this.end(proxyError(r, 502, "Error reading from remote server"));
  }

  private answered(response: Response): void {
    if (this.result !== null) {
      response.body?.cancel().catch(() => {});
      return;
    }
    const { r, conf, worker } = this;
    worker.connected();
    const times = this.attempt.times?.at(-1);
    if (times !== undefined) times.firstByteUs = r.conn.process.clock.wallUs();
    const headers = tableOf(response.headers);
    const { status } = response;
    if (status < 200) {
      this.noAnswer(`status ${status}`, false); // opaque: a host that hides redirects
      return;
    }
    if (overridesError(conf, status)) {
      response.body?.cancel().catch(() => {});
      for (const value of status === 401 ? headers.getAll("WWW-Authenticate") : []) {
        (r.errHeadersOut ??= new HeaderTable()).add("WWW-Authenticate", value);
      }
      this.end(status);
      return;
    }
    r.status = status;
    const { statusText } = response;
    r.statusLine = statusText !== "" && statusText !== reasonPhrase(status) ? `${status} ${statusText}` : null;
    responseHeaders(r, conf, headers);
    reverseMapHeaders(r, conf, headers);
    const hasBody = !hasNoBody(status) && !r.headerOnly && response.body !== null;
    if (hasBody && this.plainOnly && DECODED.test(headers.getId(CONTENT_ENCODING) ?? "")) {
      headers.unsetId(CONTENT_ENCODING);
      headers.unsetId(CONTENT_LENGTH);
    }
    if (hasNoBody(status)) headers.unsetId(CONTENT_LENGTH);
    r.headersOut = headers;
    const length = headers.getId(CONTENT_LENGTH);
    r.out.begin(length === undefined ? (hasBody || r.headerOnly ? -1 : 0) : parseContentLength(length));
    if (hasBody) {
      this.reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
      this.readOn();
    } else {
      response.body?.cancel().catch(() => {});
      this.complete();
    }
  }

  private readOn(): void {
    if (this.reading || this.paused || this.result !== null) return;
    this.reading = true;
    this.r.conn.process.wheel.arm(this, this.timeoutMs);
    this.reader!.read().then(this.onChunk, this.onReadError);
  }

  private readonly onChunk = ({ done, value }: { done: boolean; value?: Uint8Array | undefined }): void => {
    this.reading = false;
    if (this.result !== null) return;
    if (done) {
      this.complete();
      return;
    }
    this.worker.s.read += value!.length;
    if (!this.r.out.write(ownBytes(value!), 0, value!.length)) {
      this.paused = true;
      this.r.conn.process.wheel.disarm(this);
    } else this.readOn();
  };

  private readonly onReadError = (error: unknown): void => {
    this.reading = false;
    this.truncated(describe(error), false);
  };

  private truncated(cause: string, timedOut: boolean): void {
    if (this.result !== null) return;
    this.r.log.error(MODULE, "AH01110", `error reading response: ${cause}`, this.r);
    this.failed("read-body", "backend", "never", cause, timedOut);
    this.r.out.abort();
    this.end(DONE);
  }

  private complete(): void {
    this.r.out.end();
    this.end(OK);
  }

  // The client, and the clock

  private clientReads(): void {
    if (!this.paused) return;
    this.paused = false;
    this.readOn();
  }

  private clientLeft(): void {
    if (this.result !== null) return;
    this.failed(this.reader === null ? "send-head" : "read-body", "client", "never", "client left");
    this.abort.abort();
    this.end(DONE);
  }

  /** The wheel's call: nothing came within `timeout`. */
  expire(): void {
    if (this.result !== null) return;
    this.abort.abort();
    if (this.reader === null) this.noAnswer("read timeout", true);
    else this.truncated("read timeout", true);
  }

  // The ends

  private failed(
    stage: FailureStage,
    source: FailureSource,
    retry: FailureRetry,
    cause: string,
    timedOut = false,
  ): void {
    this.attempt.failure = { stage, source, retry, cause, timedOut };
  }

  /** After a request was sent. A response that has begun can only be cut short. */
  private end(status: Status): void {
    if (status > OK && this.r.out.started) {
      this.r.out.abort();
      this.finish(DONE);
    } else this.finish(status);
  }

  private finish(status: Status): void {
    if (this.result !== null) return;
    this.result = status;
    this.r.conn.process.wheel.drop(this);
    this.r.out.watcher = null;
    this.body?.stop();
    this.reader?.cancel().catch(() => {});
    if (status > OK) this.r.headersOut = new HeaderTable();
    this.resolve?.(status);
  }
}

/** Bytes beyond ASCII escaped: a URL's characters would become other bytes. */
function urlOf({ scheme, host, port, target }: ProxyUrl): string {
  const secure = scheme === "https" || scheme === "wss";
  const name = host.includes(":") ? `[${host}]` : host;
  const rest = target.replace(/[\x80-\xff]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${secure ? "https" : "http"}://${name}${port === 0 ? "" : `:${port}`}${rest}`;
}

/** Repeated fields come joined, but for Set-Cookie. */
function tableOf(headers: Headers): HeaderTable {
  const table = new HeaderTable();
  headers.forEach((value, name) => {
    if (name !== "set-cookie") table.add(name, value);
  });
  for (const cookie of headers.getSetCookie()) table.add("Set-Cookie", cookie);
  return table;
}
