import assert from "node:assert/strict";
import { test } from "node:test";
import { DONE, OK } from "../../modules/core/status.ts";
import { nodeSockets } from "../../modules/net/node.ts";
import { type Ask, exchange, peer, setup, workerFor } from "../support/exchange.ts";

const CLOSE = Symbol("close");

async function answered(answer: string | (string | typeof CLOSE)[], ask: Ask = {}, params = {}) {
  const s = setup();
  const p = await peer((socket) => {
    for (const part of typeof answer === "string" ? [answer] : answer) {
      if (part === CLOSE) socket.end();
      else socket.write(part, "latin1");
    }
  });
  const worker = workerFor(p.port, params);
  const x = exchange(s, worker, ask);
  const status = await x.run();
  const idle = worker.pool!.idleCount;
  const inUse = worker.pool!.inUse;
  p.close();
  worker.pool!.close();
  s.process.wheel.stop();
  return { ...x, status, idle, inUse, seen: p.seen.join(""), port: p.port, log: s.log.join(""), worker };
}

test("GET: head in one piece, body by length, connection kept", async () => {
  const x = await answered(
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\nSet-Cookie: a\r\nX: 1\r\n\r\nok",
    {
      headers: [
        ["Host", "proxy.test:81"],
        ["Connection", "X-Hop"],
        ["X-Hop", "1"],
        ["X-Forwarded-For", "10.0.0.9"],
        ["TE", "t"],
        ["X-End", "2"],
      ],
    },
  );
  assert.equal(x.status, OK);
  assert.equal(
    x.seen,
    `GET /x HTTP/1.1\r\nHost: 127.0.0.1:${x.port}\r\nX-Forwarded-For: 10.0.0.9, 127.0.0.1\r\nX-End: 2\r\nX-Forwarded-Host: proxy.test:81\r\nX-Forwarded-Server: proxy.test\r\nConnection: Keep-Alive\r\n\r\n`,
  );
  assert.equal(x.out.body, "ok");
  assert.equal(x.out.length, 2);
  assert.deepEqual(
    [...x.r.headersOut],
    [
      ["Content-Length", "2"],
      ["X", "1"],
      ["Set-Cookie", "a"],
    ],
  );
  assert.deepEqual([x.idle, x.inUse, x.body.reads], [1, 0, 0]);
  assert.equal(x.worker.s.read, "HTTP/1.1 200 OK".length + 2);
  assert.equal(x.worker.s.transferred, x.seen.length);
});

test("the status lines of interim answers count as read", async () => {
  const x = await answered("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  assert.equal(x.worker.s.read, "HTTP/1.1 103 Early Hints".length + "HTTP/1.1 200 OK".length + 2);
});

test("of an answer that cannot be used the status line counts as read", async () => {
  const line = "HTTP/1.1 200 OK";
  for (const parts of [[`${line}\r\nno field\r\n\r\nok`], [`${line}\r\nX: 1`, CLOSE]] as (string | typeof CLOSE)[][]) {
    const x = await answered(parts);
    assert.equal(x.status, 502);
    assert.equal(x.worker.s.read, line.length);
  }
});

const TABLE: [name: string, answer: string | (string | typeof CLOSE)[], ask: Ask, want: Record<string, unknown>][] = [
  [
    "chunks of one read leave together",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
    {},
    { status: OK, body: "onetwo", length: -1, idle: 1 },
  ],
  [
    "a body until the end",
    ["HTTP/1.1 200 OK\r\n\r\nuntil", CLOSE],
    {},
    { status: OK, body: "until", length: -1, idle: 0 },
  ],
  ["HTTP/0.9", ["this is not http\r\nat all", CLOSE], {}, { status: OK, body: "this is not httpat all", idle: 0 }],
  [
    "short body",
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", CLOSE],
    {},
    { status: DONE, body: "short", aborted: true, stage: "read-body" },
  ],
  [
    "malformed first chunk",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    {},
    { status: 502, started: false, statusLine: null },
  ],
  ["bad Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", {}, { status: 502, started: false }],
  ["bad header", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", {}, { status: 502, statusLine: null }],
  ["corrupt status line", "HTTP/2.0 200 OK\r\n\r\n", {}, { status: 502, statusLine: "502 Proxy Error" }],
  [
    "closed before the status line",
    [CLOSE],
    {},
    { status: 502, statusLine: "502 Proxy Error", notes: "Error reading from remote server", stage: "read-head" },
  ],
  [
    "the same on a later request",
    [CLOSE],
    { keepalives: 2 },
    { status: DONE, aborted: true, started: false, source: "backend" },
  ],
  ["closed in the head", ["HTTP/1.1 200 OK\r\nA: ", CLOSE], {}, { status: 502, statusLine: null }],
  ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", { method: "HEAD" }, { status: OK, length: 8, idle: 1 }],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", {}, { status: OK, length: 0, idle: 1 }],
  [
    "reason phrase",
    "HTTP/1.1 404 Gone fishing\r\nContent-Length: 0\r\n\r\n",
    {},
    { status: OK, statusLine: "404 Gone fishing", idle: 1 },
  ],
  ["HTTP/1.0 is not reused", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", {}, { status: OK, idle: 0 }],
  [
    "Connection: close is not reused",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx",
    {},
    { status: OK, idle: 0 },
  ],
  [
    "a field longer than responsefieldsize",
    `HTTP/1.1 200 OK\r\nX: ${"a".repeat(9000)}\r\nContent-Length: 1\r\n\r\nx`,
    {},
    { status: 502, log: /AH10124: .* \(8192 bytes\).* 'X: a{77}\[\.\.\.\]'\n.*AH01106/ },
  ],
  [
    "bytes behind the answer",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 evil",
    {},
    { status: OK, body: "x", idle: 0, log: /AH03408/ },
  ],
  [
    "interim",
    "HTTP/1.1 103 Early Hints\r\nLink: l\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    {},
    { status: OK, interims: ["103 Link=l"] },
  ],
  [
    "nine interims",
    `${"HTTP/1.1 102 P\r\n\r\n".repeat(9)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    {},
    { status: OK },
  ],
  [
    "ten interims",
    "HTTP/1.1 102 P\r\n\r\n".repeat(10),
    {},
    { status: 502, notes: "Too many (10) interim responses from origin server" },
  ],
  [
    "unexpected 101",
    "HTTP/1.1 101 S\r\nUpgrade: foo\r\n\r\n",
    {},
    { status: 502, notes: "Unexpected Upgrade: foo (expecting n/a)" },
  ],
  ["illegal field name", "HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n", {}, { status: 500 }],
];
for (const [name, answer, ask, want] of TABLE) {
  test(`answer: ${name}`, async () => {
    const x = await answered(answer, ask);
    const got: Record<string, unknown> = {
      status: x.status,
      body: x.out.body,
      length: x.out.length,
      idle: x.idle,
      aborted: x.out.aborted,
      started: x.out.started,
      statusLine: x.r.statusLine,
      notes: x.r.errorNotes,
      interims: x.out.interims,
      stage: x.attempt.failure?.stage,
      source: x.attempt.failure?.source,
    };
    for (const key of Object.keys(want)) {
      if (key === "log") assert.match(x.log, want[key] as RegExp);
      else assert.deepEqual(got[key], want[key], key);
    }
    assert.equal(x.inUse, 0);
  });
}

test("one byte at a time", async () => {
  const s = setup();
  const p = await peer(async (socket) => {
    socket.setNoDelay(true);
    for (const c of "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n") {
      socket.write(c);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const worker = workerFor(p.port);
  const x = exchange(s, worker);
  assert.equal(await x.run(), OK);
  assert.equal(x.out.body, "ab");
  assert.equal(worker.pool!.idleCount, 1);
  p.close();
});

test("request bodies: small chunked becomes Content-Length, large keeps its framing", async () => {
  const OKAY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  const big = "0123456789".repeat(1000);
  for (const [ask, want] of [
    [
      { method: "POST", body: ["he", "llo"], chunked: true },
      /Content-Length: 5\r\nConnection: Keep-Alive\r\n\r\nhello$/,
    ],
    [{ method: "POST", body: ["hello"] }, /Content-Length: 5\r\n.*\r\n\r\nhello$/s],
    [{ method: "POST", body: [] }, /Content-Length: 0\r\n/],
    [{ method: "POST", body: [big, big, big, "end"] }, /Content-Length: 30003\r\n.*0123456789end$/s],
    [
      { method: "POST", body: [big, big, big, "end"], chunked: true },
      /Transfer-Encoding: chunked\r\n.*\r\n4e20\r\n.*\r\n2710\r\n.*\r\n3\r\nend\r\n0\r\n\r\n$/s,
    ],
  ] as [Ask, RegExp][]) {
    const s = setup();
    let all = "";
    const p = await peer((socket, data) => {
      all += data;
      if (/hello$|end$|0\r\n\r\n$|Length: 0\r\n.*\r\n\r\n$/s.test(all)) socket.write(OKAY);
    });
    const worker = workerFor(p.port);
    const x = exchange(s, worker, ask);
    assert.equal(await x.run(), OK);
    assert.match(all, want);
    assert.equal(worker.pool!.idleCount, 1);
    assert.equal(worker.s.transferred, all.length);
    p.close();
  }
});

test("100-continue is the backend's to answer", async () => {
  const s = setup();
  const p = await peer((socket, data) => {
    if (data.startsWith("POST")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const worker = workerFor(p.port);
  const x = exchange(s, worker, {
    method: "POST",
    body: ["hello"],
    expecting: true,
    headers: [
      ["Host", "h"],
      ["Expect", "100-continue"],
    ],
  });
  assert.equal(await x.run(), OK);
  assert.deepEqual(x.out.interims, ["100"]);
  assert.match(p.seen[0]!, /Expect: 100-continue\r\n/);
  assert.equal(p.seen[1], "hello");
  assert.equal(worker.pool!.idleCount, 1);
  p.close();
});

test("ping: no answer in time is 503, and the body is whole for the next", async () => {
  const s = setup();
  const p = await peer(() => {});
  const worker = workerFor(p.port, { pingMs: 50 });
  const x = exchange(s, worker, { method: "POST", body: ["hello"] });
  assert.equal(await x.run(), 503);
  assert.match(p.seen[0]!, /Expect: 100-Continue\r\n/);
  assert.equal(x.attempt.prefetchedBytes, 5);
  assert.equal(x.attempt.failure?.retry, "yes");
  p.close();
});

test("read timeout is 502 and marked as timed out", async () => {
  const s = setup();
  const p = await peer(() => {});
  const x = exchange(s, workerFor(p.port, { timeoutMs: 50 }));
  assert.equal(await x.run(), 502);
  assert.equal(x.attempt.failure?.timedOut, true);
  p.close();
});

test("refused: 503, worker in error", async () => {
  const s = setup();
  const p = await peer(() => {});
  p.close();
  const worker = workerFor(p.port);
  const x = exchange(s, worker);
  assert.equal(await x.run(), 503);
  assert.equal(worker.isUsable, false);
  assert.match(s.log.join(""), /AH00957.*\n.*AH00959.*\n.*AH01114/);
  assert.equal(worker.pool!.inUse, 0);
});

test("pool: reuse, a dead idle connection is replaced silently, max and acquire", async () => {
  const s = setup();
  const p = await peer((socket, data, connection) => {
    if (data.includes("/hang")) return;
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (connection === 0 && data.includes("/last")) setTimeout(() => socket.write("stray bytes"), 5);
    if (data.includes("/bye")) setTimeout(() => socket.end(), 5);
  });
  const worker = workerFor(p.port, { max: 1, acquireMs: 60 });
  assert.equal(await exchange(s, worker).run(), OK);
  assert.equal(await exchange(s, worker, {}, "/last").run(), OK);
  assert.equal(p.connections(), 1);
  while (worker.pool!.idleCount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(s.log.join(""), /AH03408/);
  assert.doesNotMatch(s.log.join(""), /AH00951/);
  assert.equal(await exchange(s, worker, {}, "/bye").run(), OK);
  while (worker.pool!.idleCount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(s.log.join(""), /AH00951: http: backend socket is disconnected\./);
  assert.match(s.log.join(""), /AH10479: http: 127\.0\.0\.1 resolved to 127\.0\.0\.1/);
  assert.equal(await exchange(s, worker).run(), OK);
  assert.equal(p.connections(), 3);
  const hanging = exchange(s, worker, {}, "/hang");
  const first = hanging.run();
  const second = exchange(s, worker);
  assert.equal(await second.run(), 503);
  assert.equal(second.attempt.failure?.stage, "acquire");
  hanging.out.watcher!.onClientGone();
  assert.equal(await first, DONE);
  assert.equal(worker.pool!.inUse, 0);
  p.close();
  s.process.wheel.stop();
});

/** A resolver under the test's control, in front of the real sockets. */
function resolving(s: ReturnType<typeof setup>, answer: (name: string) => readonly string[]): string[] {
  const asked: string[] = [];
  Object.assign(s.process, {
    sockets: {
      ...nodeSockets,
      lookup: (name: string) => {
        asked.push(name);
        const addresses = answer(name);
        return addresses.length > 0
          ? Promise.resolve(addresses)
          : Promise.reject({ code: "ENOTFOUND", message: `no address for ${name}` });
      },
    },
  });
  return asked;
}

test("a name that does not resolve is 500 with the name on the page, and the worker is not in error", async () => {
  const s = setup();
  resolving(s, () => []);
  const worker = workerFor(1, {}, "nowhere.test");
  const e = exchange(s, worker);
  assert.equal(await e.run(), 500);
  assert.equal(e.r.errorNotes, "DNS lookup failure for: nowhere.test");
  assert.deepEqual([e.attempt.failure?.stage, worker.isUsable, worker.pool!.inUse], ["resolve", true, 0]);
  s.process.wheel.stop();
});

test("addresses are asked for once, and again when all that are known refuse", async () => {
  const s = setup();
  const p = await peer((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
  let addresses = ["127.0.0.1"];
  const asked = resolving(s, () => addresses);
  const worker = workerFor(p.port, {}, "app.test");
  assert.equal(await exchange(s, worker).run(), OK);
  assert.equal(await exchange(s, worker).run(), OK);
  assert.deepEqual(asked, ["app.test"]);
  // The backend has moved: nothing listens on the old address any more.
  p.close();
  const moved = await peer(
    (socket) => socket.write("HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n"),
    p.port,
    "127.0.0.2",
  );
  addresses = ["127.0.0.2"];
  const e = exchange(s, worker);
  assert.equal(await e.run(), OK);
  assert.deepEqual([e.r.status, asked], [204, ["app.test", "app.test"]]);
  moved.close();
  s.process.wheel.stop();
});

test("disablereuse asks for the addresses at each connection", async () => {
  const s = setup();
  const p = await peer((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const asked = resolving(s, () => ["127.0.0.1"]);
  const worker = workerFor(p.port, { disableReuse: true }, "app.test");
  for (let i = 0; i < 3; i++) assert.equal(await exchange(s, worker).run(), OK);
  assert.deepEqual([asked.length, p.connections()], [3, 3]);
  p.close();
  s.process.wheel.stop();
});

test("a backend that takes no more of the body: 504 after timeout", async () => {
  const s = setup();
  const p = await peer((socket) => socket.pause());
  const worker = workerFor(p.port, { timeoutMs: 60 });
  const piece = "x".repeat(1 << 20);
  const e = exchange(s, worker, { method: "POST", body: Array.from({ length: 32 }, () => piece) });
  assert.equal(await e.run(), 504);
  assert.deepEqual([e.attempt.failure?.stage, e.attempt.failure?.timedOut], ["send-body", true]);
  assert.match(s.log.join(""), /AH01097.*pass request body failed/);
  assert.equal(worker.pool!.inUse, 0);
  p.close();
  s.process.wheel.stop();
});

test("ping on a connection that died idle: the body is untouched, so once more on a fresh one", async () => {
  const s = setup();
  const p = await peer((socket, data, connection) => {
    if (data.startsWith("GET")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    else if (connection === 0) socket.destroy();
    else if (data.includes("Expect")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const worker = workerFor(p.port, { pingMs: 2000 });
  assert.equal(await exchange(s, worker).run(), OK);
  const e = exchange(s, worker, { method: "POST", body: ["hello"] });
  assert.equal(await e.run(), OK);
  assert.deepEqual([e.r.status, p.connections(), p.seen.at(-1)], [200, 2, "hello"]);
  assert.match(s.log.join(""), /AH01115/);
  p.close();
  s.process.wheel.stop();
});

test("max: who waits is served in the order of arrival", async () => {
  const s = setup();
  const p = await peer((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const worker = workerFor(p.port, { max: 1 });
  const order: string[] = [];
  const runs = ["a", "b", "c", "d"].map((name) =>
    exchange(s, worker, {}, `/${name}`)
      .run()
      .then((status) => order.push(`${name} ${status}`)),
  );
  assert.equal(worker.pool!.waiting, 3);
  await Promise.all(runs);
  assert.deepEqual([order, p.connections()], [["a 0", "b 0", "c 0", "d 0"], 1]);
  assert.deepEqual(
    p.seen.map((text) => text.slice(4, 6)),
    ["/a", "/b", "/c", "/d"],
  );
  p.close();
  s.process.wheel.stop();
});
