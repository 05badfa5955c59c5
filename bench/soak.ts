/**
 * Hours of a bad life in minutes: a balancer with three members of which one is killed again and again, reloads that drain
 * another one, uploads, clients that leave in the middle, WebSockets. At the end nothing may be wrong, lost or left.
 *
 *   bun bench/soak.ts bun|deno SECONDS [--websockets] [--seed N]
 *
 * A request counts as lost if it got no answer, or an error, although the member that had it was not killed just then. A
 * request on a connection that closes before a byte of the answer is sent once more, as all clients do.
 * Exit status 1 if something is wrong.
 */
import { createHash } from "node:crypto";
import http from "node:http";
import type net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connectClient } from "../test/support/client.ts";
import { GAUGE_CONF, type Gauge, readGauge, readGaugeAtRest } from "../test/support/gauge.ts";
import type { ResponseMessage } from "../test/support/message.ts";
import { Chance } from "../test/support/mutate.ts";
import { type Sluice, startSluice } from "../test/support/sluice.ts";

const USERS = 24;
const WARM_UP_S = 20;
const RELOAD_MS = 4000;
const KILL_MS = 3000;
const DOWN_MS = 800;
/** Who is killed may have had any request that was under way so long before, and its connections fail so long after. */
const GRACE_MS = 1500;
const MB = 1024 * 1024;

const words = process.argv.slice(2);
const runtime = words[0];
const seconds = Number(words[1]);
const websockets = words.includes("--websockets");
const seed = words.includes("--seed") ? Number(words[words.indexOf("--seed") + 1]) : Date.now() % 1_000_000_007;
if ((runtime !== "bun" && runtime !== "deno") || !(seconds > 0)) {
  console.error("usage: bun bench/soak.ts bun|deno SECONDS [--websockets] [--seed N]");
  process.exit(2);
}

/** Echoes what it is asked, sums what it is sent; can be killed and comes back on its port. */
class Member {
  port = 0;
  private server: http.Server | null = null;
  private readonly sockets = new Set<net.Socket>();

  async start(): Promise<void> {
    const server = http.createServer({ keepAliveTimeout: 60_000 }, serve);
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("error", () => {});
    });
    server.on("upgrade", (_request, socket: net.Socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("end", () => socket.end());
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as net.AddressInfo).port;
  }

  kill(): void {
    this.server?.close();
    this.server = null;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}

function serve(request: http.IncomingMessage, response: http.ServerResponse): void {
  const url = request.url ?? "";
  if (request.method === "POST") {
    const sum = createHash("sha1");
    let length = 0;
    request.on("data", (bytes: Buffer) => {
      sum.update(bytes);
      length += bytes.length;
    });
    request.on("end", () => response.end(`${url} ${sum.digest("hex")} ${length}`));
  } else if (url.startsWith("/slow")) setTimeout(() => response.end(url), 300);
  else if (url.startsWith("/big")) response.end(`${url}\n${"x".repeat(300_000)}`);
  else response.end(url);
}

class Soak {
  answered = 0;
  uploads = 0;
  tunnels = 0;
  aborted = 0;
  excused = 0;
  again = 0;
  kills = 0;
  reloads = 0;
  readonly wrong: string[] = [];
  private ending = false;
  private asked = 0;
  private reloadedMs = Number.NEGATIVE_INFINITY;
  private killedMs = Number.NEGATIVE_INFINITY;
  private readonly sluice: Sluice;
  private readonly conf: (drained: boolean) => string;
  private readonly victim: Member;

  constructor(sluice: Sluice, conf: (drained: boolean) => string, victim: Member) {
    this.sluice = sluice;
    this.conf = conf;
    this.victim = victim;
  }

  async run(forSeconds: number, from: number): Promise<void> {
    this.ending = false;
    const users = Array.from({ length: USERS }, (_, i) => this.user(new Chance(seed + from + i)));
    const chores = [this.kill(), this.reload()];
    await sleep(forSeconds * 1000);
    this.ending = true;
    await Promise.all([...users, ...chores]);
  }

  private async user(chance: Chance): Promise<void> {
    while (!this.ending) {
      const client = await connectClient(this.sluice.port).catch((error: NodeJS.ErrnoException) => error);
      if (client instanceof Error) {
        this.wrong.push(
          `connect: ${client.code}; the last reload was ${Math.round(performance.now() - this.reloadedMs)} ms ago`,
        );
        await sleep(100);
        continue;
      }
      try {
        await this.visit(client, chance);
      } finally {
        client.destroy();
      }
    }
  }

  /** Some requests on one connection. */
  private async visit(client: Client, chance: Chance): Promise<void> {
    for (let i = 0; i < 1 + chance.int(30) && !client.ended && !this.ending; i++) {
      const id = ++this.asked;
      const kind = chance.int(20);
      if (kind === 0) {
        this.abort(client, chance, id);
        return;
      }
      if (kind === 1 && websockets && i === 0) {
        await this.tunnel(client, id);
        return;
      }
      if (kind <= 3) await this.ask(client, i, upload(id, chance));
      else if (kind === 4)
        await this.ask(
          client,
          i,
          get(`/big/${id}`, (text) => text.length === `/big/${id}\n`.length + 300_000),
        );
      else if (kind === 5) await this.ask(client, i, get(`/slow/${id}`));
      else await this.ask(client, i, get(`/${id}`));
      await sleep(chance.int(8));
    }
  }

  private async ask(client: Client, before: number, question: Question): Promise<void> {
    const start = performance.now();
    const first = await send(client, question);
    // The server may close an idle connection at any time, and one whose backend died under the request.
    const retries = first === null && before > 0;
    if (retries) this.again++;
    const response = retries ? await sendAlone(this.sluice.port, question) : first;
    if (response?.status === 200 && response.complete) {
      this.answered++;
      if (question.isUpload) this.uploads++;
      if (!question.isRight(response.text))
        this.wrong.push(`${question.name} got ${JSON.stringify(response.text.slice(0, 100))}`);
    } else if (this.excuses(start)) this.excused++;
    else
      this.wrong.push(
        `${question.name} got ${response === null ? "nothing" : `${response.status}${response.complete ? "" : " cut"}`}`,
      );
    if (response !== null && !response.complete) client.destroy();
  }

  /** Was the victim killed while it may have had a request that began at `start`? */
  private excuses(start: number): boolean {
    return this.killedMs + GRACE_MS > start;
  }

  private abort(client: Client, chance: Chance, id: number): void {
    this.aborted++;
    const heads = [
      `GET /slow/${id} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /big/${id} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `POST /${id} HTTP/1.1\r\nHost: a\r\nContent-Length: ${MB}\r\n\r\n${"x".repeat(chance.int(100_000))}`,
      `POST /${id} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n${"x".repeat(chance.int(60_000))}`,
      `GET /${id} HT`,
    ];
    void client.send(chance.of(heads));
    if (chance.once(2)) client.reset();
  }

  private async tunnel(client: Client, id: number): Promise<void> {
    const start = performance.now();
    const text = `tunnel ${id};`;
    const fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x";
    try {
      void client.send(`GET /ws/${id} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`);
      if ((await client.response()).status !== 101) throw new Error("no 101");
      for (let i = 1; i <= 10; i++) {
        void client.send(text);
        await client.until(() => client.tunnelled.length >= i * text.length || client.ended || client.closed);
      }
      if (client.tunnelled !== text.repeat(10))
        throw new Error(`echo ${JSON.stringify(client.tunnelled.slice(0, 50))}`);
      this.tunnels++;
    } catch (error) {
      if (this.excuses(start)) this.excused++;
      else this.wrong.push(`tunnel ${id}: ${(error as Error).message}`);
    }
  }

  private async kill(): Promise<void> {
    while (!this.ending) {
      await sleep(KILL_MS);
      this.killedMs = performance.now();
      this.victim.kill();
      this.kills++;
      await sleep(DOWN_MS);
      await this.victim.start();
    }
  }

  private async reload(): Promise<void> {
    for (let drained = true; !this.ending; drained = !drained) {
      await sleep(RELOAD_MS);
      this.sluice.writeConf(this.conf(drained));
      const { generation } = await readGauge(this.sluice.port);
      this.sluice.signal("SIGUSR1");
      this.reloadedMs = performance.now();
      this.reloads++;
      for (let i = 0; i < 100 && (await readGauge(this.sluice.port)).generation === generation; i++) await sleep(20);
    }
  }
}

interface Question {
  readonly name: string;
  readonly bytes: string;
  readonly isUpload: boolean;
  readonly isRight: (text: string) => boolean;
}

function get(target: string, isRight = (text: string): boolean => text === target): Question {
  return { name: `GET ${target}`, bytes: `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, isUpload: false, isRight };
}

function upload(id: number, chance: Chance): Question {
  const text = String.fromCharCode(97 + chance.int(26)).repeat(chance.int(chance.once(5) ? 2 * MB : 50_000));
  const sum = `/${id} ${createHash("sha1").update(text).digest("hex")} ${text.length}`;
  const half = text.length >> 1;
  const body =
    chance.once(2) && half > 0
      ? `Transfer-Encoding: chunked\r\n\r\n${[text.slice(0, half), text.slice(half)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")}0\r\n\r\n`
      : `Content-Length: ${text.length}\r\n\r\n${text}`;
  const bytes = `POST /${id} HTTP/1.1\r\nHost: a\r\n${body}`;
  return { name: `POST /${id}`, bytes, isUpload: true, isRight: (answer) => answer === sum };
}

/** null: the connection ended without a byte. */
async function send(client: Client, question: Question): Promise<ResponseMessage | null> {
  void client.send(question.bytes);
  return client.response().catch(() => null);
}

async function sendAlone(port: number, question: Question): Promise<ResponseMessage | null> {
  await using client = await connectClient(port);
  return await send(client, question);
}

function show(what: string, gauge: Gauge): void {
  console.log(
    `${what}: ${gauge.connections} connections, busy ${gauge.busy}, in use ${gauge.inUse}, waiting ${gauge.waiting}, idle ${gauge.idle}, fds ${gauge.fds}, rss ${gauge.rssMb} MB, heap ${gauge.heapMb} MB`,
  );
}

/** What is held when nothing is under way and what is garbage is gone. */
async function rest(): Promise<Gauge> {
  await readGaugeAtRest(sluice.port);
  await readGauge(sluice.port, true);
  return await readGauge(sluice.port, true);
}

const members = [new Member(), new Member(), new Member()] as const;
for (const member of members) await member.start();
const upgrade = websockets ? "upgrade=websocket" : "";
const conf = (drained: boolean): string => `
  Listen 127.0.0.1:PORT
  ServerName soak.test
  LogLevel crit
  MaxKeepAliveRequests 0
  ${GAUGE_CONF}
  <Proxy "balancer://soak">
    BalancerMember "http://127.0.0.1:${members[0].port}" ${upgrade}
    BalancerMember "http://127.0.0.1:${members[1].port}" ${upgrade} ${drained ? "status=+N" : ""}
    BalancerMember "http://127.0.0.1:${members[2].port}" ${upgrade} retry=1
  </Proxy>
  ProxyPass "/" "balancer://soak/"
`;
console.log(`${runtime}, ${seconds} s, seed ${seed}${websockets ? ", with WebSockets" : ""}`);
const sluice = await startSluice(conf(false), { runtime, children: "auto", env: { DENO_V8_FLAGS: "--expose-gc" } });
const soak = new Soak(sluice, conf, members[2]);
await soak.run(WARM_UP_S, 0);
const warm = await rest();
show("warm", warm);
await soak.run(seconds, 1000);
const end = await rest();
show("end ", end);
const { wrong } = soak;
if (end.connections !== 1 || end.busy + end.inUse + end.waiting !== 0) wrong.push("not everything was given back");
if (end.fds - end.idle > warm.fds - warm.idle + 2) wrong.push("descriptors are left open");
// What the allocator gave back to the system is its own business, within limits: the heap tells of leaks.
if (end.heapMb > warm.heapMb + 5 || end.rssMb > warm.rssMb * 2) wrong.push("memory grew");
if (/:crit\]|:emerg\]/.test(sluice.errorLog))
  wrong.push(`error log: ${/^.*:(crit|emerg)\].*$/m.exec(sluice.errorLog)?.[0]}`);
console.log(
  `${soak.answered} answered, ${soak.uploads} uploads and ${soak.tunnels} tunnels among them; ${soak.aborted} clients left; ${soak.kills} kills, ${soak.reloads} reloads; ${soak.excused} fell with a killed member, ${soak.again} asked again; ${wrong.length} wrong`,
);
for (const text of wrong.slice(0, 20)) console.log(`WRONG: ${text}`);
await sluice.stop();
process.exit(wrong.length === 0 ? 0 : 1);
