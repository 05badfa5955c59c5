/**
 * The spans of a request: one of its own, and below it for each attempt one for the election and one for what was asked of the
 * backend.
 */
import type {
  AttemptTimes,
  FailureStage,
  HeaderTable,
  ProxyAttempt,
  ProxyUrl,
  ProxyWorker,
  RequestRec,
} from "../../modules/mod.ts";
import { defaultPort } from "../../modules/mod.ts";
import { type Context, failSpan, type Getter, type OpenTelemetry, type Setter, SPAN_KIND, type Span } from "./api.ts";

/** Of one attempt. */
interface AttemptSpans {
  readonly times: AttemptTimes;
  readonly election: Span | null;
  client: Span | null;
}

interface Spans {
  readonly request: Span;
  readonly context: Context;
  readonly attempts: AttemptSpans[];
}

/** Methods that a span may be named by; others could be anything. Source: the convention for http.request.method */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]);

/** Stages of failures that come before there is a connection. */
const WITHOUT_CONNECTION: ReadonlySet<FailureStage> = new Set(["acquire", "resolve", "connect", "tls"]);

const READ: Getter<HeaderTable> = {
  keys: (headers) => [...headers].map(([name]) => name.toLowerCase()),
  get: (headers, key) => headers.get(key),
};
const WRITE: Setter<HeaderTable> = { set: (headers, key, value) => headers.set(key, value) };

export class RequestSpans {
  private readonly api: OpenTelemetry;
  private readonly spans = new WeakMap<RequestRec, Spans>();

  constructor(api: OpenTelemetry) {
    this.api = api;
  }

  /** post_read_request. */
  begin(r: RequestRec): void {
    const parent = this.api.propagation.extract(this.api.ROOT_CONTEXT, r.headersIn, READ);
    const method = methodOf(r);
    const attributes = {
      "http.request.method": method,
      ...(method === "_OTHER" ? { "http.request.method_original": r.method } : {}),
      "url.scheme": r.conn.secure ? "https" : "http",
      "url.path": r.encodedUri || r.unparsedUri,
      "server.address": r.hostname || r.server.hostname,
      "server.port": r.conn.localPort,
      "client.address": r.useragentIp,
      "network.protocol.version": r.protoNum >= 2000 ? "2" : `1.${r.protoNum % 1000}`,
      ...(r.args === null ? {} : { "url.query": r.args }),
    };
    const options = { kind: SPAN_KIND.server, startTime: r.requestTimeUs / 1000, attributes };
    const request = this.tracer.startSpan(spanName(method), options, parent);
    this.spans.set(r, { request, context: this.api.trace.setSpan(parent, request), attempts: [] });
  }

  /** pre_request. */
  beginElection(r: RequestRec, attempt: ProxyAttempt): void {
    const spans = this.of(r);
    const times = attempt.times?.at(-1);
    if (spans === undefined || times === undefined) return;
    let election: Span | null = null;
    if (attempt.origin.scheme === "balancer") {
      const attributes = { "sluice.balancer": attempt.origin.text, "sluice.attempt": attempt.number };
      const options = { kind: SPAN_KIND.internal, startTime: times.startUs / 1000, attributes };
      election = this.tracer.startSpan("elect", options, spans.context);
    }
    spans.attempts.push({ times, election, client: null });
  }

  /** scheme_handler, before the one that asks: the election is over. */
  beginAttempt(r: RequestRec, worker: ProxyWorker, url: ProxyUrl, attempt: ProxyAttempt): void {
    const spans = this.of(r);
    const own = spans?.attempts.at(-1);
    if (spans === undefined || own === undefined || own.client !== null) return;
    const nowMs = r.server.process.clock.wallUs() / 1000;
    if (own.election !== null) {
      own.election.setAttribute("sluice.lbmethod", attempt.balancer?.params.lbmethod ?? "");
      own.election.setAttribute("sluice.member", worker.displayName);
      own.election.setAttribute("sluice.session", attempt.session !== null);
      own.election.end(nowMs);
    }
    const method = methodOf(r);
    const attributes = {
      "http.request.method": method,
      "url.full": `${url.origin.text}${url.target}`.replace(/:\/\/[^/@]*@/, "://"),
      "server.address": url.host,
      "server.port": url.port || (defaultPort(url.scheme) ?? 0),
      ...(attempt.number === 0 ? {} : { "http.request.resend_count": attempt.number }),
    };
    own.client = this.tracer.startSpan(
      spanName(method),
      { kind: SPAN_KIND.client, startTime: nowMs, attributes },
      spans.context,
    );
    this.api.propagation.inject(this.api.trace.setSpan(spans.context, own.client), r.headersIn, WRITE);
  }

  /** log_transaction. */
  end(r: RequestRec): void {
    const spans = this.spans.get(r);
    if (spans === undefined) return;
    let last = r;
    while (last.next !== null) last = last.next;
    for (const attempt of spans.attempts) endAttempt(attempt, r.status);
    const { request } = spans;
    request.setAttribute("http.response.status_code", last.status);
    if (last.status >= 500) failSpan(request, String(last.status));
    request.end(r.server.process.clock.wallUs() / 1000);
  }

  /** A request that is redirected inside has the spans of the first. */
  private of(r: RequestRec): Spans | undefined {
    let first = r;
    while (first.prev !== null) first = first.prev;
    return this.spans.get(first);
  }

  private get tracer() {
    return this.api.trace.getTracer("sluice");
  }
}

/** @param status what the client got: of an attempt that did not fail it is the backend's */
function endAttempt({ times, election, client }: AttemptSpans, status: number): void {
  const endMs = (times.endUs || times.startUs) / 1000;
  if (client === null) {
    if (election === null) return;
    failSpan(election, "no_member", "no member could be elected");
    election.end(endMs);
    return;
  }
  const { failure } = times;
  if (failure !== null) {
    client.setAttribute("sluice.failure.source", failure.source);
    failSpan(client, failure.timedOut ? "timeout" : failure.stage, failure.cause);
  } else {
    client.setAttribute("http.response.status_code", status);
    if (status >= 400) failSpan(client, String(status));
  }
  if (failure === null || !WITHOUT_CONNECTION.has(failure.stage))
    client.setAttribute("sluice.connection.reused", times.connectedUs === 0);
  client.end(endMs);
}

function methodOf({ method }: RequestRec): string {
  return METHODS.has(method) ? method : "_OTHER";
}

/** Without a route a span is named by its method. Source: the convention for names of HTTP spans */
function spanName(method: string): string {
  return method === "_OTHER" ? "HTTP" : method;
}
