/** server-status, sluice-health and prometheus over HTTP. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { lintMetrics } from "../support/metrics_lint.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const gate = new Gate();
let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend({ "/slow": [gate.step, ok("slow")], "*": ok("body") });
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName proxy.test
    ProxyStatus On
    <Proxy "balancer://app">
      BalancerMember "http://127.0.0.1:1" route=<a>
      BalancerMember "${backend.url}" route=b
      ProxySet stickysession=SID|sid
    </Proxy>
    <Proxy "balancer://none">
    </Proxy>
    ProxyPass "/app" "balancer://app"
    ProxyPass "/none" "balancer://none/"
    ProxyPass "/plain" "${backend.url}/"
    <Location "/status">
      SetHandler server-status
    </Location>
    <Location "/health">
      SetHandler sluice-health
    </Location>
    <Location "/metrics">
      SetHandler prometheus
    </Location>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const get = (path: string, ...fields: string[]) => fetchOnce(sluice.port, path, ...fields);

async function auto(): Promise<Map<string, string>> {
  const lines = (await get("/status?auto")).text.split("\n").filter((line) => line.includes(": "));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
}

test("?auto counts requests that ended, and shows members", async () => {
  const before = Number((await auto()).get("Total Accesses"));
  for (let i = 0; i < 3; i++) await get("/app/x");
  const values = await auto();
  assert.equal(Number(values.get("Total Accesses")), before + 4);
  assert.deepEqual(
    [
      values.get("ProxyBalancer[0]Name"),
      values.get("ProxyBalancer[0]Worker[0]Status"),
      values.get("ProxyBalancer[0]Worker[1]Elected"),
    ],
    ["balancer://app", "Init Err ", "3"],
  );
  assert.match(values.get("CurrentTime")!, /^\w+day, \d\d-\w{3}-\d{4} \d\d:\d\d:\d\d UTC$/);
  assert.deepEqual([values.get("ServerMPM"), values.get("Processes"), values.get("BusyWorkers")], ["event", "1", "1"]);
});

test("connections are slots of the scoreboard: one waits, one sends, one is kept alive", async () => {
  await using waiting = await connectClient(sluice.port);
  await using kept = await connectClient(sluice.port);
  await kept.get("/app/x");
  await using slow = await connectClient(sluice.port);
  await slow.send("GET /app/slow HTTP/1.1\r\nHost: test\r\n\r\n");
  await gate.reached();
  const values = await auto();
  assert.deepEqual([...values.get("Scoreboard")!].sort().join(""), "KRWW_");
  assert.deepEqual(
    [values.get("ConnsTotal"), values.get("ConnsAsyncKeepAlive"), values.get("BusyWorkers")],
    ["4", "1", "2"],
  );
  const page = await get("/status");
  assert.match(page.text, /<b>W<\/b><\/td>.*<td>GET \/app\/slow HTTP\/1\.1<\/td>/);
  assert.match(page.text, /<b>K<\/b><\/td>.*<td>GET \/app\/x HTTP\/1\.1<\/td>/);
  gate.open();
  await slow.response();
  assert.equal(waiting.ended, false);
});

test("the page encodes what others say, has the balancers, and a refresh where asked for", async () => {
  const page = await get("/status?refresh=5&x=<script>");
  assert.deepEqual([page.field("Refresh"), page.field("Content-Type")], ["5", "text/html; charset=ISO-8859-1"]);
  assert.doesNotMatch(page.text, /<script>/);
  assert.match(page.text, /<h1>Proxy LoadBalancer Status for balancer:\/\/app<\/h1>/);
  assert.match(page.text, /<td>SID \| sid<\/td><td>0<\/td><td>byrequests<\/td>/);
  assert.match(page.text, /<td>&lt;a&gt;<\/td>/);
  assert.equal((await get("/status?refresh=0")).field("Refresh"), "10");
  assert.match((await get("/status?notable")).text, /<h2>Server Details<\/h2>/);
});

test("a POST is not the status page's", async () => {
  await using client = await connectClient(sluice.port);
  assert.equal((await client.request("POST", "/status", [], "x=1")).status, 404);
});

test("metrics pass the lint in both formats, and count requests, failures, times", async () => {
  await get("/plain/x");
  await get("/none/x");
  const own = await get("/metrics");
  assert.match(own.field("Content-Type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.deepEqual(lintMetrics(own.text, false), []);
  const open = await get("/metrics", "Accept: application/openmetrics-text; version=1.0.0");
  assert.match(open.field("Content-Type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  assert.deepEqual(lintMetrics(open.text, true), []);
  const value = (name: string, labels: string) =>
    Number(new RegExp(`^${name}\\{server="proxy.test",${labels}\\} (\\S+)$`, "m").exec(own.text)?.[1]);
  const member = `balancer="app",member="${backend.url}"`;
  assert.ok(value("sluice_requests_total", `${member},code="2xx"`) >= 5);
  assert.equal(value("sluice_requests_total", `balancer="",member="${backend.url}/",code="2xx"`), 1);
  assert.equal(value("sluice_requests_in_flight", member), 0);
  assert.equal(
    value("sluice_failures_total", 'balancer="app",member="http://127.0.0.1:1",stage="connect",source="backend"'),
    1,
  );
  assert.equal(value("sluice_retries_total", 'balancer="app",member="http://127.0.0.1:1"'), 1);
  assert.equal(value("sluice_member_error", 'balancer="app",member="http://127.0.0.1:1"'), 1);
  assert.equal(value("sluice_unserved_requests_total", 'balancer="none"'), 1);
  assert.ok(value("sluice_connect_duration_seconds_count", member) >= 1);
  assert.equal(
    value("sluice_first_byte_duration_seconds_count", member),
    value("sluice_request_duration_seconds_count", member),
  );
});

test("the dashboard in examples/ asks for metrics that there are", async () => {
  const { text } = await get("/metrics");
  const dashboard = readFileSync(new URL("../../examples/grafana.json", import.meta.url), "utf8");
  const names = new Set([...dashboard.matchAll(/sluice_\w+/g)].map(([name]) => name));
  assert.ok(names.size > 10);
  for (const name of names) assert.match(text, new RegExp(`^${name}[{ ]`, "m"), name);
});

test("health: a reload is no end", async () => {
  await using client = await connectClient(sluice.port);
  await client.send("GET /health HTTP/1.1\r\nHost: te");
  await get("/health"); // the half head has come
  const before = sluice.errorLog.split("AH00489").length;
  sluice.signal("SIGUSR1");
  await sluice.untilFile("error.log", new RegExp(`(?:AH00489[^]*){${before}}`));
  await client.send("st\r\n\r\n");
  assert.equal((await client.response()).status, 200);
});

test("health: serving, then 503 on what is left once the server drains", async () => {
  const response = await get("/health");
  // A test above has reloaded.
  assert.deepEqual([response.status, response.text], [200, "serving\ngeneration: 1\n"]);
  await using client = await connectClient(sluice.port);
  await client.send("GET /health HTTP/1.1\r\nHost: te"); // its head is incomplete when the server begins to drain
  await using held = await connectClient(sluice.port);
  await held.send("GET /app/x HTTP/1.1\r\nHost: test\r\n\r\n");
  await held.response();
  sluice.signal("SIGWINCH");
  await sluice.untilLog("AH00492");
  await client.send("st\r\n\r\n");
  assert.deepEqual([(await client.response()).status], [503]);
});
