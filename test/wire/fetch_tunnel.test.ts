/** Upgrades on the fetch front of Deno, whose server lets connections go: what is not as on the net front. tunnel.test.ts has the rest. */
import assert from "node:assert/strict";
import { after, before, test as run } from "node:test";
import { type Backend, early, fin, head, ok, type Step, startBackend, tunnel } from "../support/backend.ts";
import { type Client, connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const onDeno = "Deno" in globalThis;
let backend: Backend;
let sluice: Sluice;

const test = (name: string, body: () => Promise<void>): void =>
  void run(name, { skip: onDeno ? false : "Bun.serve keeps its connections" }, body);

before(async () => {
  if (!onDeno) return;
  backend = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName front.test
    LogLevel debug
    Timeout 20
    ProxyPass "/ws/" "ws://${backend.authority}/ws/"
    ProxyPass "/any/" "${backend.url}/any/" upgrade=ANY
    <Location "/raw/">
      ProxyWebsocketFallbackToProxyHttp Off
      ProxyPass "ws://${backend.authority}/raw/"
    </Location>`);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const KEY = "Sec-WebSocket-Key: abc";
const ASK = ["Upgrade: websocket", "Connection: Upgrade", KEY, "Sec-WebSocket-Extensions: permessage-deflate"];
const SWITCH = head(101, "Upgrade: websocket", "Connection: Upgrade", "X-Own: 1", "Set-Cookie: a=1", "Set-Cookie: b=2");
const echo: Step = tunnel((bytes, connection) => void connection.write(bytes));

async function opened(target: string, answer: readonly Step[]): Promise<Client> {
  backend.routes = { ...backend.routes, [target]: answer };
  const client = await connectClient(sluice.port);
  const response = await client.get(target, ...ASK);
  assert.equal(response.status, 101);
  return client;
}

test("the handshake passes as it is, and bytes behind either head are not lost", async () => {
  backend.routes = { ...backend.routes, "/ws/a": [early, `${SWITCH}greeting`, echo] };
  await using client = await connectClient(sluice.port);
  void client.send(`GET /ws/a?x=1 HTTP/1.1\r\nHost: h\r\n${ASK.join("\r\n")}\r\n\r\nearly`);
  const { head: answer } = await client.response();
  assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(
    answer,
    /\r\nX-Own: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/,
  );
  await client.until(() => client.tunnelled === "greetingearly", "the echo");
  const { head: asked } = backend.requests.at(-1)!;
  assert.match(asked, /^GET \/ws\/a\?x=1 HTTP\/1.1\r\n/);
  assert.match(asked, /\r\nsec-websocket-extensions: permessage-deflate\r\nsec-websocket-key: abc\r\n/);
  assert.match(asked, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
});

test("a refusal keeps its page", async () => {
  backend.routes = { ...backend.routes, "/ws/no": ok("not today", "X-Own: 1") };
  await using client = await connectClient(sluice.port);
  const response = await client.get("/ws/no", ...ASK);
  assert.equal(response.text, "not today");
  assert.equal(response.field("x-own"), "1");
});

test("any protocol passes by upgrade=ANY, and none that the connection does not carry", async () => {
  backend.routes = {
    ...backend.routes,
    "/any/x": [early, head(101, "Upgrade: tunnelled", "Connection: Upgrade"), echo],
    "/any/y": (request) => ok(`got ${request.field("upgrade")}`),
  };
  await using client = await connectClient(sluice.port);
  const response = await client.get("/any/x", "Upgrade: tunnelled", "Connection: upgrade");
  assert.equal(response.status, 101);
  void client.send("\x00\xff");
  await client.until(() => client.tunnelled === "\x00\xff", "the echo");
  await using other = await connectClient(sluice.port);
  assert.equal((await other.get("/any/y", "Upgrade: tunnelled")).text, "got undefined");
  assert.equal((await other.get("/any/y", "Upgrade: h2c", "Connection: upgrade")).text, "got undefined");
});

test("ProxyWebsocketFallbackToProxyHttp Off: the answer is read all the same, and 426 for another protocol", async () => {
  await using client = await opened("/raw/x", [early, `${SWITCH}hello`, echo]);
  await client.until(() => client.tunnelled === "hello", "what came behind the head");
  await using plain = await connectClient(sluice.port);
  assert.equal((await plain.get("/raw/x", "Upgrade: other", "Connection: Upgrade")).status, 426);
});

test("a 101 of more fields than Deno takes keeps those of the handshake", async () => {
  const many = Array.from({ length: 20 }, (_, i) => `X-${i}: ${i}`);
  const answer = head(101, ...many, "Sec-WebSocket-Accept: x", "Upgrade: websocket", "Connection: Upgrade");
  await using client = await opened("/ws/many", [early, answer, echo]);
  const [response] = client.responses;
  assert.equal(response!.field("sec-websocket-accept"), "x");
  assert.equal(response!.field("upgrade"), "websocket");
  assert.equal(response!.field("x-12"), "12");
  assert.equal(response!.field("x-13"), undefined);
  await sluice.untilLog(/the fetch front leaves 7 fields of a 101 out/);
});

test("the backend's FIN ends the tunnel, after its last byte", async () => {
  await using client = await opened("/ws/half2", [early, SWITCH, tunnel(), "x".repeat(300_000), fin]);
  await client.untilEnded();
  assert.equal(client.tunnelledBytes, 300_000);
  await backend.connections.at(-1)!.untilEnded();
});
