/** The API over HTTP: what it answers, what it refuses, and the typed client. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SluiceApi, SluiceApiError, sluiceApi } from "../../plugins/balancer_manager/client.ts";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import type { ResponseMessage } from "../support/message.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;
let api: SluiceApi;

before(async () => {
  backend = await startBackend(ok("x"));
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName proxy.test
    <Proxy "balancer://app">
      BalancerMember "${backend.url}" route=a
      BalancerMember "http://127.0.0.1:1" route=b hcmethod=TCP hcinterval=1h
      ProxySet growth=1
    </Proxy>
    ProxyPass "/app" "balancer://app/"
    <Location "/some/where/api">
      SetHandler sluice-api
      Require ip 127.0.0.1
    </Location>
    <Location "/open">
      SetHandler sluice-api
    </Location>
  `);
  api = sluiceApi(`http://127.0.0.1:${sluice.port}/some/where/api/`);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const BASE = "/some/where/api/v1";
const JSON_TYPE = "Content-Type: application/json";

async function send(method: string, path: string, fields: readonly string[] = [], body = ""): Promise<ResponseMessage> {
  await using client = await connectClient(sluice.port);
  return await client.request(method, BASE + path, [...fields, "Connection: close"], body);
}

async function ids(): Promise<string[]> {
  return (await api.state()).balancers[0]!.members.map(({ id }) => id);
}

function refusal(status: number) {
  return (error: unknown) => error instanceof SluiceApiError && error.status === status && error.message !== "";
}

test("the state has balancers, members, settings and pools", async () => {
  await fetchOnce(sluice.port, "/app/x");
  const { balancers } = await api.state();
  assert.equal(balancers.length, 1);
  const [first] = balancers[0]!.members;
  assert.deepEqual(
    [
      balancers[0]!.name,
      balancers[0]!.path,
      balancers[0]!.maxMembers,
      first!.url,
      first!.settings.route,
      first!.elected,
    ],
    ["balancer://app", "/app", 3, backend.url, "a", 1],
  );
  assert.deepEqual(first!.pool, { inUse: 0, idle: 1, waiting: 0, max: null });
});

test("settings are changed, and only if they are those with the ETag", async () => {
  const [id] = await ids();
  const before = await api.memberSettings("app", id!);
  const changed = await api.setMember("app", id!, { draining: true, loadFactor: 2.5 }, before.etag);
  assert.deepEqual([changed.draining, changed.loadFactor], [true, 2.5]);
  await assert.rejects(api.setMember("app", id!, { draining: false }, before.etag), refusal(412));
  await api.undo();
  assert.deepEqual((await api.memberSettings("app", id!)).value, before.value);
  const { balancers } = await api.state();
  assert.equal(balancers[0]!.members[0]!.status, "Init Ok ");
});

test("a balancer's settings, and what it refuses", async () => {
  assert.equal((await api.setBalancer("app", { lbmethod: "bybusyness", noFailover: true })).lbmethod, "bybusyness");
  await assert.rejects(api.setBalancer("app", { lbmethod: "nope" }), refusal(400));
  await assert.rejects(api.setBalancer("nope", { noFailover: false }), refusal(404));
  await api.undo();
  assert.equal((await api.balancerSettings("app")).value.noFailover, false);
});

test("members come and go; a member of the configuration stays", async () => {
  const added = await api.addMember("app", "http://127.0.0.1:2", { route: "c" });
  assert.deepEqual([added.status, added.added, added.settings.route], ["Init Dis ", true, "c"]);
  await assert.rejects(api.addMember("app", "http://127.0.0.1:3"), refusal(409));
  await api.removeMember("app", added.id);
  assert.equal((await ids()).length, 2);
  await assert.rejects(api.removeMember("app", (await ids())[0]!), refusal(409));
  await assert.rejects(api.member("app", added.id), refusal(404));
});

test("a check on demand finds what is wrong, with the reason", async () => {
  const [, id] = await ids();
  await api.check("app", id!);
  await sluice.untilLog("AH00957");
  for (;;) {
    const { check, usable } = await api.member("app", id!);
    if (check?.results.length === 0) continue; // the answer to the log line is on its way
    assert.match(check!.results[0]!.reason, /refused/);
    assert.equal(usable, false);
    break;
  }
});

test("the audit log has who, from where and what", async () => {
  await api.reset("app");
  const [last] = (await api.audit()).entries;
  assert.deepEqual(last!.actor, { user: null, address: "127.0.0.1", via: "api" });
  assert.deepEqual([last!.action.kind, last!.server], ["reset", "proxy.test:0"]);
});

test("a read that is known is 304", async () => {
  const path = "/balancers/app/settings";
  const tag = (await send("GET", path)).field("ETag")!;
  assert.equal((await send("GET", path, [`If-None-Match: "other", ${tag}`])).status, 304);
  assert.equal((await send("GET", path, ['If-None-Match: "other"'])).status, 200);
});

for (const [what, method, path, fields, body, status] of [
  ["no JSON", "POST", "/undo", ["Content-Type: text/plain"], "{}", 415],
  ["a form", "PATCH", "/balancers/app/settings", ["Content-Type: application/x-www-form-urlencoded"], "a=b", 415],
  ["JSON of another page", "POST", "/undo", [JSON_TYPE, "Origin: http://evil.test"], "{}", 403],
  ["what a browser calls cross-site", "DELETE", "/balancers/app/members/x", ["Sec-Fetch-Site: cross-site"], "", 403],
  ["a setting that there is not", "PATCH", "/balancers/app/settings", [JSON_TYPE], '{"lbmethods":"x"}', 400],
  ["a value out of range", "PATCH", "/balancers/app/settings", [JSON_TYPE], '{"timeoutMs":-1}', 400],
  ["broken JSON", "PATCH", "/balancers/app/settings", [JSON_TYPE], '{"timeoutMs"', 400],
  ["a body that is too long", "PATCH", "/balancers/app/settings", [JSON_TYPE], "x".repeat(70_000), 413],
  ["a path that there is not", "GET", "/nothing", [], "", 404],
  ["a method that there is not", "PUT", "/state", [JSON_TYPE], "{}", 404],
] as const) {
  test(`${status} for ${what}`, async () => {
    assert.equal((await send(method, path, fields, body)).status, status);
  });
}

test("without a Require only this machine is answered", async () => {
  assert.equal((await fetchOnce(sluice.port, "/open/v1/state", "Host: localhost")).status, 200);
  assert.equal((await fetchOnce(sluice.port, "/open/v1/state", "Host: evil.test")).status, 403);
  await sluice.untilLog("SetHandler sluice-api without any Require answers to this machine only");
});

test("the OpenAPI document describes each route, and refers to schemas that are there", async () => {
  const document = JSON.parse((await send("GET", "/openapi.json")).text);
  const { routes } = await import("../../plugins/balancer_manager/routes.ts");
  const known = new Set<string>();
  for (const { method, path } of routes.routes) {
    if (method !== "ALL") known.add(`${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`);
  }
  const described = new Set<string>();
  for (const [path, item] of Object.entries<Record<string, unknown>>(document.paths)) {
    for (const method of Object.keys(item)) if (method !== "parameters") described.add(`${method} ${path}`);
  }
  assert.deepEqual([...described].sort(), [...known].sort());
  for (const [, name = ""] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    assert.ok(document.components.schemas[name], name);
  }
});

test("events tell of a change", async () => {
  await using client = await connectClient(sluice.port);
  await client.send(`GET ${BASE}/events HTTP/1.1\r\nHost: test\r\n\r\n`);
  await client.until("text/event-stream");
  const [id] = await ids();
  await api.setMember("app", id!, { standby: true });
  await client.until('"status":"Init Stby Ok "');
  await api.undo();
});
