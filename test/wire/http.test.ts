/**
 * HTTP/1.1 through the whole program: bytes in at the front, the bytes that the backend gets, bytes out. What must be
 * refused is in hostile/client_cases.ts.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type Backend,
  body,
  chunked,
  early,
  Gate,
  head,
  ok,
  respond,
  startBackend,
  untilClose,
} from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT3
    Listen 127.0.0.1:PORT4
    Listen 127.0.0.1:PORT5
    ServerName front.test
    MaxKeepAliveRequests 0
    Header always set X-Uri "expr=%{REQUEST_URI}" "expr=%{REQUEST_STATUS} == 404"
    ProxyPass "/b/" "${backend.url}/"
    <VirtualHost *:PORT2>
      RequestReadTimeout header=1 body=1
      ProxyPass "/b/" "${backend.url}/"
    </VirtualHost>
    <VirtualHost *:PORT3>
      MaxKeepAliveRequests 3
      MergeSlashes Off
      <Location "/b/y">
        Header set X-Location "plain"
      </Location>
      <LocationMatch "^/b/y">
        Header append X-Location "regex"
      </LocationMatch>
      ProxyPass "/b/" "${backend.url}/"
    </VirtualHost>
    <VirtualHost *:PORT5>
      ProxyErrorOverride On
      ProxyBadHeader StartBody
      ErrorDocument 404 "/b/page"
      ErrorDocument 500 "/b/page"
      ProxyPass "/b/" "${backend.url}/"
      ProxyPass "/glued/" "${backend.url}"
    </VirtualHost>
    AllowEncodedSlashes NoDecode
    RegisterHttpMethod FROB
    <Location "/b/in/">
      Header set X-Location "in"
    </Location>
    <Location "/denied">
      Require all denied
      LimitRequestBody 5
    </Location>
    <Location "/sorry">
      Require all denied
      LimitRequestBody 5
      ErrorDocument 403 "/b/page"
    </Location>
    <Location "/b/ranges/">
      MaxRanges 2
    </Location>
    <Location "/b/ranges/none">
      MaxRanges none
    </Location>
    <Location "/b/ranges/any">
      MaxRanges unlimited
      MaxRangeOverlaps unlimited
      MaxRangeReversals unlimited
    </Location>
    <Location "/b/ranges/default">
      MaxRanges default
    </Location>
    <Location "/untyped">
      Header always unset Content-Type
    </Location>
    <VirtualHost *:PORT4>
      ServerName https://tls-in-front.test
      TraceEnable off
      AllowEncodedSlashes On
      ErrorDocument 503 "/b/sorry"
      ErrorDocument 404 "/b/sorry"
      Redirect "/old" "/new"
      ProxyPass "/b/" "${backend.url}/"
      ProxyPassReverse "/b/" "${backend.url}/"
      ProxyPass "/dead/" "http://127.0.0.1:1/"
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const port = (): number => sluice.port;
const lines = (...all: string[]): string => `${all.join("\r\n")}\r\n\r\n`;
const get = (...fields: string[]): string => lines("GET /b/x HTTP/1.1", "Host: a", ...fields);
const post = (fields: string[], text: string): string => lines("POST /b/x HTTP/1.1", "Host: a", ...fields) + text;

/** Sends bytes, expects one answer with this status and the end of the connection, and nothing at the backend. */
async function refused(bytes: string, status: number): Promise<void> {
  const before = backend.requests.length;
  await using client = await connectClient(port());
  void client.send(bytes);
  const response = await client.response();
  assert.equal(response.status, status);
  assert.ok(response.complete);
  await client.untilEnded();
  assert.equal(client.responses.length, 1);
  assert.ok(client.received.endsWith(response.text), "bytes behind the answer");
  assert.equal(backend.requests.length, before, "the backend got it");
}

/** The answer to a request on a connection of its own. */
async function answerTo(bytes: string) {
  await using client = await connectClient(port());
  void client.send(bytes);
  return await client.response();
}

test("a refused request of HTTP/0.9 gets a head all the same", async () => {
  for (const line of ["GET HTTP/1.1", "FOO /x", "GET *"]) await refused(`${line}\r\n\r\n`, 400);
  await using client = await connectClient(port());
  void client.send("GET /nowhere\r\n");
  await client.untilEnded();
  assert.match(client.received, /^<!DOCTYPE.*<title>404 Not Found/s);
});

test("fields stand in httpd's order: of a backend's answer as they came, of our own pages the type last", async () => {
  const fields = ["X-A: 1", "Content-Length: 2", "X-B: 1", "Server: s", "Content-Type: text/plain"];
  backend.routes = {
    "/order": `${head(200, ...fields)}ok`,
    "/wrong": `${head(200, "X-A: 1", "Content-Length: 02", "X-B: 1")}ok`,
    "/chunked": chunked(["ok"]),
  };
  const cases = {
    "GET /b/order": "Date Server X-A Content-Length X-B Content-Type Connection",
    "HEAD /b/order": "Date Server X-A Content-Length X-B Content-Type Connection",
    "GET /b/wrong": "Date Server X-A Content-Length X-B Connection",
    "GET /b/chunked": "Date Server Connection Transfer-Encoding",
    "GET /nowhere": "Date Server X-Uri Content-Length Connection Content-Type",
    "HEAD /nowhere": "Date Server X-Uri Connection Content-Type",
  };
  for (const [request, expected] of Object.entries(cases)) {
    const response = await answerTo(lines(`${request} HTTP/1.1`, "Host: a", "Connection: close"));
    assert.equal(response.fields.map(([name]) => name).join(" "), expected, request);
  }
});

test("HEAD: what a backend says of a body that it does not send is passed on as it came", async () => {
  const cases = [
    ["Content-Length: abc"],
    ["Content-Length: -5"],
    ["Content-Length: 005"],
    ["Content-Length: 99999999999999999999999"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Transfer-Encoding: gzip, chunked"],
  ];
  for (const fields of cases) {
    backend.routes = { "/odd": head(200, ...fields) };
    const { status, head: got } = await answerTo(lines("HEAD /b/odd HTTP/1.1", "Host: a"));
    assert.equal(status, 200, String(fields));
    assert.deepEqual(got.split("\r\n").slice(3).filter(Boolean), fields);
  }
});

test("ProxyBadHeader StartBody: what is folded belongs to the bad line; the log says where the body began", async () => {
  backend.routes = {
    "/after": untilClose("").toSpliced(0, 1, "HTTP/1.1 200 OK\r\nA: 1\r\nbad\r\n more\r\nbody"),
    "/at-once": untilClose("").toSpliced(0, 1, "HTTP/1.1 200 OK\r\n folded\r\nbody"),
  };
  const bodies: string[] = [];
  for (const path of ["after", "at-once"]) bodies.push((await fetchOnce(sluice.ports[4]!, `/b/${path}`)).text);
  assert.deepEqual(bodies, ["body", "body"]);
  await sluice.untilLog(/AH01098: Starting body due to bogus non-header in headers returned by \/b\/after \(GET\)/);
  await sluice.untilLog(/AH01099: No HTTP headers returned by \/b\/at-once \(GET\)/);
});

const HIDDEN = "GET /b/hidden HTTP/1.1\r\nHost: a\r\n\r\n";

test("Content-Length beside Transfer-Encoding: chunks rule, the length is dropped, the connection ends", async () => {
  const at = backend.requests.length;
  for (const fields of [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
  ]) {
    await using client = await connectClient(port());
    void client.send(post(fields, `3\r\nabc\r\n0\r\n\r\n${HIDDEN}`));
    const response = await client.response();
    assert.equal(response.status, 200);
    assert.equal(response.field("connection"), "close");
    await client.untilEnded();
    assert.equal(client.responses.length, 1);
  }
  assert.deepEqual(
    backend.requests
      .slice(at)
      .map((r) => [r.target, r.fieldAll("content-length"), r.field("transfer-encoding"), r.text]),
    [
      ["/x", ["3"], undefined, "abc"],
      ["/x", ["3"], undefined, "abc"],
    ],
  );
});

test("what the backend gets is made anew: one length, no hop-by-hop field, folds as one line, one Host", async () => {
  const at = backend.requests.length;
  await using client = await connectClient(port());
  void client.send(
    `${lines(
      "POST /b/x?q=1 HTTP/1.1",
      "hOsT:   a:99  ",
      "Transfer-encoding:  ChunKed ",
      "X-Fold: one",
      "\t two ",
      "Connection: close-not, X-Hop ,keep-alive",
      "X-Hop: 1",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "TE: trailers",
      "Trailer: X-End",
      "Upgrade: h2c",
      "Empty:",
      "Cookie: a=1",
      "Cookie: b=2",
    )}3;ext=1\r\nabc\r\n0000002  ;x="y"\r\nde\r\n00\r\nX-End: 1\r\nContent-Length: 9\r\n\r\n`,
  );
  assert.equal((await client.response()).status, 200);
  const request = await backend.request(at);
  await request.done;
  assert.equal(
    request.head,
    lines(
      "POST /x?q=1 HTTP/1.1",
      `Host: ${backend.authority}`,
      "X-Fold: one two",
      "Empty: ",
      "Cookie: a=1, b=2",
      "X-Forwarded-For: 127.0.0.1",
      "X-Forwarded-Host: a:99",
      "X-Forwarded-Server: front.test",
      "Content-Length: 5",
      "Connection: Keep-Alive",
    ),
  );
  assert.equal(request.text, "abcde");
  assert.deepEqual(request.trailers, []);
  const { received } = request.connection;
  assert.ok(received.endsWith(`${request.head}abcde`));
});

test("a chunked body that does not come at once goes on in chunks, well-formed, without trailers", async () => {
  const at = backend.requests.length;
  await using client = await connectClient(port());
  const part = "y".repeat(40_000);
  void client.send(post(["Transfer-Encoding: chunked"], `9c40\r\n${part}\r\n`));
  const request = await backend.request(at);
  void client.send("3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n");
  assert.equal((await client.response()).status, 200);
  await request.done;
  assert.deepEqual(
    [request.field("transfer-encoding"), request.field("content-length"), request.text === `${part}abc`],
    ["chunked", undefined, true],
  );
  assert.deepEqual(request.trailers, []);
  assert.equal((await client.get("/b/next")).text, "GET /next");
});

test("keep-alive: one connection for many requests, also behind a body that nobody read", async () => {
  await using client = await connectClient(port());
  for (let i = 0; i < 5; i++) assert.equal((await client.get(`/b/${i}`)).text, `GET /${i}`);
  assert.equal((await client.request("POST", "/nobody", [], "GET /b/hidden HTTP/1.1\r\n\r\n")).status, 404);
  assert.equal((await client.get("/b/last", "Connection: close")).text, "GET /last");
  await client.untilEnded();
  assert.equal(client.responses.length, 7);
});

test("MaxKeepAliveRequests: the last answer says close, what was sent behind it is not answered", async () => {
  await using client = await connectClient(sluice.ports[2]!);
  void client.send(lines("GET /b/1 HTTP/1.1", "Host: a", "Connection: keep-alive").repeat(5));
  await client.untilEnded();
  // Source: httpd ap_set_keepalive: "max=" counts what is left
  assert.deepEqual(
    client.responses.map((r) => [r.status, r.field("keep-alive"), r.field("connection")]),
    [
      [200, "timeout=5, max=3", "Keep-Alive"],
      [200, "timeout=5, max=2", "Keep-Alive"],
      [200, "timeout=5, max=1", "Keep-Alive"],
      [200, undefined, "close"],
    ],
  );
});

test("pipelining: answers in the order of the requests, with 404 and bodies between", async () => {
  await using client = await connectClient(port());
  const slow = async () => {
    await fetchOnce(port(), "/b/aside");
    return ok("slow");
  };
  backend.routes = { "/slow": slow };
  const a = (target: string) => lines(`GET ${target} HTTP/1.1`, "Host: a");
  void client.send(
    a("/b/slow") +
      a("/none") +
      lines("POST /b/p HTTP/1.1", "Host: a", "Content-Length: 7") +
      "abc\r\n\r\n" + // the client of the tests finds the next method behind an empty line
      lines("POST /none HTTP/1.1", "Host: a", "Transfer-Encoding: chunked") +
      "3\r\nabc\r\n0\r\n\r\n" +
      a("/b/2") +
      lines("HEAD /none HTTP/1.1", "Host: a") +
      a("/b/3"),
  );
  await client.until(() => client.responses.length === 7 && client.responses[6]!.complete, "7 answers");
  backend.routes = {};
  assert.deepEqual(
    client.responses.map((r) => [r.status, r.status === 200 ? r.text : ""]),
    [
      [200, "slow"],
      [404, ""],
      [200, "POST /p"],
      [404, ""],
      [200, "GET /2"],
      [404, ""],
      [200, "GET /3"],
    ],
  );
});

test("large bodies that come with their heads, requests right behind them", async () => {
  await using client = await connectClient(port());
  const numbers = Array.from({ length: 40_000 }, (_, i) => `${i}.`).join("");
  const at = backend.requests.length;
  const sizes = [40_000, 60_000, numbers.length];
  for (const [i, size] of sizes.entries()) {
    const body = numbers.slice(0, size);
    void client.send(post([`Content-Length: ${size}`], body) + lines("GET /b/behind HTTP/1.1", "Host: a"));
    const answers = 2 * (i + 1);
    await client.until(() => client.responses.length === answers && client.responses.at(-1)!.complete, "2 answers");
  }
  const got = backend.requests.slice(at).map(({ target, text }) => [target, text.length, numbers.startsWith(text)]);
  const want = sizes.map((size) => [
    ["/x", size, true],
    ["/behind", 0, true],
  ]);
  assert.deepEqual(got, want.flat());
});

test("a FIN behind pipelined requests: all of them are answered", async () => {
  const gate = new Gate();
  backend.routes = { "/slow": [gate.step, ok("slow")] };
  await using client = await connectClient(port());
  const a = (target: string) => lines(`GET ${target} HTTP/1.1`, "Host: a");
  void client.send(a("/b/slow") + a("/b/2") + a("/b/3"));
  client.end();
  await gate.reached();
  await fetchOnce(port(), "/b/aside"); // the FIN is here by now
  gate.open();
  await client.untilEnded();
  backend.routes = {};
  assert.deepEqual(
    client.responses.map((r) => [r.text, r.field("connection")]),
    [
      ["slow", undefined],
      ["GET /2", undefined],
      ["GET /3", "close"],
    ],
  );
});

test("200 pipelined requests in one segment", async () => {
  await using client = await connectClient(port());
  const targets = Array.from({ length: 200 }, (_, i) => (i % 7 === 3 ? `/none/${i}` : `/b/${i}`));
  void client.send(targets.map((target) => lines(`GET ${target} HTTP/1.1`, "Host: a")).join(""));
  await client.until(() => client.responses.length === 200 && client.responses[199]!.complete, "200 answers");
  client.responses.forEach((response, i) => {
    if (i % 7 === 3) assert.equal(response.status, 404);
    else assert.equal(response.text, `GET /${i}`);
  });
});

test("100-continue: the backend's own 100 reaches the client, then the body reaches the backend", async () => {
  backend.routes = { "/x": [early, head(100), body, ok("done")] };
  const at = backend.requests.length;
  await using client = await connectClient(port());
  void client.send(post(["Expect: 100-continue", "Content-Length: 5"], ""));
  await client.until(() => client.interimSoFar.length === 1, "100 Continue");
  const request = await backend.request(at);
  assert.equal(request.bodyLength, 0);
  assert.match(request.field("expect") ?? "", /^100-continue$/i);
  void client.send("hello");
  const response = await client.response();
  assert.deepEqual([response.status, response.text, response.interim.map((r) => r.status)], [200, "done", [100]]);
  assert.equal(request.text, "hello");
  backend.routes = {};
  assert.equal((await client.get("/b/next")).text, "GET /next");
});

test("100-continue: a refusal comes at once and ends the connection, for the body may or may not follow", async () => {
  backend.routes = { "/x": [early, respond(401, "no")] };
  await using client = await connectClient(port());
  void client.send(post(["Expect: 100-continue", "Content-Length: 5"], ""));
  const response = await client.response();
  backend.routes = {};
  assert.deepEqual([response.status, response.text, response.interim.length], [401, "no", 0]);
  assert.equal(response.field("connection"), "close");
  await client.untilEnded();
});

test("100-continue: answered here when nothing is there", async () => {
  await using client = await connectClient(port());
  void client.send(lines("POST /none HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 5"));
  const response = await client.response();
  assert.deepEqual([response.status, response.interim.length], [404, 0]);
  await client.untilEnded();
});

test("413: chunks of more bytes than can be counted", async () => {
  for (const size of ["00000000000000005", "ffffffffffffffff"]) {
    await refused(post(["Transfer-Encoding: chunked"], `${size}\r\nhello\r\n0\r\n\r\n${HIDDEN}`), 413);
  }
});

test("Expect: 100-continue without a body is asked of the backend, too, and the connection goes on", async () => {
  backend.routes = { "/x": [early, head(100), ok("done")] };
  await using client = await connectClient(port());
  void client.send(get("Expect: 100-continue"));
  const response = await client.response();
  assert.deepEqual([response.text, response.interim.map((r) => r.status)], ["done", [100]]);
  assert.equal(backend.requests.at(-1)!.field("expect"), "100-continue");
  backend.routes = {};
  void client.send(get());
  assert.equal((await client.response()).status, 200);
});

test("HTTP/1.0: an empty Host is none", async () => {
  await using client = await connectClient(port());
  void client.send("GET /b/x HTTP/1.0\r\nHost:\r\n\r\n");
  const response = await client.response();
  assert.deepEqual([response.status, response.text], [200, "GET /x"]);
});

test("TRACE of what is not proxied is answered here, without a body, and not with TraceEnable off", async () => {
  await using client = await connectClient(port());
  void client.send(lines("TRACE /none?q HTTP/1.1", "Host: a", "X-One: 1"));
  const echo = await client.response();
  assert.deepEqual(
    [echo.status, echo.field("content-type"), echo.field("transfer-encoding"), echo.text],
    [200, "message/http", "chunked", lines("TRACE /none?q HTTP/1.1", "Host: a", "X-One: 1")],
  );
  void client.send(`${lines("TRACE /none HTTP/1.1", "Host: a", "Content-Length: 1")}x`);
  assert.equal((await client.response()).status, 413);
  await using other = await connectClient(sluice.ports[3]!);
  const off = await other.request("TRACE", "/none");
  assert.deepEqual([off.status, off.field("allow")], [405, ""]);
});

test("ServerName https://: URLs that the server makes say so, with the client's host", async () => {
  backend.routes = { "/go": respond(302, "", `Location: ${backend.url}/there`) };
  await using client = await connectClient(sluice.ports[3]!);
  for (const [path, host, location] of [
    ["/old", "pub.test", "https://pub.test/new"],
    ["/old", "pub.test:443", "https://pub.test/new"],
    ["/b/go", "pub.test:80", "https://pub.test:80/b/there"],
  ] as const) {
    void client.send(lines(`GET ${path} HTTP/1.1`, `Host: ${host}`));
    assert.equal((await client.response()).field("location"), location);
  }
  backend.routes = {};
});

test("AllowEncodedSlashes On: what a decoded slash makes a dot segment is one", async () => {
  await using client = await connectClient(sluice.ports[3]!);
  for (const [path, seen] of [
    ["/b/a%2Fb", "GET /a/b"],
    ["/b/a%2F..%2Fc%2F%2Fd", "GET /c/d"],
    ["/b/..%2F..%2Fb/x", "GET /x"],
  ] as const) {
    assert.equal((await client.get(path)).text, seen);
  }
});

test("AllowEncodedSlashes NoDecode: a section that holds for the request resets it, and no virtual host inherits it", async () => {
  for (const [from, path, seen] of [
    [0, "/b/a%2Fb", "GET /a%2Fb"],
    [0, "/b/in/a%2Fb", "GET /in/a%252Fb"],
    [2, "/b/a%2Fb", undefined],
  ] as const) {
    const answer = await fetchOnce(sluice.ports[from]!, path);
    assert.equal(answer.status === 404 ? undefined : answer.text, seen, path);
  }
});

test("%2F that is 404: no section is about it", async () => {
  assert.equal((await fetchOnce(sluice.ports[2]!, "/b/y%2F")).field("x-location"), undefined);
});

test("LimitRequestBody: a body that would be thrown away is refused, too", async () => {
  for (const [length, status] of [
    [5, 403],
    [6, 413],
  ] as const) {
    await using client = await connectClient(port());
    void client.send(lines("POST /denied HTTP/1.1", "Host: a", `Content-Length: ${length}`) + "x".repeat(length));
    assert.equal((await client.response()).status, status);
  }
});

test("an ErrorDocument gets the body that nobody has taken, unless the client waits to be asked for it", async () => {
  for (const [fields, text] of [
    [[], "123456"],
    [["Expect: 100-continue"], ""],
  ] as const) {
    await using client = await connectClient(port());
    const at = backend.requests.length;
    void client.send(lines("POST /sorry HTTP/1.1", "Host: a", "Content-Length: 6", ...fields) + text);
    await client.response();
    const { method, target, body } = backend.requests[at]!;
    assert.deepEqual([method, target, String(body)], ["GET", "/page", text]);
  }
});

test("HEAD: a length of 0 is not told", async () => {
  backend.routes = { "/empty": ok(""), "/full": ok("four") };
  await using client = await connectClient(port());
  for (const [path, length] of [
    ["/b/empty", undefined],
    ["/b/full", "4"],
  ] as const) {
    void client.send(lines(`HEAD ${path} HTTP/1.1`, "Host: a"));
    assert.equal((await client.response()).field("content-length"), length);
  }
  backend.routes = {};
});

test("a body where nothing is: read before the 404, so that a bad one is told", async () => {
  await refused(`${lines("POST /none HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")}zz\r\n`, 400);
  await using client = await connectClient(port());
  void client.send(`${lines("POST /none HTTP/1.1", "Host: a", "Content-Length: 6")}abc`);
  void client.send(`def${lines("OPTIONS / HTTP/1.1", "Host: a")}${get()}`);
  const answers = [await client.response(), await client.response(), await client.response()];
  assert.deepEqual(
    answers.map((r) => [r.status, r.field("content-type")]),
    [
      [404, "text/html; charset=iso-8859-1"],
      [200, "httpd/unix-directory"],
      [200, undefined],
    ],
  );
});

test("a transfer coding besides chunked: nobody passes it on, and nothing is there for it", async () => {
  const coding = ["Transfer-Encoding: gzip, chunked"];
  assert.equal((await answerTo(post(coding, "0\r\n\r\n"))).status, 500);
  assert.equal((await answerTo(`${lines("POST /none HTTP/1.1", "Host: a", ...coding)}0\r\n\r\n`)).status, 404);
});

test("Range: a short answer that the backend sent whole is cut here", async () => {
  backend.routes = {
    "/x": ok("0123456789", "Content-Type: text/plain", 'ETag: "e"'),
    "/long": ok("x".repeat(8193)),
    "/chunks": chunked(["0123456789"]),
    "/part": respond(206, "012", "Content-Range: bytes 0-2/10"),
  };
  const ask = (path: string, range: string, ...fields: string[]) =>
    answerTo(lines(`GET /b${path} HTTP/1.1`, "Host: a", `Range: bytes=${range}`, ...fields));
  const one = await ask("/x", "2-4");
  assert.deepEqual(
    [one.status, one.text, one.field("content-range"), one.field("content-length"), one.field("content-type")],
    [206, "234", "bytes 2-4/10", "3", "text/plain"],
  );
  const two = await ask("/x", "7-,0-0");
  const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{16})$/.exec(two.field("content-type") ?? "")![1];
  const part = (range: string, text: string) =>
    `\r\n--${boundary}\r\nContent-type: text/plain\r\nContent-range: bytes ${range}/10\r\n\r\n${text}`;
  assert.equal(two.text, `${part("7-9", "789")}${part("0-0", "0")}\r\n--${boundary}--\r\n`);
  assert.equal(two.field("content-length"), String(two.text.length));
  const none = await ask("/x", "10-");
  assert.deepEqual([none.status, none.field("etag")], [416, undefined]);
  assert.equal((await ask("/x", "2-4", 'If-Range: "e"')).status, 206);
  assert.equal((await ask("/x", "2-4", 'If-Range: "f"')).status, 200);
  assert.equal((await ask("/long", "2-4")).status, 200);
  assert.equal((await ask("/chunks", "2-4")).status, 200);
  assert.deepEqual([(await ask("/part", "1-1")).text, backend.requests.at(-1)!.field("range")], ["012", "bytes=1-1"]);
  await using client = await connectClient(port());
  assert.equal((await client.request("HEAD", "/b/x", ["Range: bytes=2-4"])).field("content-length"), "10");
  backend.routes = {};
});

test("MaxRanges: none, a number, default, unlimited", async () => {
  const short = ok("0123456789");
  backend.routes = { "/ranges/2": short, "/ranges/none": short, "/ranges/any": short, "/ranges/default": short };
  const ask = async (path: string, range: string) =>
    (await answerTo(lines(`GET /b/ranges/${path} HTTP/1.1`, "Host: a", `Range: bytes=${range}`))).status;
  assert.deepEqual([await ask("2", "0-0,2-2"), await ask("2", "0-0,2-2,4-4")], [206, 200]);
  assert.equal(await ask("none", "0-0"), 200);
  assert.equal(await ask("default", "0-0,2-2,4-4"), 206);
  const overlaps = Array.from({ length: 30 }, () => "1-2").join(",");
  assert.deepEqual([await ask("default", overlaps), await ask("any", overlaps)], [200, 206]);
  backend.routes = {};
});

test("Max-Forwards: a sign may stand before it; a backend's length that is none has a page that expires", async () => {
  await using client = await connectClient(port());
  await client.get("/b/x", "Max-Forwards: +3");
  assert.equal(backend.requests.at(-1)!.field("max-forwards"), "2");
  backend.routes = { "/x": head(200, "Content-Length: 4x") };
  const bad = await client.get("/b/x");
  backend.routes = {};
  assert.equal((await client.get("/b/x", "Max-Forwards: -1")).status, 400);
  assert.deepEqual([bad.status, bad.field("expires")], [502, bad.field("date")]);
});

test("Expect: an empty one is none; of an HTTP/1.0 client it is the backend's, too", async () => {
  assert.equal((await answerTo(get("Expect:"))).status, 200);
  backend.routes = { "/x": [early, head(100), body, ok("done")] };
  const old = await answerTo("POST /b/x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
  backend.routes = {};
  assert.deepEqual([old.text, old.interim.length], ["done", 0]);
  assert.deepEqual([backend.requests.at(-1)!.field("expect"), backend.requests.at(-1)!.text], ["100-continue", "abc"]);
});

test("100-continue: a body that came at once is measured before the backend is asked", async () => {
  backend.routes = { "/x": [early, head(100), body, ok("done")] };
  await answerTo(post(["Expect: 100-continue", "Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"));
  backend.routes = {};
  assert.equal(backend.requests.at(-1)!.field("content-length"), "3");
});

test("an absolute target in HTTP/1.0 chooses the virtual host, and is no Host", async () => {
  assert.equal((await answerTo(`GET http://Front.test/b/x HTTP/1.0\r\n\r\n`)).status, 200);
  assert.equal(backend.requests.at(-1)!.field("x-forwarded-host"), undefined);
  await answerTo(lines("GET http://Front.TEST:8/b/x HTTP/1.1", "Host: other"));
  assert.equal(backend.requests.at(-1)!.field("x-forwarded-host"), "front.test:8");
});

test("Header always unset Content-Type: the server's own pages have none", async () => {
  const answer = await fetchOnce(port(), "/untyped");
  assert.equal(answer.status, 404);
  assert.equal(answer.field("content-type"), undefined);
});

test("a method made known is not allowed where nobody serves it; another is not implemented", async () => {
  await using client = await connectClient(port());
  for (const [method, status] of [
    ["FROB", 405],
    ["BORF", 501],
  ] as const) {
    void client.send(lines(`${method} /nobody HTTP/1.1`, "Host: a"));
    assert.equal((await client.response()).status, status);
  }
});

test("MergeSlashes Off: a plain <Location> takes runs of slashes as one, an expression does not", async () => {
  for (const [path, marks] of [
    ["/b/y", "plain, regex"],
    ["//b/y", "plain, regex"],
    ["/b//y", "plain"],
    ["/b//yy", undefined],
  ] as const) {
    assert.equal((await fetchOnce(sluice.ports[2]!, path)).field("x-location"), marks, path);
  }
});

test("ProxyErrorOverride: an ErrorDocument from a backend keeps the status of the error", async () => {
  backend.routes = {
    "/gone": respond(404, "theirs"),
    "/broken": respond(500, "theirs"),
    "/page": ok("our page"),
    "/odd": respond(600, "odd"),
    "/unknown": respond(425, "theirs"),
    "/method": respond(405, "theirs"),
  };
  const at = sluice.ports[4]!;
  for (const [path, status, text] of [
    ["/b/gone", 404, "our page"],
    ["/b/broken", 500, "our page"],
    ["/b/odd", 600, "odd"],
  ] as const) {
    const response = await fetchOnce(at, path);
    assert.deepEqual([response.status, response.text], [status, text]);
  }
  // A status that httpd does not know is an ErrorDocument's of 500, without one it keeps its number and words.
  assert.equal((await fetchOnce(at, "/b/unknown")).status, 500);
  assert.equal((await fetchOnce(at, "/b/method")).field("allow"), "TRACE");
  backend.routes = {};
});

test("a path that a rule without its slash glues to the port: 500, and the page says which name that made", async () => {
  const response = await fetchOnce(sluice.ports[4]!, "/glued/app");
  assert.equal(response.status, 500);
  assert.match(sluice.errorLog, /AH00898: DNS lookup failure for: 127\.0\.0\.1:\d+app/);
});

test("%2F and %00 that are 404: logs and fields show the path decoded", async () => {
  for (const [path, uri] of [
    ["/a%2Fb%20c", "/a/b c"],
    ["/a%00b", "/a"],
  ] as const) {
    assert.equal((await fetchOnce(sluice.ports[1]!, path)).field("x-uri"), uri);
  }
});

test("an ErrorDocument from a backend: the error, not its own status, ends the connection", async () => {
  backend.routes = { "/sorry": ok("sorry") };
  await using client = await connectClient(sluice.ports[3]!);
  const kept = await client.get("/none");
  assert.deepEqual([kept.text, kept.field("connection")], ["sorry", undefined]);
  const last = await client.get("/dead/x");
  assert.deepEqual([last.text, last.field("connection")], ["sorry", "close"]);
  await client.untilEnded();
  backend.routes = {};
});

test("HTTP/1.0: no Host, no chunks, the connection ends unless keep-alive is asked for", async () => {
  backend.routes = { "/c": chunked(["ab", "cd"]), "/l": ok("l") };
  {
    await using client = await connectClient(port());
    void client.send("GET /b/c HTTP/1.0\r\n\r\n");
    const response = await client.response();
    await client.untilEnded();
    assert.deepEqual(
      [response.text, response.field("transfer-encoding"), response.framing, response.field("connection")],
      ["abcd", undefined, "eof", "close"],
    );
  }
  await using client = await connectClient(port());
  void client.send("GET /b/l HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const first = await client.response();
  assert.deepEqual([first.text, first.field("connection"), first.field("content-length")], ["l", "Keep-Alive", "1"]);
  void client.send("GET /b/c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.deepEqual([(await client.response()).text, await client.untilEnded()], ["abcd", undefined]);
  backend.routes = {};
});

test("a chunked answer: announced to HEAD, too; an empty one gets its length", async () => {
  backend.routes = { "/head": head(200, "Transfer-Encoding: chunked"), "/empty": chunked([]) };
  await using client = await connectClient(port());
  const answers = [await client.request("HEAD", "/b/head"), await client.get("/b/empty"), await client.get("/b/next")];
  backend.routes = {};
  assert.deepEqual(
    answers.map((r) => [r.status, r.field("transfer-encoding"), r.field("content-length")]),
    [
      [200, "chunked", undefined],
      [200, undefined, "0"],
      [200, undefined, "9"],
    ],
  );
});

test("two Content-Types of a backend: the first counts", async () => {
  backend.routes = { "/x": ok("x", "Content-Type: text/a", "Content-Type: text/b") };
  const response = await fetchOnce(port(), "/b/x");
  backend.routes = {};
  assert.deepEqual(response.fieldAll("content-type"), ["text/a"]);
});

test("HEAD, 204 and 304: no body and no framing that promises one", async () => {
  backend.routes = {
    "/head": head(200, "Content-Length: 1234", "X: 1"),
    "/headc": head(200, "Transfer-Encoding: chunked"),
    "/204": head(204, "X: 1"),
    "/304": head(304, 'ETag: "a"', "Content-Length: 99"),
  };
  await using client = await connectClient(port());
  const answers = [
    await client.request("HEAD", "/b/head"),
    await client.request("HEAD", "/b/headc"),
    await client.get("/b/204"),
    await client.get("/b/304"),
    await client.request("HEAD", "/none"),
    await client.get("/b/next"),
  ];
  backend.routes = {};
  assert.deepEqual(
    answers.map((r) => [r.status, r.bodyLength]),
    [
      [200, 0],
      [200, 0],
      [204, 0],
      [304, 0],
      [404, 0],
      [200, 9],
    ],
  );
  assert.equal(answers[0]!.field("content-length"), "1234");
  for (const answer of answers.slice(2, 4)) assert.equal(answer.field("transfer-encoding"), undefined);
  assert.equal(answers[2]!.field("content-length"), undefined);
});

test("a chunked answer stays chunked for HTTP/1.1; its trailers are dropped; one until the close gets chunks", async () => {
  backend.routes = {
    "/c": chunked(["hello", " world"], "X-End: 1", "Content-Length: 3"),
    "/e": untilClose("until"),
  };
  await using client = await connectClient(port());
  const answers = [await client.get("/b/c"), await client.get("/b/e")];
  backend.routes = {};
  assert.deepEqual(
    answers.map((r) => [r.text, r.framing, r.field("content-length"), r.trailers]),
    [
      ["hello world", "chunked", undefined, []],
      ["until", "chunked", undefined, []],
    ],
  );
  assert.equal((await client.get("/b/next")).text, "GET /next");
});

/** All that was sent before has reached the server. */
async function settled(aside: Awaited<ReturnType<typeof connectClient>>): Promise<void> {
  assert.equal((await aside.get("/none")).status, 404);
}

test("a request cut in two at every byte is the same request", async () => {
  const bytes = post(
    ["Transfer-Encoding: chunked", "X-Fold: a", " b"],
    "5\r\nhello\r\n1;e=1\r\n!\r\n0\r\nX: 1\r\n\r\n",
  );
  await using client = await connectClient(port());
  await using aside = await connectClient(port());
  for (let cut = 1; cut < bytes.length; cut++) {
    const at = backend.requests.length;
    void client.send(bytes.slice(0, cut));
    await settled(aside);
    void client.send(bytes.slice(cut));
    const response = await client.response();
    assert.deepEqual([response.status, response.text], [200, "POST /x"], `cut at ${cut}`);
    const request = backend.requests[at]!;
    await request.done;
    assert.deepEqual([request.text, request.field("x-fold")], ["hello!", "a b"], `cut at ${cut}`);
  }
});

test("a request byte by byte", async () => {
  const bytes = post(["Content-Length: 2"], "ab");
  await using client = await connectClient(port());
  await using aside = await connectClient(port());
  for (const byte of bytes) {
    void client.send(byte);
    await settled(aside);
  }
  assert.equal((await client.response()).text, "POST /x");
});

test("fields up to the limits pass, to the backend and back", async () => {
  const value = "v".repeat(8000);
  backend.routes = { "*": ok("big", `X-Big: ${value}`) };
  const at = backend.requests.length;
  await using client = await connectClient(port());
  const response = await client.get(`/b/${"t".repeat(7000)}`, `X-Big: ${value}`);
  backend.routes = {};
  assert.equal(response.field("x-big"), value);
  assert.equal(backend.requests[at]!.field("x-big"), value);
  assert.equal(backend.requests[at]!.target.length, 7001);
});

test("RequestReadTimeout: a head that does not end is 408, a body too; silence and half a line are not answered", async () => {
  await using slow = await connectClient(sluice.ports[1]!);
  await using body = await connectClient(sluice.ports[1]!);
  await using silent = await connectClient(sluice.ports[1]!);
  await using halfLine = await connectClient(sluice.ports[1]!);
  void halfLine.send("GET /b/ HT");
  void slow.send("GET /b/ HTTP/1.1\r\nHost: a\r\nX-");
  void body.send(`${lines("POST /b/ HTTP/1.1", "Host: a", "Content-Length: 5")}ab`);
  const answers = await Promise.all([slow.response(), body.response()]);
  assert.deepEqual(
    answers.map((r) => [r.status, r.field("connection")]),
    [
      [408, "close"],
      [408, "close"],
    ],
  );
  await Promise.all([slow.untilEnded(), body.untilEnded(), silent.untilEnded(), halfLine.untilEnded()]);
  assert.equal(silent.received, "");
  assert.equal(halfLine.received, "");
});

test("a chunked body gets a length if all of it was read ahead, and only then, however its bytes came", async () => {
  for (const [size, framing] of [
    [100, "length"],
    [16_303, "length"],
    [16_304, "chunked"],
    [40_000, "chunked"],
  ] as const) {
    const text = "a".repeat(size);
    await using client = await connectClient(port());
    void client.send(post(["Transfer-Encoding: chunked"], `${size.toString(16)}\r\n${text}\r\n0\r\n\r\n`));
    assert.equal((await client.response()).status, 200);
    const request = backend.requests.at(-1)!;
    assert.equal(request.framing, framing, `${size} bytes`);
    assert.equal(request.text, text);
  }
});
