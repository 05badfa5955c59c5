/** The manager: what changes it makes and for whom, its page as programs and browsers read it, its events. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import type { ResponseMessage } from "../support/message.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const NONCE = "12345678-nonce";
let one: Backend;
let two: Backend;
let sluice: Sluice;

before(async () => {
  [one, two] = [await startBackend(ok("1")), await startBackend(ok("2"))];
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName proxy.test
    <Proxy "balancer://app">
      BalancerMember "${one.url}" route=a
      BalancerMember "${two.url}" route=<b>
      ProxySet nonce=${NONCE} growth=2 stickysession=SID
    </Proxy>
    <Proxy "balancer://locked">
      BalancerMember "${one.url}"
      ProxySet nonce=None
    </Proxy>
    <Proxy "balancer://random">
      BalancerMember "${one.url}" enablereuse=on
    </Proxy>
    ProxyPass "/app" "balancer://app/"
    <Location "/bm">
      SetHandler balancer-manager
      Require ip 127.0.0.1
    </Location>
    <Location "/open">
      SetHandler balancer-manager
    </Location>
    <Location "/closed">
      SetHandler balancer-manager
      Require ip 10.9.8.7
    </Location>
  `);
});

after(async () => {
  await sluice?.stop();
  await one?.stop();
  await two?.stop();
});

const REFERER = "Referer: http://test/bm";

async function send(
  method: string,
  target: string,
  fields: readonly string[] = [],
  body = "",
): Promise<ResponseMessage> {
  await using client = await connectClient(sluice.port);
  return await client.request(method, target, [...fields, "Connection: close"], body);
}

/** One form, as scripts for httpd send it. */
function post(
  form: Record<string, string>,
  fields: readonly string[] = [REFERER],
  nonce = NONCE,
): Promise<ResponseMessage> {
  const body = new URLSearchParams({ b: "app", nonce, ...form }).toString();
  return send("POST", "/bm", ["Content-Type: application/x-www-form-urlencoded", ...fields], body);
}

/** The cells of a member's row in httpd's table. */
async function cells(url: string): Promise<string[]> {
  const { text } = await fetchOnce(sluice.port, "/bm");
  const table = /<table class="members" data-balancer="balancer:\/\/app">(.*?)<\/table>/s.exec(text)![1]!;
  const row = [...table.matchAll(/<tr [^>]*data-member="([^"]*)">(.*?)<\/tr>/gs)].find(([, name]) => name === url);
  return [...(row?.[2] ?? "").matchAll(/<td>(.*?)<\/td>/gs)].map(([, cell]) => cell!);
}
const status = async (url = one.url): Promise<string | undefined> => (await cells(url))[5];

test("a change with nonce and Referer is made, logged and shown with who made it", async () => {
  const response = await post({ w: one.url, w_status_N: "1", w_lf: "2.5", w_wr: "z" });
  assert.equal(response.status, 200);
  assert.deepEqual((await cells(one.url)).slice(1, 6), ["z", "", "2.50", "0", "Init Drn Ok "]);
  await sluice.untilLog(/set-member balancer:\/\/app .*draining false -> true, by somebody from 127\.0\.0\.1, manager/);
  assert.match(response.text, /aria-label="Last changes".*now draining/s);
  assert.match(response.text, /class="notice"[^>]*>Done: set member http:\S+ \(load factor: 1 to 2.5, .*now draining/);
  await post({ w: one.url, w_status_N: "0", w_lf: "1", w_wr: "a" });
});

for (const [what, fields, nonce] of [
  ["no Referer", [], NONCE],
  ["a Referer of another host", ["Referer: http://evil.test/bm"], NONCE],
  ["a Referer that only begins with the host", ["Referer: http://test.evil.test/"], NONCE],
  ["a Referer with the host as a user", ["Referer: http://test@evil.test/"], NONCE],
  ["a Referer without host", ["Referer: /bm"], NONCE],
  ["an Origin of another host", [REFERER, "Origin: http://evil.test"], NONCE],
  ["an opaque Origin", [REFERER, "Origin: null"], NONCE],
  ["Sec-Fetch-Site: cross-site", [REFERER, "Sec-Fetch-Site: cross-site"], NONCE],
  ["Sec-Fetch-Site: same-site", [REFERER, "Sec-Fetch-Site: same-site"], NONCE],
  ["a wrong nonce", [REFERER], "12345678-nonc"],
  ["an empty nonce", [REFERER], ""],
] as const) {
  test(`nothing is changed with ${what}`, async () => {
    const response = await post({ w: one.url, w_status_D: "1" }, fields, nonce);
    assert.equal(response.status, 200);
    assert.equal(await status(), "Init Ok ");
  });
}

test("Referer, Origin and Sec-Fetch-Site of a browser on the page itself are fine, whatever scheme and port", async () => {
  const fields = ["Referer: https://TEST:8/x", "Origin: https://test:8", "Sec-Fetch-Site: same-origin"];
  await post({ w: one.url, w_status_D: "1" }, fields);
  assert.equal(await status(), "Init Dis ");
  await post({ w: one.url, w_status_D: "0" }, fields);
});

test("names of parameters have no case, a NUL ends a value, a unix: form of w counts by its URL", async () => {
  await post({ W: `unix:/any.sock|${one.url}`, W_Status_n: "1", w_WR: "z%00y" });
  assert.deepEqual((await cells(one.url)).slice(1, 6), ["z", "", "1.00", "0", "Init Drn Ok "]);
  await post({ w: one.url, w_status_N: "0", w_wr: "a" });
});

test("a GET changes nothing, nor does the query of a POST", async () => {
  const query = `?b=app&nonce=${NONCE}&w=${encodeURIComponent(one.url)}&w_status_D=1`;
  assert.equal((await send("GET", `/bm${query}`, [REFERER])).status, 200);
  assert.equal((await send("POST", `/bm${query}`, [REFERER], "x=1")).status, 200);
  assert.equal(await status(), "Init Ok ");
});

test("nonce=None locks the balancer; without nonce= each start has another one", async () => {
  for (const nonce of ["", "None", "none"]) {
    await send("POST", "/bm", [REFERER], new URLSearchParams({ b: "locked", nonce, b_tmo: "5" }).toString());
  }
  const { text } = await fetchOnce(sluice.port, "/bm");
  assert.doesNotMatch(text, /<td>5<\/td>/);
  assert.match(text, /b=random&amp;nonce=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"/);
});

test("only the first 1024 bytes of a body are read; values are decoded twice", async () => {
  const change = `b=app&nonce=${NONCE}&w=${encodeURIComponent(one.url)}&w_status_D=1`;
  await send("POST", "/bm", [REFERER], `x=${"y".repeat(1024)}&${change}`);
  assert.equal(await status(), "Init Ok ");
  const twice = `b=app&nonce=${NONCE}&w=${encodeURIComponent(encodeURIComponent(one.url))}&w_status_H=1`;
  await send("POST", "/bm", [REFERER], twice);
  assert.equal(await status(), "Init Stby Ok ");
  await post({ w: one.url, w_status_H: "0" });
});

test("a member is added disabled, up to growth; one that is there, or is no URL, is 400", async () => {
  const add = (url: string, yes = "1") => post({ b_nwrkr: url, b_wyes: yes });
  assert.equal((await add("http://127.0.0.1:1", "0")).status, 200);
  assert.deepEqual(await cells("http://127.0.0.1:1"), []);
  assert.equal((await add(`${one.url}/below`)).status, 400);
  assert.equal((await add("nonsense")).status, 400);
  await sluice.untilLog("AH10163");
  assert.equal((await add("http://127.0.0.1:1")).status, 200);
  assert.equal(await status("http://127.0.0.1:1"), "Init Dis ");
  assert.equal((await add("ftp://127.0.0.2/")).status, 200);
  assert.equal((await add("http://127.0.0.1:3")).status, 400);
  await sluice.untilLog("AH10164");
  await post({ w: "http://127.0.0.1:1", sluice: "remove-member" });
  await post({ w: "ftp://127.0.0.2/", sluice: "remove-member" });
  assert.deepEqual(await cells("http://127.0.0.1:1"), []);
  assert.equal((await add("http://127.0.0.1:3")).status, 200);
  await post({ sluice: "undo" });
  assert.deepEqual(await cells("http://127.0.0.1:3"), []);
});

test("what was changed is shown as configuration lines that say the same, and can be forgotten", async () => {
  await post({ w: one.url, w_status_H: "1", w_lf: "2.5", w_ls: "1", w_wr: "x%20y" });
  await post({ w: one.url, sluice: "times", sluice_retry: "1500", sluice_timeout: "2500", sluice_acquire: "x" });
  const changed = await post({ b_lbm: "bybusyness", b_tmo: "3" });
  const lines = /<pre[^>]*>(.*?)<\/pre>/s.exec(changed.text)![1]!.replaceAll("&quot;", '"');
  assert.equal(
    lines,
    `<Proxy "balancer://app">
    BalancerMember "${one.url}" loadfactor=2.5 lbset=1 "route=x y" status=+H retry=1500ms timeout=2500ms
    ProxySet lbmethod=bybusyness timeout=3000ms
</Proxy>`
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;"),
  );
  const text = lines.replaceAll("&lt;", "<").replaceAll("&gt;", ">");
  await using other = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    ${text}
    <Location "/api">
      SetHandler sluice-api
    </Location>`);
  const url = "/api/v1/state";
  const [balancer] = JSON.parse((await fetchOnce(other.port, url, "Host: localhost")).text).balancers;
  assert.deepEqual([balancer.settings.lbmethod, balancer.settings.timeoutMs], ["bybusyness", 3000]);
  const { loadFactor, lbset, route, standby, retryMs, timeoutMs, acquireMs } = balancer.members[0].settings;
  assert.deepEqual(
    [loadFactor, lbset, route, standby, retryMs, timeoutMs, acquireMs],
    [2.5, 1, "x y", true, 1500, 2500, null],
  );
  assert.match((await send("GET", "/bm?b=app", [REFERER])).text, />Forget all changes</);
  const forgotten = await post({ sluice: "forget" });
  assert.doesNotMatch(forgotten.text, /<pre|Forget all changes/);
  assert.deepEqual((await cells(one.url)).slice(1, 6), ["a", "", "1.00", "0", "Init Ok "]);
  assert.match(forgotten.text, /<td>byrequests<\/td>/);
});

test("a button that cannot do what it says tells why", async () => {
  const answer = async (action: string) => (await post({ w: one.url, sluice: action })).text;
  assert.match(await answer("recover"), /class="notice"[^>]*>Not done: .* is not in error/);
  assert.match(await answer("check"), /class="notice"[^>]*>Not done: .* has no health check/);
  assert.match(await answer("remove-member"), /class="notice"[^>]*>Not done: .* is in the configuration/);
});

test("what is shown is encoded", async () => {
  await post({ w: one.url, w_wr: `"><script>alert(1)</script>`, w_rr: "'&" });
  await post({ b_ss: "<i>|<b>" });
  const query = `?b=app&w=${encodeURIComponent(one.url)}`;
  for (const target of [
    "/bm",
    `/bm${query}`,
    "/bm?b=app",
    "/bm/%22%3E%3Cscript%3Ealert(2)%3C/script%3E",
    "/bm?xml=1",
  ]) {
    const { text } = await fetchOnce(sluice.port, target, REFERER);
    assert.doesNotMatch(text, /<script>|<b>|<i>\|/, target);
  }
  await post({ w: one.url, w_wr: "a", w_rr: "", b_ss: "SID" });
});

test("?xml=1 with a Referer is XML, without one it is the page", async () => {
  const xml = await fetchOnce(sluice.port, "/bm?xml=1", REFERER);
  assert.equal(xml.field("Content-Type"), "text/xml");
  assert.match(xml.text, /<httpd:name>balancer:\/\/app<\/httpd:name>\s*<httpd:nonce>12345678-nonce</);
  // Said of a member is shown, whatever it is.
  assert.equal(xml.text.match(/<httpd:disablereuse>Off</g)?.length, 1);
  assert.match(xml.text, /<httpd:route>&lt;b&gt;<\/httpd:route>/);
  assert.match((await fetchOnce(sluice.port, "/bm?xml=1")).field("Content-Type") ?? "", /^text\/html/);
});

test("the page has httpd's tables and no others: two for each balancer", async () => {
  await post({ b_tmo: "1" });
  const { text } = await fetchOnce(sluice.port, "/bm");
  const tables = [...text.matchAll(/<table class="(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual(tables, ["balancer", "members", "balancer", "members", "balancer", "members"]);
  assert.equal(text.split("<table").length - 1, tables.length);
  await post({ sluice: "undo" });
});

test("?auto has the lines of server-status, whoever asks", async () => {
  const auto = await fetchOnce(sluice.port, "/bm?auto");
  assert.equal(auto.field("Content-Type"), "text/plain; charset=ISO-8859-1");
  assert.match(auto.text, /^ProxyBalancer\[0\]Name: balancer:\/\/app\nProxyBalancer\[0\]Worker\[0\]Name: http/);
  assert.doesNotMatch(auto.text, new RegExp(NONCE));
});

test("the page lets nothing from elsewhere run, and is framed and cached by nobody", async () => {
  const page = await fetchOnce(sluice.port, "/bm");
  assert.match(
    page.field("Content-Security-Policy") ?? "",
    /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/,
  );
  assert.deepEqual(
    [page.field("X-Content-Type-Options"), page.field("Cache-Control"), page.field("Referrer-Policy")],
    ["nosniff", "no-store", "same-origin"],
  );
  // What the policy forbids must not be there: code and style in the page, or from another host.
  assert.doesNotMatch(page.text, /<script>|<style|\son\w+=|style="|(src|href)="https?:/);
  for (const [, src] of page.text.matchAll(/(?:src|href)="([^"]*asset=[^"]*)"/g)) {
    const asset = await fetchOnce(sluice.port, src!);
    assert.equal(asset.status, 200);
    assert.match(asset.field("Content-Type") ?? "", /^text\/(css|javascript)/);
  }
});

test("without a Require only this machine is answered, by a name of the server's; the log says so", async () => {
  assert.equal((await fetchOnce(sluice.port, "/open", "Host: localhost")).status, 200);
  assert.equal((await fetchOnce(sluice.port, "/open", "Host: proxy.test")).status, 200);
  await sluice.untilLog("SetHandler balancer-manager without any Require answers to this machine only");
  // The name of a foreign page that was made to resolve to 127.0.0.1.
  assert.equal((await fetchOnce(sluice.port, "/open", "Host: evil.test")).status, 403);
  assert.equal((await fetchOnce(sluice.port, "/bm", "Host: evil.test")).status, 200);
  assert.equal((await fetchOnce(sluice.port, "/closed")).status, 403);
});

test("other methods are none of the manager's", async () => {
  assert.deepEqual([(await send("PUT", "/bm")).status, (await send("DELETE", "/bm")).status], [405, 405]);
  const head = await send("HEAD", "/bm");
  assert.deepEqual([head.status, head.text], [200, ""]);
});

test("events: the state at once, then after each change, with elections as they happen", async () => {
  await using client = await connectClient(sluice.port);
  await client.send("GET /bm?events HTTP/1.1\r\nHost: test\r\n\r\n");
  await client.until('"balancers":[{"name":"balancer://app"');
  await post({ w: one.url, w_status_N: "1" });
  await client.until('"status":"Init Drn Ok "');
  await fetchOnce(sluice.port, "/app/x");
  await client.until(
    new RegExp(
      `"elections":\\[{"atMs":[0-9.]+,"balancer":"balancer://app","lbmethod":"byrequests","elected":"${two.url}"`,
    ),
  );
  assert.doesNotMatch(client.received, new RegExp(NONCE));
  await post({ w: one.url, w_status_N: "0" });
});

test("events end with their generation, so that a reload can", async () => {
  await using client = await connectClient(sluice.port);
  await client.send("GET /bm?events HTTP/1.1\r\nHost: test\r\n\r\n");
  await client.until('"balancers"');
  sluice.signal("SIGUSR1");
  await client.untilEnded();
});
