/** Rewriting by the whole program: what the phases alone do not show. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type BackendRequest, body, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { SLOW, startSluice } from "../support/sluice.ts";

const echo = (name: string) => ({
  "*": (request: BackendRequest) => [body, () => undefined, ok(`${name} ${request.method} ${request.target}`)],
});

test(
  "a section's rule asks for another path, with body, environment and END kept; then the proxy serves it",
  SLOW,
  async () => {
    await using backend = await startBackend(echo("one"));
    await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    RewriteEngine On
    RewriteRule ^/t/(.*) ${backend.url}/$1/%{ENV:REDIRECT_A}/%{ENV:REDIRECT_STATUS} [P]
    ProxyPass /end ${backend.url}/ended
    <Location /in>
      RewriteEngine On
      RewriteRule in/(.*) /t/$1?added [E=A:x,QSA]
    </Location>
    <Location /again>
      RewriteEngine On
      RewriteRule . /end/x [END]
    </Location>
    RewriteRule ^/end/ - [F]
    <Location /loop>
      RewriteEngine On
      RewriteRule loop/(.*) /loop/$1x
    </Location>
  `);
    await using client = await connectClient(sluice.port);
    const answer = await client.request("POST", "/in/a?q", [], "body");
    assert.equal(answer.text, "one POST /a/x/200?added&q");
    assert.equal(backend.requests.at(-1)!.text, "body");
    assert.equal((await fetchOnce(sluice.port, "/again/a")).text, "one GET /ended/x");
    assert.equal((await fetchOnce(sluice.port, "/end/x")).status, 403);
    assert.equal((await fetchOnce(sluice.port, "/loop/a")).status, 500);
    assert.match(sluice.errorLog, /AH00124: Request exceeded the limit of 10 internal redirects/);
  },
);

test("FallbackResource: what nobody serves is asked for there, with query and body", SLOW, async () => {
  await using backend = await startBackend(echo("one"));
  await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    FallbackResource /app
    ProxyPass /app ${backend.url}/app
    <Location /none>
      FallbackResource disabled
    </Location>
    <Location /nowhere>
      FallbackResource /none/x
    </Location>
    <Location /chain>
      FallbackResource /other/x
    </Location>
    <Location /ring>
      FallbackResource /ring2/x
    </Location>
    <Location /ring2>
      FallbackResource /ring/x
    </Location>
    <Location /kept>
      FallbackResource /kept-not/x
    </Location>
    <Location /kept-not>
      Require all denied
    </Location>
    CustomLog DIR/access.log "%U%q %>s %{REDIRECT_URL}e"
  `);
  await using client = await connectClient(sluice.port);
  assert.equal((await client.request("PUT", "/a/b?q", [], "body")).text, "one PUT /app?q");
  assert.equal(backend.requests.at(-1)!.text, "body");
  assert.equal((await client.get("/app/x")).text, "one GET /app/x");
  assert.equal((await client.get("/none/x")).status, 404);
  assert.equal((await client.get("/nowhere/x")).status, 404);
  assert.equal((await client.get("/kept/x")).status, 403);
  assert.equal((await client.get("/chain/x")).text, "one GET /app");
  assert.equal((await client.get("/ring/x")).status, 500);
  await sluice.untilFile("error.log", "AH00125: Request exceeded the limit of 10 subrequest nesting levels");
  // As with httpd's fast redirect, it takes the place of what was asked for.
  const lines =
    "/app?q 200 -\n/app/x 200 -\n/none/x 404 -\n/nowhere/x 404 -\n/kept/x 403 -\n/app 200 -\n/ring/x 500 -\n";
  await sluice.untilFile("access.log", lines);
});

test("[P] to a socket that no worker has, and to a balancer; trace lines", SLOW, async () => {
  await using backend = await startBackend(echo("tcp"));
  await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    DefaultRuntimeDir DIR
    LogLevel warn rewrite:trace3
    RewriteEngine On
    RewriteCond %{HTTP:Upgrade} =websocket [NC]
    RewriteRule /(.*) ws://127.0.0.1:9/$1 [P,L]
    RewriteRule ^/s/(.*) unix:app.sock|http://app.test/u/$1 [P]
    RewriteRule ^/b/(.*) balancer://app/$1 [P]
    <Proxy balancer://app>
      BalancerMember ${backend.url}/m
    </Proxy>
  `);
  await using socket = await startBackend(echo("unix"), { unix: join(sluice.dir, "app.sock") });
  assert.equal((await fetchOnce(sluice.port, "/s/a?q")).text, "unix GET /u/a?q");
  assert.equal(socket.requests.at(-1)!.field("host"), "app.test");
  assert.equal((await fetchOnce(sluice.port, "/b/a")).text, "tcp GET /m/a");
  const log = sluice.errorLog;
  for (const line of [
    "init rewrite engine with requested uri /s/a",
    "applying pattern '^/s/(.*)' to uri '/s/a'",
    "rewrite '/s/a' -> 'unix:app.sock|http://app.test/u/a'",
    "go-ahead with proxy request proxy:unix:app.sock|http://app.test/u/a [OK]",
  ]) {
    assert.ok(log.includes(`/initial] ${line}\n`), `${line}\n${log}`);
  }
  assert.match(
    log,
    /\[rewrite:trace2\] \[pid \d+:tid \d+\] \[client 127.0.0.1:\d+\] 127.0.0.1 - - \[\S+\/sid#0\]\[rid#\w+\/initial\] /,
  );
});

test(
  "rules after ProxyPass: those of the server see the URL of a mapping= rule; what nocanon and mapping= say of a path stays",
  SLOW,
  async () => {
    await using backend = await startBackend(echo("b"));
    await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    AllowEncodedSlashes On
    ProxyPass /e/ ${backend.url}/one/ mapping=encoded
    ProxyPass /n/ ${backend.url}/raw/ nocanon
    ProxyPass /plain/ ${backend.url}/plain/
    MergeSlashes Off
    RewriteEngine On
    RewriteRule one/(rule.*) ${backend.url}/two/$1 [P]
    RewriteRule one/denied - [F]
    RewriteRule one/(again.*) /plain/$1 [PT]
    RewriteRule ^/e/ - [F]
    <Location /e/section>
      RewriteEngine On
      RewriteRule one/(.*) ${backend.url}/three/$1 [P]
    </Location>
    <Location /files>
      RewriteEngine On
      RewriteRule files/(.*) ${backend.url}/five/$1 [P]
    </Location>
    <Location /n/>
      RewriteEngine On
      RewriteRule raw/(.*) ${backend.url}/four/$1 [P]
    </Location>
  `);
    await using client = await connectClient(sluice.port);
    const asked = async (target: string) => {
      const { status, text } = await client.get(target);
      return status === 200 ? text : String(status);
    };
    assert.equal(await asked("/e/%2fa%20b?q"), "b GET /one/%2fa%20b?q");
    assert.equal(await asked("/e/rule%2fa?q"), "b GET /two/rule%2fa?q");
    assert.equal(await asked("/e/denied"), "403");
    assert.equal(await asked("/e/again"), "404"); // a request is mapped once
    assert.equal(await asked("/e/section/%2fa?q"), "b GET /three/section/%2fa?q");
    assert.equal(await asked("/n/b%41%25"), "b GET /four/b%41%25");
    assert.equal(await asked("/files//a///b/"), "b GET /five/a/b/"); // the name of a file has no empty segments
  },
);
