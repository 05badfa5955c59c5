/** What the server answers to TRACE and OPTIONS * itself: as httpd 2.4.71 does. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT3
    ServerName a.test
    Header always set X-Always 1
    Header set X-Success 1
    <Location "/no">
      Require all denied
    </Location>
    ProxyPass "/p/" "${backend.url}/"
    LogFormat "%m %r %U %{Host}i %>s %v" connect
    CustomLog "DIR/access.log" connect
    <VirtualHost *:PORT2>
      TraceEnable off
      ProxyPass "/p/" "${backend.url}/"
    </VirtualHost>
    <VirtualHost *:PORT3>
      TraceEnable extended
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

async function ask(listener: number, method: string, target: string, fields: string[] = [], body = "") {
  await using client = await connectClient(sluice.ports[listener]!);
  return await client.request(method, target, ["Host: a.test", "Connection: close", ...fields], body);
}

test("TRACE echoes the head in chunks, fields of one name as one, before access and without fields of modules", async () => {
  for (const target of ["/x", "/no"]) {
    const response = await ask(0, "TRACE", target, ["X-Y: z", "A: b", "x-y: w"]);
    assert.equal(response.status, 200);
    assert.equal(
      response.text,
      `TRACE ${target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nX-Y: z, w\r\nA: b\r\n\r\n`,
    );
    assert.equal(response.field("content-type"), "message/http");
    assert.equal(response.field("transfer-encoding"), "chunked");
    assert.deepEqual([response.field("x-always"), response.field("x-success")], [undefined, undefined]);
  }
});

test("TRACE with a body: 413, echoed up to 64 KiB by TraceEnable extended", async () => {
  assert.equal((await ask(0, "TRACE", "/x", [], "abc")).status, 413);
  assert.match((await ask(2, "TRACE", "/x", [], "abc")).text, /Content-Length: 3\r\n\r\nabc$/);
  const chunked = ["Transfer-Encoding: chunked"];
  assert.match((await ask(2, "TRACE", "/x", chunked, "3\r\nabc\r\n0\r\n\r\n")).text, /\r\n\r\nabc$/);
  assert.equal((await ask(2, "TRACE", "/x", [], "a".repeat(65_536))).status, 200);
  assert.equal((await ask(2, "TRACE", "/x", [], "a".repeat(65_537))).status, 413);
});

test("TraceEnable off: 405 with an empty Allow; TRACE is in no Allow", async () => {
  const refused = await ask(1, "TRACE", "/x");
  assert.deepEqual([refused.status, refused.field("allow")], [405, ""]);
  assert.equal((await ask(1, "PUT", "/x")).field("allow"), "POST,OPTIONS,HEAD,GET");
  assert.equal((await ask(0, "PUT", "/x")).field("allow"), "POST,OPTIONS,HEAD,GET,TRACE");
  const unknown = await ask(1, "FOO", "/x");
  assert.deepEqual([unknown.status, unknown.field("allow")], [501, "POST,OPTIONS,HEAD,GET"]);
});

test("OPTIONS * is a ping: 200 with nothing but a length; OPTIONS of a path tells the methods", async () => {
  const star = await ask(0, "OPTIONS", "*");
  assert.deepEqual([star.status, star.text, star.field("content-length")], [200, "", "0"]);
  assert.deepEqual(
    [star.field("allow"), star.field("x-always"), star.field("x-success")],
    [undefined, undefined, undefined],
  );
  const path = await ask(0, "OPTIONS", "/x");
  assert.deepEqual([path.field("allow"), path.field("x-always")], ["POST,OPTIONS,HEAD,GET,TRACE", "1"]);
  assert.equal((await ask(0, "OPTIONS", "/no")).status, 403);
});

test("TRACE and OPTIONS of a path that is passed on are the backend's", async () => {
  assert.equal((await ask(0, "TRACE", "/p/x")).text, "TRACE /x");
  assert.equal((await ask(0, "OPTIONS", "/p/x")).text, "OPTIONS /x");
});

test("TRACE of a path that is passed on: forbidden or with a body it is refused, as the log of mod_proxy says", async () => {
  assert.equal((await ask(1, "TRACE", "/p/x")).status, 405);
  await sluice.untilLog(/proxy:error.*AH01139/);
  assert.equal((await ask(0, "TRACE", "/p/x", [], "abc")).status, 413);
  await sluice.untilLog(/proxy:error.*AH01140/);
});

test("CONNECT HOST:PORT is a request for that host, and not allowed; CONNECT of anything else is none", async () => {
  const refused = await ask(1, "CONNECT", "A.test:443");
  assert.deepEqual([refused.status, refused.field("allow")], [405, "POST,OPTIONS,HEAD,GET"]);
  for (const target of ["a.test", "/p/x", "http://a.test/", "*", "a.test:", "a.test:80/x", "u@a.test:80"])
    assert.equal((await ask(0, "CONNECT", target)).status, 400, target);
  await sluice.untilFile("access.log", /^CONNECT CONNECT A\.test:443 HTTP\/1\.1 \/ a\.test:443 405 a\.test$/m);
});
