/** Several children: whoever answers, status page, metrics, API and manager tell of all of them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BalancerState } from "../../plugins/balancer_manager/client.ts";
import { type Backend, ok, reset, respond, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { lintMetrics } from "../support/metrics_lint.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";

const CHILDREN = 3;

let a: Backend;
let b: Backend;
let resets = 0;
let sluice: Sluice;

/** X-Child of a response says who served it; X-Do of a request makes the child die. */
const TELL = `
import { defineModule, postReadRequest, insertFilter, DECLINED } from "sluice";
export default defineModule({
  name: "mod_tell",
  registerHooks({ hook }) {
    hook(insertFilter, (r) => void r.headersOut.set("X-Child", String(r.conn.process.siblings.index)));
    hook(postReadRequest, (r) => {
      if (r.headersIn.get("x-do") === "die") setTimeout(() => { throw new Error("as it was told"); }, 50);
      return DECLINED;
    });
  },
});
`;

before(async () => {
  a = await startBackend({ "/404": respond(404, "none"), "/500": respond(500, "broken"), "*": ok("a") });
  b = await startBackend({
    "/404": respond(404, "none"),
    "/500": respond(500, "broken"),
    "/reset": () => {
      resets++;
      return [reset];
    },
    "*": ok("b"),
  });
  sluice = await startSluice(
    `
    Listen 127.0.0.1:PORT
    ServerName localhost
    LogLevel info
    KeepAliveTimeout 60
    MaxKeepAliveRequests 0
    LoadModule tell_module DIR/tell.ts
    StartServers ${CHILDREN}
    <Proxy "balancer://app">
      BalancerMember "${a.url}" route=a hcmethod=TCP hcinterval=1
      BalancerMember "${b.url}" route=b retry=0
      ProxySet growth=1 stickysession=SID
    </Proxy>
    <Location "/bm">
      SetHandler balancer-manager
      Require local
    </Location>
    <Location "/api">
      SetHandler sluice-api
      Require local
    </Location>
    <Location "/status">
      SetHandler server-status
    </Location>
    <Location "/metrics">
      SetHandler prometheus
    </Location>
    ProxyPass "/bm" "!"
    ProxyPass "/api" "!"
    ProxyPass "/status" "!"
    ProxyPass "/metrics" "!"
    ProxyPass "/" "balancer://app/"
    `,
    { files: { "tell.ts": TELL } },
  );
  await sluice.untilLog("children serve");
});

after(async () => {
  await sluice?.stop();
  await a?.stop();
  await b?.stop();
});

/** Values of the metrics whose names and labels begin so, together. */
async function metric(name: string, ...labels: string[]): Promise<number> {
  const { text } = await fetchOnce(sluice.port, "/metrics", "Accept: application/openmetrics-text");
  assert.deepEqual(lintMetrics(text, true), []);
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

async function auto(): Promise<(key: string) => number> {
  const { text } = await fetchOnce(sluice.port, "/status?auto");
  return (key) => Number(new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1]);
}

/** One connection to each child. */
async function oneOfEach(): Promise<Map<string, Client>> {
  const clients = new Map<string, Client>();
  while (clients.size < CHILDREN) {
    const client = await connectClient(sluice.port);
    const child = (await client.get("/status?auto")).field("x-child")!;
    if (clients.has(child)) await client[Symbol.asyncDispose]();
    else clients.set(child, client);
  }
  return clients;
}

/** Requests on many connections, so that each child has some. Answers how many had which class of status. */
async function run(): Promise<Map<string, number>> {
  const classes = new Map<string, number>();
  const targets = ["/", "/404", "/500", "/reset", "/x"];
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      for (let i = 0; i < 25; i++) {
        // A session of b for what b fails: the attempt is b's, the answer that of a.
        const target = targets[i % targets.length]!;
        const fields = target === "/reset" ? ["Cookie: SID=1.b"] : [];
        const { status } = await fetchOnce(sluice.port, target, ...fields);
        const key = `${Math.floor(status / 100)}xx`;
        classes.set(key, (classes.get(key) ?? 0) + 1);
      }
    }),
  );
  return classes;
}

test(
  "counters agree with the backends to the last request, failures and a child that died included",
  SLOW,
  async () => {
    const first = await run();
    await using client = await connectClient(sluice.port);
    await client.request("GET", "/404", ["X-Do: die"]);
    await sluice.untilLog(/another takes its place[\s\S]*child \d serves now/);
    const second = await run();
    first.set("4xx", first.get("4xx")! + 1);
    const seen = (code: string) => (first.get(code) ?? 0) + (second.get(code) ?? 0);
    assert.ok(resets > 0);
    assert.equal(seen("2xx") + seen("4xx") + seen("5xx"), 601);
    for (const code of ["2xx", "4xx", "5xx"]) {
      assert.equal(await metric("sluice_requests_total", `code="${code}"`), seen(code), code);
    }
    const ofA = `member="${a.url}"`;
    const ofB = `member="${b.url}"`;
    assert.equal(await metric("sluice_elections_total", ofA), a.requests.length);
    assert.equal(await metric("sluice_elections_total", ofB), b.requests.length);
    assert.equal(await metric("sluice_failures_total", ofB, 'stage="read-head"'), resets);
    assert.equal(await metric("sluice_failures_total", ofA), 0);
    // A request whose only attempt was reset got no answer.
    assert.equal(await metric("sluice_first_byte_duration_seconds_count", ofB), b.requests.length - resets);
    assert.equal(await metric("sluice_request_duration_seconds_count"), 601);
    const { text } = await fetchOnce(sluice.port, "/api/v1/state");
    const { balancers } = JSON.parse(text) as { balancers: BalancerState[] };
    const traffic = balancers[0]!.members.map((member) => member.traffic!);
    assert.equal(traffic[0]!.requests + traffic[1]!.requests, 601);
    assert.equal(traffic[1]!.failures, resets);
  },
);

test("server-status: accesses, connections by state, a row and a slot for what each child has", SLOW, async () => {
  const before = (await auto())("Total Accesses");
  for (let i = 0; i < 20; i++) await fetchOnce(sluice.port, "/");
  assert.equal((await auto())("Total Accesses"), before + 21);
  const clients = await oneOfEach();
  try {
    let value = await auto();
    // Those of before may be closing still.
    while (value("ConnsTotal") > CHILDREN + 1) value = await auto();
    assert.deepEqual(
      [value("Processes"), value("Stopping"), value("IdleWorkers"), value("ConnsTotal")],
      [CHILDREN, 0, CHILDREN, CHILDREN + 1],
    );
    assert.deepEqual([value("ConnsAsyncKeepAlive"), value("BusyWorkers")], [CHILDREN, 1]);
    const { text } = await fetchOnce(sluice.port, "/status");
    const sum = new RegExp(`<td>Sum</td><td>${CHILDREN}</td><td>0</td><td>${CHILDREN + 1}</td>`);
    assert.match(text, sum);
    for (const child of clients.keys()) assert.match(text, new RegExp(`<b>${child}-0</b>.*GET /status\\?auto`));
  } finally {
    for (const client of clients.values()) await client[Symbol.asyncDispose]();
  }
});

test("pools, health checks and elections, whichever child is asked", SLOW, async () => {
  const open = [a, b].flatMap(({ connections }) => connections).filter(({ closed }) => !closed).length;
  const clients = await oneOfEach();
  try {
    for (const [child, client] of clients) {
      const members = async () => JSON.parse((await client.get("/api/v1/state")).text).balancers[0].members;
      let [first, second] = await members();
      assert.equal(first.pool.idle + second.pool.idle, open, `child ${child}`);
      // One child makes the checks.
      while (first.check.results.length === 0) [first, second] = await members();
      assert.match((await client.get("/bm")).text, /passed \d\d:\d\d:\d\d/);
    }
    const [one, ...others] = [...clients.values()];
    await one!.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await one!.until('"elections":[]');
    for (const other of others) await other.get("/elected");
    await one!.until(/"elections":\[\{"atMs"[^\n]*\},\{"atMs"/);
  } finally {
    for (const client of clients.values()) await client[Symbol.asyncDispose]();
  }
});

test("what one child takes back, all have taken back", SLOW, async () => {
  const clients = await oneOfEach();
  const json = ["Host: localhost", "Content-Type: application/json"];
  try {
    const [one, two, three] = [...clients.values()] as [Client, Client, Client];
    const state = async (client: Client) =>
      JSON.parse((await client.get("/api/v1/state")).text).balancers[0].members[0];
    const { id } = await state(one);
    const patch = (client: Client, settings: object) =>
      client.request("PATCH", `/api/v1/balancers/app/members/${id}/settings`, json, JSON.stringify(settings));
    const undo = (client: Client) => client.request("POST", "/api/v1/undo", json, "{}");
    const until = async (client: Client, is: (member: { settings: Record<string, unknown> }) => boolean) => {
      while (!is(await state(client)));
    };
    assert.equal((await patch(one, { route: "first" })).status, 200);
    await until(two, (member) => member.settings["route"] === "first");
    assert.equal((await patch(two, { route: "second" })).status, 200);
    await until(one, (member) => member.settings["route"] === "second");
    assert.equal((await undo(one)).status, 200);
    await until(three, (member) => member.settings["route"] === "first");
    assert.equal((await undo(three)).status, 200);
    await until(two, (member) => member.settings["route"] === "a");
    assert.equal((await undo(two)).status, 409);
  } finally {
    for (const client of clients.values()) await client[Symbol.asyncDispose]();
  }
});
