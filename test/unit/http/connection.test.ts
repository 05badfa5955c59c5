/** A client's connection on a virtual clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openConnections } from "../../../modules/http/open_connections.ts";
import { makeServer, settle } from "../../support/server.ts";

const PASS = 'ProxyPass "/" "http://127.0.0.1:9/"';
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";

/** Feeds one byte after each `everyMs`, until the server has answered or `mostMs` have passed; answers the time. */
async function drip(server: ReturnType<typeof makeServer>, everyMs: number, mostMs: number, head: string) {
  const client = server.connect();
  if (head !== "") client.feed(head);
  const start = server.clock.now();
  while (client.written === "" && server.clock.now() - start < mostMs) {
    server.clock.advance(everyMs);
    await settle();
    if (client.written === "") client.feed("x");
  }
  return { ms: server.clock.now() - start, status: client.written.slice(0, 12) };
}

test("a body that drips below MinRate is 408 when the time that its bytes earned is used up", async () => {
  const server = makeServer(`RequestReadTimeout body=10,MinRate=500\n${PASS}`);
  const { ms, status } = await drip(server, 90, 60_000, POST);
  assert.equal(status, "HTTP/1.1 408");
  // 10 s and 2 ms for each byte, about 110 of them: not a tick before, and not moved by the bytes that kept coming.
  assert.ok(ms >= 10_200 && ms < 10_700, `${ms} ms`);
});

test("a body that keeps MinRate is read on for as long as it takes", async () => {
  const server = makeServer(`RequestReadTimeout body=2,MinRate=10\n${PASS}`);
  const { ms, status } = await drip(server, 50, 30_000, POST);
  assert.deepEqual([status, ms], ["", 30_000]);
});

test("a body without MinRate is 408 after its time, however its bytes are spread", async () => {
  const server = makeServer(`RequestReadTimeout body=3\n${PASS}`);
  const { ms, status } = await drip(server, 70, 60_000, POST);
  assert.equal(status, "HTTP/1.1 408");
  assert.ok(ms >= 3000 && ms < 3400, `${ms} ms`);
});

test("a head that drips is 408, and no backend sees it", async () => {
  const server = makeServer(`RequestReadTimeout header=2-4,MinRate=500\n${PASS}`);
  const { ms, status } = await drip(server, 70, 60_000, "GET / HTTP/1.1\r\nX-");
  assert.equal(status, "HTTP/1.1 408");
  assert.ok(ms >= 2000 && ms < 2500, `${ms} ms`);
  await assert.rejects(server.backend(), /opened no connection/);
});

test("a body that is complete has no deadline, however long the backend takes", async () => {
  const server = makeServer(`RequestReadTimeout body=2\nTimeout 60\n${PASS}`);
  const client = server.connect();
  client.feed(POST + "x".repeat(17_000));
  const backend = await server.backend();
  await settle();
  assert.match(backend.written, /^POST \/ HTTP\/1\.1\r\n/);
  client.feed("x".repeat(83_000));
  await settle();
  server.clock.advance(5000);
  await settle();
  assert.equal(client.written, "", "the body is complete: the backend may take its time");
  backend.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  await settle();
  assert.match(client.written, /^HTTP\/1\.1 200 OK\r\n.*ok$/s);
});

test("heads that come in pieces on several connections do not mix", async () => {
  const server = makeServer(PASS);
  const texts = ["a", "b", "c"].map((name) => `GET /${name} HTTP/1.1\r\nHost: ${name}\r\nX-${name}: ${name}\r\n\r\n`);
  const clients = texts.map(() => server.connect());
  for (let i = 0; i < texts[0]!.length; i++) for (const [n, client] of clients.entries()) client.feed(texts[n]![i]!);
  const seen: string[] = [];
  for (const _ of texts) {
    const backend = await server.backend();
    await settle();
    seen.push(backend.written.replace(/^(?!GET|X-[abc]:).*\r\n/gm, ""));
  }
  assert.deepEqual(
    seen.sort(),
    ["a", "b", "c"].map((name) => `GET /${name} HTTP/1.1\r\nX-${name}: ${name}\r\n`),
  );
});

for (const [conf, kept] of [
  ["", null],
  ["<Location /status>\nSetHandler server-status\n</Location>\n", "GET / HTTP/1.1"],
] as const) {
  test(`a connection that is idle keeps ${kept === null ? "no request" : "the last request for server-status"}`, async () => {
    const server = makeServer(conf + PASS);
    const client = server.connect();
    client.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const backend = await server.backend();
    await settle();
    const [view] = openConnections().filter(({ conn }) => conn.process === server.process);
    assert.equal(view?.r?.requestLine, "GET / HTTP/1.1");
    backend.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await settle();
    const [idle] = openConnections().filter(({ conn }) => conn.process === server.process);
    assert.deepEqual([idle?.phase, idle?.r?.requestLine ?? null], ["waiting", kept]);
  });
}

const RESPONSE = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

for (const [what, fed, atOnce] of [
  ["announced the end", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true],
  ["speaks HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", true],
  ["announced it, and sends on", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET", false],
  ["announced it, with a body", "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", false],
  ["did not, but the server ends", "GET /closed HTTP/1.1\r\nHost: a\r\n\r\n", false],
] as const) {
  test(`a client that ${what}: the connection is ${atOnce ? "closed with the answer" : "read on for a while"}`, async () => {
    const server = makeServer(`SetEnvIf Request_URI closed nokeepalive\n${PASS}`);
    const client = server.connect();
    client.feed(fed);
    const backend = await server.backend();
    backend.feed(RESPONSE);
    await settle();
    assert.match(client.written, /ok$/);
    assert.deepEqual([client.closed, client.ended || client.closed], [atOnce, true]);
    server.clock.advance(3000);
    await settle();
    assert.equal(client.closed, true);
  });
}

test("what the client has not taken is not cut off by the close", async () => {
  const server = makeServer(PASS);
  const client = server.connect();
  client.feed("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const backend = await server.backend();
  client.queuedBytes = 10;
  backend.feed(RESPONSE);
  await settle();
  assert.deepEqual([client.ended, client.closed], [true, false]);
});

test("RequestReadTimeout: what is wrong with it", () => {
  for (const [args, error] of [
    ["header", /must be in the form 'key=value'$/],
    ["foot=1", /: foot=1: Unknown RequestReadTimeout parameter$/],
    ["body=x", /Value 'x' not numerical$/],
    ["body=5s", /Cannot parse 's'$/],
    ["header=10-20", /Must set MinRate option if using timeout range$/],
    ["header=10-20,MinRate=0", /Minimum data rate must be larger than 0$/],
    ["header=10,minrate=-1", /Value must be non-negative$/],
    ["header=10-10,minrate=1", /Maximum timeout must be larger than initial timeout$/],
  ] as const)
    assert.throws(() => makeServer(`RequestReadTimeout ${args}`), error, args);
  makeServer('RequestReadTimeout HEADER=0-0,minrate=1 "body=5"\nRequestReadTimeout');
});
