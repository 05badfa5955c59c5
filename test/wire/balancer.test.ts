/** Balancers on the wire: counters after requests that break off, bodies over a failover, waiting in a pool. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Backend, Gate, head, ok, pour, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let one: Backend;
let two: Backend;
let sluice: Sluice;

before(async () => {
  one = await startBackend();
  two = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    # one pool: each child has its own
    StartServers 1
    LogLevel info proxy:debug
    <Location "/traced">
      LogLevel proxy:trace2
    </Location>
    ProxyPass "/traced/not" "!"
    ProxyPassMatch "^/traced/(.*)\\.txt$" "${one.url}/$1"
    <Proxy "balancer://busy">
      BalancerMember "${one.url}"
      BalancerMember "${two.url}"
      ProxySet lbmethod=bybusyness
    </Proxy>
    ProxyPass "/busy" "balancer://busy"
    <Proxy "balancer://one">
      BalancerMember "${one.url}/one" max=1
      ProxySet lbmethod=bybusyness
    </Proxy>
    ProxyPass "/one" "balancer://one"
    <Proxy "balancer://waits">
      BalancerMember "${one.url}/waits" status=+D
      ProxySet timeout=60
    </Proxy>
    ProxyPass "/waits" "balancer://waits"
    <Proxy "balancer://dead">
      BalancerMember "http://127.0.0.1:1" retry=0
      BalancerMember "http://127.0.0.2:1" retry=0
      BalancerMember "${two.url}"
    </Proxy>
    ProxyPass "/dead" "balancer://dead"
    <Proxy "balancer://pages">
      BalancerMember "${one.url}/pages" retry=600
      BalancerMember "${two.url}/pages" retry=600
    </Proxy>
    <Location "/pages">
      ProxyErrorOverride On
      ProxyPass "balancer://pages"
    </Location>
  `);
});

after(async () => {
  await sluice?.stop();
  await one?.stop();
  await two?.stop();
});

/** The `busy` of the members at the elections that the log tells of, from a place in it on. */
function busyLines(from: number): string[] {
  return [...sluice.errorLog.slice(from).matchAll(/AH10123: .*"(.*?)" : busy (\d+)/g)].map((m) => m[2]!);
}

/** Waits for so many elections in the log, from a place in it on. */
async function untilElections(from: number, count: number): Promise<void> {
  for (let tries = 0; busyLines(from).length < count; tries++) {
    assert.ok(tries < 200, `${busyLines(from).length} of ${count} elections in the log`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Two requests one after the other, at members that have nothing at hand. */
async function nothingAtHand(prefix: string): Promise<void> {
  one.routes = two.routes = { "*": ok("fine") };
  // What an aborted request held is given back once its connection is gone: ask until it is, then twice more.
  for (let tries = 0; ; tries++) {
    const from = sluice.errorLog.length;
    for (let i = 0; i < 2; i++) assert.equal((await fetchOnce(sluice.port, `${prefix}/after`)).status, 200);
    const busy = busyLines(from);
    if (busy.length === 2 && busy.every((n) => n === "0")) return;
    assert.ok(tries < 100, `busy stays ${busy}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("busy after a client left", () => {
  async function gone(client: Client): Promise<void> {
    client.reset();
    await client[Symbol.asyncDispose]();
  }

  test("while the head of the answer is waited for", async () => {
    const gate = new Gate();
    one.routes = two.routes = { "*": [gate.step, ok("late")] };
    const client = await connectClient(sluice.port);
    await client.send("GET /busy/wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await gate.reached();
    await gone(client);
    gate.open();
    await nothingAtHand("/busy");
  });

  test("in the middle of its own body", async () => {
    const gate = new Gate();
    one.routes = two.routes = { "*": [gate.step, ok("never")] };
    for (const sent of ["x".repeat(10), "x".repeat(100_000)]) {
      const client = await connectClient(sluice.port);
      await client.send(`POST /busy/body HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n${sent}`);
      await gone(client);
    }
    gate.open();
    await nothingAtHand("/busy");
  });

  test("in the middle of the answer's body, read or not", async () => {
    for (const reads of [true, false]) {
      one.routes = two.routes = { "*": [head(200, "Content-Length: 50000000"), pour(50_000_000)] };
      const client = await connectClient(sluice.port);
      await client.send("GET /busy/long HTTP/1.1\r\nHost: x\r\n\r\n");
      await client.until(/xxxx/);
      if (!reads) client.pause();
      await gone(client);
    }
    await nothingAtHand("/busy");
  });

  test("in the queue of a full pool: the place goes to the next in line", async () => {
    const gate = new Gate();
    one.routes = { "/one/hold": [gate.step, ok("held")], "*": ok("served") };
    const holding = await connectClient(sluice.port);
    await holding.send("GET /one/hold HTTP/1.1\r\nHost: x\r\n\r\n");
    await gate.reached();
    const from = sluice.errorLog.length;
    const leaving = await connectClient(sluice.port);
    await leaving.send("GET /one/leaves HTTP/1.1\r\nHost: x\r\n\r\n");
    await untilElections(from, 1);
    await gone(leaving);
    await fetchOnce(sluice.port, "/busy/between"); // by its answer the reset has been seen, too
    const second = sluice.errorLog.length;
    const staying = fetchOnce(sluice.port, "/one/stays");
    await untilElections(second, 1);
    gate.open();
    assert.equal((await staying).status, 200);
    assert.equal(
      one.requests.some((request) => request.target === "/one/leaves"),
      false,
    );
    await holding[Symbol.asyncDispose]();
    await nothingAtHand("/one");
  });

  test("while the balancer waits for a member (timeout=): nothing is held", async () => {
    const client = await connectClient(sluice.port);
    await client.send("GET /waits/x HTTP/1.1\r\nHost: x\r\n\r\n");
    await sluice.untilLog(/Entering byrequests for BALANCER \(balancer:\/\/waits\)/);
    await gone(client);
    await nothingAtHand("/busy");
  });
});

test("a full pool serves who waits in the order of arrival", async () => {
  const gate = new Gate();
  one.routes = { "/one/first": [gate.step, ok("held")], "*": (request) => ok(request.target) };
  const before = one.requests.length;
  const held = fetchOnce(sluice.port, "/one/first");
  await gate.reached();
  const order = ["/one/a", "/one/b", "/one/c", "/one/d"];
  const answers: Promise<unknown>[] = [];
  for (const target of order) {
    const from = sluice.errorLog.length;
    answers.push(fetchOnce(sluice.port, target));
    await untilElections(from, 1); // once its member is elected, it stands in line
  }
  gate.open();
  await Promise.all([held, ...answers]);
  assert.deepEqual(
    one.requests.slice(before).map((request) => request.target),
    ["/one/first", ...order],
  );
});

test("failover: the body goes whole to the third member, and none is tried twice", async () => {
  for (const body of ["x".repeat(10), "y".repeat(20_000), "z".repeat(300_000)]) {
    two.routes = { "*": (request) => request.done.then(() => ok(String(request.body.length))) };
    const from = sluice.errorLog.length;
    await using client = await connectClient(sluice.port);
    const response = await client.request("POST", "/dead/x", [], body);
    assert.deepEqual([response.status, response.text], [200, String(body.length)]);
    const tried = [...sluice.errorLog.slice(from).matchAll(/AH10123: .*"(.*?)"/g)].map((m) => m[1]!);
    assert.equal(new Set(tried).size, tried.length, `${tried}`);
    assert.equal(tried.at(-1), two.url);
  }
});

test("ProxyErrorOverride: an error of a backend, 500 and 503 too, is not one of the member", async () => {
  const gone = { "/pages/500": head(500, "Content-Length: 0"), "/pages/503": head(503, "Content-Length: 0") };
  one.routes = gone;
  two.routes = gone;
  for (const status of [500, 503]) {
    for (let i = 0; i < 2; i++) {
      const asked = [one.requests.length, two.requests.length];
      assert.equal((await fetchOnce(sluice.port, `/pages/${status}`)).status, status);
      assert.equal(one.requests.length + two.requests.length, asked[0]! + asked[1]! + 1, "one attempt");
    }
  }
  one.routes = two.routes = {};
  const before = [one.requests.length, two.requests.length];
  for (let i = 0; i < 4; i++) assert.equal((await fetchOnce(sluice.port, "/pages/x")).status, 200);
  assert.deepEqual([one.requests.length - before[0]!, two.requests.length - before[1]!], [2, 2]);
});

test("trace: the rules that a path is held against, and the way of its connection, by httpd's numbers", async () => {
  one.routes = { "*": ok("served") };
  const told = async (target: string, last: string) => {
    const from = sluice.errorLog.length;
    await fetchOnce(sluice.port, target);
    // The answer may be there before the last line.
    while (!sluice.errorLog.includes(last, from)) await new Promise((resolve) => setImmediate(resolve));
    const first = sluice.errorLog.indexOf(`match URI path '${target}'`, from);
    const begin = sluice.errorLog.lastIndexOf("\n", first); // what stands before is of another request
    return [...sluice.errorLog.slice(begin + 1).matchAll(/(AH\d+): ([^\n]*)/g)].map(([, ah, text]) => [ah, text]);
  };
  assert.deepEqual(await told("/traced/not/a", "AH03463"), [
    ["AH03461", "attempting to match URI path '/traced/not/a' against prefix '/traced/not' for proxying"],
    ["AH03463", "proxying is explicitly disabled for URI path '/traced/not/a'; declining"],
  ]);
  const numbers = (await told("/traced/a.txt", "AH00943")).map(([ah]) => ah).join(" ");
  assert.equal(numbers, "AH03461 AH03461 AH03464 AH01143 AH00942 AH00944 AH00947 AH02824 AH00962 AH00943");
});
