/**
 * Hostile clients and backends against a running sluice: does its memory stay bounded, are the others still served?
 *
 *   bun bench/hostile.ts bun|deno [case …]
 *
 * Three processes beside sluice, all on loopback: this one is the client under test, "backend" pours and takes large
 * bodies, "probe" is an innocent client with its own small backend, which asks every 25 ms on a new connection. Every case
 * has a fresh sluice. Linux only (/proc). Exit status 1 if a bound is broken.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bytes } from "../modules/core/bytes.ts";
import { ChunkDecoder } from "../modules/http/chunked.ts";

const MB = 1024 * 1024;
const BLOCK = 65_536;
const BIG = 1024 * MB;
const SMALL = "GET /small HTTP/1.1\r\nHost: a\r\n\r\n";
const PROBE_LIMIT_MS = 100;
const IDLE_CONNECTIONS = 5000;
const STALLED = 200;
const root = join(import.meta.dirname, "..");

// ---- what both sides of a large body share

/** Bytes that went through one side, and their checksum. */
class Tally {
  moved = 0;
  private readonly hash = createHash("sha1");

  add(bytes: Uint8Array): void {
    this.moved += bytes.length;
    this.hash.update(bytes);
  }

  digest(): string {
    return `${this.hash.digest("hex")} ${this.moved}`;
  }
}

/** Sends `size` bytes, no two blocks alike, as fast as the peer takes them. */
async function pour(socket: net.Socket, size: number, chunked: boolean, tally: Tally): Promise<void> {
  const noise = randomBytes(BLOCK);
  for (let at = 0; at < size && !socket.destroyed; at += BLOCK) {
    const block = Buffer.from(noise);
    block.writeUInt32BE(at / BLOCK, (at / BLOCK) % 1000);
    tally.add(block);
    if (chunked) socket.write(`${BLOCK.toString(16)}\r\n`);
    let room = socket.write(block);
    if (chunked) room = socket.write("\r\n");
    if (!room && !socket.destroyed) await drainedOrClosed(socket);
  }
  if (chunked) socket.write("0\r\n\r\n");
}

function drainedOrClosed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/** How a body is read: 64 KiB at a time at ~15 MB/s, at 64 MB a stall of 10 s, from 160 MB on at full speed. */
function slowly(socket: net.Socket): (bytes: number) => void {
  let total = 0;
  let since = 0;
  let stalled = false;
  let waiting = false;
  const goOn = (): void => {
    if (total > 64 * MB && !stalled) {
      stalled = true;
      setTimeout(goOn, 10_000);
      return;
    }
    waiting = false;
    since = 0;
    socket.resume();
  };
  return (bytes) => {
    total += bytes;
    since += bytes;
    if (waiting || since < BLOCK || total > 160 * MB) return;
    waiting = true;
    socket.pause();
    // Later: how much this very read brings is not known yet.
    setImmediate(() => setTimeout(goOn, (since / BLOCK) * 4));
  };
}

/** Reads one message; `onHead` answers who takes the body, which is awaited by its length or its last chunk. */
function readMessages(socket: net.Socket, onHead: (head: string) => ((bytes: Uint8Array | null) => void) | null): void {
  let pending = "";
  let left = 0;
  let chunks: ChunkDecoder | null = null;
  let take: ((bytes: Uint8Array | null) => void) | null = null;
  socket.on("data", (data: Buffer) => {
    let rest = data;
    while (rest.length > 0) {
      if (take === null) {
        pending += rest.toString("latin1");
        const end = pending.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = pending.slice(0, end);
        rest = Buffer.from(pending.slice(end + 4), "latin1");
        pending = "";
        left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        chunks = /\r\ntransfer-encoding: *chunked/i.test(head)
          ? new ChunkDecoder({ fieldSize: 8190, fields: 100 })
          : null;
        take = onHead(head);
        if (take !== null && left === 0 && chunks === null) {
          const done = take;
          take = null;
          done(null);
        }
        continue;
      }
      let last: boolean;
      if (chunks !== null) {
        const into = take;
        const taken = chunks.decode(rest as unknown as Bytes, 0, rest.length, {
          onChunkData: (b, from, to) => into(b.subarray(from, to)),
        });
        if (chunks.error !== null) throw new Error(chunks.error);
        last = chunks.done;
        rest = rest.subarray(taken);
      } else {
        const part = rest.subarray(0, left);
        left -= part.length;
        take(part);
        last = left === 0;
        rest = rest.subarray(part.length);
      }
      if (!last) continue;
      const done = take;
      take = null;
      done(null);
    }
  });
}

function respond(socket: net.Socket, text: string): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
}

async function listen(serve: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}

/** The body of a short answer; "" if there is none. */
function get(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("data", (data) => {
      const text = data.toString("latin1");
      resolve(text.slice(text.indexOf("\r\n\r\n") + 4));
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(""));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  });
}

// ---- the other processes

/** /big/<bytes>/<length|chunked> pours, POST takes slowly, /moved and /sum tell of the last of either. */
async function backend(): Promise<void> {
  let tally = new Tally();
  let sum = "";
  const port = await listen((socket) => {
    readMessages(socket, (head) => {
      const [method, path = ""] = head.split(" ", 2);
      if (method === "POST") {
        const mine = new Tally();
        if (path === "/up") tally = mine;
        const pace = slowly(socket);
        return (bytes) => {
          if (bytes === null) {
            sum = mine.digest();
            respond(socket, sum);
            return;
          }
          mine.add(bytes);
          pace(bytes.length);
        };
      }
      const big = /^\/big\/(\d+)\/(\w+)/.exec(path);
      return () => {
        if (path === "/moved") respond(socket, String(tally.moved));
        else if (path === "/sum") respond(socket, sum);
        else if (big === null) respond(socket, "hello");
        else {
          const chunked = big[2] === "chunked";
          const mine = (tally = new Tally());
          socket.write(
            `HTTP/1.1 200 OK\r\n${chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${big[1]}`}\r\n\r\n`,
          );
          void pour(socket, Number(big[1]), chunked, mine).then(() => (sum = mine.digest()));
        }
      };
    });
  });
  console.log(port);
}

/** Prints the port of its backend, reads the port of sluice, then prints the milliseconds of each request, and without it. */
async function probe(): Promise<void> {
  const own = await listen((socket) => readMessages(socket, () => () => respond(socket, "pong")));
  console.log(own);
  let target = 0;
  createInterface({ input: process.stdin }).on("line", (line) => (target = Number(line)));
  const time = async (port: number): Promise<number> => {
    const start = performance.now();
    const answer = await Promise.race([get(port, "/ping"), sleep(5000, "")]);
    return answer === "pong" ? performance.now() - start : 9999;
  };
  for (;;) {
    await sleep(25);
    if (target !== 0) console.log((await Promise.all([time(target), time(own)])).join(" "));
  }
}

// ---- sluice and its measurement

interface Result {
  readonly note: string;
  /** What is wrong beside memory and the probe. */
  readonly broken?: string;
}

class Trial {
  peakKb = 0;
  baseKb = 0;
  ahead = 0;
  /** The client's half of a large body; the backend's is asked for. */
  tally: Tally | null = null;
  readonly sluice: ChildProcess;
  readonly port: number;
  readonly backendPort: number;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(sluice: ChildProcess, port: number, backendPort: number) {
    this.sluice = sluice;
    this.port = port;
    this.backendPort = backendPort;
    this.timer = setInterval(() => void this.sample(), 100);
  }

  rssKb(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.sluice.pid}/status`, "latin1"))?.[1] ?? 0);
  }

  fds(): number {
    return readdirSync(`/proc/${this.sluice.pid}/fd`).length;
  }

  private async sample(): Promise<void> {
    this.peakKb = Math.max(this.peakKb, this.rssKb());
    const { tally } = this;
    if (tally === null) return;
    const there = Number(await get(this.backendPort, "/moved"));
    this.ahead = Math.max(this.ahead, Math.abs(there - tally.moved));
  }

  connect(): net.Socket {
    const socket = net.connect(this.port, "127.0.0.1");
    socket.on("error", () => {});
    return socket;
  }

  /** Sends one GET and reads its answer. */
  async ask(socket: net.Socket): Promise<void> {
    socket.write(SMALL);
    await once(socket, "data");
  }

  stop(): void {
    clearInterval(this.timer);
    this.sluice.kill("SIGKILL");
  }
}

/** What a client sends before it says no more, or drips on: parts of a line, of a head, of a short and of a long body. */
const HALVES = [
  "GET /small HT",
  "GET /small HTTP/1.1\r\nHost: a\r\nX-Half: ",
  "POST /stall HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf",
  `POST /stall HTTP/1.1\r\nHost: a\r\nContent-Length: ${MB}\r\n\r\n${"x".repeat(BLOCK)}`,
];

async function stalled(trial: Trial): Promise<Result> {
  let closed = 0;
  let refused = 0;
  const start = performance.now();
  let lastMs = 0;
  for (let i = 0; i < STALLED; i++) {
    const socket = trial.connect();
    socket.on("data", (data) => {
      if (data.toString("latin1").startsWith("HTTP/1.1 408")) refused++;
    });
    socket.on("close", () => {
      closed++;
      lastMs = performance.now() - start;
    });
    socket.write(HALVES[i % HALVES.length]!);
    if (i % 10 !== 0) continue;
    const drip = setInterval(() => socket.write("x"), 40);
    socket.on("close", () => clearInterval(drip));
  }
  for (let i = 0; i < 150 && closed < STALLED; i++) await sleep(100);
  const note = `${refused} × 408, ${closed} closed after ${(lastMs / 1000).toFixed(1)} s`;
  return closed === STALLED ? { note } : { note, broken: "clients not closed" };
}

async function idle(trial: Trial): Promise<Result> {
  const sockets: net.Socket[] = [];
  let lost = 0;
  while (sockets.length < IDLE_CONNECTIONS) {
    const wave = Array.from({ length: 50 }, () => trial.connect());
    for (const socket of wave) socket.on("close", () => lost++);
    await Promise.all(wave.map((socket) => trial.ask(socket)));
    sockets.push(...wave);
  }
  await sleep(5000);
  const each = (trial.rssKb() - trial.baseKb) / IDLE_CONNECTIONS;
  const fds = trial.fds();
  const lostIdle = lost;
  for (const socket of sockets) socket.destroy();
  await sleep(1000);
  const note = `${each.toFixed(1)} KB each; fds ${fds} → ${trial.fds()}; lost ${lostIdle}`;
  return lostIdle === 0 ? { note } : { note, broken: "idle connections lost" };
}

async function download(trial: Trial, size: number, framing: string): Promise<Result> {
  const tally = (trial.tally = new Tally());
  const socket = trial.connect();
  const pace = slowly(socket);
  const start = performance.now();
  socket.write(`GET /big/${size}/${framing} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await new Promise<void>((resolve) => {
    socket.on("close", () => resolve());
    readMessages(socket, () => (bytes) => {
      if (bytes === null) return resolve();
      tally.add(bytes);
      pace(bytes.length);
    });
  });
  await sleep(100);
  socket.destroy();
  return compare(trial, size, start, await get(trial.backendPort, "/sum"));
}

async function upload(trial: Trial, size: number, framing: string): Promise<Result> {
  const tally = (trial.tally = new Tally());
  const socket = trial.connect();
  const start = performance.now();
  const field = framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${size}`;
  socket.write(`POST /up HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`);
  const answered = new Promise<string>((resolve) => {
    let text = "";
    socket.on("close", () => resolve(text));
    readMessages(socket, () => (bytes) => {
      if (bytes === null) resolve(text);
      else text += Buffer.from(bytes).toString("latin1");
    });
  });
  await pour(socket, size, framing === "chunked", tally);
  const answer = await answered;
  socket.destroy();
  return compare(trial, size, start, answer);
}

function compare(trial: Trial, size: number, start: number, theirs: string): Result {
  const ours = trial.tally!.digest();
  trial.tally = null;
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const whole = theirs === ours && ours.endsWith(` ${size}`);
  const note = `${size / MB} MB in ${seconds} s, most in flight ${(trial.ahead / MB).toFixed(0)} MB, sha1 ${ours.slice(0, 8)}`;
  return whole ? { note } : { note, broken: `checksum: ours ${ours}, theirs ${theirs}` };
}

interface Case {
  readonly run: (trial: Trial) => Promise<Result>;
  /** Most growth in MB; absent: only reported. */
  readonly mostMb?: number;
  /** How much longer than without sluice the probe may take. @default PROBE_LIMIT_MS */
  readonly probeMs?: number;
}

const CASES: Readonly<Record<string, Case>> = {
  stalled: { run: stalled, mostMb: 30 },
  // 5,000 that hang up at once are 5,000 'close' events in one turn of the runtime's loop: see the README.
  idle: { run: idle, probeMs: 400 },
  download: { run: (trial) => download(trial, BIG, "length"), mostMb: 120 },
  "download-chunked": { run: (trial) => download(trial, BIG / 4, "chunked"), mostMb: 120 },
  upload: { run: (trial) => upload(trial, BIG, "length"), mostMb: 120 },
  "upload-chunked": { run: (trial) => upload(trial, BIG / 4, "chunked"), mostMb: 120 },
};

async function firstLine(child: ChildProcess): Promise<number> {
  return Number((await once(createInterface({ input: child.stdout! }), "line"))[0]);
}

/** Starts sluice on a free port and warms it up. */
async function start(runtime: string, dir: string, backendPort: number, probePort: number): Promise<Trial> {
  const holder = net.createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as net.AddressInfo;
  holder.close();
  await once(holder, "close");
  const conf = join(dir, "hostile.conf");
  const lines = [
    `Listen 127.0.0.1:${port}`,
    "ServerName localhost",
    "ErrorLog /dev/null",
    "KeepAliveTimeout 300",
    "RequestReadTimeout header=5 body=5,MinRate=100000",
    `ProxyPass "/ping" "http://127.0.0.1:${probePort}/ping"`,
    `ProxyPass "/" "http://127.0.0.1:${backendPort}/"`,
  ];
  writeFileSync(conf, `${lines.join("\n")}\n`);
  const command = runtime === "deno" ? ["deno", "run", "-A"] : ["bun"];
  command[0] = join(root, "node_modules/.bin", command[0]!);
  // Twice as many descriptors as connections: as LimitNOFILE of a service would allow.
  const args = ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...command, "mod.ts", "-f", conf];
  const child = spawn("sh", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const trial = new Trial(child, port, backendPort);
  for (let i = 0; i < 100 && (await get(port, "/small")) !== "hello"; i++) await sleep(100);
  const warm = Array.from({ length: 50 }, () => trial.connect());
  for (let i = 0; i < 100; i++) await Promise.all(warm.map((socket) => trial.ask(socket)));
  for (const socket of warm) socket.destroy();
  await sleep(1500);
  trial.baseKb = trial.peakKb = trial.rssKb();
  return trial;
}

async function main(runtime: string, names: readonly string[]): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-hostile-"));
  const self = (role: string) =>
    spawn(process.execPath, [import.meta.filename, role], { stdio: ["pipe", "pipe", "inherit"] });
  const children = [self("backend"), self("probe")] as const;
  let trial: Trial | null = null;
  let failed = 0;
  try {
    const [backendPort, probePort] = await Promise.all([firstLine(children[0]), firstLine(children[1])]);
    let times: number[] = [];
    let direct = 0;
    createInterface({ input: children[1].stdout }).on("line", (line) => {
      const [ms = 9999, directMs = 0] = line.split(" ").map(Number);
      times.push(ms);
      direct = Math.max(direct, directMs);
    });
    console.log(`${"case".padEnd(17)}  base  peak growth MB | probe p50   max  direct ms |`);
    for (const name of names) {
      const { run, mostMb, probeMs = PROBE_LIMIT_MS } = CASES[name]!;
      trial = await start(runtime, dir, backendPort, probePort);
      children[1].stdin.write(`${trial.port}\n`);
      await sleep(500);
      times = [];
      direct = 0;
      const { note, broken } = await run(trial);
      children[1].stdin.write("0\n");
      const growth = (trial.peakKb - trial.baseKb) / 1024;
      times.sort((a, b) => a - b);
      const most = times.at(-1) ?? 9999;
      const wrong = broken === undefined ? [] : [broken];
      if (mostMb !== undefined && growth > mostMb) wrong.push(`growth over ${mostMb} MB`);
      // A machine that is busy elsewhere holds up both.
      if (most - direct > probeMs) wrong.push(`probe over ${probeMs} ms (${times.filter((t) => t > 100).length})`);
      const figures = [trial.baseKb / 1024, trial.peakKb / 1024, growth]
        .map((mb) => mb.toFixed(0).padStart(6))
        .join("");
      const probed = `${(times[times.length >> 1] ?? 9999).toFixed(1).padStart(9)} ${most.toFixed(0).padStart(5)} ${direct.toFixed(0).padStart(7)}   `;
      console.log(
        `${name.padEnd(17)}${figures}    | ${probed}    | ${note}${wrong.map((w) => `  BROKEN: ${w}`).join("")}`,
      );
      failed += wrong.length;
      trial.stop();
      trial = null;
      await sleep(200);
    }
  } finally {
    trial?.stop();
    for (const child of children) child.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  }
  return failed === 0 ? 0 : 1;
}

const [role = "", ...rest] = process.argv.slice(2);
if (role === "backend") await backend();
else if (role === "probe") await probe();
else if ((role === "bun" || role === "deno") && rest.every((name) => name in CASES)) {
  process.exit(await main(role, rest.length > 0 ? rest : Object.keys(CASES)));
} else {
  console.error(`usage: bun bench/hostile.ts bun|deno [${Object.keys(CASES).join("|")} …]`);
  process.exit(2);
}
