/**
 * What a request costs sluice's own code: nanoseconds of CPU time, without sockets and without the kernel. Requests come from
 * 64 clients at once and are answered by three members (small-1000: a thousand); what is written is taken and thrown away.
 *
 *     bun bench/request.ts [small|headers|headers-log|small-1000]
 *     deno run -A bench/request.ts [small|headers|headers-log|small-1000]
 *
 * It tells two versions of the code apart where the noise of a whole proxy hides them; the figure that counts is that of
 * bench/README.md. `--profile` prints where Bun spends the time.
 */
import { Buffer } from "node:buffer";
import { cpus, release } from "node:os";
import { standardModules as shipped } from "../mod.ts";
import { commandsByName } from "../modules/config/build.ts";
import { Preprocessor } from "../modules/config/preprocess.ts";
import { readHttpd } from "../modules/config/read_httpd.ts";
import type { Bytes } from "../modules/core/bytes.ts";
import { systemClock, TimerWheel } from "../modules/core/clock.ts";
import type { ProcessRec } from "../modules/core/records.ts";
import { loadAll } from "../modules/core/shipped.ts";
import { nodeHost } from "../modules/mpm/host.ts";
import type { Socket, SocketHost, SocketOwner } from "../modules/net/socket.ts";
import { acceptConnection } from "../modules/server/connection.ts";
import { makeGeneration, startGeneration } from "../modules/server/lifecycle.ts";

const standardModules = await loadAll(shipped);
const CLIENTS = 64;
const ROUNDS = 9;
const ROUND_MS = 200;

const BALANCER = `
Listen 127.0.0.1:8080
ServerName localhost
LogLevel warn
MaxKeepAliveRequests 0
<Proxy "balancer://members">
  BalancerMember "http://127.0.0.1:8001" route=r0
  BalancerMember "http://127.0.0.1:8002" route=r1
  BalancerMember "http://127.0.0.1:8003" route=r2
  ProxySet lbmethod=byrequests STICKY
</Proxy>
ProxyPass "/" "balancer://members/"
ProxyPassReverse "/" "balancer://members/"
`;

interface Workload {
  readonly conf: string;
  readonly requests: readonly string[];
  readonly answer: string;
}

const LOGGED = 'CustomLog "access.log" combined\n';

const BROWSER =
  "Host: 127.0.0.1:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en-US;q=0.7,en;q=0.3\r\n" +
  "Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://www.example.org/some/page.html\r\nDNT: 1\r\n" +
  "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n";

const WORKLOADS: Record<string, Workload> = {
  small: {
    conf: BALANCER.replace("STICKY", ""),
    requests: ["GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"],
    answer:
      "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n" +
      `Content-Length: 60\r\nConnection: keep-alive\r\nX-Backend: 127.0.0.1:8001\r\n\r\n${"x".repeat(60)}`,
  },
  headers: {
    conf: `${BALANCER.replace("STICKY", "stickysession=ROUTEID")}
Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED`,
    requests: ["r0", "r1", "r2"].map(
      (route) => `GET /h?a=1 HTTP/1.1\r\n${BROWSER}Cookie: session=abcdef; theme=dark; ROUTEID=x.${route}\r\n\r\n`,
    ),
    answer:
      "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html; charset=utf-8\r\n" +
      "Content-Length: 60\r\nConnection: keep-alive\r\nX-Backend: 127.0.0.1:8001\r\nCache-Control: private, no-cache\r\n" +
      "Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\nVary: Accept-Encoding\r\nX-Frame-Options: SAMEORIGIN\r\n" +
      "X-Content-Type-Options: nosniff\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\n" +
      "Content-Security-Policy: default-src 'self'; img-src 'self' data:\r\nX-Request-Id: 0123456789abcdef\r\n" +
      "Set-Cookie: session=eyJ1c2VyIjoiYWxpY2UifQ; Path=/; HttpOnly; SameSite=Lax\r\n" +
      `Set-Cookie: theme=dark; Path=/; Max-Age=31536000\r\n\r\n${"x".repeat(60)}`,
  },
};

const thousand = Array.from(
  { length: 1000 },
  (_, i) => `  BalancerMember "http://127.0.${i >> 8}.${i & 255}:8001"`,
).join("\n");
WORKLOADS["small-1000"] = {
  ...WORKLOADS["small"]!,
  conf: WORKLOADS["small"]!.conf.replace(/( +BalancerMember.*\n)+/, `${thousand}\n`),
};

WORKLOADS["headers-log"] = { ...WORKLOADS["headers"]!, conf: LOGGED + WORKLOADS["headers"]!.conf };

const out = Buffer.allocUnsafeSlow(65_536) as Buffer & { utf8Write(text: string, at: number): number };
/** Who was written to since the last look. */
let written: NullSocket[] = [];

/** Takes what is written; the benchmark feeds it. */
class NullSocket implements Socket {
  owner!: SocketOwner;
  remoteAddress = "127.0.0.1";
  remotePort = 4321;
  localAddress = "127.0.0.1";
  localPort = 8080;
  queuedBytes = 0;
  receivedBytes = 0;
  tls = null;

  feed(bytes: Bytes): void {
    this.owner.onData(bytes, 0, bytes.length);
  }

  write(data: string | Uint8Array): boolean {
    written.push(this);
    // As a socket would: the string is made of its pieces.
    if (typeof data === "string") out.utf8Write(data, 0);
    return true;
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) this.write(part);
    return true;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    return bytes.subarray(start, end) as Bytes;
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  setKeepAlive(): void {}
}

let connections = 0;
const sockets: SocketHost = {
  connect(_options, owner) {
    const socket = new NullSocket();
    socket.owner = owner;
    connections++;
    queueMicrotask(() => owner.onConnect?.());
    return socket;
  },
  lookup: (name) => Promise.resolve([name]),
} as Partial<SocketHost> as SocketHost;

function makeServer(conf: string): ProcessRec {
  const commands = commandsByName(standardModules);
  const names = new Set(standardModules.map((module) => module.name));
  const pre = new Preprocessor(
    {
      env: () => undefined,
      version: "2.4.71",
      moduleLoaded: () => true,
      warn() {},
      included() {},
      hasDirective: (name: string) => commands.has(name.toLowerCase()),
      hasSection: (name: string) => commands.get(name.toLowerCase().replace(/^</, ""))?.command.kind === "section",
    } as unknown as ConstructorParameters<typeof Preprocessor>[0],
    { defines: [], serverRoot: "/" },
  );
  const process = makeGeneration({
    tree: readHttpd("bench.conf", conf, pre),
    modules: standardModules.filter((module) => !module.onDemand),
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    sockets,
    host: nodeHost,
    generation: 0,
    resolvePath: (path) => path,
    warn() {},
    hasModule: (name) => names.has(name),
    pid: 1,
    openErrorLog: () => ({ write: (line) => void console.error(line) }),
    openLog: () => ({ write() {} }),
    missingLogFolder: () => null,
  });
  startGeneration(process, null);
  return process;
}

class Load {
  private readonly clients: NullSocket[] = [];
  private readonly requests: readonly Buffer[];
  private readonly answer: Buffer;

  constructor(workload: Workload) {
    const process = makeServer(workload.conf);
    this.requests = workload.requests.map((text) => Buffer.from(text, "latin1"));
    this.answer = Buffer.from(workload.answer, "latin1");
    for (let i = 0; i < CLIENTS; i++) {
      const client = new NullSocket();
      acceptConnection(process, client);
      this.clients.push(client);
    }
  }

  /** One request of each client. A read is a buffer of its own, as on Bun. */
  async round(): Promise<void> {
    for (let i = 0; i < CLIENTS; i++) this.clients[i]!.feed(copyOf(this.requests[i % this.requests.length]!));
    await settled();
    const asked = written;
    written = [];
    for (const backend of asked) backend.feed(copyOf(this.answer));
    written.length = 0;
    await settled();
  }
}

/** What waits for promises goes on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await null;
}

function copyOf(bytes: Buffer): Bytes {
  return Buffer.from(bytes) as unknown as Bytes;
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function measure(name: string): Promise<string> {
  connections = 0;
  const load = new Load(WORKLOADS[name]!);
  for (let i = 0; i < 60; i++) {
    await load.round(); // connects
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const rounds: number[] = [];
  for (let round = -6; round < ROUNDS; round++) {
    const start = cpuUs();
    const until = performance.now() + ROUND_MS;
    let done = 0;
    while (performance.now() < until) {
      for (let i = 0; i < 10; i++) await load.round();
      done += 10 * CLIENTS;
    }
    if (round >= 0) rounds.push(((cpuUs() - start) * 1000) / done);
  }
  rounds.sort((a, b) => a - b);
  return `${Math.round(rounds[ROUNDS >> 1]!)} (${Math.round(rounds[0]!)}, ${Math.round(rounds.at(-1)!)})`;
}

const versions = process.versions as Record<string, string | undefined>;
const runtime = versions["bun"] === undefined ? `deno ${versions["deno"]}` : `bun ${versions["bun"]}`;
console.log(
  `${runtime}, ${cpus()[0]?.model}, Linux ${release()}; ns of CPU a request, median of ${ROUNDS} (least, greatest)`,
);
const wanted = process.argv.slice(2).filter((word) => !word.startsWith("-"));
for (const name of wanted.length > 0 ? wanted : Object.keys(WORKLOADS)) {
  console.log(`${name.padEnd(8)} ${await measure(name)}; connections to members: ${connections}`);
}
process.exit(0);
