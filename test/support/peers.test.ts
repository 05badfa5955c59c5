/** The scripted peers against each other, and a stand-in for the program: a test that fails should not fail for them. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  body,
  chunked,
  close,
  early,
  fin,
  freePort,
  Gate,
  head,
  ok,
  pause,
  pour,
  reset,
  respond,
  resume,
  short,
  stall,
  startBackend,
  tunnel,
  untilClose,
} from "./backend.ts";
import { connectClient, fetchOnce } from "./client.ts";
import { runSluice, startSluice } from "./sluice.ts";

test("backend and client: bodies of all framings, kept alive and pipelined", async () => {
  await using backend = await startBackend({
    "/length": ok("hello", "X-A: 1", "x-a: 2"),
    "/chunked": chunked(["one", "two"], "X-T: end"),
    "/head": head(200, "Content-Length: 5"),
    "/304": head(304, "Content-Length: 5"),
    "/hints": [head(103, "Link: </a>"), respond(404, "no")],
    "/close": untilClose("till the end"),
  });
  await using client = await connectClient(backend.port);
  const length = await client.get("/length?q");
  assert.equal(length.status, 200);
  assert.equal(length.reason, "OK");
  assert.equal(length.field("X-a"), "1, 2");
  assert.equal(length.text, "hello");
  const pieces = await client.get("/chunked");
  assert.deepEqual(pieces.chunks.map(String), ["one", "two"]);
  assert.equal(pieces.text, "onetwo");
  assert.deepEqual(pieces.trailers, [["X-T", "end"]]);
  assert.equal((await client.request("HEAD", "/head")).framing, "none");
  assert.equal((await client.get("/304")).text, "");
  const hinted = await client.get("/hints");
  assert.deepEqual([hinted.status, hinted.interim.map((r) => r.status)], [404, [103]]);
  void client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  assert.equal((await client.response()).text, "GET /a");
  assert.equal((await client.response()).text, "POST /b");
  const last = await client.get("/close");
  assert.deepEqual([last.text, last.framing, last.complete], ["till the end", "eof", true]);
  assert.equal(backend.connections.length, 1);
  assert.equal(backend.requests.length, 8);
  assert.equal(backend.requests[6]!.text, "abc");
  assert.match(backend.connections[0]!.received, /^GET \/length\?q HTTP\/1\.1\r\nHost: test\r\n\r\n/);
});

test("backend: chunked requests, gates, 100-continue, early answers", async () => {
  const gate = new Gate();
  await using backend = await startBackend({
    "/gate": [early, head(200, "Content-Length: 4"), "ab", gate.step, "cd"],
    "/continue": [early, head(100), body, ok("done")],
    "/early": [early, respond(413, "too big", "Connection: close"), fin],
  });
  await using client = await connectClient(backend.port);
  void client.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
  await gate.reached();
  await client.until("\r\n\r\nab");
  assert.equal((await client.head()).bodyLength, 2);
  gate.open();
  assert.equal((await client.response()).text, "abcd");
  void client.send("PUT /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  await client.until(() => client.interimSoFar.length === 1);
  void client.send("2;x=y\r\n\r\n\r\n");
  const request = await backend.request(1);
  assert.equal(request.complete, false);
  void client.send("1\r\nz\r\n0\r\nT: 1\r\n\r\n");
  await request.done;
  assert.deepEqual(request.chunks.map(String), ["\r\n", "z"]);
  const done = await client.response();
  assert.deepEqual([done.text, done.interim.length], ["done", 1]);
  const refused = await client.request("POST", "/early", ["Content-Length: 1000"], "only this");
  assert.equal(refused.status, 413);
  client.end();
  await (await backend.connection()).untilEnded();
  assert.equal(backend.requests[2]!.complete, false);
});

test("backend: every way to fail, as the client sees it", async () => {
  await using backend = await startBackend({
    "/reset": [early, reset],
    "/close": [close],
    "/half-head": ["HTTP/1.1 200 OK\r\nContent-", close],
    "/short": short("abc", 10),
    "/short-chunk": [head(200, "Transfer-Encoding: chunked"), "5\r\nab", close],
    "/reset-body": [head(200, "Content-Length: 10"), "abc", reset],
    "/stall": [stall],
  });
  const get = async (path: string) => await fetchOnce(backend.port, path);
  await assert.rejects(get("/reset"), /closed \(ECONNRESET\) before response 0/);
  await assert.rejects(get("/close"), /closed \(FIN\) before response 0; received ""/);
  await assert.rejects(get("/half-head"), /received "HTTP\/1.1 200 OK\\r\\nContent-"/);
  const short1 = await get("/short");
  assert.deepEqual([short1.text, short1.complete], ["abc", false]);
  const short2 = await get("/short-chunk");
  assert.deepEqual([short2.text, short2.complete], ["ab", false]);
  assert.equal((await get("/reset-body")).complete, false);
  const client = await connectClient(backend.port);
  void client.send("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n");
  await backend.request(6);
  client.reset();
  const connection = await backend.connection(6);
  await connection.untilClosed();
  assert.equal(connection.error, "ECONNRESET");
  const port = await freePort();
  await assert.rejects(connectClient(port), { code: "ECONNREFUSED" });
});

test("backend: slow reading and large answers have backpressure, both ways", async () => {
  const gate = new Gate();
  const size = 30_000_000;
  await using backend = await startBackend(
    {
      "/slow": [early, pause, gate.step, resume, body, ok("read")],
      "/large": [head(200, `Content-Length: ${size}`), pour(size)],
    },
    { keepBodies: false },
  );
  await using client = await connectClient(backend.port);
  void client.send(`POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  await gate.reached();
  const sent = client.send(Buffer.alloc(size));
  assert.ok(client.raw.writableLength > 0);
  gate.open();
  await sent;
  assert.equal((await client.response()).text, "read");
  assert.equal(backend.requests[0]!.bodyLength, size);
  assert.equal((await client.get("/large")).bodyLength, size);
});

test("backend and client: tunnels, unix sockets, steps on accept", async () => {
  const dir = await mkdtemp(join(tmpdir(), "sluice-peers-"));
  const upgrade = head(101, "Upgrade: echo", "Connection: Upgrade");
  await using backend = await startBackend([upgrade, tunnel((bytes, connection) => void connection.write(bytes))], {
    unix: join(dir, "s"),
  });
  await using client = await connectClient(join(dir, "s"));
  assert.equal((await client.get("/", "Upgrade: echo", "Connection: Upgrade")).status, 101);
  void client.send("ping");
  await client.until(() => client.tunnelled === "ping");
  assert.equal(backend.connections[0]!.tunnelled, "ping");
  await using greeter = await startBackend({}, { onConnection: ["220 hello\r\n", close] });
  await using greeted = await connectClient(greeter.port);
  await greeted.untilEnded();
  assert.equal(greeted.received, "220 hello\r\n");
  await rm(dir, { recursive: true });
});

test("startSluice(): ports, DIR, logs, signals, exit codes, failure to start", async () => {
  const dir = await mkdtemp(join(tmpdir(), "sluice-standin-"));
  const program = join(dir, "standin.mjs");
  await writeFile(
    program,
    `import net from "node:net"; import fs from "node:fs"; import process from "node:process";
     const conf = fs.readFileSync(process.argv[3], "utf8");
     if (process.argv.includes("-t")) { console.error("Syntax OK"); process.exit(0); }
     if (conf.includes("Bad")) { console.error("Syntax error on line 1"); process.exit(1); }
     const log = /ErrorLog "(.*)"/.exec(conf)[1];
     const note = (text) => fs.appendFileSync(log, text + "\\n");
     process.on("SIGTERM", () => process.exit(7));
     process.on("SIGUSR1", () => note("graceful " + fs.readFileSync(process.argv[3], "utf8").length));
     net.createServer((s) => s.on("error", () => {})).listen(+/Listen 127.0.0.1:(\\d+)/.exec(conf)[1], "127.0.0.1", () => note("up"));`,
  );
  for (const runtime of ["bun", "deno"] as const) {
    const sluice = await startSluice("Listen 127.0.0.1:PORT\n# PORT3 DIR", {
      program,
      runtime,
      files: { extra: "PORT" },
    });
    assert.equal(sluice.ports.length, 3);
    assert.equal(new Set(sluice.ports).size, 3);
    assert.equal(sluice.file("extra"), String(sluice.port));
    assert.ok(sluice.file("httpd.conf").endsWith(`# ${sluice.ports[2]} ${sluice.dir}`));
    await sluice.untilLog("up");
    sluice.signal("SIGUSR1");
    await sluice.untilLog(/graceful \d+/);
    await (await connectClient(sluice.port))[Symbol.asyncDispose]();
    assert.equal(await sluice.stop(), 7);
    await assert.rejects(startSluice("Bad", { program, runtime }), /ended before it listened; exit 1\n.*Syntax error/s);
    const run = await runSluice("", { program, runtime, args: ["-t"] });
    assert.deepEqual([run.exit, run.stderr], [0, "Syntax OK\n"]);
    await run.stop();
  }
  await rm(dir, { recursive: true });
});
