/** Reloads: nothing is lost, nothing grows, and what did not change goes on. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { listeningTcp } from "../../modules/mpm/proc_net.ts";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { within } from "../support/message.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";

/** By hand: RELOADS=1000. With threads fewer: on two cores each waits for its turn. */
const RELOADS = { 1: Number(process.env.RELOADS ?? 120), 2: Number(process.env.RELOADS ?? 40) };
const CLIENTS = 2;
const WARM = 20;
/** Of one; that of all in a test leaves a busy machine its time, too. */
const RELOAD_MS = 20_000;
const limitOf = (reloads: number) => ({ timeout: Math.max(SLOW.timeout, 1000 * reloads) });
const SPARE_HANDLES = 12;
/** The wheel of time-outs holds a connection that has closed until its last time-out would have come. */
const SHORT = "Timeout 1\nKeepAliveTimeout 1\nRequestReadTimeout header=1 body=1";
const FORGET_MS = 20_000;
/** Of a child: the one that serves, and what the runtime still holds of the last ones. */
const MOST_ALIVE = 10;

/** X-Alive of a response: how many generations of the child that serves it are still in memory, after a collection. */
const COUNT = `
import { childInit, defineModule, insertFilter } from "sluice";
globalThis.generations ??= [];
const collect = globalThis.gc ?? (() => Bun.gc(true));
export default defineModule({
  name: "mod_count",
  registerHooks({ hook }) {
    hook(childInit, (process) => void globalThis.generations.push(new WeakRef(process)));
    hook(insertFilter, (r) => {
      if (!r.headersIn.has("x-count")) return;
      collect();
      const alive = globalThis.generations.filter((ref) => ref.deref() !== undefined).length;
      r.headersOut.set("X-Alive", alive + " of " + globalThis.generations.length);
    });
  },
});
`;

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
    await within(
      until(() => told() !== before),
      () => `reload ${i}`,
      RELOAD_MS,
    );
  }
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function handlesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Clients that ask one request after the other, each on a connection of its own. */
function startLoad(sluice: Sluice, clients: number) {
  let stopped = false;
  const failed: string[] = [];
  const load = { served: 0, failed, stop };
  const running = Array.from({ length: clients }, async () => {
    while (!stopped) {
      try {
        const response = await fetchOnce(sluice.port, "/");
        load.served++;
        if (response.status !== 200 || !response.complete) failed.push(`status ${response.status}`);
      } catch (error) {
        failed.push((error as Error).message);
      }
    }
  });
  async function stop(): Promise<void> {
    stopped = true;
    await Promise.all(running);
  }
  return load;
}

for (const children of [1, 2] as const) {
  const reloads = RELOADS[children];
  test(
    `${reloads} reloads under load, ${children} children: no request fails, nothing grows`,
    limitOf(reloads),
    async () => {
      const texts = [0, 1].map((n) =>
        conf(`StartServers ${children}\n${SHORT}\nLoadModule count_module DIR/count.ts\nHeader set X-Conf ${n}`),
      );
      await using sluice = await startSluice(texts[0]!, {
        files: { "count.ts": COUNT },
        env: { DENO_V8_FLAGS: "--expose-gc" },
      });
      await sluice.untilLog(children === 1 ? "AH00489" : "children serve");
      const load = startLoad(sluice, CLIENTS);
      await reload(sluice, WARM);
      const early = handlesOf(sluice.pid);
      for (let i = WARM; i < reloads; i++) {
        sluice.writeConf(texts[i % 2]!);
        await reload(sluice);
        const before = load.served;
        await within(
          until(() => load.served > before),
          () => "a request between two reloads",
        );
      }
      const late = handlesOf(sluice.pid);
      await load.stop();
      // Several times, so that each child is asked.
      for (let i = 0; i < 4 * children; i++) {
        const forgotten = async () => {
          for (;;) {
            const told = (await fetchOnce(sluice.port, "/", "X-Count: yes")).field("x-alive")!;
            const [alive, all] = told.split(" of ").map(Number) as [number, number];
            assert.equal(all, reloads + 1);
            if (alive <= MOST_ALIVE) return;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        };
        await within(forgotten(), () => "old generations to be forgotten", FORGET_MS);
      }
      assert.deepEqual(load.failed, []);
      assert.ok(late <= early + SPARE_HANDLES, `${early} handles, then ${late}`);
    },
  );
}

test(
  "a reload to fewer children, and to more: no client that waits to be accepted is reset, no listener is left",
  SLOW,
  async () => {
    await using sluice = await startSluice(conf("StartServers 4"));
    await sluice.untilLog("4 children serve");
    const listeners = () => [...(listeningTcp() ?? [])].filter(([, { port }]) => port === sluice.port).length;
    const load = startLoad(sluice, 16);
    for (let i = 0; i < 3; i++) {
      for (const children of [1, 4]) {
        const told = () =>
          sluice.errorLog.split(`${children} ${children === 1 ? "child serves" : "children serve"}`).length;
        const before = told();
        sluice.writeConf(conf(`StartServers ${children}`));
        sluice.signal("SIGUSR1");
        await within(
          until(() => told() > before),
          () => `${children} children`,
          RELOAD_MS,
        );
        const soon = load.served + 50;
        await until(() => load.served > soon);
      }
    }
    await load.stop();
    assert.deepEqual(load.failed, []);
    assert.equal(listeners(), 4);
  },
);

test(
  "members that did not change go on: in error, in turn, with their connections; the log tells what changed",
  SLOW,
  async () => {
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
  },
);

test(
  "what a removed member serves may go on for GracefulShutdownTimeout; on one that stays, for ever",
  SLOW,
  async () => {
    gate = new Gate();
    const more = "GracefulShutdownTimeout 1";
    await using sluice = await startSluice(conf(more));
    const held: Client[] = [];
    const before = [a.requests.length, b.requests.length];
    for (let i = 0; i < 2; i++) {
      const client = await connectClient(sluice.port);
      void client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
      held.push(client);
      const backend = i === 0 ? a : b;
      await backend.until(() => backend.requests.length > before[i]!, "a request that is held");
    }
    sluice.writeConf(conf(more, `BalancerMember "${a.url}"`));
    await reload(sluice);
    await sluice.untilLog(/1 connections cut, GracefulShutdownTimeout has passed/);
    await held[1]!.untilEnded();
    assert.equal(held[0]!.ended, false);
    gate.open();
    assert.equal((await held[0]!.response()).status, 200);
    for (const client of held) client.destroy();
  },
);

test(
  "SIGWINCH: 1 when GracefulShutdownTimeout cut a request, 0 when all ended; a SIGTERM meanwhile ends at once",
  SLOW,
  async () => {
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
  },
);

test("MaxRequestWorkers: connections beyond it wait; idle ones make room", SLOW, async () => {
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

test("MaxRequestWorkers: who waits for Timeout, and who cannot wait, gets 503 with Retry-After", SLOW, async () => {
  gate = new Gate();
  await using sluice = await startSluice(conf("MaxRequestWorkers 1\nListenBacklog 1\nTimeout 1\nProxyTimeout 60"));
  await using busy = await connectClient(sluice.port);
  void busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  await gate.reached();
  await using waits = await connectClient(sluice.port);
  const begun = performance.now();
  const late = waits.get("/");
  await sluice.untilLog("AH00484");
  await using full = await connectClient(sluice.port);
  for (const [response, least] of [
    [await full.get("/"), 0],
    [await late, 900],
  ] as const) {
    assert.deepEqual([response.status, response.field("connection")], [503, "close"]);
    assert.match(response.field("retry-after")!, /^\d+$/);
    assert.ok(performance.now() - begun > least);
  }
  await full.untilEnded();
  await waits.untilEnded();
  gate.open();
  assert.equal((await busy.response()).status, 200);
  busy.end();
  await busy.untilEnded();
  assert.equal((await fetchOnce(sluice.port, "/")).status, 200);
});

for (const children of [1, 2]) {
  test(
    `what of the listeners takes a restart is refused, and nothing is changed: ${children} children`,
    SLOW,
    async () => {
      const text = (front: string, listen = "127.0.0.1:PORT") =>
        conf(`StartServers ${children}\nListen PORT2\nFront ${front} ${listen}`).replace(
          /^\nListen .*/,
          `\nListen ${listen}`,
        );
      const fronts = children === 1 ? ["net", "fetch"] : ["net"];
      for (const front of fronts) {
        await using sluice = await startSluice(text(front));
        await sluice.untilLog(children === 1 ? "AH00489" : "children serve");
        const other = front === "net" ? "fetch" : "net";
        sluice.writeConf(text(other));
        sluice.signal("SIGUSR1");
        await sluice.untilLog(`from Front ${front} to Front ${other} takes a restart`);
        sluice.writeConf(`${text(front)}\nListen 127.0.0.1:PORT2`.replace("Listen PORT2", ""));
        sluice.signal("SIGUSR1");
        await sluice.untilLog(/Listen 127.0.0.1:\d+: in place of Listen \[::\]:\d+ it takes a restart/);
        for (const port of sluice.ports) assert.equal((await fetchOnce(port, "/")).status, 200);
        assert.doesNotMatch(sluice.errorLog, /AH00072/);
        sluice.writeConf(text(front));
        await reload(sluice);
      }
    },
  );
}

test("--watch: a file that changes is read anew, and once more when it was broken", SLOW, async () => {
  await using sluice = await startSluice(conf(), { args: ["--watch"] });
  await sluice.untilLog("AH00489");
  sluice.writeConf(conf("Heder set X-Watched yes"));
  await sluice.untilLog(/has changed[\s\S]*nothing was changed: .*Heder/);
  sluice.writeConf(conf("Header set X-Watched yes"));
  await sluice.untilLog(/has changed[\s\S]*added: Header[\s\S]*AH00489/);
  assert.equal((await fetchOnce(sluice.port, "/")).field("x-watched"), "yes");
});
