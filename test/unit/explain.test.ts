/** `explain` and `config --effective`: the real phases, and nothing sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHttpd } from "../../modules/config/convert.ts";
import { effectiveConfiguration } from "../../modules/effective.ts";
import { explain, type Question } from "../../modules/explain/explain.ts";
import { type Told, tell, tellText } from "../../modules/explain/tell.ts";
import { startBackend } from "../support/backend.ts";
import { standardModules } from "../support/modules.ts";
import { CERTS } from "../support/tls.ts";

const options = (text: string) => ({
  file: "/x/httpd.conf",
  text,
  serverRoot: "/",
  defines: [],
  before: [],
  after: [],
  modules: standardModules,
});

async function ask(text: string, url: string, more: Partial<Question> = {}): Promise<Told> {
  return tell(await explain(options(text), { method: "GET", url, headers: [], ...more }));
}

const SHOP = `
Listen 127.0.0.1:8080
ServerName main.test
<Proxy "balancer://app">
    BalancerMember "http://127.0.0.1:3001" route=a
    BalancerMember "http://backend.invalid:3002" route=b
    BalancerMember "http://127.0.0.1:3003" route=c status=+H
    BalancerMember "http://127.0.0.1:3004" route=d status=+D
    ProxySet lbmethod=byrequests stickysession=SESSIONID
</Proxy>
<VirtualHost *:8080>
    ServerName other.test
</VirtualHost>
<VirtualHost *:8080>
    ServerName shop.test
    ServerAlias www.shop.test *.shop.test
    ErrorDocument 403 /sorry
    RewriteEngine on
    RewriteRule "^/gone$" - [G]
    <Location "/app">
        ProxyPass "balancer://app/x"
        ProxyPassReverse "balancer://app/x"
        ProxyPassReverseCookiePath /x /app
        Header set X-Foo bar
        RequestHeader set X-In in
        Require ip 10.0.0.0/8 127.0.0.1
    </Location>
</VirtualHost>
`;

test("explain tells virtual host, sections, rule, members, the member, and what both sides get", async () => {
  const told = await ask(SHOP, "http://shop.test:8080/app/a%20b?c=d", { headers: ["Cookie: SESSIONID=x.b"] });
  const [one, ...more] = told.requests;
  assert.equal(more.length, 0);
  assert.deepEqual(one!.vhost, { name: "shop.test", at: "/x/httpd.conf:14", by: "by its ServerName" });
  assert.deepEqual(one!.sections, [
    { section: '<Proxy "balancer://app">', at: "/x/httpd.conf:4" },
    { section: '<Location "/app">', at: "/x/httpd.conf:20" },
  ]);
  assert.deepEqual(one!.rewriting.slice(-1), ["pass through /app/a b"]);
  assert.deepEqual(one!.rule, { path: "/app", url: "balancer://app/x", at: "/x/httpd.conf:21" });
  assert.equal(one!.url, "balancer://app/x/a%20b?c=d");
  assert.equal(one!.access.granted, true);
  assert.match(one!.access.log[0]!, /Require ip 10\.0\.0\.0\/8 127\.0\.0\.1: granted/);
  const [attempt] = one!.attempts;
  assert.deepEqual(attempt!.session, { route: "b", name: "SESSIONID" });
  assert.deepEqual(
    attempt!.members.map(({ route, candidate, figure, why }) => [route, candidate, figure || why]),
    [
      ["a", true, "lbstatus 0 + lbfactor 100"],
      ["b", true, "lbstatus 0 + lbfactor 100"],
      ["c", false, "a standby while others can serve"],
      ["d", false, "not usable"],
    ],
  );
  assert.deepEqual([attempt!.chosen, attempt!.by], ["http://backend.invalid:3002", "the session's route (SESSIONID)"]);
  assert.deepEqual(told.toBackend, [
    "GET /x/a%20b?c=d HTTP/1.1",
    "Host: backend.invalid:3002",
    "Cookie: SESSIONID=x.b",
    "X-In: in",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: shop.test:8080",
    "X-Forwarded-Server: shop.test",
    "Connection: Keep-Alive",
  ]);
  assert.ok(told.fromBackend.includes("Location: http://backend.invalid:3002/x/a%20b"));
  for (const line of ["Location: http://shop.test:8080/app/a%20b", "Set-Cookie: name=value; Path=/app", "X-Foo: bar"]) {
    assert.ok(told.response.includes(line), line);
  }
  assert.equal(told.status, 200);
});

test("explain sends nothing: not to the members, not to a service that decides", async () => {
  await using backend = await startBackend(() => {
    throw new Error("was asked");
  });
  const conf = `
    Listen 8080
    ServerName a.test
    HeartbeatAddress 127.0.0.1:${backend.port}
    <Location "/">
        AuthForward ${backend.url}/may
        Require all granted
    </Location>
    <Proxy "balancer://b">
        BalancerMember "${backend.url}" hcmethod=TCP hcinterval=1
    </Proxy>
    ProxyPass "/" "balancer://b/"`;
  const told = await ask(conf, "/x", { method: "POST", headers: ["Content-Length: 3"] });
  assert.equal(told.status, 200);
  assert.deepEqual(told.notAsked, [`an answer to GET /may: taken to be 200`]);
  assert.equal(told.toBackend[0], "POST /x HTTP/1.1");
  assert.equal(backend.connections.length, 0);
});

test("explain tells who is refused, and the ErrorDocument as a request of its own", async () => {
  const told = await ask(SHOP, "http://www.shop.test:8080/app/", { from: "192.0.2.9" });
  assert.equal(told.status, 403);
  const [one, document] = told.requests;
  assert.equal(one!.vhost.by, "by a ServerAlias");
  assert.equal(one!.access.granted, false);
  assert.match(one!.access.log.join("\n"), /AH01630: client denied by server configuration/);
  assert.deepEqual(one!.attempts, []);
  assert.equal(document!.uri, "/sorry");
  assert.match(tellText(told), /then, by a redirect inside of the server: \/sorry/);
});

test("explain tells what nothing passes on, and what a rewrite rule answers", async () => {
  const nothing = await ask(SHOP, "http://nobody.test:8080/app/");
  assert.deepEqual([nothing.status, nothing.requests[0]!.vhost.name], [404, "other.test"]);
  assert.match(nothing.requests[0]!.vhost.by, /^the first of this address/);
  assert.match(tellText(nothing), /none: nothing passes \/app\/ to a backend/);
  const gone = await ask(SHOP, "http://x.shop.test:8080/gone");
  assert.equal(gone.status, 410);
  assert.equal(gone.requests[0]!.vhost.by, "by a ServerAlias with wildcards");
  assert.match(gone.requests[0]!.rewriting.join("\n"), /forcing responsecode 410/);
});

test("explain goes through TLS on both sides, and asks no certificate of a backend of paper", async () => {
  const conf = (proxy: string) => `
    Listen 8443
    <VirtualHost *:8443>
        ServerName a.test
        SSLEngine on
        SSLCertificateFile "${CERTS}/a.pem"
        SSLCertificateKeyFile "${CERTS}/a.key"
        ${proxy}
        RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}
        ProxyPass "/" "https://backend.invalid:9443/"
        ProxyPassReverse "/" "https://backend.invalid:9443/"
    </VirtualHost>`;
  const on = conf("SSLProxyEngine on\nSSLProxyVerify require");
  const told = await ask(on, "https://a.test:8443/x");
  assert.equal(told.status, 200);
  assert.ok(told.toBackend.includes("X-Forwarded-Proto: https"));
  assert.ok(told.response.includes("Location: https://a.test:8443/x"));
  assert.equal((await ask(on, "http://a.test:8443/x")).status, 400);
  const off = await ask(conf("SSLProxyEngine off"), "https://a.test:8443/x");
  assert.equal(off.status, 500);
  assert.match(off.requests[0]!.log.join(), /AH01961/);
});

test("explain speaks the PROXY protocol where it is expected", async () => {
  const conf = `Listen 8080\nServerName a.test\nRemoteIPProxyProtocol On\nProxyPass / http://127.0.0.1:1/`;
  const told = await ask(conf, "/", { from: "192.0.2.7" });
  assert.equal(told.status, 200);
  assert.ok(told.toBackend.includes("X-Forwarded-For: 192.0.2.7"));
});

test("explain runs no handler of this server: it might change something", async () => {
  const conf = `
    Listen 8080
    ServerName a.test
    <Location "/m">
        SetHandler balancer-manager
        Require all granted
    </Location>`;
  const told = await ask(conf, "http://a.test:8080/m");
  assert.deepEqual([told.status, told.requests[0]!.handler], [200, "balancer-manager"]);
  assert.deepEqual(told.notAsked, ["the handler balancer-manager: taken to answer 200"]);
});

test("explain of a request that is no request tells the refusal", async () => {
  const told = await ask(SHOP, "/a b");
  assert.equal(told.status, 400);
  assert.deepEqual(told.requests, []);
});

const EFFECTIVE = `
Timeout 30
ProxyTimeout 10
ServerName main.test
RewriteEngine on
RewriteRule ^/m /n
<Proxy "balancer://app">
    BalancerMember "http://127.0.0.1:3001"
</Proxy>
<Proxy "balancer://other">
    BalancerMember "http://127.0.0.1:3002"
</Proxy>
<Location "/">
    Require all denied
    Header set X-A root
</Location>
<VirtualHost *:80>
    ServerName shop.test
    ProxyTimeout 20
    ProxyTimeout 21
    ProxyPass /app balancer://app
    <Location "/app">
        <RequireAny>
            Require all granted
        </RequireAny>
        <If "-n %{HTTP:X}">
            Header set X-Y yes
        </If>
        <Else>
            Header set X-Y no
        </Else>
    </Location>
    <Location "/other">
        Header set X-B b
    </Location>
</VirtualHost>
<VirtualHost *:80>
    ServerName other.test
</VirtualHost>
`;

test("config --effective keeps what applies to the URL, in its place, and nothing that is overridden", async () => {
  const found = await effectiveConfiguration(options(EFFECTIVE), "/app/x", "shop.test");
  assert.ok(typeof found !== "string", String(found));
  assert.equal(
    toHttpd(found.tree, () => undefined),
    `Timeout 30
<Proxy "balancer://app">
    BalancerMember "http://127.0.0.1:3001"
</Proxy>
<Location "/">
    Header set X-A root
</Location>
<VirtualHost *:80>
    ServerName shop.test
    ProxyTimeout 21
    ProxyPass /app balancer://app
    <Location "/app">
        <RequireAny>
            Require all granted
        </RequireAny>
        <If "-n %{HTTP:X}">
        </If>
        <Else>
            Header set X-Y no
        </Else>
    </Location>
</VirtualHost>
`,
  );
});

test("config --effective says which virtual host takes a request that another one was asked for", async () => {
  assert.match(
    String(await effectiveConfiguration(options(EFFECTIVE), "/", "main.test")),
    /^no request reaches main\.test: shop\.test \(.*:17\) serves /,
  );
  assert.match(String(await effectiveConfiguration(options(EFFECTIVE), "/", "none.test")), /-S lists them/);
});
