/** OpenTelemetry On: spans of requests, elections and attempts, and the context that backends get. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, ok, reset, respond, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";

/** A small tracer provider: each span that ends is a line of spans.jsonl. It speaks W3C trace context. */
const TRACER = `
import { appendFileSync } from "node:fs";
import { propagation, trace } from "${import.meta.resolve("@opentelemetry/api")}";
import { defineModule } from "sluice";
let last = 0;
const id = (length) => (++last).toString(16).padStart(length, "0");
class TestSpan {
  constructor(name, { kind, startTime, attributes }, context) {
    const parent = trace.getSpanContext(context);
    this.ids = { traceId: parent?.traceId ?? id(32), spanId: id(16), traceFlags: 1 };
    this.data = { name, kind, startTime, attributes, parent: parent?.spanId ?? "", ...this.ids, status: {} };
  }
  spanContext() { return this.ids; }
  setAttribute(key, value) { this.data.attributes[key] = value; return this; }
  setStatus(status) { this.data.status = status; return this; }
  isRecording() { return true; }
  end(endTime) { appendFileSync("DIR/spans.jsonl", JSON.stringify({ ...this.data, endTime }) + "\\n"); }
}
trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: (...args) => new TestSpan(...args) }) });
propagation.setGlobalPropagator({
  fields: () => ["traceparent"],
  inject(context, carrier, setter) {
    const { traceId, spanId } = trace.getSpanContext(context);
    setter.set(carrier, "traceparent", "00-" + traceId + "-" + spanId + "-01");
  },
  extract(context, carrier, getter) {
    const found = /^00-(.{32})-(.{16})-/.exec(getter.get(carrier, "traceparent") ?? "");
    return found === null ? context : trace.setSpanContext(context, { traceId: found[1], spanId: found[2], traceFlags: 1 });
  },
});
export default defineModule({ name: "mod_test_tracer", registerHooks() {} });
`;

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

let a: Backend;
let b: Backend;
let sluice: Sluice;

const conf = (more: string) => `
  Listen 127.0.0.1:PORT
  ServerName proxy.test
  ${more}
  <Proxy "balancer://app">
    BalancerMember "${a.url}" route=a
    BalancerMember "${b.url}" route=b retry=0
    ProxySet stickysession=SID
  </Proxy>
  <Proxy "balancer://none">
  </Proxy>
  ProxyPass "/none" "balancer://none/"
  <Proxy "balancer://half">
    BalancerMember "http://127.0.0.1:1" route=dead retry=0
    BalancerMember "${a.url}" route=a
    ProxySet stickysession=SID
  </Proxy>
  ProxyPass "/half/" "balancer://half/"
  ProxyPass "/one/" "${a.url}/"
  ProxyPass "/" "balancer://app/"
`;

before(async () => {
  a = await startBackend({ "/404": respond(404, "none"), "*": ok("a") });
  b = await startBackend({ "/reset": [reset], "*": ok("b") });
  sluice = await startSluice(conf("LoadModule tracer_module DIR/tracer.ts\nOpenTelemetry On"), {
    files: { "tracer.ts": TRACER },
  });
});

after(async () => {
  await sluice?.stop();
  await a?.stop();
  await b?.stop();
});

interface SpanData {
  readonly name: string;
  readonly kind: number;
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string;
  readonly status: { readonly code?: number };
}

/** The spans of one request, in the order in which they began. */
async function trace(target: string, ...fields: string[]): Promise<SpanData[]> {
  const before = sluice.file("spans.jsonl").length;
  await fetchOnce(sluice.port, target, `traceparent: 00-${TRACE}-${PARENT}-01`, ...fields);
  await sluice.untilFile("spans.jsonl", new RegExp(`^[\\s\\S]{${before}}[\\s\\S]*"kind":1.*\n`));
  const lines = sluice.file("spans.jsonl").slice(before).trim().split("\n");
  const spans = lines.map((line) => JSON.parse(line) as SpanData);
  return spans.sort((one, other) => (one.spanId < other.spanId ? -1 : 1));
}

test("a request has a span, its election one, and the attempt one: the parent of the backend's", SLOW, async () => {
  const [request, election, attempt, ...more] = await trace("/x?y=1", "Cookie: SID=1.a");
  assert.deepEqual(more, []);
  assert.deepEqual([request!.name, request!.kind, request!.traceId, request!.parent], ["GET", 1, TRACE, PARENT]);
  const of = (span: SpanData, ...keys: string[]) => keys.map((key) => span.attributes[key]);
  assert.deepEqual(
    of(request!, "http.request.method", "url.path", "url.query", "url.scheme", "http.response.status_code"),
    ["GET", "/x", "y=1", "http", 200],
  );
  assert.deepEqual(of(request!, "client.address", "network.protocol.version"), ["127.0.0.1", "1.1"]);
  assert.deepEqual([election!.name, election!.kind, election!.parent], ["elect", 0, request!.spanId]);
  assert.deepEqual(of(election!, "sluice.balancer", "sluice.lbmethod", "sluice.member", "sluice.session"), [
    "balancer://app",
    "byrequests",
    a.url,
    true,
  ]);
  assert.deepEqual([attempt!.name, attempt!.kind, attempt!.parent], ["GET", 2, request!.spanId]);
  assert.deepEqual(of(attempt!, "url.full", "server.address", "server.port", "http.response.status_code"), [
    `${a.url}/x?y=1`,
    "127.0.0.1",
    a.port,
    200,
  ]);
  for (const span of [request!, election!, attempt!]) assert.ok(span.endTime >= span.startTime, span.name);
  assert.equal(a.requests.at(-1)!.field("traceparent"), `00-${TRACE}-${attempt!.spanId}-01`);
});

test("an attempt that fails has its reason, and the next one says that it is another", SLOW, async () => {
  const [request, , first, , second] = await trace("/half/x", "Cookie: SID=1.dead");
  assert.deepEqual(
    [first!.attributes["error.type"], first!.attributes["sluice.failure.source"], first!.status.code],
    ["connect", "backend", 2],
  );
  assert.equal(first!.attributes["http.response.status_code"], undefined);
  assert.deepEqual(
    [second!.attributes["http.request.resend_count"], second!.attributes["http.response.status_code"]],
    [1, 200],
  );
  assert.deepEqual(
    [first, second].map((span) => span!.attributes["sluice.connection.reused"]),
    [undefined, false],
  );
  assert.deepEqual([request!.attributes["http.response.status_code"], request!.status.code], [200, undefined]);
  assert.equal(a.requests.at(-1)!.field("traceparent"), `00-${TRACE}-${second!.spanId}-01`);
  const [broken, , cut] = await trace("/reset", "Cookie: SID=1.b");
  assert.deepEqual([cut!.attributes["error.type"], broken!.attributes["error.type"]], ["read-head", "502"]);
});

test("errors: of the client's none but at the attempt, nobody elected, no balancer", SLOW, async () => {
  const [notFound, , attempt] = await trace("/404", "Cookie: SID=1.a");
  assert.deepEqual([notFound!.status.code, attempt!.attributes["error.type"]], [undefined, "404"]);
  const [unserved, election, ...more] = await trace("/none");
  assert.deepEqual([unserved!.attributes["error.type"], unserved!.status.code], ["503", 2]);
  assert.deepEqual([election!.name, election!.attributes["error.type"], more.length], ["elect", "no_member", 0]);
  const [, only, ...none] = await trace("/one/x");
  assert.deepEqual([only!.kind, only!.attributes["url.full"], none.length], [2, `${a.url}/x`, 0]);
});

test("without OpenTelemetry a context goes through as it is", SLOW, async () => {
  await using plain = await startSluice(conf(""));
  const value = `00-${TRACE}-${PARENT}-01`;
  await fetchOnce(plain.port, "/one/x", `traceparent: ${value}`, "tracestate: x=1");
  const request = a.requests.at(-1)!;
  assert.deepEqual([request.field("traceparent"), request.field("tracestate")], [value, "x=1"]);
});

test("without a tracer it serves all the same", SLOW, async () => {
  await using alone = await startSluice(conf("OpenTelemetry On"));
  assert.equal((await fetchOnce(alone.port, "/one/x")).status, 200);
});
