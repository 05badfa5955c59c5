/** WebSockets through the fetch front: relayed message by message. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Hono } from "hono";
import { createHandler, type Handler } from "../../edge.ts";
import { sluice as middleware, websocket } from "../../hono.ts";
import { freePort } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";
import {
  type Closed,
  type ServerSocket,
  startWebSocketServer,
  WebSocketClient,
  type WebSocketMessage,
  type WebSocketScript,
  type WebSocketServer,
} from "../support/web_socket.ts";

const onBun = "Bun" in globalThis;
let server: WebSocketServer;
let sluice: Sluice;
/** What the backend does in a test. */
let script: WebSocketScript = {};

before(async () => {
  const dead = await freePort();
  server = startWebSocketServer({
    request: (request) => script.request?.(request),
    protocol: "chat",
    open: (socket) => script.open?.(socket),
    message: (socket, data) => (script.message ?? echo)(socket, data),
    ping: (data) => script.ping?.(data),
    close: (code, reason) => script.close?.(code, reason),
  });
  const ws = `ws://127.0.0.1:${server.port}`;
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName front.test
    Timeout 60
    ProxyPass "/ws/" "${ws}/"
    ProxyPass "/dead/" "ws://127.0.0.1:${dead}/"
    <Proxy balancer://two>
      BalancerMember "ws://127.0.0.1:${dead}"
      BalancerMember "${ws}"
    </Proxy>
    ProxyPass "/two/" "balancer://two/"`);
});

after(async () => {
  await sluice?.stop();
  await server?.[Symbol.asyncDispose]();
});

function echo(socket: ServerSocket, data: WebSocketMessage): void {
  socket.send(data);
}

async function open(path: string, protocols = ["other", "chat"], headers = {}): Promise<WebSocketClient> {
  const client = new WebSocketClient(`ws://127.0.0.1:${sluice.port}${path}`, protocols, headers);
  await client.opened();
  return client;
}

test("texts and bytes go both ways, of any size, in order", async () => {
  script = {};
  const client = await open("/ws/echo");
  client.socket.send("grüße");
  assert.equal(await client.next(), "grüße");
  client.socket.send(new Uint8Array([0, 255, 7]));
  assert.deepEqual(await client.next(), new Uint8Array([0, 255, 7]));
  const large = "x".repeat(1_000_000);
  client.socket.send(large);
  client.socket.send("behind");
  assert.equal(await client.next(), large);
  assert.equal(await client.next(), "behind");
  client.close(1000);
  assert.equal((await client.closed).code, 1000);
});

test("the handshake: path, query, the client's fields and the proxy's, the backend's subprotocol", async () => {
  const asked = Promise.withResolvers<{ url: string; headers: Headers }>();
  script = {
    request: (request) => {
      asked.resolve({ url: request.url, headers: new Headers(request.headers) });
      return undefined;
    },
  };
  const client = await open("/ws/room?a=%20", ["other", "chat"], { "X-Own": "1", Cookie: "a=1" });
  assert.equal(client.socket.protocol, "chat");
  const { headers, url } = await asked.promise;
  assert.match(url, /\/room\?a=%20$/);
  assert.equal(headers.get("x-own"), "1");
  assert.equal(headers.get("cookie"), "a=1");
  assert.equal(headers.get("x-forwarded-for"), "127.0.0.1");
  assert.equal(headers.get("x-forwarded-server"), "front.test");
  client.close();
});

test("a message that the backend sends at once arrives", async () => {
  script = { open: (socket) => socket.send("welcome") };
  const client = await open("/ws/");
  assert.equal(await client.next(), "welcome");
  client.close();
});

test("close codes and reasons: those of the backend", async () => {
  script = { message: (socket) => socket.close(4001, "enough") };
  const client = await open("/ws/");
  client.socket.send("?");
  assert.deepEqual(await client.closed, { code: 4001, reason: "enough" });
});

test("close codes and reasons: those of the client", async () => {
  const closed = Promise.withResolvers<Closed>();
  script = { close: (code, reason) => closed.resolve({ code, reason }) };
  const client = await open("/ws/");
  client.close(4002, "bye");
  assert.deepEqual(await closed.promise, { code: 4002, reason: "bye" });
});

test("a client that is cut off ends the connection to the backend", async () => {
  const closed = Promise.withResolvers<Closed>();
  script = { close: (code, reason) => closed.resolve({ code, reason }) };
  const raw = await connectClient(sluice.port);
  raw.send(handshake("/ws/"));
  assert.equal((await raw.response()).status, 101);
  raw.raw.destroy();
  await closed.promise;
});

test("pings reach the backend on Bun", async (t) => {
  if (!onBun) return t.skip("Deno shows no pings");
  const pinged = Promise.withResolvers<string>();
  script = { ping: pinged.resolve };
  const client = await open("/ws/");
  (client.socket as unknown as { ping(data: string): void }).ping("are you there");
  assert.equal(await pinged.promise, "are you there");
  client.close();
});

test("a backend that refuses the handshake: its status; one that is down: 503, or the next member", async () => {
  script = { request: () => new Response("no", { status: 403 }) };
  await using client = await connectClient(sluice.port);
  client.send(handshake("/ws/"));
  assert.equal((await client.response()).status, 403);
  script = {};
  await using down = await connectClient(sluice.port);
  down.send(handshake("/dead/"));
  assert.equal((await down.response()).status, 503);
  const next = await open("/two/");
  next.socket.send("there");
  assert.equal(await next.next(), "there");
  next.close();
});

test("a silent WebSocket ends after Timeout, or the worker's if it is longer", async () => {
  script = {};
  await using quick = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName front.test
    Timeout 1
    ProxyPass "/" "ws://127.0.0.1:${server.port}/"`);
  const client = new WebSocketClient(`ws://127.0.0.1:${quick.port}/`);
  await client.opened();
  const start = performance.now();
  await client.closed;
  const took = performance.now() - start;
  assert.ok(took > 900 && took < 4000, `${took} ms`);
});

test("a request that is no handshake is an ordinary one", async () => {
  script = { request: (request) => new Response(`plain ${request.headers.get("upgrade")}`) };
  const response = await fetch(`http://127.0.0.1:${sluice.port}/ws/`);
  assert.equal(await response.text(), "plain null");
});

// By messages: on a host without sockets, as on the fetch front of Bun

test("a handler without sockets relays messages", async () => {
  const handler = await createHandler(`ServerName edge.test\nProxyPass "/" "ws://127.0.0.1:${server.port}/"`);
  await using host = serve(handler);
  const closed = Promise.withResolvers<Closed>();
  script = { close: (code, reason) => closed.resolve({ code, reason }) };
  const client = new WebSocketClient(`ws://127.0.0.1:${host.port}/`, ["chat"]);
  await client.opened();
  assert.equal(client.socket.protocol, "chat");
  client.socket.send("grüße");
  assert.equal(await client.next(), "grüße");
  client.close(3000, "bye");
  assert.deepEqual(await closed.promise, { code: 3000, reason: "bye" });
  await handler.close();
});

test("what a client does not take holds the backend up on Bun, and closes the relay on Deno", async () => {
  const logged: string[] = [];
  const { error } = console;
  console.error = (line: string) => void logged.push(line);
  const handler = await createHandler(
    `ServerName edge.test\nLogLevel info\nProxyPass "/" "ws://127.0.0.1:${server.port}/"`,
  );
  await using host = serve(handler);
  const closed = Promise.withResolvers<void>();
  const piece = new Uint8Array(1_000_000);
  script = {
    message: (socket) => {
      for (let i = 0; i < 60; i++) socket.send(piece);
    },
    close: () => closed.resolve(),
  };
  await using raw = await connectClient(host.port);
  raw.send(handshake("/"));
  assert.equal((await raw.response()).status, 101);
  raw.raw.pause();
  // "?" as a masked text frame
  raw.send("\x81\x81\x00\x00\x00\x00?");
  if (onBun) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    raw.raw.resume();
    await raw.until(() => raw.tunnelledBytes === 60 * 1_000_010, "all of it");
    raw.raw.destroy();
  }
  await closed.promise;
  console.error = error;
  const complaint = /WebSocket closed: the client does not take \d{8} bytes/.test(logged.join("\n"));
  assert.equal(complaint, !onBun);
  raw.raw.destroy();
  await handler.close();
});

test("a backend that does not read holds the client up on Bun", async (t) => {
  if (!onBun) return t.skip("Deno's WebSockets are read whatever comes of it");
  const handler = await createHandler(`ServerName edge.test\nProxyPass "/" "ws://127.0.0.1:${server.port}/"`);
  await using host = serve(handler);
  let got = 0;
  const opened = Promise.withResolvers<ServerSocket>();
  script = { open: opened.resolve, message: (_socket, data) => void (got += data.length) };
  await using raw = await connectClient(host.port);
  raw.send(handshake("/"));
  assert.equal((await raw.response()).status, 101);
  const backend = (await opened.promise) as ServerSocket & { pause(): void; resume(): void };
  backend.pause();
  // 1 MB as a masked binary frame
  const frame = new Uint8Array(14 + 1_000_000);
  frame.set([0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40]);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 60; sent++) await raw.send(frame);
  })();
  for (let last = -1; last !== sent; ) {
    last = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(sent < 30, `${sent} MB were taken for a backend that reads nothing`);
  backend.resume();
  await sending;
  while (got < 60_000_000) await new Promise((resolve) => setTimeout(resolve, 10));
  raw.raw.destroy();
  await handler.close();
});

test("LimitWebSocketMessage: a larger message closes the relay with 1009, whoever sent it", async () => {
  const complaints: string[] = [];
  const { error } = console;
  console.error = (line: string) => void complaints.push(line);
  const handler = await createHandler(`
    ServerName edge.test
    LimitWebSocketMessage 1000
    ProxyPass "/" "ws://127.0.0.1:${server.port}/"`);
  await using host = serve(handler);
  const open = async () => {
    const client = new WebSocketClient(`ws://127.0.0.1:${host.port}/`);
    await client.opened();
    return client;
  };
  script = {};
  const client = await open();
  client.socket.send(new Uint8Array(1000));
  assert.equal((await client.next()).length, 1000);
  client.socket.send(new Uint8Array(1001));
  assert.equal((await client.closed).code, 1009);
  script = { message: (socket) => socket.send("x".repeat(1001)) };
  const other = await open();
  other.socket.send("?");
  assert.equal((await other.closed).code, 1009);
  console.error = error;
  assert.match(complaints.join("\n"), /WebSocket closed: a message of 1001 from the backend is too large/);
  await handler.close();
});

test("LimitWebSocketMessage is 16 MB by itself, and at most", async () => {
  const handler = await createHandler(`ServerName edge.test\nProxyPass "/" "ws://127.0.0.1:${server.port}/"`);
  assert.equal(handler.websocket.maxPayloadLength, 16_777_216);
  await handler.close();
  for (const bad of ["0", "16777217", "1k"]) {
    await assert.rejects(
      createHandler(`LimitWebSocketMessage ${bad}`),
      new RegExp(`LimitWebSocketMessage "${bad}" must be a number of bytes from 1 to 16777216`),
    );
  }
});

test("below Hono, with `websocket` of sluice/hono on Bun", async () => {
  script = {};
  const app = new Hono();
  app.all("/api/*", middleware(`ServerName hono.test\nProxyPass "/api/" "ws://127.0.0.1:${server.port}/"`));
  await using host = serve({ fetch: (request, ...rest) => Promise.resolve(app.fetch(request, rest[0])), websocket });
  const client = new WebSocketClient(`ws://127.0.0.1:${host.port}/api/x`, ["chat"]);
  await client.opened();
  client.socket.send("grüße");
  assert.equal(await client.next(), "grüße");
  client.close(1000);
  await client.closed;
});

function serve(handler: Pick<Handler, "fetch" | "websocket">): AsyncDisposable & { readonly port: number } {
  if ("Deno" in globalThis) {
    const deno = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler.fetch);
    return { port: deno.addr.port, [Symbol.asyncDispose]: () => deno.shutdown() };
  }
  const { fetch, websocket } = handler;
  const bun = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch, websocket } as Bun.Serve.Options<undefined>);
  return { port: bun.port!, [Symbol.asyncDispose]: () => bun.stop(true) };
}

function handshake(path: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: front.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
  );
}
