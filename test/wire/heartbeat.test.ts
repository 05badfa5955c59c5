/** Heartbeats over real UDP and HTTP: the monitor, the sender, the kit of backends, and httpd on either side. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Hono } from "hono";
import { systemClock } from "../../modules/core/clock.ts";
import { loadTable } from "../../modules/proxy/load_table.ts";
import { heartbeat } from "../../plugins/heartbeat/kit.ts";
import { freePort } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { TestGeneration } from "../support/generation.ts";
import { Conditions } from "../support/message.ts";
import { startSluice } from "../support/sluice.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A receiver of datagrams on 127.0.0.1. */
class Receiver implements AsyncDisposable {
  readonly messages: string[] = [];
  port = 0;
  private readonly socket = dgram.createSocket("udp4");
  private readonly conditions = new Conditions();

  async open(): Promise<this> {
    this.socket.on("message", (bytes) => {
      this.messages.push(bytes.toString());
      this.conditions.changed();
    });
    await new Promise<void>((resolve) => this.socket.bind(0, "127.0.0.1", resolve));
    this.port = this.socket.address().port;
    return this;
  }

  until(holds: () => boolean): Promise<void> {
    return this.conditions.until(holds, () => `datagrams; there are ${JSON.stringify(this.messages)}`);
  }

  send(text: string, port: number): void {
    this.socket.send(text, port, "127.0.0.1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

/** A UDP port that nobody has. */
async function freeUdpPort(): Promise<number> {
  await using receiver = await new Receiver().open();
  return receiver.port;
}

async function eventually(holds: () => boolean, what: () => string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(what());
}

/** What lbmethod=heartbeat finds; undefined: it reads the file. */
const hostsOf = (g: TestGeneration) => g.process.providers.lookup(loadTable, "slotmem")?.hosts(0);

describe("mod_heartmonitor", () => {
  it("hears datagrams, from memory at once; a reload goes on with what it knows; malformed ones are logged", async () => {
    await using peer = await new Receiver().open();
    const port = await freeUdpPort();
    const conf = `HeartbeatListen 127.0.0.1:${port}\nLogLevel debug`;
    const one = new TestGeneration(conf, systemClock).start();
    assert.equal(hostsOf(one)!.size, 0);
    await eventually(
      () => one.logged("AH02091").length > 0,
      () => one.lines.join(""),
    );
    peer.send("v=1&ready=5", port);
    peer.send("v=1&ready=50&busy=3", port);
    await eventually(
      () => hostsOf(one)!.size > 0,
      () => one.lines.join(""),
    );
    const { ready, busy, lastSeen } = hostsOf(one)!.get("127.0.0.1")!;
    assert.deepEqual([ready, busy, lastSeen < 5], [50, 3, true]);
    assert.match(one.logged("AH02087")[0]!, /heartmonitor:crit.*malformed message from 127\.0\.0\.1/);

    const two = new TestGeneration(conf, systemClock).start(one.process);
    assert.equal(hostsOf(two)!.get("127.0.0.1")!.ready, 50);
    await eventually(
      () => two.logged("AH02091").length > 0,
      () => two.lines.join(""),
    );
    peer.send("v=1&ready=9&busy=9", port);
    await eventually(
      () => hostsOf(two)!.get("127.0.0.1")!.busy === 9,
      () => two.lines.join(""),
    );
    assert.equal(hostsOf(one)!.get("127.0.0.1")!.busy, 3);
    one.end();
    two.end();
  });

  it("that cannot listen says so and serves on", async () => {
    const g = new TestGeneration("HeartbeatListen 192.0.2.99:27999", systemClock).start();
    await eventually(
      () => g.logged("AH02072").length > 0,
      () => g.lines.join(""),
    );
    assert.match(g.logged("AH02072")[0]!, /heartmonitor:crit/);
    g.end();
  });

  it("without HeartbeatListen leaves the table to the file", () => {
    const g = new TestGeneration("HeartbeatStorage /tmp/hb.dat", systemClock).start();
    assert.equal(hostsOf(g), undefined);
    g.end();
  });

  for (const [line, error] of [
    ["HeartbeatListen foo", "HeartbeatListen: No port provided in multicast address"],
    ["HeartbeatListen :1", "HeartbeatListen: Unable to parse multicast address."],
    ["HeartbeatListen a:1\nHeartbeatListen a:1", "HeartbeatListen: May only be specified once."],
    ["HeartbeatAddress a:1\nHeartbeatAddress a:1", "HeartbeatAddress: May only be specified once."],
    ["HeartbeatAddress 1", "HeartbeatAddress: No host provided in address"],
    [
      "HeartbeatMaxServers 9",
      "HeartbeatMaxServers: Should be 0 for file storage, or greater or equal than 10 for slotmem",
    ],
  ] as const) {
    it(`${line.replace("\n", ", ")} is an error`, () => {
      assert.throws(() => new TestGeneration(line, systemClock), { message: error });
    });
  }
});

const MONITOR = (udp: number) => `
  Listen 127.0.0.1:PORT
  ServerName localhost
  HeartbeatListen 127.0.0.1:${udp}
  HeartbeatMaxServers 0
  HeartbeatStorage DIR/hb.dat
  <Location /beat>
      SetHandler heartbeat
  </Location>
`;

describe("SetHandler heartbeat", () => {
  it("takes a POST, and the file has it at once, as httpd writes it", async () => {
    await using sluice = await startSluice(MONITOR(await freeUdpPort()));
    const post = async (body: string) => {
      await using client = await connectClient(sluice.port);
      return await client.request("POST", "/beat", [], body);
    };
    const good = await post("ready=5&busy=2&port=88");
    assert.deepEqual(
      [good.status, good.text, good.field("content-type"), good.field("content-length")],
      [200, "OK", "text/plain", "2"],
    );
    assert.match(sluice.file("hb.dat"), /^127\.0\.0\.1 &ready=5&busy=2&lastseen=0&port=88\n$/);
    assert.equal((await post("ready=5")).status, 400);
    assert.equal((await post(`ready=6&busy=1&pad=${"a".repeat(3000)}`)).status, 200);
    assert.match(sluice.file("hb.dat"), /&ready=6&busy=1&/);
    const got = await fetchOnce(sluice.port, "/beat");
    assert.deepEqual([got.status, got.field("allow")], [405, "TRACE"]);
  });

  it("is 503 without HeartbeatListen, as httpd's", async () => {
    await using sluice = await startSluice(MONITOR(1).replace(/HeartbeatListen.*\n/, ""));
    await using client = await connectClient(sluice.port);
    assert.equal((await client.request("POST", "/beat", [], "ready=5&busy=2")).status, 503);
    await sluice.untilLog("AH10561");
  });
});

describe("mod_heartbeat", () => {
  it("sends every WatchdogInterval how many connections are open, and what room there is", async () => {
    await using receiver = await new Receiver().open();
    await using sluice = await startSluice(`
      Listen 127.0.0.1:PORT
      ServerName localhost
      WatchdogInterval 100ms
      HeartbeatAddress 127.0.0.1:${receiver.port}
    `);
    await using client = await connectClient(sluice.port);
    await client.get("/");
    await receiver.until(() => receiver.messages.some((text) => /^v=1&ready=\d+&busy=1$/.test(text)));
    assert.match(receiver.messages.join("\n"), /^(v=1&ready=[1-9]\d*&busy=\d\n?)+$/);
  });
});

describe("the kit of backends", () => {
  it("counts requests of fetch handlers and of Hono, and reports them by UDP; stop() offers nothing more", async () => {
    await using receiver = await new Receiver().open();
    const beat = heartbeat({ to: `udp://127.0.0.1:${receiver.port}`, capacity: 10, port: 3001, intervalMs: 60_000 });
    const gate = Promise.withResolvers<void>();
    const served = beat.fetch(async (name: string) => {
      await gate.promise;
      return new Response(name);
    });
    const app = new Hono().use(beat.hono).get("/", async (c) => {
      await gate.promise;
      return c.text("hono");
    });
    const failing = beat.fetch(() => Promise.reject(new Error("no")));
    const [one, two] = [served("plain"), app.request("/")];
    await assert.rejects(failing());
    assert.equal(beat.busy, 2);
    await beat.beat();
    await receiver.until(() => receiver.messages.length === 1);
    assert.match(receiver.messages[0]!, /^v=1&ready=[1-8]&busy=2&port=3001$/);
    gate.resolve();
    assert.deepEqual([await (await one).text(), await (await two).text()], ["plain", "hono"]);
    assert.equal(beat.busy, 0);
    await beat.stop();
    await receiver.until(() => receiver.messages.length === 2);
    assert.equal(receiver.messages[1], "v=1&ready=0&busy=0&port=3001");
  });

  it("beats by itself, and takes part by HTTP", async () => {
    await using sluice = await startSluice(MONITOR(await freeUdpPort()));
    const beat = heartbeat({ to: `http://127.0.0.1:${sluice.port}/beat`, capacity: 10, intervalMs: 20 });
    await sluice.untilFile("hb.dat", /127\.0\.0\.1 &ready=\d+&busy=0&/);
    await beat.stop();
  });

  it("tells of beats that nobody takes, and of an address that is none", async () => {
    const errors: Error[] = [];
    const port = await freePort();
    const beat = heartbeat({ to: `http://127.0.0.1:${port}/`, onError: (error) => errors.push(error) });
    await beat.beat();
    await beat.stop();
    assert.equal(errors.length, 2);
    for (const to of ["udp://127.0.0.1", "ftp://x:1"]) assert.throws(() => heartbeat({ to }), TypeError);
  });
});

const hasNode = spawnSync("node", ["--version"]).status === 0;

describe("the kit on Node", { skip: !hasNode }, () => {
  it("as it is packed", { timeout: 20_000 }, async () => {
    await using receiver = await new Receiver().open();
    const dir = mkdtempSync(join(tmpdir(), "sluice-kit-"));
    const kit = ["plugins/heartbeat/kit.ts", "--bundle", "--format=esm", "--platform=node", "--target=node20"];
    const args = [...kit, `--outfile=${join(dir, "heartbeat.mjs")}`];
    const packed = spawnSync(join(ROOT, "node_modules/.bin/esbuild"), args, { cwd: ROOT, encoding: "utf8" });
    assert.equal(packed.status, 0, packed.stderr);
    writeFileSync(
      join(dir, "backend.mjs"),
      `import { heartbeat } from "./heartbeat.mjs";
       const beat = heartbeat({ to: "udp://127.0.0.1:${receiver.port}", port: 3000 });
       await beat.fetch(() => beat.beat())();
       await beat.stop();`,
    );
    const child = spawn("node", [join(dir, "backend.mjs")], { stdio: "inherit" });
    const exit = new Promise((resolve) => child.on("exit", resolve));
    await receiver.until(() => receiver.messages.length === 2);
    assert.match(receiver.messages[0]!, /^v=1&ready=\d+&busy=1&port=3000$/);
    assert.equal(await exit, 0);
    rmSync(dir, { recursive: true });
  });
});

// ---- a real httpd, where there is one

const HTTPD = ["/usr/sbin/apache2", "/usr/sbin/httpd"].find(existsSync);
const MODULES = "/usr/lib/apache2/modules";
const hasHttpd = HTTPD !== undefined && existsSync(`${MODULES}/mod_heartbeat.so`);

/** httpd in the foreground, with these modules and lines; it does not outlive its test. */
async function startHttpd(modules: readonly string[], lines: string): Promise<{ dir: string } & AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-httpd-"));
  const port = await freePort();
  const load = ["mpm_event", "authz_core", ...modules]
    .filter((name) => existsSync(`${MODULES}/mod_${name}.so`))
    .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`);
  const conf = `ServerRoot ${dir}\nDefaultRuntimeDir ${dir}\nPidFile ${dir}/pid\nErrorLog ${dir}/error.log\nLogLevel debug
    ServerName localhost\nListen 127.0.0.1:${port}\n${load.join("\n")}\n${lines.replaceAll("DIR", dir)}\n`;
  writeFileSync(join(dir, "httpd.conf"), conf);
  const child: ChildProcess = spawn(HTTPD!, ["-X", "-f", join(dir, "httpd.conf")], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  const kill = () => void child.kill("SIGTERM");
  process.on("exit", kill);
  return {
    dir,
    async [Symbol.asyncDispose]() {
      kill();
      await exited;
      process.off("exit", kill);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

describe("with a real httpd", { skip: !hasHttpd }, () => {
  it("mod_heartbeat of httpd reports to sluice", { timeout: 20_000 }, async () => {
    const port = await freeUdpPort();
    const g = new TestGeneration(`HeartbeatListen 127.0.0.1:${port}`, systemClock).start();
    await using httpd = await startHttpd(["heartbeat"], `HeartbeatAddress 127.0.0.1:${port}`);
    await eventually(
      () => hostsOf(g)!.size > 0,
      () => readFileSync(join(httpd.dir, "error.log"), "utf8"),
    );
    assert.ok([...hostsOf(g)!.values()][0]!.ready > 0);
    g.end();
  });

  it("mod_heartmonitor of httpd hears sluice, by multicast", { skip: !multicastWorks(), timeout: 20_000 }, async () => {
    const port = await freeUdpPort();
    const group = `239.0.0.1:${port}`;
    await using httpd = await startHttpd(
      ["slotmem_shm", "heartmonitor"],
      `HeartbeatListen ${group}\nHeartbeatMaxServers 0\nHeartbeatStorage DIR/hb.dat`,
    );
    const g = new TestGeneration(`HeartbeatAddress ${group}\nWatchdogInterval 200ms`, systemClock).start();
    const file = () => (existsSync(join(httpd.dir, "hb.dat")) ? readFileSync(join(httpd.dir, "hb.dat"), "utf8") : "");
    await eventually(
      () => file() !== "",
      () => readFileSync(join(httpd.dir, "error.log"), "utf8"),
    );
    assert.match(file(), /^[\d.]+ &ready=[1-9]\d*&busy=\d+&lastseen=\d&port=80\n$/);
    g.end();
  });
});

/** A machine without a route for groups cannot say so otherwise. */
function multicastWorks(): boolean {
  const route = spawnSync("ip", ["route", "get", "239.0.0.1"], { encoding: "utf8" });
  return route.status === 0;
}
