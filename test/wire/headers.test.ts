/** mod_headers, mod_setenvif, mod_env, mod_unique_id, through the whole program. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, close, head, ok, respond, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend({
    "/gone": respond(404, "no", "X-A: theirs", "Content-Type: text/html"),
    "/vary": ok("x", "Vary: A, B", "Vary: b"),
    "/hints": [head(103, "Link: x", "Connection: close"), ok("x")],
    "/old": ["no head\n", close],
    "/in/moved": (request) => respond(302, "", `Location: http://${request.field("Host")}/x`),
  });
  sluice = await startSluice(
    `
    LoadModule unique_id_module modules/mod_unique_id.so
    Listen 127.0.0.1:PORT
    ServerName front.test
    ProxyAddHeaders Off
    Header set X-A ours
    Header always append X-Order main
    Header append X-Order main2

    PassEnv FROM_OUTSIDE
    SetEnv SET late
    UnsetEnv GONE
    SetEnvIf X-In "^(.)(.)" FIRST=$1 SECOND=$2-$0 !GONE
    SetEnvIf X-In "^ab" SET=early
    SetEnvIfNoCase User-Agent MOZ\\.$ UA
    BrowserMatch ^Moz BM=$0
    SetEnvIf Request_URI "/../" RAW=1
    RequestHeader set X-Raw "%{RAW}e"
    RequestHeader set X-Seen "%{FIRST}e|%{SECOND}e|%{SET}e|%{UA}e|%{BM}e|%{FROM_OUTSIDE}e"
    RequestHeader set X-Id "%{UNIQUE_ID}e"
    RequestHeader set X-Early 1 early
    SetEnvIf X-Early 1 EARLY_SEEN
    RequestHeader set X-Early-Seen yes env=EARLY_SEEN
    <Location "/in">
      SetEnvIf Request_URI "^/in/(.*)" TAIL=$1
      RequestHeader set X-Tail "%{TAIL}e"
      Header append X-Order section
      Header set Connection close
    </Location>
    <Location "/split/">
      SetEnvIf Request_URI "^/split/(.*)" TAIL=$1
      Header set X-Tail "%{TAIL}e"
    </Location>
    <Location "/bad">
      Header set X-Bad "a\\nb"
    </Location>
    <Location "/worse">
      Header always set X-Bad "a\\nb"
    </Location>
    ProxyVia On
    ProxyPass "/own" !
    ProxyPassReverse "/" "${backend.url}/"
    <Location "/in/moved">
      RequestHeader set Host other.test
    </Location>
    ProxyPass "/" "${backend.url}/"
  `,
    { env: { FROM_OUTSIDE: "outside" } },
  );
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const get = (target: string, ...fields: string[]) => fetchOnce(sluice.port, target, ...fields);

async function seen(target: string, ...fields: string[]) {
  await get(target, ...fields);
  return backend.requests.at(-1)!;
}

test("an answer of a backend has both tables, whatever its status; the page of an error has the one", async () => {
  const proxied = await get("/gone");
  assert.deepEqual(proxied.fieldAll("X-A"), ["ours"]);
  assert.deepEqual(proxied.fieldAll("X-Order"), ["main", "main2"]);
  const own = await get("/own");
  assert.equal(own.status, 404);
  assert.deepEqual([own.fieldAll("X-A"), own.fieldAll("X-Order")], [[], ["main"]]);
});

test("variables are set in httpd's order: early fields, SetEnvIf, SetEnv where it is not set yet", async () => {
  const first = await seen("/", "X-In: abc", "User-Agent: Moz.");
  assert.equal(first.field("X-Seen"), "a|b-ab|early|1|Moz|outside");
  assert.equal(first.field("X-Early-Seen"), "yes");
  const second = await seen("/", "X-In: xyz");
  assert.equal(second.field("X-Seen"), "x|y-xy|late|(null)|(null)|outside");
});

test("sections see the decoded path, and come behind the server's lines", async () => {
  const response = await get("/in/a%20b");
  assert.equal(backend.requests.at(-1)!.field("X-Tail"), "a b");
  assert.deepEqual(response.fieldAll("X-Order"), ["main", "main2, section"]);
});

test("lines of the server see the path as it was sent", async () => {
  await using client = await connectClient(sluice.port);
  await client.get("/a/../b");
  assert.deepEqual([backend.requests.at(-1)!.target, backend.requests.at(-1)!.field("X-Raw")], ["/b", "1"]);
});

test("Connection: close of a Header line ends the connection and is one field", async () => {
  await using client = await connectClient(sluice.port);
  const response = await client.get("/in/x");
  assert.deepEqual(response.fieldAll("Connection"), ["close"]);
  await client.untilEnded();
});

test("a variable that the client had a hand in begins no field", async () => {
  const response = await get("/split/a%0d%0aX-Evil:%201");
  assert.equal(response.field("X-Tail"), "a  X-Evil: 1");
  assert.equal(response.field("X-Evil"), undefined);
});

test("a field that must not be sent: a page instead; a bare 500 if the page has it, too", async () => {
  const bad = await get("/bad");
  assert.deepEqual([bad.status, bad.field("X-Bad"), bad.field("X-Order")], [500, undefined, "main"]);
  assert.match(bad.text, /500 Internal Server Error/);
  const worse = await get("/worse");
  assert.deepEqual(
    [worse.status, worse.field("X-Bad"), worse.field("X-Order"), worse.text],
    [500, undefined, undefined, ""],
  );
  await sluice.untilLog("AH02430: Response header 'X-Bad' value of 'a\\nb' contains invalid characters");
});

test("UNIQUE_ID differs from request to request", async () => {
  const first = (await seen("/")).field("X-Id")!;
  assert.match(first, /^[A-Za-z0-9_-]{27}$/);
  assert.notEqual((await seen("/")).field("X-Id"), first);
});

test("an address is mapped to the host that was asked for, whatever RequestHeader made of Host", async () => {
  const response = await get("/in/moved", "Host: asked.test");
  assert.equal(response.field("Location"), "http://asked.test/x");
});

test("interim answers pass with Via, and without what is between the backend and us", async () => {
  const { interim } = await get("/hints");
  assert.deepEqual(
    interim.map((message) => message.fields),
    [
      [
        ["Link", "x"],
        ["Via", "1.1 front.test"],
      ],
    ],
  );
});

test("Vary leaves as one field, each name once", async () => {
  assert.deepEqual((await get("/vary")).fieldAll("Vary"), ["A,B"]);
});

test("what has no head at all has no Via either", async () => {
  const response = await get("/old");
  assert.deepEqual([response.status, response.text, response.field("Via")], [200, "no head", undefined]);
});
