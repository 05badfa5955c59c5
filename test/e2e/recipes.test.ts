/**
 * examples/recipes: each is checked, started with local names and certificates in the place of its own, and asked, with
 * stand-ins behind it.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { checkConfiguration } from "../../modules/check.ts";
import { body, head, ok, respond, startBackend, tunnel } from "../support/backend.ts";
import { Client, connectClient } from "../support/client.ts";
import type { ResponseMessage } from "../support/message.ts";
import { standardModules } from "../support/modules.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";
import { CERTS, connectTls, startTlsBackend } from "../support/tls.ts";

const FOLDER = fileURLToPath(new URL("../../examples/recipes/", import.meta.url));
/** Of joe: "secret", by {SHA}. */
const PASSWORDS = "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"];
const SWITCHED = [head(101, "Connection: Upgrade", "Upgrade: websocket"), tunnel((bytes, c) => void c.write(bytes))];

/** The recipe with ports of ours, certificates of the tests, and its addresses replaced by `map`. */
function local(name: string, map: Readonly<Record<string, string>>): string {
  let text = readFileSync(`${FOLDER}${name}.conf`, "utf8")
    .replace(/^Listen 80$/m, "Listen 127.0.0.1:PORT")
    .replace(/^Listen 443$/m, "Listen 127.0.0.1:PORT2")
    .replaceAll("*:80>", "*:PORT>")
    .replaceAll("*:443>", "*:PORT2>")
    .replaceAll("/var/log/apache2/", "DIR/")
    .replaceAll("/etc/apache2/", "DIR/")
    .replaceAll("/etc/ssl/certs/internal-ca.pem", `${CERTS}/ca.pem`)
    .replaceAll(/\/etc\/ssl\/certs\/\S+\.pem/g, `${CERTS}/a.pem`)
    .replaceAll(/\/etc\/ssl\/private\/\S+\.key/g, `${CERTS}/a.key`);
  for (const [from, to] of Object.entries(map)) {
    assert.ok(text.includes(from), `${name}.conf: no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function serve(name: string, map: Readonly<Record<string, string>>): Promise<Sluice> {
  return startSluice(local(name, map), { files: { "grafana.htpasswd": PASSWORDS }, children: "auto" });
}

/** One request on a connection of its own. */
async function get(sluice: Sluice, host: string, target: string, ...fields: string[]): Promise<ResponseMessage> {
  await using client = await connectClient(sluice.port);
  return await client.get(target, `Host: ${host}`, "Connection: close", ...fields);
}

/** The same over TLS. */
async function getTls(sluice: Sluice, host: string, target: string, ...fields: string[]): Promise<ResponseMessage> {
  await using client = new Client((await connectTls(sluice.ports[1]!, host)).socket);
  return await client.get(target, `Host: ${host}`, "Connection: close", ...fields);
}

/** Upgrades, sends a word, and waits for it to come back through the tunnel. */
async function echoes(client: Client, host: string, target: string, ...fields: string[]): Promise<void> {
  const response = await client.get(target, `Host: ${host}`, ...UPGRADE, ...fields);
  assert.equal(response.status, 101);
  void client.send("through");
  await client.until(() => client.tunnelled === "through");
}

/** A backend that tells what it was asked for; its field X-Seen has those of `names`. */
const telling = (name: string, ...names: string[]) =>
  startBackend((request) =>
    ok(`${name} ${request.target}`, `X-Seen: ${names.map((field) => request.field(field) ?? "-").join(" | ")}`),
  );

describe("recipes", () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".conf"))) {
    it(`check of ${file} finds nothing that is unknown or wrong`, SLOW, async () => {
      const text = local(file.replace(/\.conf$/, ""), {}).replaceAll(/\bPORT2?\b/g, (port) =>
        port === "PORT" ? "8080" : "8443",
      );
      const { findings, exit } = await checkConfiguration({
        file: `${CERTS}/httpd.conf`,
        text: text.replaceAll("DIR/", `${CERTS}/`),
        serverRoot: "/",
        defines: [],
        before: [],
        after: [],
        modules: standardModules,
      });
      const bad = findings.filter(({ verdict }) => verdict === "unknown" || verdict === "wrong");
      assert.deepEqual(bad, []);
      assert.ok(exit === 0 || exit === 1);
    });
  }

  it(
    "tomcat: sessions by cookie and by path; the manager's pages are shut; the standby serves alone",
    SLOW,
    async () => {
      await using one = await telling("one", "host", "x-forwarded-proto");
      await using two = await telling("two");
      await using spare = await telling("spare");
      await using sluice = await serve("tomcat", {
        "192.0.2.11:8080": one.authority,
        "192.0.2.12:8080": two.authority,
        "192.0.2.13:8080": spare.authority,
      });
      const ask = (target: string, ...fields: string[]) => get(sluice, "shop.example.com", target, ...fields);
      assert.deepEqual([(await ask("/a")).text, (await ask("/a")).text].sort(), ["one /a", "two /a"]);
      assert.equal((await ask("/a", "Cookie: JSESSIONID=12.tomcat2")).text, "two /a");
      assert.equal((await ask("/a;jsessionid=12.tomcat2?x")).text, "two /a;jsessionid=12.tomcat2?x");
      const first = await ask("/a", "Cookie: JSESSIONID=12.tomcat1");
      assert.equal(first.field("x-seen"), "shop.example.com | http");
      for (const shut of ["/manager/html", "/host-manager", "/balancer-manager"]) {
        assert.equal((await ask(shut)).status, 403, shut);
      }
      await one.stop();
      await two.stop();
      assert.equal((await ask("/b")).text, "spare /b");
      await sluice.untilFile("shop-access.log", /"GET \/a HTTP\/1\.1" 200 \d+ \d+ tomcat[12]\n/);
    },
  );

  it("jenkins: TLS, encoded slashes untouched, its redirects, agents by WebSocket", SLOW, async () => {
    await using backend = await startBackend({
      "/login": respond(302, "", "Location: http://ci.example.com/securityRealm"),
      "/wsagents/": SWITCHED,
      "*": (request) => ok(request.target, `X-Seen: ${request.field("x-forwarded-proto")}`),
    });
    await using sluice = await serve("jenkins", { "127.0.0.1:8080": backend.authority });
    const plain = await get(sluice, "ci.example.com", "/job/x?y");
    assert.deepEqual([plain.status, plain.field("location")], [301, "https://ci.example.com/job/x?y"]);
    const job = await getTls(sluice, "ci.example.com", "/job/a%2Fb%20c/?d");
    assert.deepEqual([job.text, job.field("x-seen")], ["/job/a%2Fb%20c/?d", "https"]);
    assert.match(job.field("strict-transport-security")!, /^max-age=/);
    const login = await getTls(sluice, "ci.example.com", "/login");
    assert.equal(login.field("location"), "https://ci.example.com/securityRealm");
    await using agent = new Client((await connectTls(sluice.ports[1]!, "ci.example.com")).socket);
    await echoes(agent, "ci.example.com", "/wsagents/");
  });

  it("gitlab: all of it by [P] over TLS, with %2F; a page of its own while Workhorse is down", SLOW, async () => {
    await using backend = await startBackend({
      "/sign_in": respond(302, "", "Location: http://git.example.com/users"),
      "*": (request) => ok(request.target, `X-Seen: ${request.field("x-forwarded-ssl")}`),
    });
    await using sluice = await serve("gitlab", { "127.0.0.1:8181": backend.authority });
    const plain = await get(sluice, "git.example.com", "/a%20b");
    assert.deepEqual([plain.status, plain.field("location")], [302, "https://git.example.com/a%20b"]);
    const branch = await getTls(sluice, "git.example.com", "/api/v4/projects/1?per_page=2");
    assert.deepEqual([branch.text, branch.field("x-seen")], ["/api/v4/projects/1?per_page=2", "on"]);
    const moved = await getTls(sluice, "git.example.com", "/sign_in");
    assert.equal(moved.field("location"), "https://git.example.com/users");
    await backend.stop();
    const down = await getTls(sluice, "git.example.com", "/");
    assert.deepEqual([down.status, down.text], [503, "GitLab is being deployed"]);
  });

  it("nextcloud: .well-known, a large upload, raw paths, push by WebSocket and by HTTP", SLOW, async () => {
    await using app = await startBackend({ "/f/large": [body, ok("stored")] });
    await using push = await startBackend({ "/ws": SWITCHED, "*": ok("push") });
    await using sluice = await serve("nextcloud", {
      "127.0.0.1:11000": app.authority,
      "127.0.0.1:7867": push.authority,
    });
    const plain = await get(sluice, "cloud.example.com", "/login");
    assert.deepEqual([plain.status, plain.field("location")], [301, "https://cloud.example.com/login"]);
    const dav = await getTls(sluice, "cloud.example.com", "/.well-known/carddav");
    assert.deepEqual([dav.status, dav.field("location")], [301, "https://cloud.example.com/remote.php/dav/"]);
    assert.equal((await getTls(sluice, "cloud.example.com", "/f/a%2Fb")).text, "GET /f/a%2Fb");
    await using client = new Client((await connectTls(sluice.ports[1]!, "cloud.example.com")).socket);
    const put = await client.request("PUT", "/f/large", ["Host: cloud.example.com"], "x".repeat(3_000_000));
    assert.equal(put.text, "stored");
    assert.equal(app.requests.at(-1)!.body.length, 3_000_000);
    assert.equal(put.field("referrer-policy"), "no-referrer");
    assert.equal((await getTls(sluice, "cloud.example.com", "/push/test")).text, "push");
    await using socket = new Client((await connectTls(sluice.ports[1]!, "cloud.example.com")).socket);
    await echoes(socket, "cloud.example.com", "/push/ws");
  });

  it("grafana: below its path, with the user of Basic authentication, live panels by WebSocket", SLOW, async () => {
    await using backend = await startBackend({
      "/grafana/api/live/ws": SWITCHED,
      "/grafana/moved": (request) => respond(302, "", `Location: http://${request.field("host")}/grafana/login`),
      "*": (request) =>
        ok(request.target, `X-Seen: ${request.field("x-webauth-user")} ${request.field("authorization") ?? "-"}`),
    });
    await using sluice = await serve("grafana", { "127.0.0.1:3000": backend.authority });
    const joe = `Authorization: Basic ${btoa("joe:secret")}`;
    const ask = (target: string, ...fields: string[]) => get(sluice, "stats.example.com", target, ...fields);
    assert.equal((await ask("/")).field("location"), "http://stats.example.com/grafana/");
    assert.deepEqual([(await ask("/grafana/d/1")).status, backend.requests.length], [401, 0]);
    const panel = await ask("/grafana/d/1?x=y", joe, "X-WEBAUTH-USER: admin");
    assert.deepEqual([panel.text, panel.field("x-seen")], ["/grafana/d/1?x=y", "joe -"]);
    assert.equal((await ask("/grafana/moved", joe)).field("location"), "http://stats.example.com/grafana/login");
    await using client = await connectClient(sluice.port);
    await echoes(client, "stats.example.com", "/grafana/api/live/ws", joe);
  });

  it("keycloak: TLS to its nodes, sessions by route, the administration from the own network alone", SLOW, async () => {
    await using one = await startTlsBackend({}, undefined, "localhost");
    await using two = await startTlsBackend({}, undefined, "localhost");
    await using sluice = await startSluice(
      local("keycloak", { "192.0.2.21:8443": `127.0.0.1:${one.port}`, "192.0.2.22:8443": `127.0.0.1:${two.port}` })
        .replace("127.0.0.1:PORT2", "127.0.0.1:PORT")
        .replace("*:PORT2>", "*:PORT>"),
      { children: "auto" },
    );
    const ask = async (target: string, ...fields: string[]): Promise<ResponseMessage> => {
      await using client = new Client((await connectTls(sluice.port, "login.example.com")).socket);
      return await client.get(target, "Host: login.example.com", "Connection: close", ...fields);
    };
    const realm = await ask("/realms/main", "Cookie: AUTH_SESSION_ID=abc.node2");
    assert.match(realm.text, /^\/realms\/main Host: login\.example\.com/);
    assert.deepEqual([one.connections, two.connections], [0, 1]);
    await ask("/realms/main", "Cookie: AUTH_SESSION_ID=abc.node1");
    assert.deepEqual([one.connections, two.connections], [1, 1]);
    assert.equal((await ask("/admin/master/console/")).status, 200); // Require local
    assert.equal((await ask("/metrics")).status, 403);
    assert.equal((await ask("/")).field("location"), "https://login.example.com/realms/main/account/");
    assert.equal((await ask("/other")).status, 404);
  });

  it("wordpress: visitors by X-Forwarded-For, shut doors, one name, fields for browsers", SLOW, async () => {
    await using backend = await startBackend((request) =>
      ok(request.target, "X-Powered-By: PHP/8", `X-Seen: ${request.field("x-forwarded-for")}`),
    );
    await using sluice = await serve("wordpress", { "127.0.0.1:8081": backend.authority });
    const ask = (target: string, ...fields: string[]) => get(sluice, "www.example.com", target, ...fields);
    const page = await ask("/2026/hello", "X-Forwarded-For: 198.51.100.7");
    assert.deepEqual(
      [page.text, page.field("x-seen"), page.field("server")],
      ["/2026/hello", "198.51.100.7", "Apache"],
    );
    assert.deepEqual([page.field("x-powered-by"), page.field("x-content-type-options")], [undefined, "nosniff"]);
    assert.match((await ask("/wp-content/a.css")).field("cache-control")!, /max-age=604800/);
    const moved = await get(sluice, "blog.example.com", "/a");
    assert.deepEqual([moved.status, moved.field("location")], [301, "http://www.example.com/a"]);
    assert.equal((await ask("/", "User-Agent: sqlmap/1")).status, 403);
    assert.equal((await ask("/xmlrpc.php")).status, 403);
    assert.equal((await ask("/wp-login.php", "X-Forwarded-For: 198.51.100.7")).status, 403);
    assert.equal((await ask("/wp-login.php", "X-Forwarded-For: 203.0.113.9")).status, 200);
    assert.equal((await ask("/wp-admin/admin-ajax.php", "X-Forwarded-For: 198.51.100.7")).status, 200);
  });

  it("sonarqube: below its path, keys with encoded characters, redirects of two names", SLOW, async () => {
    await using backend = await startBackend({
      "/sonar/old": respond(302, "", "Location: http://quality.example.com/sonar/new"),
      "*": (request) => ok(request.target),
    });
    await using sluice = await serve("sonarqube", { "127.0.0.1:9000": backend.authority });
    const ask = (target: string) => get(sluice, "quality.example.com", target);
    assert.deepEqual(
      [(await ask("/")).status, (await ask("/")).field("location")],
      [301, "http://quality.example.com/sonar/"],
    );
    assert.equal((await ask("/sonar/api?component=a%3Ab%2Fc")).text, "/sonar/api?component=a%3Ab%2Fc");
    assert.equal((await ask("/sonar/code/a%2Fb")).text, "/sonar/code/a%2Fb");
    assert.equal((await ask("/sonar/old")).field("location"), "http://quality.example.com/sonar/new");
    assert.equal((await ask("/elsewhere")).status, 404);
    await sluice.untilFile("sonar-access.log", /"GET \/sonar\/old HTTP\/1\.1" 302 /);
  });

  it("mattermost: HTTP and WebSocket on one path, cookies of its own name", SLOW, async () => {
    await using backend = await startBackend({
      "/api/v4/websocket": (request) => (request.field("upgrade") === undefined ? ok("no socket") : SWITCHED),
      "*": (request) => ok(request.target, "Set-Cookie: MMAUTHTOKEN=1; Domain=127.0.0.1; Path=/"),
    });
    await using sluice = await serve("mattermost", { "127.0.0.1:8065": backend.authority });
    const page = await get(sluice, "chat.example.com", "/team?x");
    assert.deepEqual(
      [page.text, page.field("set-cookie")],
      ["/team?x", "MMAUTHTOKEN=1; Domain=chat.example.com; Path=/"],
    );
    assert.equal((await get(sluice, "chat.example.com", "/api/v4/websocket")).text, "no socket");
    await using client = await connectClient(sluice.port);
    await echoes(client, "chat.example.com", "/api/v4/websocket");
  });

  it(
    "plone: the virtual host monster's URLs, editors on a client of their own, a page while all are down",
    SLOW,
    async () => {
      await using one = await telling("one");
      await using two = await telling("two");
      await using sluice = await serve("plone", {
        "192.0.2.31:8080": one.authority,
        "192.0.2.32:8080": two.authority,
      });
      const ask = (target: string, ...fields: string[]) => get(sluice, "www.example.org", target, ...fields);
      const base = "/VirtualHostBase/http/www.example.org:80/Plone/VirtualHostRoot";
      const page = await ask("/news?b=1");
      assert.match(page.text, /^(one|two) /);
      assert.equal(page.text.slice(4), `${base}/news?b=1`);
      assert.match(page.field("vary")!, /Accept-Language/);
      for (let i = 0; i < 3; i++) assert.equal((await ask("/edit", "Cookie: __ac=abc")).text, `two ${base}/edit`);
      assert.equal((await ask("/manage_main")).status, 403);
      assert.equal((await get(sluice, "example.org", "/a")).field("location"), "http://www.example.org/a");
      await two.stop();
      assert.equal((await ask("/edit", "Cookie: __ac=abc")).text, `one ${base}/edit`);
      await one.stop();
      const down = await ask("/");
      assert.deepEqual([down.status, down.text], [503, "The site is being updated. Please try again in a minute."]);
    },
  );
});
