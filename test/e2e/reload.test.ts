/** Reloads: nothing is lost, nothing grows, and what did not change goes on. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { within } from "../support/message.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

/** By hand: RELOADS=1000. */
const RELOADS = Number(process.env.RELOADS ?? 200);
const CLIENTS = 4;
const WARM = 40;
const RELOAD_MS = 300_000;
const PAGE_BYTES = 4096;
/** What memory may vary by, without growing: heaps breathe. */
const BREATH_BYTES = 80e6;
const SPARE_HANDLES = 12;

let a: Backend;
let b: Backend;
let gate: Gate;

before(async () => {
  a = await startBackend((request) => (request.target === "/hold" ? [gate.step, ok("a")] : ok("a")));
  b = await startBackend((request) => (request.target === "/hold" ? [gate.step, ok("b")] : ok("b")));
});

after(async () => {
  await a.stop();
  await b.stop();
});

const conf = (more = "", members = `BalancerMember "${a.url}"\nBalancerMember "${b.url}"`) => `
Listen 127.0.0.1:PORT
ServerName localhost
${more}
<Proxy "balancer://app">
${members}
</Proxy>
ProxyPass "/" "balancer://app/"
`;

async function reload(sluice: Sluice, count = 1): Promise<void> {
  const told = () => sluice.errorLog.split("AH00489").length;
  for (let i = 0; i < count; i++) {
    const before = told();
    sluice.signal("SIGUSR1");
    const until = async () => {
      while (told() === before) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    await within(until(), () => `reload ${i}`, RELOAD_MS);
  }
}

function use(pid: number): { bytes: number; handles: number } {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return { bytes: pages * PAGE_BYTES, handles: readdirSync(`/proc/${pid}/fd`).length };
}

for (const children of [1, 2]) {
  test(`${RELOADS} reloads under load, ${children} children: no request fails, nothing grows`, async () => {
    const texts = [0, 1].map((n) => conf(`StartServers ${children}\nHeader set X-Conf ${n}`));
    await using sluice = await startSluice(texts[0]!);
    await sluice.untilLog("AH00489");
    let stop = false;
    let served = 0;
    const failed: string[] = [];
    const load = Array.from({ length: CLIENTS }, async () => {
      while (!stop) {
        try {
          const response = await fetchOnce(sluice.port, "/");
          served++;
          if (response.status !== 200 || !response.complete) failed.push(`status ${response.status}`);
        } catch (error) {
          failed.push((error as Error).message);
        }
      }
    });
    await reload(sluice, WARM);
    const early = use(sluice.pid);
    for (let i = WARM; i < RELOADS; i++) {
      sluice.writeConf(texts[i % 2]!);
      await reload(sluice);
    }
    const late = use(sluice.pid);
    if (process.env.SHOW) console.log(early, late, served);
    stop = true;
    await Promise.all(load);
    assert.deepEqual(failed, []);
    assert.ok(served > RELOADS, `${served} requests`);
    assert.ok(late.bytes < early.bytes + BREATH_BYTES, `${early.bytes} bytes, then ${late.bytes}`);
    assert.ok(late.handles <= early.handles + SPARE_HANDLES, `${early.handles} handles, then ${late.handles}`);
  });
}

test("members that did not change go on: in error, in turn, with their connections; the log tells what changed", async () => {
  gate = new Gate();
  const dead = "http://127.0.0.1:1";
  const members = (more: string) => `BalancerMember "${a.url}"\nBalancerMember "${dead}" retry=600\n${more}`;
  await using sluice = await startSluice(conf("LogLevel info", members(`BalancerMember "${b.url}"`)));
  for (let i = 0; i < 6; i++) assert.equal((await fetchOnce(sluice.port, "/")).status, 200);
  await sluice.untilLog(/AH00957[\s\S]*127\.0\.0\.1:1/);
  const tries = () => sluice.errorLog.split("AH00957").length;
  const [tried, connections] = [tries(), a.connections.length];
  await using client = await connectClient(sluice.port);
  void client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  await gate.reached();
  sluice.writeConf(conf("LogLevel info", members(`BalancerMember "${b.url}" loadfactor=3`)));
  await reload(sluice);
  await sluice.untilLog(/balancer:\/\/app: http:\/\/127\.0\.0\.1:\d+ changed, begins afresh; [01] requests? at hand/);
  for (let i = 0; i < 8; i++) assert.equal((await fetchOnce(sluice.port, "/")).status, 200);
  assert.equal(tries(), tried, "a member in error was tried again");
  gate.open();
  assert.equal((await client.response()).status, 200);
  assert.ok(a.connections.length <= connections + 1, `${connections} connections, then ${a.connections.length}`);

  sluice.writeConf(conf("LogLevel info", `BalancerMember "${a.url}"`));
  await reload(sluice);
  await sluice.untilLog(/127\.0\.0\.1:1 removed, 0 requests at hand/);
  assert.equal((await fetchOnce(sluice.port, "/")).text, "a");
});

test("what a removed member serves may go on for GracefulShutdownTimeout; on one that stays, for ever", async () => {
  gate = new Gate();
  const more = "GracefulShutdownTimeout 1";
  await using sluice = await startSluice(conf(more));
  const held: Client[] = [];
  for (let i = 0; i < 2; i++) {
    const client = await connectClient(sluice.port);
    void client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    held.push(client);
    await (i === 0 ? a : b).until(() => (i === 0 ? a : b).requests.some(({ target }) => target === "/hold"), "held");
  }
  sluice.writeConf(conf(more, `BalancerMember "${a.url}"`));
  await reload(sluice);
  await sluice.untilLog(/1 connections cut, GracefulShutdownTimeout has passed/);
  await held[1]!.untilEnded();
  assert.equal(held[0]!.ended, false);
  gate.open();
  assert.equal((await held[0]!.response()).status, 200);
  for (const client of held) client.destroy();
});

test("SIGWINCH: 1 when GracefulShutdownTimeout cut a request, 0 when all ended; a SIGTERM meanwhile ends at once", async () => {
  for (const [limit, signal, exit] of [
    ["GracefulShutdownTimeout 1", null, 1],
    ["", "SIGTERM", 0],
    ["StartServers 2\nGracefulShutdownTimeout 1", null, 1],
    ["StartServers 2", "SIGTERM", 0],
  ] as const) {
    gate = new Gate();
    const sluice = await startSluice(conf(limit));
    await sluice.untilLog("AH00489");
    await using client = await connectClient(sluice.port);
    void client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    await gate.reached();
    sluice.signal("SIGWINCH");
    await sluice.untilLog("AH00492");
    assert.equal(await (signal === null ? sluice.exited : sluice.stop(signal)), exit, limit);
    gate.open();
    client.destroy();
    await sluice.stop();
  }
});

test("MaxRequestWorkers: connections beyond it wait; idle ones make room", async () => {
  gate = new Gate();
  await using sluice = await startSluice(conf("MaxRequestWorkers 2"));
  await using busy = await connectClient(sluice.port);
  void busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  await gate.reached();
  await using idle = await connectClient(sluice.port);
  assert.equal((await idle.get("/")).status, 200);
  await using third = await connectClient(sluice.port);
  const answer = third.get("/");
  await idle.untilEnded();
  idle.end();
  assert.equal((await answer).status, 200);
  assert.match(sluice.errorLog, /AH00484: server reached MaxRequestWorkers setting/);
  gate.open();
  assert.equal((await busy.response()).status, 200);
});

test("--watch: a file that changes is read anew", async () => {
  await using sluice = await startSluice(conf(), { args: ["--watch"] });
  await sluice.untilLog("AH00489");
  sluice.writeConf(conf("Header set X-Watched yes"));
  await sluice.untilLog(/has changed[\s\S]*added: Header[\s\S]*AH00489/);
  assert.equal((await fetchOnce(sluice.port, "/")).field("x-watched"), "yes");
});
