/** The corpus of hostile clients and backends, each case on a connection of its own to one running server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, startBackend } from "../support/backend.ts";
import { hostileConf, tellBackendCase, tellClientCase } from "../support/hostile.ts";
import { makeServer } from "../support/server.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";
import { BACKEND_CASES } from "./hostile/backend_cases.ts";
import { CLIENT_CASES } from "./hostile/client_cases.ts";

let backend: Backend;
let other: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  other = await startBackend();
  sluice = await startSluice(hostileConf(backend, other), { children: "auto" });
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
  await other?.stop();
});

for (const { group, cases } of CLIENT_CASES) {
  for (const one of cases) {
    test(`${group}: ${one.name}`, async () => {
      assert.equal(await tellClientCase(sluice.port, [backend, other], one.send, one), one.outcome, one.why);
    });
  }
}

for (const { group, cases } of BACKEND_CASES) {
  for (const one of cases) {
    test(`backend, ${group}: ${one.name}`, async () => {
      const told = await tellBackendCase(sluice.port, backend, one.answer, one.method, one.gives);
      assert.equal(told, one.outcome, one.why);
    });
  }
}

test("nocanon: an absolute target whose query has a path is checked as what it is sent as", async () => {
  const server = makeServer(`
    <Location "/secret">
      Require all denied
    </Location>
    ProxyPass "/" "http://127.0.0.1:9/" nocanon
  `);
  const client = server.connect();
  client.feed("GET http://a?/secret HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match((await server.backend()).written, /^GET \/\?\/secret HTTP/);
  server.end();
});

test("after all of them the server serves, and its log has no crash", async () => {
  assert.equal(await tellBackendCase(sluice.port, backend, "HTTP/1.1 204 No Content\r\n\r\n"), "204 after; reused");
  assert.doesNotMatch(sluice.errorLog, /request failed: |:crit\]|:emerg\]/);
  assert.equal(sluice.exit, null);
});
