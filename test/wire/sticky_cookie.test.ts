/** The session cookie that the balancer issues, and the recipe with Header for those who have it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import type { ResponseMessage } from "../support/message.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backends: Backend[];
let sluice: Sluice;

before(async () => {
  backends = await Promise.all(["a", "b", "c"].map((name) => startBackend(ok("x", `X-Backend: ${name}`))));
  const [a, b, c] = backends.map((backend) => backend.url);
  const cluster = (name: string, set: string): string => `
    <Proxy "balancer://${name}">
      BalancerMember "${a}"
      BalancerMember "${b}"
      BalancerMember "${c}" route=spare status=+H
      ProxySet ${set}
    </Proxy>
    ProxyPass "/${name}" "balancer://${name}/"`;
  sluice = await startSluice(
    `
    Listen 127.0.0.1:PORT
    StickyCookieKey "the new secret of this balancer" file:DIR/old.key
    ${cluster("app", "stickycookie=SRV;secure;httponly;samesite=Lax")}
    ${cluster("other", "stickycookie=SRV")}
    <Proxy "balancer://recipe">
      BalancerMember "${a}" route=1
      BalancerMember "${b}" route=2
      ProxySet stickysession=ROUTEID
    </Proxy>
    Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
    ProxyPass "/recipe" "balancer://recipe/"
    ProxyPass "/down" "balancer://down/"
    <Proxy "balancer://down">
      BalancerMember "http://127.0.0.1:1"
      ProxySet stickycookie=SRV
    </Proxy>
  `,
    { files: { "old.key": "the old secret, of last year\n" } },
  );
});

after(async () => {
  await sluice?.stop();
  for (const backend of backends ?? []) await backend.stop();
});

const get = (path: string, cookie?: string): Promise<ResponseMessage> =>
  fetchOnce(sluice.port, path, ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]));

/** The balancer's own cookie of a response. */
function issued(response: ResponseMessage, name = "SRV"): string | undefined {
  return response.fieldAll("Set-Cookie").find((text) => text.startsWith(`${name}=`));
}

async function session(path = "/app"): Promise<{ cookie: string; member: string }> {
  const response = await get(path);
  const text = issued(response)!;
  return { cookie: text.split(";", 1)[0]!, member: response.field("X-Backend")! };
}

test("a client without session gets a cookie that tells nothing, with the attributes asked for", async () => {
  const text = issued(await get("/app"))!;
  assert.match(text, /^SRV=[A-Za-z0-9_-]{32}; Secure; HttpOnly; SameSite=Lax; Path=\/$/);
});

test("it sticks, among other cookies too, and no new one is set", async () => {
  for (let i = 0; i < 4; i++) {
    const { cookie, member } = await session();
    for (const sent of [cookie, `a=b; ${cookie}; c=d`, `SRV=nonsense; ${cookie}`]) {
      const response = await get("/app", sent);
      assert.equal(response.field("X-Backend"), member);
      assert.equal(issued(response), undefined);
    }
  }
});

test("the same member has the same value each time, and another one in another balancer", async () => {
  const all = new Map<string, string>();
  for (let i = 0; i < 6; i++) {
    const { cookie, member } = await session();
    assert.equal(all.get(member) ?? cookie, cookie);
    all.set(member, cookie);
  }
  assert.deepEqual([...all.keys()].sort(), ["a", "b"]);
  const stranger = await session("/other");
  assert.ok(![...all.values()].includes(stranger.cookie));
  assert.notEqual(issued(await get("/app", stranger.cookie)), undefined);
});

test("a forged value is none: an election, and a cookie", async () => {
  const { cookie } = await session();
  for (const forged of ["SRV=", "SRV=spare", `${cookie}x`, cookie.slice(0, -1), cookie.replace(/=./, "=!")]) {
    assert.notEqual(issued(await get("/app", forged)), undefined, forged);
  }
});

test("no cookie with a page of our own", async () => {
  const response = await get("/down");
  assert.equal(response.status, 503);
  assert.deepEqual(response.fieldAll("Set-Cookie"), []);
});

test("a member that is gone: the next one, and its cookie", async () => {
  const { cookie, member } = await session();
  const backend = backends["abc".indexOf(member)]!;
  const { port } = backend;
  await backend.stop();
  const response = await get("/app", cookie);
  assert.notEqual(response.field("X-Backend"), member);
  const moved = issued(response)!.split(";", 1)[0]!;
  assert.notEqual(moved, cookie);
  assert.equal(issued(await get("/app", moved)), undefined);
  backends["abc".indexOf(member)] = await startBackend(ok("x", `X-Backend: ${member}`), { port });
});

test("a key that was taken out of use moves nobody: its cookies are understood and replaced", async () => {
  const conf = (keys: string): string => `
    Listen 127.0.0.1:PORT
    StickyCookieKey ${keys}
    <Proxy "balancer://app">
      BalancerMember "${backends[0]!.url}" route=a
      BalancerMember "${backends[1]!.url}" route=b
      ProxySet "stickycookie=SRV; Path=/x"
    </Proxy>
    ProxyPass "/app" "balancer://app/"`;
  const old = await startSluice(conf('"the old secret, of last year"'));
  const before = await fetchOnce(old.port, "/app");
  await old.stop();
  const cookie = issued(before)!.split(";", 1)[0]!;
  await using rotated = await startSluice(conf('"the new secret of this balancer" "the old secret, of last year"'));
  for (let i = 0; i < 3; i++) {
    const response = await fetchOnce(rotated.port, "/app", `Cookie: ${cookie}`);
    assert.equal(response.field("X-Backend"), before.field("X-Backend"));
    assert.match(issued(response)!, /; Path=\/x$/);
    assert.notEqual(issued(response)!.split(";", 1)[0], cookie);
  }
});

test("without a key it is random, and the log says so; YAML says the same", async () => {
  await using other = await startSluice(
    `
listen: 127.0.0.1:PORT
proxy:
  balancer://app:
    balancerMember:
      - { url: "${backends[0]!.url}" }
      - { url: "${backends[1]!.url}" }
    proxySet: { stickycookie: "SRV;HttpOnly" }
proxyPass: / balancer://app/
`,
    { syntax: "yaml" },
  );
  const response = await fetchOnce(other.port, "/");
  const { cookie } = await session();
  assert.match(issued(response)!, /; HttpOnly; Path=\/$/);
  assert.ok(!issued(response)!.startsWith(cookie));
  await other.untilLog("no StickyCookieKey");
});

test("Header add Set-Cookie with BALANCER_ROUTE_CHANGED: the recipe of httpd's manual", async () => {
  const first = await get("/recipe");
  const route = /^ROUTEID=\.([12]); path=\/$/.exec(issued(first, "ROUTEID")!)![1]!;
  assert.equal(first.field("X-Backend"), "ab"[Number(route) - 1]);
  for (let i = 0; i < 3; i++) {
    const again = await get("/recipe", `ROUTEID=.${route}`);
    assert.equal(again.field("X-Backend"), first.field("X-Backend"));
    assert.equal(issued(again, "ROUTEID"), undefined);
  }
});
