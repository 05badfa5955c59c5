/** Backends by the host's fetch, through a handler on a host without sockets. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { createHandler, type Handler } from "../../mod.ts";
import {
  type Answer,
  type Backend,
  close,
  freePort,
  Gate,
  head,
  ok,
  pour,
  reset,
  stall,
  startBackend,
} from "../support/backend.ts";

const onBun = "Bun" in globalThis;
let backend: Backend;
let other: Backend;
let dead: string;

before(async () => {
  backend = await startBackend();
  other = await startBackend(() => ok("other"));
  dead = `http://127.0.0.1:${await freePort()}`;
});

after(async () => {
  await backend.stop();
  await other.stop();
});

/** A handler for the time of a test. */
async function handlerOf(config: string): Promise<Handler & AsyncDisposable> {
  const handler = await createHandler(`LogLevel crit\n${config}`, { target: "edge" });
  return {
    fetch: handler.fetch,
    close: handler.close,
    websocket: handler.websocket,
    [Symbol.asyncDispose]: () => handler.close(),
  };
}

const ask = (handler: Handler, path: string, init: RequestInit = {}): Promise<Response> =>
  handler.fetch(new Request(`http://front.test${path}`, init));

/** The backend answers so for the time of a test. */
function answer(path: string, how: Answer): Disposable {
  const { routes } = backend;
  backend.routes = { ...routes, [path]: how };
  return {
    [Symbol.dispose]: () => {
      backend.routes = routes;
    },
  };
}

test("the head: path and query byte for byte, fields of the proxy, hop-by-hop fields removed", async () => {
  await using handler = await handlerOf(`ServerName front.test\nProxyPass /app/ ${backend.url}/base/`);
  const response = await ask(handler, "/app/a%20c?x=%zz&y", {
    headers: { "x-one": "1", "user-agent": "me", connection: "x-hop", "x-hop": "1", te: "trailers" },
  });
  assert.equal(response.status, 200);
  const seen = backend.requests.at(-1)!;
  assert.equal(seen.target, "/base/a%20c?x=%zz&y");
  assert.equal(seen.field("host"), backend.authority);
  assert.equal(seen.field("x-one"), "1");
  assert.equal(seen.field("user-agent"), "me");
  assert.equal(seen.field("x-hop"), undefined);
  assert.equal(seen.field("te"), undefined);
  assert.equal(seen.field("x-forwarded-host"), "front.test");
  assert.equal(seen.field("x-forwarded-server"), "front.test");
  assert.equal(seen.field("accept-encoding"), "identity");
});

test("ProxyPreserveHost reaches the backend where fetch takes a Host", async () => {
  await using handler = await handlerOf(`ProxyPreserveHost On\nProxyPass / ${backend.url}/`);
  await ask(handler, "/");
  assert.equal(backend.requests.at(-1)!.field("host"), onBun ? "front.test" : backend.authority);
});

test("the answer: status, repeated Set-Cookie, ProxyPassReverse, hop-by-hop fields removed", async () => {
  await using handler = await handlerOf(`ProxyPass /app/ ${backend.url}/\nProxyPassReverse /app/ ${backend.url}/`);
  using _ = answer("/moved", [
    head(
      302,
      "Content-Length: 0",
      `Location: ${backend.url}/there`,
      "Set-Cookie: a=1",
      "Set-Cookie: b=2; Path=/",
      "Keep-Alive: timeout=9",
      "Connection: x-hop",
      "X-Hop: 1",
    ),
  ]);
  const response = await ask(handler, "/app/moved");
  assert.equal(response.status, 302);
  assert.equal(response.headers.get("location"), "http://front.test/app/there");
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2; Path=/"]);
  assert.equal(response.headers.get("keep-alive"), null);
  assert.equal(response.headers.get("x-hop"), null);
});

test("a body with a coding keeps it, or loses coding and length together", async () => {
  const zipped = gzipSync("hello hello hello");
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  using _ = answer("/zip", [head(200, `Content-Length: ${zipped.length}`, "Content-Encoding: gzip"), zipped]);
  const response = await ask(handler, "/zip", { headers: { "accept-encoding": "gzip" } });
  const body = new Uint8Array(await response.arrayBuffer());
  if (onBun) {
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.deepEqual([...body], [...zipped]);
  } else {
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(response.headers.get("content-length"), null);
    assert.equal(new TextDecoder().decode(body), "hello hello hello");
  }
  const plain = await ask(handler, "/zip"); // the client takes none: nothing is undone behind its back
  assert.equal(plain.headers.get("content-encoding"), "gzip");
  assert.deepEqual([...new Uint8Array(await plain.arrayBuffer())], [...zipped]);
});

test("a request's body arrives whole: small ones as bytes, large ones as a stream", async () => {
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  await ask(handler, "/small", { method: "POST", body: "abc" });
  assert.equal(backend.requests.at(-1)!.text, "abc");
  assert.equal(backend.requests.at(-1)!.field("content-length"), "3");
  const large = "0123456789".repeat(100_000);
  const init = { method: "PUT", body: new Blob([large]).stream(), duplex: "half" } as RequestInit;
  assert.equal((await ask(handler, "/large", init)).status, 200);
  assert.equal(backend.requests.at(-1)!.text, large);
});

test("a response is passed on as it comes, and read no faster than it is taken", async () => {
  const gate = new Gate();
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  using _ = answer("/drip", [head(200), "abc", gate.step, pour(40_000_000), close]);
  const response = await ask(handler, "/drip");
  const reader = response.body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "abc");
  gate.open();
  const connection = backend.requests.at(-1)!.connection;
  let sent = -1;
  while (sent !== connection.raw.bytesWritten - connection.raw.writableLength) {
    sent = connection.raw.bytesWritten - connection.raw.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200)); // until nothing moves: there is no event for that
  }
  assert.ok(sent < 30_000_000, `${sent} bytes were read for a client that takes nothing`);
  let bytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
  assert.equal(bytes, 40_000_000);
});

test("failures: refused 503, unknown name 500, reset and close 502, no answer in time 502", async () => {
  await using handler = await handlerOf(`
    ProxyPass /refused/ ${dead}/
    ProxyPass /name/ http://no-such-host.invalid/
    ProxyPass / ${backend.url}/ timeout=1`);
  using _reset = answer("/reset", [reset]);
  using _close = answer("/close", [close]);
  using _stall = answer("/stall", [stall]);
  const status = async (path: string) => (await ask(handler, path)).status;
  assert.equal(await status("/refused/"), 503);
  assert.equal(await status("/name/"), 500);
  assert.equal(await status("/reset"), 502);
  assert.equal(await status("/close"), 502);
  assert.equal(await status("/stall"), 502);
});

test("a body that breaks off is an error for the client, not an end", async () => {
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  using _ = answer("/short", [head(200, "Content-Length: 10"), "abc", close]);
  const response = await ask(handler, "/short");
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

test("a balancer goes on to the next member, with the body", async () => {
  await using handler = await handlerOf(`
    <Proxy balancer://two>
      BalancerMember ${dead}
      BalancerMember ${other.url}
    </Proxy>
    ProxyPass / balancer://two/`);
  const response = await ask(handler, "/", { method: "POST", body: "kept" });
  assert.equal(await response.text(), "other");
  assert.equal(other.requests.at(-1)!.text, "kept");
});

test("a client that leaves ends the request at the backend", async () => {
  const gate = new Gate();
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  using _ = answer("/held", [gate.step, head(200, "Content-Length: 2"), "ok"]);
  const leave = new AbortController();
  const response = ask(handler, "/held", { signal: leave.signal });
  await gate.reached();
  const connection = backend.requests.at(-1)!.connection;
  leave.abort();
  assert.equal((await response).status, 499);
  await connection.untilEnded();
  gate.open();
});

test("max and acquire hold", async () => {
  const gate = new Gate();
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/ max=1 acquire=100ms`);
  using _ = answer("/held", [gate.step, head(200, "Content-Length: 2"), "ok"]);
  const first = ask(handler, "/held");
  await gate.reached();
  assert.equal((await ask(handler, "/")).status, 503);
  gate.open();
  assert.equal(await (await first).text(), "ok");
  assert.equal((await ask(handler, "/")).status, 200);
});

test("a method that fetch would change or forbids is answered 501", async () => {
  await using handler = await handlerOf(`ProxyPass / ${backend.url}/`);
  const before = backend.requests.length;
  // A Request with such a method cannot be made here: one that has it is what a server would give.
  const request = new Proxy(new Request("http://front.test/"), {
    get(target, key) {
      const value = key === "method" ? "TRACK" : Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  assert.equal((await handler.fetch(request)).status, 501);
  assert.equal(backend.requests.length, before);
});

test("ProxyErrorOverride: the page is ours, the challenge stays", async () => {
  await using handler = await handlerOf(`ProxyErrorOverride On\nProxyPass / ${backend.url}/`);
  using _ = answer("/login", [head(401, "Content-Length: 3", 'WWW-Authenticate: Basic realm="x"', "X-Own: 1"), "no!"]);
  const response = await ask(handler, "/login");
  assert.equal(response.status, 401);
  assert.equal(response.headers.get("www-authenticate"), 'Basic realm="x"');
  assert.equal(response.headers.get("x-own"), null);
  assert.match(await response.text(), /<h1>Unauthorized<\/h1>/);
});
