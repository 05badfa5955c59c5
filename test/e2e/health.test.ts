/** Health checks under load: no client gets an error that another member could have answered. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { freePort, ok, respond, stall, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const CLIENTS = 8;
/** Clients that ask one request after the other, half of them over connections that they keep. Counts what they got. */
class Load {
  readonly statuses = new Map<number, number>();
  private running = true;
  private readonly clients: Promise<void>[] = [];

  constructor(port: number) {
    for (let i = 0; i < CLIENTS; i++) this.clients.push(i % 2 === 0 ? this.fresh(port) : this.kept(port));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.clients);
  }

  get total(): number {
    return [...this.statuses.values()].reduce((sum, count) => sum + count, 0);
  }

  private readonly note = ({ status }: { readonly status: number }): void => {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  };

  /** No answer at all. */
  private readonly lost = (): void => this.note({ status: 0 });

  private async fresh(port: number): Promise<void> {
    while (this.running) await fetchOnce(port, "/x").then(this.note, this.lost);
  }

  private async kept(port: number): Promise<void> {
    while (this.running) {
      await using client = await connectClient(port);
      for (let i = 0; i < 50 && this.running && !client.ended; i++) await client.get("/x").then(this.note, this.lost);
    }
  }
}

const matches = (sluice: Sluice, text: string): number => sluice.errorLog.split(text).length - 1;

test(
  "members that are dead, that come and go, that are slow to answer checks, and one that is well",
  SLOW,
  async () => {
    const dead = await freePort();
    await using flapping = await startBackend(ok("flapping"));
    const flaps = (verdict: string, count: number) =>
      sluice.untilLog(new RegExp(`(${verdict} ${flapping.url}.*\\n[^]*){${count}}`));
    await using slow = await startBackend({ "/health": [stall], "*": ok("slow") });
    await using healthy = await startBackend(ok("healthy"));
    const check = "hcmethod=GET hcuri=/health hcinterval=100ms";
    await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName localhost
    LogLevel proxy_hcheck:info
    ErrorLog DIR/error.log
    ProxyHCTemplate often ${check.replace("hcuri=/health ", "")}
    <Proxy "balancer://app">
        BalancerMember "http://127.0.0.1:${dead}" hctemplate=often retry=1
        BalancerMember "${flapping.url}" hctemplate=often hcuri=/health retry=0 disablereuse=on
        BalancerMember "${slow.url}" ${check} timeout=300ms
        BalancerMember "${healthy.url}" ${check} hcfails=2
        ProxySet panic=on
    </Proxy>
    ProxyPass "/" "balancer://app/"
  `);
    const load = new Load(sluice.port);
    await sluice.untilLog(`DISABLING http://127.0.0.1:${dead}: connect: (111)Connection refused`);
    await sluice.untilLog(`DISABLING ${slow.url}: no answer in time`);
    for (let round = 1; round <= 3; round++) {
      flapping.routes = { "/health": respond(503, "going down"), "*": ok("flapping") };
      await flaps("DISABLING", round);
      // Connections that wait to be accepted would be reset, and such a request is not repeated, as in httpd: ours is behind them.
      await fetchOnce(flapping.port, "/");
      flapping.refuse();
      flapping.routes = { "*": ok("flapping") };
      await flapping.listen({});
      await flaps("ENABLING", round);
    }
    slow.routes = { "*": ok("slow") };
    await sluice.untilLog(`ENABLING ${slow.url}: status 200`);
    await load.stop();
    assert.deepEqual([...load.statuses.keys()], [200], `${JSON.stringify([...load.statuses])}\n${sluice.errorLog}`);
    assert.ok(load.total > CLIENTS, String(load.total));
    assert.equal(matches(sluice, `ENABLING http://127.0.0.1:${dead}`), 0);
    assert.equal(matches(sluice, `DISABLING ${healthy.url}`), 0);
    assert.equal(matches(sluice, "panic"), 0);
  },
);

for (const [panic, status] of [
  ["on", 200],
  ["off", 503],
] as const) {
  test(`every check fails: ${status} with panic=${panic}`, SLOW, async () => {
    await using backend = await startBackend({ "/health": respond(500, ""), "*": ok("served") });
    await using sluice = await startSluice(`
      Listen 127.0.0.1:PORT
      ServerName localhost
      LogLevel proxy_hcheck:info
      ErrorLog DIR/error.log
      <Proxy "balancer://app">
          BalancerMember "${backend.url}" hcmethod=HEAD hcuri=/health hcinterval=100ms
          ProxySet panic=${panic}
      </Proxy>
      ProxyPass "/" "balancer://app/"
    `);
    await sluice.untilLog("DISABLING");
    if (panic === "on") await sluice.untilLog("served as if none did (panic=on)");
    assert.equal((await fetchOnce(sluice.port, "/")).status, status);
    backend.routes = { "*": ok("served") };
    await sluice.untilLog("ENABLING");
    assert.equal((await fetchOnce(sluice.port, "/")).status, 200);
    if (panic === "on") await sluice.untilLog("health checks count again");
    assert.equal(matches(sluice, "panic=on"), panic === "on" ? 1 : 0);
  });
}

test("a reload goes on checking, by the new configuration alone", SLOW, async () => {
  await using backend = await startBackend(ok("x"));
  const conf = (uri: string) => `
    Listen 127.0.0.1:PORT
    ServerName localhost
    ErrorLog DIR/error.log
    <Proxy "balancer://app">
        BalancerMember "${backend.url}" hcmethod=GET hcuri=${uri} hcinterval=100ms
    </Proxy>
    ProxyPass "/" "balancer://app/"
  `;
  await using sluice = await startSluice(conf("/old"));
  const asked = (path: string) => backend.requests.filter((request) => request.path === path).length;
  await backend.until(() => asked("/old") > 1);
  sluice.writeConf(conf("/new"));
  sluice.signal("SIGUSR1");
  await backend.until(() => asked("/new") > 0);
  const before = asked("/old");
  await backend.until(() => asked("/new") > 3);
  assert.equal(asked("/old"), before);
});

test("examples/queue_check.conf: a check by a function of a plug-in, which says why", SLOW, async () => {
  await using short = await startBackend({ "/queue": ok('{"queued": 7}'), "*": ok("short") });
  await using long = await startBackend({ "/queue": ok('{"queued": 700}'), "*": ok("long") });
  const conf = readFileSync(join(root, "examples/queue_check.conf"), "utf8")
    .replace("./queue_check.ts", pathToFileURL(join(root, "examples/queue_check.ts")).href)
    .replace("127.0.0.1:8080", "127.0.0.1:PORT")
    .replace("/dev/stderr", "DIR/error.log")
    .replace(":3001", `:${short.port}`)
    .replace(":3002", `:${long.port}`);
  await using sluice = await startSluice(conf);
  await sluice.untilLog(`Health check DISABLING ${long.url}: queue: 700 queued`);
  for (let i = 0; i < 4; i++) assert.equal((await fetchOnce(sluice.port, "/")).text, "short");
});
