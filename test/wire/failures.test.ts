/** The failure table of STYLE.md, through the whole program: what the client sees, and that nothing leaks into what follows. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  type Answer,
  type Backend,
  close,
  early,
  freePort,
  Gate,
  head,
  ok,
  reset,
  short,
  stall,
  startBackend,
} from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let other: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  other = await startBackend();
  const refuses = await Promise.all(Array.from({ length: 10 }, freePort));
  const dead = (i: number): string => `http://127.0.0.1:${refuses[i]}`;
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    # one pool, in which max=1 is one place: each child has its own
    StartServers 1
    LogLevel info
    ProxyPass "/b/" "${backend.url}/b/"
    # one place: a request that does not give it back stops all that follow
    ProxyPass "/one/" "${backend.url}/one/" max=1
    ProxyPass "/timeout/" "${backend.url}/timeout/" timeout=1 max=1
    ProxyPass "/refused/" "${dead(0)}/" retry=0

    <Proxy balancer://two>
      BalancerMember "${dead(1)}" route=dead
      BalancerMember "${other.url}" route=alive
    </Proxy>
    ProxyPass "/two/" "balancer://two/"
    <Proxy balancer://big>
      BalancerMember "${dead(2)}"
      BalancerMember "${other.url}"
    </Proxy>
    ProxyPass "/big/" "balancer://big/"
    <Proxy balancer://attempts>
      BalancerMember "${dead(3)}"
      BalancerMember "${dead(4)}"
      BalancerMember "${other.url}"
      ProxySet maxattempts=1
    </Proxy>
    ProxyPass "/attempts/" "balancer://attempts/"
    <Proxy balancer://down>
      BalancerMember "${dead(5)}"
      BalancerMember "${dead(6)}"
      ProxySet forcerecovery=Off
    </Proxy>
    ProxyPass "/down/" "balancer://down/"
    <Proxy balancer://late>
      BalancerMember "${backend.url}/late"
      BalancerMember "${other.url}"
    </Proxy>
    ProxyPass "/late/" "balancer://late/"
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
  await other?.stop();
});

/** The backend answers so for the time of a test. */
function answering(answer: Answer): Disposable {
  backend.routes = { "*": answer };
  return {
    [Symbol.dispose]: () => {
      backend.routes = {};
    },
  };
}

/** A client whose connection has served one request. */
async function usedClient(): Promise<Client> {
  const routes = backend.routes;
  backend.routes = {};
  const client = await connectClient(sluice.port);
  assert.equal((await client.get("/b/first")).status, 200);
  backend.routes = routes;
  return client;
}

/** Both workers still serve: no place is taken, no answer polluted. */
async function servesOn(prefix = "/one/"): Promise<void> {
  backend.routes = {};
  await using client = await connectClient(sluice.port);
  for (const i of [1, 2]) {
    const response = await client.get(`${prefix}after${i}`);
    assert.deepEqual([response.status, response.text], [200, `GET ${prefix}after${i}`]);
  }
}

test("refused: 503, also on a connection that has served; it ends with it", async () => {
  for (const method of ["GET", "POST"]) {
    await using client = await usedClient();
    const response = await client.request(method, "/refused/", [], method === "POST" ? "body" : "");
    assert.deepEqual([response.status, response.field("connection")], [503, "close"]);
    await client.untilEnded();
  }
  await servesOn("/b/");
  await sluice.untilLog("AH01114: HTTP: failed to make connection to backend: 127.0.0.1");
});

const BEFORE_HEAD: [name: string, answer: Answer][] = [
  ["closed before the head", [close]],
  ["reset before the head", [reset]],
  ["closed before the body was read", [early, reset]],
];

for (const [name, answer] of BEFORE_HEAD) {
  test(`${name}: 502 to a first request`, async () => {
    using _ = answering(answer);
    const response = await fetchOnce(sluice.port, "/one/x");
    assert.equal(response.status, 502);
    assert.match(response.text, /Error reading from remote server/);
    await servesOn();
  });

  test(`${name}: a connection that has served ends without an answer, so that the client asks again`, async () => {
    using _ = answering(answer);
    await using client = await usedClient();
    await assert.rejects(client.get("/one/x"), /before response 1/);
    await servesOn();
  });
}

const BAD_HEADS: [name: string, answer: Answer, status: number][] = [
  ["reset in the head", ["HTTP/1.1 200 OK\r\nContent-", reset], 502],
  ["closed in the head", ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", close], 502],
  ["two lengths, one of them in a list", [`${head(200, "Content-Length: 5, 6")}hello`], 502],
  ["a length that is none", [`${head(200, "Content-Length: -5")}hello`], 502],
  ["two lengths", [`${head(200, "Content-Length: 5", "Content-Length: 6")}hello`], 502],
  ["a head without end", ["HTTP/1.1 200 OK\r\n", `X: ${"x".repeat(100_000)}`], 502],
  ["101 that nobody asked for", [head(101, "Upgrade: x", "Connection: Upgrade"), "bytes"], 502],
  ["10 interim answers", [head(103, "Link: </a>").repeat(10), ok("late")], 502],
];

for (const [name, answer, status] of BAD_HEADS) {
  test(`${name}: ${status}, and the connection to the backend is not used again`, async () => {
    using _ = answering(answer);
    const at = backend.requests.length;
    await using client = await usedClient();
    const response = await client.get("/one/x");
    assert.equal(response.status, status);
    assert.ok(response.complete);
    assert.doesNotMatch(response.text, /hello|late/);
    await backend.requests[at + 1]!.connection.untilEnded();
    await servesOn();
  });
}

test("9 interim answers pass, then the final one", async () => {
  using _ = answering([head(103, "Link: </a>").repeat(9), ok("final")]);
  const response = await fetchOnce(sluice.port, "/one/x");
  assert.deepEqual([response.status, response.text, response.interim.length], [200, "final", 9]);
});

test("text instead of a status line is HTTP/0.9: passed on as a body, nothing of it taken for fields", async () => {
  using _ = answering(["garbage\r\nSet-Cookie: evil=1\r\n\r\n", close]);
  const response = await fetchOnce(sluice.port, "/one/x");
  assert.equal(response.field("set-cookie"), undefined);
  assert.equal(response.status, 200);
  await servesOn();
});

const CUT: [name: string, answer: Answer, text: string][] = [
  ["a body shorter than its length", short("short", 9), "short"],
  ["a body reset before its length", [head(200, "Content-Length: 9"), "short", reset], "short"],
  ["cut in a chunk", [`${head(200, "Transfer-Encoding: chunked")}9\r\nshort`, close], "short"],
  ["cut between chunks", [`${head(200, "Transfer-Encoding: chunked")}5\r\nshort\r\n`, close], "short"],
  ["cut before the empty line", [`${head(200, "Transfer-Encoding: chunked")}5\r\nshort\r\n0\r\n`, close], "short"],
  ["a bad chunk", [`${head(200, "Transfer-Encoding: chunked")}5\r\nshort\r\n`, "zz\r\n"], "short"],
];

for (const [name, answer, text] of CUT) {
  test(`${name}: the client's connection ends before the answer does`, async () => {
    using _ = answering(answer);
    await using client = await connectClient(sluice.port);
    const response = await client.get("/one/x");
    await client.untilEnded();
    assert.equal(response.complete, false, client.received);
    // A reset may take the bytes before it along.
    assert.ok(name.includes("reset") ? text.startsWith(response.text) : response.text === text, response.text);
    assert.ok(!client.received.endsWith("0\r\n\r\n"));
    await servesOn();
  });
}

test("a stall before the head: 502 after timeout=1; in the body: cut", async () => {
  using _ = answering([stall]);
  const before = await fetchOnce(sluice.port, "/timeout/x");
  assert.equal(before.status, 502);
  backend.routes = { "*": [head(200, "Content-Length: 9"), "some", stall] };
  await using client = await connectClient(sluice.port);
  const within = await client.get("/timeout/x");
  assert.deepEqual([within.status, within.text, within.complete], [200, "some", false]);
  await servesOn("/timeout/");
});

test("a connect that nobody answers: 503 after connectiontimeout=1", async (t) => {
  // A listener that is stopped, and whose queue is full.
  const dir = mkdtempSync(join(tmpdir(), "sluice-blackhole-"));
  const program = join(dir, "blackhole.mjs");
  writeFileSync(
    program,
    `import net from "node:net"; import fs from "node:fs"; import process from "node:process";
     const conf = fs.readFileSync(process.argv[3], "utf8");
     net.createServer().listen({ port: +/Listen (\\d+)/.exec(conf)[1], host: "127.0.0.1", backlog: 1 });`,
  );
  const hole = await startSluice("Listen PORT", { program });
  const held: net.Socket[] = [];
  hole.signal("SIGSTOP");
  try {
    let full = false;
    while (!full && held.length < 1024) full = !(await connects(hole.port, held));
    if (!full) return t.skip("the queue of the listener does not fill");
    await using proxy = await startSluice(`
      Listen 127.0.0.1:PORT
      ProxyPass "/" "http://127.0.0.1:${hole.port}/" connectiontimeout=1
    `);
    const response = await fetchOnce(proxy.port, "/");
    assert.equal(response.status, 503);
    assert.match(proxy.errorLog, /AH01114/);
  } finally {
    for (const socket of held) socket.destroy();
    await hole.stop("SIGKILL");
    rmSync(dir, { recursive: true });
  }
});

/** Whether the listener still takes a connection. */
function connects(port: number, held: net.Socket[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    held.push(socket);
    const late = setTimeout(() => resolve(false), 250);
    socket.on("error", () => {});
    socket.on("connect", () => {
      clearTimeout(late);
      resolve(true);
    });
  });
}

test("the client leaves before the head: the backend's connection is closed, its place is free", async () => {
  const gate = new Gate();
  using _ = answering([gate.step, stall]);
  const at = backend.requests.length;
  const client = await connectClient(sluice.port);
  void client.send("GET /one/x HTTP/1.1\r\nHost: a\r\n\r\n");
  await gate.reached();
  client.reset();
  await backend.requests[at]!.connection.untilEnded();
  gate.open();
  await servesOn();
});

test("the client leaves in the middle of an answer that waits for it", async () => {
  const gate = new Gate();
  const sent = Promise.withResolvers<void>();
  const poured: Answer = [
    head(200, "Content-Length: 99999999"),
    gate.step,
    (connection) => {
      void connection.write(new Uint8Array(33_554_432));
      sent.resolve();
    },
    stall,
  ];
  backend.routes = { "/one/x": poured };
  const at = backend.requests.length;
  const client = await connectClient(sluice.port);
  void client.send("GET /one/x HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.head();
  client.pause();
  gate.open();
  const { connection } = backend.requests[at]!;
  await sent.promise;
  for (let i = 0; i < 20; i++) await fetchOnce(sluice.port, "/b/aside");
  assert.ok(connection.raw.writableLength > 0, "the pipe is full");
  client.reset();
  await connection.untilEnded();
  await servesOn();
});

test("the client leaves in the middle of its body: the backend gets no request that looks whole", async () => {
  const at = backend.requests.length;
  const client = await connectClient(sluice.port);
  void client.send(`POST /one/x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${"x".repeat(100_000)}`);
  const request = await backend.request(at);
  client.reset();
  await request.connection.untilEnded();
  assert.equal(request.complete, false);
  await servesOn();
});

test("bytes beyond the answer: nobody gets them, and the connection is not used again", async () => {
  const at = backend.connections.length;
  const extra = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  for (const answer of [
    `${ok("good")}${extra}`,
    `${head(200, "Transfer-Encoding: chunked")}4\r\ngood\r\n0\r\n\r\n${extra}`,
    `${head(204)}${extra}`,
    `${head(304)}${extra}`,
  ]) {
    backend.routes = { "*": [answer] };
    await using client = await connectClient(sluice.port);
    const first = await client.get("/one/x");
    assert.ok(["good", ""].includes(first.text));
    assert.doesNotMatch(client.received, /evil/);
    await servesOn();
  }
  // each polluted connection was closed
  await backend.until(() => backend.connections.slice(at, -1).every((c) => c.ended || c.closed));
});

test("bytes that come late on an idle connection close it; the next request has one of its own", async () => {
  const gate = new Gate();
  using _ = answering([ok("good"), gate.step, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"]);
  const at = backend.requests.length;
  assert.equal((await fetchOnce(sluice.port, "/one/x")).text, "good");
  const { connection } = backend.requests[at]!;
  gate.open();
  await connection.untilEnded();
  await servesOn();
  assert.notEqual(backend.requests.at(-1)!.connection, connection);
});

test("an idle connection that the backend closes is not used: the next request does not notice", async () => {
  const gate = new Gate();
  using _ = answering([ok("good"), gate.step, close]);
  const at = backend.requests.length;
  assert.equal((await fetchOnce(sluice.port, "/one/x")).text, "good");
  gate.open();
  await backend.requests[at]!.connection.untilClosed();
  await servesOn();
});

test("failover: the first member refuses, the second gets the request, its body whole", async () => {
  const at = other.requests.length;
  await using client = await connectClient(sluice.port);
  const response = await client.request("POST", "/two/x", ["Content-Type: text/plain"], "the whole body");
  assert.deepEqual([response.status, response.text], [200, "POST /x"]);
  assert.equal(other.requests.length, at + 1);
  const request = other.requests[at]!;
  assert.deepEqual([request.text, request.field("content-length")], ["the whole body", "14"]);
  assert.equal((await client.get("/two/y")).text, "GET /y");
});

test("failover with a body larger than what is read ahead", async () => {
  const at = other.requests.length;
  const text = Array.from({ length: 40_000 }, (_, i) => String(i)).join(",");
  await using client = await connectClient(sluice.port);
  assert.equal((await client.request("POST", "/big/x", [], text)).status, 200);
  assert.equal(other.requests[at]!.text, text);
});

test("no failover once a member got the request: 502, and the other member is not asked", async () => {
  using _ = answering([close]);
  const at = other.requests.length;
  const first = await fetchOnce(sluice.port, "/late/x");
  assert.equal(first.status, 502);
  assert.equal(other.requests.length, at);
});

test("maxattempts=1: one more try, not two", async () => {
  assert.equal((await fetchOnce(sluice.port, "/attempts/x")).status, 503);
  assert.equal((await fetchOnce(sluice.port, "/attempts/x")).status, 200);
});

test("all members down: 503, and the log says so", async () => {
  for (const _ of [1, 2]) assert.equal((await fetchOnce(sluice.port, "/down/x")).status, 503);
  await sluice.untilLog("AH01170: balancer://down: All workers are in error state");
});
