/** The configurations that tutorials teach (test/conf), with local backends: each does what its comments say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";
import { askTls, CERTS, startTlsBackend } from "../support/tls.ts";

const FOLDER = fileURLToPath(new URL("../conf/", import.meta.url));

/** @param map the members' URLs, and others, in the order in which they are replaced */
function start(name: string, map: readonly (readonly [from: string, to: string])[], listen = true): Promise<Sluice> {
  let text = readFileSync(`${FOLDER}${name}.conf`, "utf8");
  for (const [from, to] of map) {
    assert.ok(text.includes(from), `${name}: no ${from}`);
    text = text.replaceAll(from, to);
  }
  return startSluice(`${listen ? "Listen 127.0.0.1:PORT\n" : ""}${text}`, { children: "auto" });
}

const named = (name: string, ...fields: string[]) =>
  startBackend((request) => ok(`${name} ${request.target}`, ...fields));

async function served(sluice: Sluice, times: number, target = "/x", ...fields: string[]): Promise<string> {
  let names = "";
  for (let i = 0; i < times; i++) names += (await fetchOnce(sluice.port, target, ...fields)).text.split(" ")[0];
  return names;
}

const ROUND = ["a", "b", "c"] as const;

async function three(): Promise<AsyncDisposable & { at: readonly Backend[] }> {
  const at = await Promise.all(ROUND.map((name) => named(name)));
  return { at, [Symbol.asyncDispose]: async () => void (await Promise.all(at.map((backend) => backend.stop()))) };
}

test("1-basic: three members, round robin by requests", SLOW, async () => {
  await using backends = await three();
  const map = backends.at.map(({ url }, i) => [`http://backend${i + 1}.example.com`, url] as const);
  await using sluice = await start("1-basic", map);
  assert.equal(await served(sluice, 6), "abcabc");
});

test(
  "2-sticky-failover-health: sticky by cookie, a hot standby, both are checked, the manager is for its network",
  SLOW,
  async () => {
    await using a = await named("a");
    await using b = await named("b");
    await using sluice = await start("2-sticky-failover-health", [
      ["http://backend1.example.com:8080", a.url],
      ["http://backend2.example.com:8080", b.url],
      ["hcuri=/healthcheck", "hcuri=/healthcheck hcinterval=1 hcfails=1"],
    ]);
    assert.equal(await served(sluice, 3, "/app"), "aaa");
    assert.equal(await served(sluice, 2, "/app", "Cookie: JSESSIONID=x.2"), "bb");
    for (const backend of [a, b]) {
      await backend.until(() => backend.requests.some(({ path }) => path === "/healthcheck"), "a health check");
    }
    assert.equal((await fetchOnce(sluice.port, "/balancer-manager")).status, 403);
    await a.stop();
    assert.equal(await served(sluice, 2, "/app"), "bb");
  },
);

test("3-sticky-two-names: the session id comes in a cookie or in a path parameter", SLOW, async () => {
  await using a = await named("a");
  await using b = await named("b");
  await using sluice = await start("3-sticky-two-names", [
    ["http://backend1.example.com", a.url],
    ["http://backend2.example.com", b.url],
  ]);
  assert.equal(await served(sluice, 3, "/app/x", "Cookie: JSESSIONID=1.node2"), "bbb");
  assert.equal(await served(sluice, 3, "/app/x;jsessionid=1.node1"), "aaa");
  assert.equal((await served(sluice, 4, "/app/x")).split("").sort().join(""), "aabb");
});

test(
  "4-hardened: by busyness, cookies become HttpOnly and Secure, TRACE is off, the manager for the own network",
  SLOW,
  async () => {
    await using a = await named("a", "Set-Cookie: s=1; Path=/");
    await using b = await named("b", "Set-Cookie: s=1; Path=/");
    await using sluice = await start("4-hardened", [
      ["http://10.0.0.11:8080", a.url],
      ["http://10.0.0.12:8080", b.url],
    ]);
    const page = await fetchOnce(sluice.port, "/x");
    assert.equal(page.field("set-cookie"), "s=1; Path=/;HttpOnly;Secure");
    await using trace = await connectClient(sluice.port);
    assert.equal((await trace.request("TRACE", "/x")).status, 405);

    const manager = await fetchOnce(sluice.port, "/balancer-manager");
    assert.deepEqual([manager.status, /balancer:\/\/mycluster/.test(manager.text)], [200, true]);
    await sluice.untilLog(/AH01143: Running scheme balancer handler/);
  },
);

test("5-virtual-host-status: by traffic, sticky, the status for one domain alone", SLOW, async () => {
  await using backends = await three();
  const map = backends.at.map(({ url }, i) => [`http://192.168.1.${i + 2}:8080`, url] as const);
  await using sluice = await start("5-virtual-host-status", [...map, ["*:80>", "*:PORT>"]]);
  assert.equal((await served(sluice, 3)).split("").sort().join(""), "abc");
  assert.equal(await served(sluice, 2, "/x", "Cookie: JSESSIONID=1.server2"), "bb");
  assert.equal((await fetchOnce(sluice.port, "/server-status")).status, 403);
});

test("6-tls: TLS to the client and to the members", SLOW, async () => {
  const members = await Promise.all(["a", "b", "c"].map(() => startTlsBackend({}, undefined, "127.0.0.1")));
  try {
    await using sluice = await start(
      "6-tls",
      [
        ...members.map(({ port }, i) => [`https://192.168.1.${i + 2}:8443`, `https://127.0.0.1:${port}`] as const),
        ["Listen 443", "Listen 127.0.0.1:PORT"],
        ["*:443>", "*:PORT>"],
        ["/etc/ssl/certs/example.com.crt", `${CERTS}/a.pem`],
        ["/etc/ssl/private/example.com.key", `${CERTS}/a.key`],
        ["/etc/ssl/certs/example.com.chain.crt", `${CERTS}/ca.pem`],
      ],
      false,
    );
    for (let i = 0; i < 3; i++) {
      assert.match(
        await askTls(sluice.port, "www.example.com", { target: "/x" }),
        /^HTTP\/1\.1 200 [\s\S]*\/x Host: 127\.0\.0\.1/,
      );
    }
    assert.deepEqual(
      members.map(({ connections }) => connections),
      [1, 1, 1],
    );
  } finally {
    for (const member of members) await member[Symbol.asyncDispose]();
  }
});

test("7-mistakes: it starts, warns, and keeps sessions as was meant", SLOW, async () => {
  await using a = await named("a");
  await using b = await named("b");
  await using sluice = await start("7-mistakes", [
    ["http://192.168.1.2:8080", a.url],
    ["http://192.168.1.3:8080", b.url],
    ["*:80>", "*:PORT>"],
  ]);
  assert.equal(await served(sluice, 3, "/x", "Cookie: JSESSIONID=1.server2"), "bbb");
  await sluice.untilLog(/Stickysession is no directive of httpd/);
  await sluice.untilLog(/MaxRequestPerChild is no directive of httpd/);
});
