/** AuthForward: a service is asked before a request passes; its yes, its no, and its failures. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type Answer,
  type Backend,
  chunked,
  close,
  Gate,
  head,
  ok,
  pour,
  reset,
  respond,
  stall,
  startBackend,
  untilClose,
} from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let service: Backend;
let backend: Backend;
let sluice: Sluice;
let dead: number;

before(async () => {
  service = await startBackend();
  backend = await startBackend((request) => ok(`${request.method} ${request.text}`));
  dead = 1;
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName a.test
    ProxyPass "/" "${backend.url}/"
    <Location "/">
      AuthForward "${service.url}/verify?x=1" timeout=1
      AuthForwardHeaders X-User X-Groups
    </Location>
    <Location "/free">
      AuthForward Off
    </Location>
    <Location "/denied">
      Require all denied
    </Location>
    <Location "/patient">
      AuthForward "${service.url}/verify" timeout=60
    </Location>
    <Location "/dead">
      AuthForward http://127.0.0.1:${dead}
    </Location>
  `);
});

after(async () => {
  await sluice?.stop();
  await service?.stop();
  await backend?.stop();
});

const get = (path: string, ...fields: string[]) => fetchOnce(sluice.port, path, "Host: a.test:81", ...fields);

/** Asks with this answer of the service; answers how many requests the backend got, too. */
async function asked(answer: Answer, path = "/x", ...fields: string[]) {
  service.routes = { "*": answer };
  const before = backend.requests.length;
  const response = await get(path, ...fields);
  return { response, passed: backend.requests.length - before };
}

test("2xx: the request passes, with the fields of the answer and without those that the client made up", async () => {
  const yes = respond(204, "", "X-User: ann", "X-Groups: a", "X-Groups: b", "X-Other: c").replace(
    /Content-Length.*\r\n/,
    "",
  );
  const { response, passed } = await asked(yes, "/x?q=%20", "X-User: root", "X-Groups: wheel", "Cookie: s=1");
  assert.deepEqual([response.status, response.text, passed], [200, "GET ", 1]);
  const seen = backend.requests.at(-1)!;
  assert.deepEqual([seen.fieldAll("x-user"), seen.fieldAll("x-groups")], [["ann"], ["a", "b"]]);
  assert.deepEqual([seen.field("x-other"), seen.field("x-forwarded-method")], [undefined, undefined]);
});

test("the question: GET, all that the client sent but for the body and what is between it and us", async () => {
  service.routes = { "*": ok("") };
  await using client = await connectClient(sluice.port);
  const response = await client.request(
    "PUT",
    "/a%2Fb/../c?q=1",
    [
      "Host: a.test:81",
      "Cookie: s=1",
      "Range: items=0-1",
      "If-None-Match: x",
      "X-Hop: 1",
      "Connection: X-Hop",
      "X-Forwarded-Uri: /lie",
    ],
    "the body",
  );
  assert.equal(response.text, "PUT the body");
  const question = service.requests.at(-1)!;
  assert.deepEqual([question.method, question.target, question.text], ["GET", "/verify?x=1", ""]);
  const fields = ["host", "cookie", "x-forwarded-method", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri"];
  assert.deepEqual(
    fields.map((name) => question.fieldAll(name).join("|")),
    [service.authority, "s=1", "PUT", "http", "a.test:81", "/a%2Fb/../c?q=1"],
  );
  assert.equal(question.field("x-forwarded-for"), "127.0.0.1");
  for (const name of ["range", "if-none-match", "x-hop", "content-length", "transfer-encoding", "expect"]) {
    assert.equal(question.field(name), undefined, name);
  }
});

test("anything else is the client's answer, page, cookies and all", async () => {
  const login = await asked(respond(302, "go", "Location: /login", "Set-Cookie: a=1", "Set-Cookie: b=2"));
  assert.deepEqual([login.response.status, login.response.text, login.passed], [302, "go", 0]);
  assert.equal(login.response.field("location"), "/login");
  assert.deepEqual(login.response.fieldAll("set-cookie"), ["a=1", "b=2"]);
  const challenge = await asked(
    respond(401, "who?", 'WWW-Authenticate: Bearer realm="x"', "Connection: X-Y", "X-Y: 1"),
  );
  assert.deepEqual([challenge.response.status, challenge.response.text, challenge.passed], [401, "who?", 0]);
  assert.equal(challenge.response.field("www-authenticate"), 'Bearer realm="x"');
  assert.equal(challenge.response.field("x-y"), undefined);
  const forbidden = await asked(chunked(["no, ", "no"]).replace("200 OK", "403 Forbidden"));
  assert.deepEqual([forbidden.response.status, forbidden.response.text, forbidden.passed], [403, "no, no", 0]);
  const old = await asked(
    untilClose("closed").map((step) => (typeof step === "string" ? step.replace("200", "500") : step)),
  );
  assert.deepEqual([old.response.status, old.response.text, old.passed], [500, "closed", 0]);
  const cached = await asked(head(304, 'ETag: "x"'));
  assert.deepEqual([cached.response.status, cached.passed], [304, 0]);
});

test("HEAD gets no body, and the connection goes on", async () => {
  service.routes = { "*": respond(403, "a page") };
  await using client = await connectClient(sluice.port);
  const first = await client.request("HEAD", "/x", ["Host: a.test"]);
  assert.deepEqual([first.status, first.text], [403, ""]);
  assert.equal((await client.get("/x", "Host: a.test")).text, "a page");
});

test("one connection serves one question after the other; one that the service has closed is made anew", async () => {
  service.routes = { "*": ok("") };
  await get("/x");
  const before = service.connections.length;
  for (let i = 0; i < 3; i++) assert.equal((await get("/x")).status, 200);
  assert.equal(service.connections.length, before);
  service.routes = { "*": [ok(""), close] };
  await get("/x");
  service.routes = { "*": ok("") };
  assert.equal((await get("/x")).status, 200);
});

const FAILURES: [name: string, answer: Answer, status: number][] = [
  ["closes", [close], 502],
  ["resets", [reset], 502],
  ["closes in the head", ["HTTP/1.1 200 OK\r\nX:", close], 502],
  ["closes in the body", [head(200, "Content-Length: 9"), "four", close], 502],
  ["speaks no HTTP", ["220 mail ready\r\n", close], 502],
  ["upgrades", head(101, "Upgrade: x"), 502],
  ["has a bad length", head(200, "Content-Length: x"), 502],
  ["sends a bad chunk", `${head(200, "Transfer-Encoding: chunked")}zz\r\n`, 502],
  ["never ends its body", [head(403), pour(10_000_000)], 502],
  [
    "never ends its head",
    ["HTTP/1.1 200 OK\r\n", ...Array.from({ length: 40 }, () => `X: ${"x".repeat(4000)}\r\n`), stall],
    502,
  ],
  ["says nothing", [stall], 504],
  ["stops in the body", [head(403, "Content-Length: 9"), "four", stall], 504],
];
for (const [name, answer, status] of FAILURES) {
  test(`the service ${name}: ${status}, and nothing passes`, async () => {
    const { response, passed } = await asked(answer);
    assert.deepEqual([response.status, passed], [status, 0]);
    assert.match(response.text, /^<!DOCTYPE HTML/);
    await sluice.untilLog(/\[auth_forward:error\].*AuthForward: http:\/\/127/);
  });
}

test("nobody is there: 503", async () => {
  assert.equal((await get("/dead")).status, 503);
  await sluice.untilLog(`AuthForward: http://127.0.0.1:${dead}: (111)Connection refused`);
});

test("nobody is asked where it is off, or for what is refused anyway", async () => {
  service.routes = { "*": ok("") };
  const before = service.requests.length;
  assert.equal((await get("/free")).status, 200);
  assert.equal((await get("/denied")).status, 403);
  assert.equal(service.requests.length, before);
});

test("a client that leaves takes its question along", async () => {
  const gate = new Gate();
  service.routes = { "*": [gate.step, ok("")] };
  const before = backend.requests.length;
  const client = await connectClient(sluice.port);
  void client.send("GET /patient HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await gate.reached();
  const connection = service.requests.at(-1)!.connection;
  client.reset();
  await connection.untilEnded();
  gate.open();
  service.routes = { "*": ok("") };
  assert.equal((await get("/x")).status, 200);
  assert.equal(backend.requests.length, before + 1);
});
