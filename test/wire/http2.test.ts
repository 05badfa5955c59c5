/** Requests on streams of HTTP/2, through the whole server: heads, bodies, windows, ends, time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { closeIdleConnections, openConnections } from "../../modules/http/open_connections.ts";
import * as f from "../../plugins/http2/frame.ts";
import { frame, get, Http2Peer, headers, openHttp2, post, setting, u32 } from "../support/http2.ts";
import { makeServer, settle, type TestServer } from "../support/server.ts";

const CONF = `
  Protocols h2c http/1.1
  ProxyPass /b/ http://127.0.0.1:9/ disablereuse=On
`;
const ok = (body: string, ...fields: string[]): string =>
  `HTTP/1.1 200 OK\r\n${fields.map((line) => `${line}\r\n`).join("")}Content-Length: ${body.length}\r\n\r\n${body}`;

/** A server and a client of it, both ended with the test. */
function start(conf = "", settings = "") {
  const server = makeServer(CONF + conf);
  const peer = openHttp2(server, settings);
  return { server, peer, [Symbol.dispose]: () => end(server, peer.socket) };
}

function end(server: TestServer, socket: { destroy(): void }): void {
  socket.destroy();
  server.end();
}

test("our settings and the connection's window come first, then the answer to the client's", async () => {
  using all = start("H2MaxSessionStreams 7\nH2WindowSize 100000");
  await settle();
  assert.deepEqual(all.peer.read(true), [
    "SETTINGS 3=7 4=100000 6=70780",
    `WINDOW_UPDATE 0 ${524_288 - 65_535}`,
    "SETTINGS ACK",
  ]);
});

test("the backend is asked as by HTTP/1.1: names spelled as httpd does, cookies in one field, Host last", async () => {
  using all = start();
  all.peer.ask(1, "/b/x?y=%2F", "cookie", "a=1", "x-foo-bar", "1", "cookie", "b=2", "x-foo-bar", "2", "te", "trailers");
  const backend = await all.server.backend();
  assert.deepEqual(backend.written.split("\r\n"), [
    "GET /x?y=%2F HTTP/1.1",
    "Host: 127.0.0.1:9",
    "Cookie: a=1; b=2",
    "X-Foo-Bar: 1, 2",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Host: test.example",
    "X-Forwarded-Server: test.example",
    "Connection: close",
    "",
    "",
  ]);
  backend.feed(
    ok("hello", "X-One: 1", "Set-Cookie: a", "Set-Cookie: b", "Keep-Alive: timeout=5", "Connection: keep-alive"),
  );
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 hello END_STREAM"]);
  assert.deepEqual(all.peer.heads[1], [
    ...[":status", "200", "x-one", "1", "content-length", "5", "set-cookie", "a", "set-cookie", "b"],
    ...["date", "Fri, 20 Nov 2026 10:00:00 GMT", "server", "Apache/2.4.71 (sluice)"],
  ]);
});

test("answers without a body end with their head; HEAD keeps the length", async () => {
  using all = start();
  const asked: [string, string, string, string][] = [
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", "204", ""],
    ["GET", 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 9\r\n\r\n', "304", ""],
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", "200", "12"],
    ["GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200", "0"],
  ];
  for (const [i, [method, answer, status, length]] of asked.entries()) {
    const id = 2 * i + 1;
    all.peer.send(headers(id, [":method", method, ...get("/b/x").slice(2)]));
    (await all.server.backend()).feed(answer);
    await settle();
    assert.deepEqual(all.peer.read(), [`HEADERS ${id} ${status} END_STREAM`]);
    const at = all.peer.heads[id]!.indexOf("content-length");
    assert.equal(at < 0 ? "" : all.peer.heads[id]![at + 1], length);
  }
});

test("trailers of the backend come behind the body", async () => {
  using all = start();
  all.peer.ask(1, "/b/x");
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
  (await all.server.backend()).feed(`${chunked}3\r\nabc\r\n0\r\nX-Sum: 6\r\nContent-Length: 3\r\n\r\n`);
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 abc", "HEADERS 1 x-sum 6 END_STREAM"]);
});

test("a body is sent on as it comes; the client's windows open as the backend takes it", async () => {
  using all = start("H2WindowSize 20000\nProxyTimeout 30");
  all.peer.send(headers(1, post("/b/x"), false));
  for (let i = 0; i < 2; i++) all.peer.send(frame(f.DATA, 0, 1, "a".repeat(10_000)));
  const backend = await all.server.backend();
  assert.match(backend.written, /^POST \/x HTTP\/1\.1\r\n(.+\r\n)*Transfer-Encoding: chunked\r\n/);
  assert.match(all.peer.read(true).join("\n"), /WINDOW_UPDATE 1 10000\nWINDOW_UPDATE 1 10000/);
  all.peer.send(
    frame(f.DATA, f.PADDED, 1, "\x02bc\0\0"),
    frame(f.DATA, f.END_STREAM, 1),
    frame(f.PING, 0, 0, "12345678"),
  );
  await settle();
  assert.ok(backend.written.endsWith("2\r\nbc\r\n0\r\n\r\n"));
  backend.feed(ok(""));
  await settle();
  assert.deepEqual(all.peer.read(), ["PING 0 ACK", "HEADERS 1 200 END_STREAM"]);
});

test("a client that sends more than its windows allow is refused", async () => {
  using all = start("H2WindowSize 40000");
  all.peer.send(headers(1, post("/b/x", "content-length", "200000"), false), frame(f.DATA, 0, 1, "a".repeat(16_384)));
  (await all.server.backend()).write = () => false; // it takes no more
  for (let i = 0; i < 5; i++) all.peer.send(frame(f.DATA, 0, 1, "a".repeat(16_384)));
  await settle();
  assert.match(all.peer.read().join("\n"), /RST_STREAM 1 FLOW_CONTROL_ERROR/);
});

test("where nothing is, a body is read before the 404", async () => {
  using all = start();
  all.peer.send(headers(1, post("/none"), false), frame(f.DATA, 0, 1, "abc"));
  await settle();
  assert.doesNotMatch(all.peer.read(true).join("\n"), /HEADERS/);
  all.peer.send(frame(f.DATA, f.END_STREAM, 1));
  await settle();
  assert.match(all.peer.read().join("\n"), /HEADERS 1 404/);
});

test("a body that is held up closes the client's window, and the answer behind it comes all the same", async () => {
  using all = start();
  all.peer.send(headers(1, post("/b/x", "content-length", "100000"), false), frame(f.DATA, 0, 1, "a".repeat(16_384)));
  const backend = await all.server.backend();
  backend.write = () => false; // it takes no more
  for (let i = 0; i < 3; i++) all.peer.send(frame(f.DATA, 0, 1, "a".repeat(16_384)));
  await settle();
  const updates = all.peer.read(true).filter((line) => line.startsWith("WINDOW_UPDATE 1"));
  backend.feed(ok("early"));
  await settle();
  assert.ok(updates.length <= 1, updates.join());
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 early END_STREAM", "RST_STREAM 1 NO_ERROR"]);
});

test("an answer is sent as far as the client's windows go, streams in turns", async () => {
  using all = start("H2StreamMaxMemSize 4096", setting(4, 10));
  all.peer.ask(1, "/b/x");
  const first = await all.server.backend();
  all.peer.ask(3, "/b/y");
  const second = await all.server.backend();
  first.feed(`HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n${"a".repeat(5000)}`);
  second.feed(ok("b".repeat(12)));
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 aaaaaaaaaa", "HEADERS 3 200", "DATA 3 bbbbbbbbbb"]);
  assert.ok(first.paused, "the backend waits while 4096 bytes wait for the client");
  all.peer.send(frame(f.WINDOW_UPDATE, 0, 3, u32(100)));
  await settle();
  assert.deepEqual(all.peer.read(), ["DATA 3 bb END_STREAM"]);
  all.peer.send(frame(f.WINDOW_UPDATE, 0, 1, u32(1_000_000)));
  await settle();
  assert.deepEqual(all.peer.read(), ["DATA 1 4990 bytes"]);
  assert.ok(!first.paused);
  first.feed("a".repeat(25_000));
  await settle();
  assert.deepEqual(all.peer.read(), ["DATA 1 16384 bytes", "DATA 1 8616 bytes", "DATA 1  END_STREAM"]);
  assert.equal(all.peer.bodies[1]!.length, 30_000);
});

test("the connection's window holds up all streams together", async () => {
  using all = start("H2StreamMaxMemSize 200000", setting(4, 1_000_000));
  all.peer.ask(1, "/b/x");
  (await all.server.backend()).feed(ok("a".repeat(60_000)));
  all.peer.ask(3, "/b/x");
  (await all.server.backend()).feed(ok("b".repeat(60_000)));
  await settle();
  all.peer.read();
  assert.equal(all.peer.bodies[1]!.length, 60_000);
  assert.equal(all.peer.bodies[3]!.length, 5535);
  all.peer.send(frame(f.WINDOW_UPDATE, 0, 0, u32(100_000)));
  await settle();
  all.peer.read();
  assert.equal(all.peer.bodies[3]!.length, 60_000);
});

test("a client that cancels takes its request back from the backend, and nothing else", async () => {
  using all = start('LogFormat "%r %>s %X" t\nCustomLog access.log t');
  all.peer.ask(1, "/b/x");
  const first = await all.server.backend();
  all.peer.ask(3, "/b/y");
  const second = await all.server.backend();
  all.peer.send(frame(f.RST_STREAM, 0, 1, u32(8)));
  await settle();
  assert.ok(first.closed);
  assert.ok(!second.closed);
  second.feed(ok("y"));
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 3 200", "DATA 3 y END_STREAM"]);
  all.server.clock.advance(6000);
  assert.deepEqual(all.server.logs["access.log"]!.split("\n"), [
    "GET /b/x HTTP/2.0 200 X",
    "GET /b/y HTTP/2.0 200 -",
    "",
  ]);
});

test("a connection that closes takes all of its requests back", async () => {
  using all = start();
  all.peer.ask(1, "/b/x");
  const first = await all.server.backend();
  all.peer.ask(3, "/b/y");
  const second = await all.server.backend();
  all.peer.socket.destroy();
  await settle();
  assert.ok(first.closed && second.closed);
});

test("an answer of the backend that breaks off resets its stream", async () => {
  using all = start();
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  backend.feed("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  backend.destroy();
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "RST_STREAM 1 INTERNAL_ERROR"].toSpliced(1, 0, "DATA 1 abc"));
});

test("100 Continue is sent when the body is wanted; 103 with H2EarlyHints only", async () => {
  for (const hints of [false, true]) {
    using all = start(
      hints ? "H2EarlyHints on\n<Location /b/>\nH2EarlyHint Link '</own.css>;rel=preload'\n</Location>" : "",
    );
    all.peer.send(headers(1, post("/b/x", "expect", "100-continue", "content-length", "3"), false));
    await settle();
    const own = hints ? ["HEADERS 1 103"] : [];
    const backend = await all.server.backend();
    backend.feed("HTTP/1.1 100 Continue\r\n\r\n");
    await settle();
    assert.deepEqual(all.peer.read(), [...own, "HEADERS 1 100"]);
    all.peer.send(frame(f.DATA, f.END_STREAM, 1, "abc"));
    await settle();
    backend.feed(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${ok("x")}`);
    await settle();
    assert.deepEqual(all.peer.read(), [...own, "HEADERS 1 200", "DATA 1 x END_STREAM"]);
  }
});

test("variables, expressions and the log tell of the protocol", async () => {
  using all = start(`
    LogFormat "%r %H %>s %{HTTP2}e %{H2_STREAM_ID}e %{H2_STREAM_TAG}e %{H2PUSH}e" t
    CustomLog access.log t
    SetEnvIf Request_Protocol HTTP/2 two=yes
    Header set X-Is "%{two}e" "expr=%{HTTP2} == 'on' && %{SERVER_PROTOCOL} == 'HTTP/2.0'"
    ProxyVia On
  `);
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  assert.match(backend.written, /\r\nVia: 2\.0 test\.example\r\n/);
  backend.feed(ok("x"));
  await settle();
  all.peer.read();
  assert.ok(all.peer.heads[1]!.join(" ").includes("x-is yes"));
  all.server.clock.advance(6000);
  assert.match(all.server.logs["access.log"]!, /^GET \/b\/x HTTP\/2\.0 HTTP\/2\.0 200 on 1 1-\d+-1 off\n$/);
});

test("blanks at the ends of a value are not sent: they would make the response malformed", async () => {
  using all = start('Header always set X-Blank " a b "');
  all.peer.ask(1, "/none");
  await settle();
  all.peer.read();
  assert.equal(all.peer.heads[1]![all.peer.heads[1]!.indexOf("x-blank") + 1], "a b");
});

test("an error on one stream ends no other, and not the connection", async () => {
  using all = start("RequestHeader set X-Bad 1");
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  all.peer.send(headers(3, [":method", "BREW", ...get("/none").slice(2)]), headers(5, get("/none", "expect", "tea")));
  await settle();
  assert.deepEqual(
    all.peer.read().filter((line) => line.startsWith("HEADERS")),
    ["HEADERS 3 501", "HEADERS 5 417"],
  );
  backend.feed(ok("x"));
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 x END_STREAM"]);
  assert.ok(!all.peer.socket.ended);
});

test("HTTP/1.1 on the same port: what does not begin with the preface, in whatever pieces", async () => {
  const server = makeServer(CONF);
  for (const pieces of [
    ["GET /none HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["P", "R", "OPFIND /none HTTP/1.1\r\nHost: a\r\n\r\n"],
  ]) {
    const client = server.connect();
    for (const piece of pieces) client.feed(piece);
    await settle();
    assert.match(client.written, /^HTTP\/1\.1 40[45] /);
    client.destroy();
  }
  const slow = server.connect();
  slow.feed("PR");
  slow.finish();
  assert.match(slow.written, /^HTTP\/1\.1 400 |^$/);
  slow.destroy();
  await settle();
  const idle = server.connect();
  server.clock.advance(21_000);
  assert.ok(idle.closed, "RequestReadTimeout header=");
  const peer = openHttp2(server);
  const split = server.connect();
  for (const c of `${f.PREFACE}${frame(f.SETTINGS, 0, 0)}`) split.feed(c);
  await settle();
  assert.match(split.written, /^\0\0\x12\x04/);
  peer.socket.destroy();
  split.destroy();
  await settle();
  server.end();
});

test("H2Direct Off, or Protocols without h2c: the preface is a bad request", async () => {
  for (const conf of ["Protocols h2c http/1.1\nH2Direct Off", "Protocols h2 http/1.1", ""]) {
    const server = makeServer(conf);
    const client = server.connect();
    client.feed(f.PREFACE + frame(f.SETTINGS, 0, 0));
    await settle();
    assert.match(client.written, /^HTTP\/1\.1 400 /);
    client.destroy();
    server.end();
  }
});

test("a PROXY header before the preface says who the client is, on every stream", async () => {
  const server = makeServer(`${CONF}RemoteIPProxyProtocol On`);
  const peer = new Http2Peer(server.connect());
  peer.send("PROXY TCP4 203.0.113.9 192.0.2.9 4000 80\r\n", f.PREFACE, frame(f.SETTINGS, 0, 0));
  for (const id of [1, 3]) {
    peer.ask(id, "/b/x");
    const backend = await server.backend();
    assert.match(backend.written, /\r\nX-Forwarded-For: 203\.0\.113\.9\r\n/);
    backend.feed(ok("x"));
    await settle();
  }
  end(server, peer.socket);
});

test("Require ip, SSLRequireSSL and Require ssl hold on streams", async () => {
  using all = start(`
    <Location /b/ip>
      Require ip 192.0.2.2
    </Location>
    <Location /b/ssl>
      SSLRequireSSL
    </Location>
  `);
  all.peer.ask(1, "/b/ip");
  all.peer.ask(3, "/b/ssl");
  await settle();
  assert.deepEqual(
    all.peer.read().filter((line) => line.startsWith("HEADERS")),
    ["HEADERS 1 403", "HEADERS 3 403"],
  );
});

// Upgrade

const ASK_H2C = [
  "GET /b/x?y HTTP/1.1\r\nHost: test.example",
  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAQAAAAK\r\nX-One: 1",
].join("\r\n");

test("Upgrade: h2c goes on as stream 1 of the same connection", async () => {
  const server = makeServer(`${CONF}LogFormat "%r %>s" t\nCustomLog access.log t`);
  const client = server.connect();
  client.feed(`${ASK_H2C}\r\n\r\n${f.PREFACE}${frame(f.SETTINGS, 0, 0)}${headers(3, get("/none"))}`);
  const backend = await server.backend();
  assert.match(backend.written, /^GET \/x\?y HTTP\/1\.1\r\nHost: 127\.0\.0\.1:9\r\nX-One: 1\r\nX-Forwarded-For/);
  const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
  assert.ok(client.written.startsWith(answer));
  client.written = client.written.slice(answer.length);
  backend.feed(ok("0123456789abc"));
  await settle();
  const peer = new Http2Peer(client);
  const lines = peer.read();
  // The window of 10 is that of HTTP2-Settings.
  assert.deepEqual(
    lines.filter((line) => / 1 /.test(line)),
    ["HEADERS 1 200", "DATA 1 0123456789"],
  );
  peer.send(frame(f.WINDOW_UPDATE, 0, 3, u32(1000)), frame(f.WINDOW_UPDATE, 0, 1, u32(3)));
  await settle();
  assert.equal(peer.read().at(-1), "DATA 1 abc END_STREAM");
  server.clock.advance(6000);
  assert.deepEqual(server.logs["access.log"]!.trim().split("\n").sort(), [
    "GET /b/x?y HTTP/1.1 101",
    "GET /b/x?y HTTP/2.0 200",
    "GET /none HTTP/2.0 404",
  ]);
  const ours = openConnections().filter(({ conn }) => conn.process === server.process);
  assert.equal(ours.length, 1);
  end(server, client);
  await settle();
});

test("Upgrade: h2c is served by HTTP/1.1 where it is not to be had, or not asked for properly", async () => {
  const cases: [string, string][] = [
    ["Protocols h2c http/1.1\nH2Upgrade Off", ASK_H2C],
    ["Protocols http/1.1", ASK_H2C],
    ["Protocols h2c http/1.1", ASK_H2C.replace(", HTTP2-Settings", "")],
    ["Protocols h2c http/1.1", ASK_H2C.replace("HTTP2-Settings: AAQAAAAK\r\n", "")],
    ["Protocols h2c http/1.1", ASK_H2C.replace("AAQAAAAK", "AAQA")],
    ["Protocols h2c http/1.1", ASK_H2C.replace("AAQAAAAK", "A*")],
    ["Protocols h2c http/1.1", ASK_H2C.replace("GET", "POST").concat("\r\nContent-Length: 3")],
    ["Protocols h2c http/1.1", ASK_H2C.replace("HTTP/1.1", "HTTP/1.0")],
  ];
  for (const [conf, ask] of cases) {
    const server = makeServer(conf);
    const client = server.connect();
    client.feed(`${ask}\r\n\r\nabc`);
    await settle();
    assert.match(client.written, /^HTTP\/1\.[01] 404 /, conf + ask);
    client.destroy();
    server.end();
  }
});

// Time

test("a client that asks for nothing in time, and one that is idle, are sent away", async () => {
  using fresh = start();
  fresh.server.clock.advance(19_000);
  assert.deepEqual(fresh.peer.read(), []);
  fresh.server.clock.advance(2000);
  assert.deepEqual(fresh.peer.read(), ["GOAWAY last=0 NO_ERROR"]);
  assert.ok(fresh.peer.socket.ended);
  fresh.server.clock.advance(3000);
  assert.ok(fresh.peer.socket.closed);

  using idle = start("KeepAliveTimeout 8");
  idle.peer.ask(1, "/none");
  await settle();
  idle.peer.read();
  idle.server.clock.advance(4000);
  idle.peer.send(frame(f.PING, 0, 0, "12345678"));
  idle.server.clock.advance(4500);
  assert.deepEqual(idle.peer.read(), ["PING 0 ACK", "GOAWAY last=1 NO_ERROR"]);
});

test("a header block that does not end, beside a request that goes on", async () => {
  using all = start("ProxyTimeout 300");
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  all.peer.send(frame(f.HEADERS, f.END_STREAM, 3, "\x82"));
  all.server.clock.advance(30_000);
  await settle();
  assert.deepEqual(all.peer.read(), ["GOAWAY last=1 NO_ERROR"]);
  assert.ok(backend.closed);
});

test("a body that comes too slowly is 408", async () => {
  using all = start("RequestReadTimeout body=5,MinRate=500");
  all.peer.send(headers(1, post("/b/x"), false), frame(f.DATA, 0, 1, "a"));
  await settle();
  for (let i = 0; i < 6; i++) {
    all.server.clock.advance(1000);
    all.peer.send(frame(f.DATA, 0, 1, "a"));
  }
  await settle();
  assert.deepEqual(
    all.peer.read().map((line) => line.replace(/\d+ bytes/, "")),
    ["HEADERS 1 408", "DATA 1  END_STREAM", "RST_STREAM 1 NO_ERROR"],
  );
});

test("H2StreamTimeout: a client that opens no window loses its stream, one that takes a little keeps it", async () => {
  using all = start("H2StreamTimeout 20", setting(4, 1));
  all.peer.ask(1, "/b/x");
  (await all.server.backend()).feed(ok("a".repeat(50)));
  all.peer.ask(3, "/b/x");
  (await all.server.backend()).feed(ok("b".repeat(50)));
  for (let i = 0; i < 9; i++) {
    all.server.clock.advance(4000);
    all.peer.send(frame(f.WINDOW_UPDATE, 0, 3, u32(1)));
  }
  await settle();
  assert.deepEqual(
    all.peer.read().filter((line) => !line.startsWith("DATA")),
    ["HEADERS 1 200", "HEADERS 3 200", "RST_STREAM 1 CANCEL"],
  );
});

// Ends

test("a server that stops announces it, ends what is at hand, and refuses what comes later", async () => {
  using all = start();
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  all.server.process.stopping = true;
  closeIdleConnections();
  await settle();
  assert.deepEqual(all.peer.read(), ["GOAWAY last=2147483647 NO_ERROR", "PING 0"]);
  all.peer.ask(3, "/none"); // it was on its way
  await settle();
  assert.equal(all.peer.read()[0], "HEADERS 3 404");
  all.peer.send(frame(f.PING, f.ACK, 0, "\0\0\0\0\0\0\0\0"));
  await settle();
  assert.deepEqual(all.peer.read(), ["GOAWAY last=3 NO_ERROR"]);
  all.peer.ask(5, "/none");
  await settle();
  assert.deepEqual(all.peer.read(), ["RST_STREAM 5 REFUSED_STREAM"]);
  backend.feed(ok("x"));
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 x END_STREAM", "GOAWAY last=5 NO_ERROR"]);
  assert.ok(all.peer.socket.ended);
});

test("a server that stops ends idle connections at once", async () => {
  using all = start();
  all.peer.ask(1, "/none");
  await settle();
  all.peer.read();
  all.server.process.stopping = true;
  closeIdleConnections();
  assert.deepEqual(all.peer.read(), ["GOAWAY last=1 NO_ERROR"]);
  assert.ok(all.peer.socket.ended);
});

test("status pages see a connection and its state", async () => {
  using all = start();
  const ours = () => openConnections().filter(({ conn }) => conn.process === all.server.process);
  const phases = (): string[] => ours().map(({ phase, conn }) => `${phase} ${conn.protocol}`);
  assert.deepEqual(phases(), ["head h2c"]);
  all.peer.ask(1, "/b/x");
  const backend = await all.server.backend();
  assert.deepEqual(phases(), ["busy h2c"]);
  backend.feed(ok("x"));
  await settle();
  assert.deepEqual(phases(), ["waiting h2c"]);
  all.peer.socket.destroy();
  await settle();
  assert.deepEqual(phases(), []);
});

test("requests that a client cancels and nobody has ended yet count against its streams", async () => {
  using all = start("H2MaxSessionStreams 3");
  for (let i = 0; i < 20; i++) {
    all.peer.send(headers(2 * i + 1, get("/b/x")), frame(f.RST_STREAM, 0, 2 * i + 1, u32(8)));
  }
  const refused = all.peer.read().filter((line) => line.includes("REFUSED_STREAM"));
  assert.equal(refused.length, 14);
  await settle();
  all.peer.ask(101, "/none");
  await settle();
  assert.equal(all.peer.read()[0], "HEADERS 101 404");
});

// WebSockets

const CONNECT = [
  ":method",
  "CONNECT",
  ":protocol",
  "websocket",
  ...get("/ws/x", "sec-websocket-version", "13").slice(2),
];
const SWITCH =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

test("a WebSocket on a stream becomes one of HTTP/1.1 at the backend, both ways, to its end", async () => {
  using all = start("H2WebSockets on\nProxyPass /ws/ ws://127.0.0.1:9/");
  await settle();
  assert.match(all.peer.read(true)[0]!, /^SETTINGS .* 8=1$/);
  all.peer.send(headers(1, CONNECT, false), frame(f.DATA, 0, 1, "early"));
  const backend = await all.server.backend();
  assert.match(backend.written, /^GET \/x HTTP\/1\.1\r\n/);
  assert.match(backend.written, /\r\nUpgrade: websocket\r\n/i);
  assert.match(backend.written, /\r\nSec-WebSocket-Key: [\w+/]{22}==\r\n/);
  backend.feed(`${SWITCH}first`);
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 first"]);
  assert.equal(all.peer.heads[1]!.join(" "), ":status 200 sec-websocket-protocol chat");
  assert.ok(backend.written.endsWith("early"));
  all.peer.send(frame(f.DATA, 0, 1, "hello"));
  backend.feed("world");
  await settle();
  assert.deepEqual(all.peer.read(), ["DATA 1 world"]);
  assert.ok(backend.written.endsWith("earlyhello"));
  backend.feed("bye");
  backend.finish();
  await settle();
  assert.deepEqual(all.peer.read(), ["DATA 1 bye END_STREAM"]);
  all.peer.send(frame(f.DATA, f.END_STREAM, 1, ""));
  await settle();
  assert.ok(backend.ended);
  backend.destroy();
  await settle();
  all.peer.ask(3, "/none");
  await settle();
  assert.equal(all.peer.read()[0], "HEADERS 3 404");
});

test("ProxyWebsocketFallbackToProxyHttp Off: the backend's answer is read all the same, as a stream has no bytes for a head", async () => {
  using all = start("H2WebSockets on\nProxyWebsocketFallbackToProxyHttp Off\nProxyPass /ws/ ws://127.0.0.1:9/");
  await settle();
  all.peer.read();
  all.peer.send(headers(1, CONNECT, false));
  const backend = await all.server.backend();
  backend.feed(`${SWITCH}first`);
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 200", "DATA 1 first"]);
});

test("a WebSocket that is refused has the backend's answer; one that is cancelled takes the backend's connection along", async () => {
  using all = start("H2WebSockets on\nProxyPass /ws/ ws://127.0.0.1:9/");
  all.peer.send(headers(1, CONNECT, false));
  (await all.server.backend()).feed("HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 1 403", "DATA 1 no END_STREAM", "RST_STREAM 1 NO_ERROR"]);
  all.peer.send(headers(3, CONNECT, false));
  const backend = await all.server.backend();
  backend.feed(SWITCH);
  await settle();
  assert.deepEqual(all.peer.read(), ["HEADERS 3 200"]);
  all.peer.send(frame(f.RST_STREAM, 0, 3, u32(8)));
  await settle();
  all.server.clock.advance(5000);
  await settle();
  assert.ok(backend.closed);
});

test("what is refused, and what is only checked", () => {
  const answers: [string, RegExp | null][] = [
    ["H2MaxSessionStreams 0", /value must be > 0/],
    ["H2WindowSize 1023", /value must be >= 1024/],
    ["H2Upgrade x", /value must be On or Off/],
    ["H2Padding 3", /H2Padding 3 is not supported/],
    ["H2Padding 9", /number of bits must be <= 8/],
    ["H2StreamTimeout x", /Invalid timeout value/],
    ["H2ProxyRequests On", /H2ProxyRequests On is not supported/],
    ["<Location />\nH2Direct On\n</Location>", /H2Direct not allowed in <Location> context/],
    ["H2Push maybe", /value must be On or Off/],
    ["H2Push On\nH2PushPriority * After\nH2PushResource /x critical\nH2Upgrade Off\nH2MinWorkers 5\nH2Padding 0", null],
    ["Protocols h2 h2c http/1.1 spdy/3", null],
  ];
  for (const [text, error] of answers) {
    if (error === null) makeServer(text).end();
    else assert.throws(() => makeServer(text), error, text);
  }
});
