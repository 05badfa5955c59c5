/** A request as proxy_http sees it, without a front, and a scripted raw peer as its backend. */
import net from "node:net";
import { type Bytes, latin1Bytes } from "../../modules/core/bytes.ts";
import { systemClock, TimerWheel } from "../../modules/core/clock.ts";
import { ErrorLog } from "../../modules/core/error_log.ts";
import {
  type BodyConsumer,
  ConnRec,
  type ProcessRec,
  RequestRec,
  type ResponseWatcher,
  ServerRec,
} from "../../modules/core/records.ts";
import { HeaderTable } from "../../modules/core/table.ts";
import { nodeSockets } from "../../modules/net/node.ts";
import { ProxyAttempt } from "../../modules/proxy/attempt.ts";
import { splitProxyUrl } from "../../modules/proxy/url.ts";
import { ProxyWorker, type WorkerParams } from "../../modules/proxy/worker.ts";
import { parseWorkerUrl } from "../../modules/proxy/worker_url.ts";
import core from "../../modules/server/mod_core.ts";
import { Exchange } from "../../plugins/proxy_http/exchange.ts";

export class FakeOut {
  started = false;
  ended = false;
  aborted = false;
  length = -2;
  body = "";
  interims: string[] = [];
  watcher: ResponseWatcher | null = null;
  interim(status: number, _reason: string, headers: HeaderTable): void {
    this.interims.push(`${status}${[...headers].map(([n, v]) => ` ${n}=${v}`).join("")}`);
  }
  serve(): void {}
  sentField(): undefined {}
  begin(length: number): void {
    this.started = true;
    this.length = length;
  }
  write(bytes: Bytes, start: number, end: number): boolean {
    this.body += bytes.latin1Slice(start, end);
    return true;
  }
  writeText(text: string): boolean {
    this.body += text;
    return true;
  }
  flush(): void {}
  end(): void {
    this.ended = true;
  }
  abort(): void {
    this.ended = this.aborted = true;
  }
}

export class FakeBody {
  readonly length: number;
  readonly announced: boolean;
  readonly alone = true;
  ended = false;
  reads = 0;
  private readonly pieces: string[];
  private consumer: BodyConsumer | null = null;
  private wanted = false;
  private busy = false;
  constructor(pieces: string[] | null, chunked: boolean) {
    this.pieces = [...(pieces ?? [])];
    this.announced = pieces !== null;
    this.length = pieces === null ? 0 : chunked ? -1 : pieces.join("").length;
    this.ended = this.length === 0;
  }
  get taken(): boolean {
    return this.consumer !== null;
  }
  read(consumer: BodyConsumer): void {
    this.reads++;
    this.consumer = consumer;
    if (this.ended) consumer.onBodyEnd();
    else this.resume();
  }
  pause(): void {
    this.wanted = false;
  }
  resume(): void {
    this.wanted = true;
    if (this.busy) throw new Error("read on from within a delivery");
    this.busy = true;
    while (this.wanted && this.pieces.length > 0) {
      const piece = this.pieces.shift()!;
      if (this.length >= 0 && this.pieces.length === 0) this.ended = true;
      this.consumer!.onBody(latin1Bytes(piece));
    }
    this.busy = false;
    if (this.pieces.length === 0 && (this.wanted || this.ended)) {
      this.ended = true;
      this.consumer!.onBodyEnd();
    }
  }
}

export interface Setup {
  process: ProcessRec;
  server: ServerRec;
  log: string[];
}

export function setup(): Setup {
  const log: string[] = [];
  const errorLog = new ErrorLog({ write: (line) => log.push(line) }, systemClock.wallUs, 1, {
    base: 7,
    modules: new Map(),
  });
  const server = new ServerRec(false, "test", 1, []);
  const vector: unknown[] = [];
  vector[core.index] = core.config.parse({});
  server.config = vector;
  server.hostname = "proxy.test";
  server.log = errorLog;
  const process = {
    clock: systemClock,
    wheel: new TimerWheel(systemClock, 20),
    sockets: nodeSockets,
    log: errorLog,
    servers: [server],
  } as unknown as ProcessRec;
  server.process = process;
  return { process, server, log };
}

export interface Ask {
  method?: string;
  headers?: [string, string][];
  body?: string[];
  chunked?: boolean;
  keepalives?: number;
  expecting?: boolean;
  proto?: number;
}

export function exchange(s: Setup, worker: ProxyWorker, ask: Ask = {}, target = "/x") {
  const conn = new ConnRec({
    id: 1,
    process: s.process,
    peerIp: "127.0.0.1",
    peerPort: 9,
    localIp: "127.0.0.1",
    localPort: 80,
    vhosts: [s.server],
    secure: false,
  });
  conn.keepalives = ask.keepalives ?? 1;
  const headers = new HeaderTable();
  for (const [name, value] of ask.headers ?? [["Host", "proxy.test:81"]]) headers.add(name, value);
  if (ask.chunked) headers.add("Transfer-Encoding", "chunked");
  const method = ask.method ?? "GET";
  const r = new RequestRec(
    conn,
    s.server,
    { method, target, protoNum: ask.proto ?? 1001, requestLine: `${method} ${target} HTTP/1.1`, headers },
    0,
  );
  r.proxyreq = "reverse";
  r.expecting100 = ask.expecting ?? false;
  const out = new FakeOut();
  const body = new FakeBody(ask.body ?? null, ask.chunked ?? false);
  r.out = out as unknown as RequestRec["out"];
  r.body = body;
  const attempt = new ProxyAttempt(splitProxyUrl(""));
  const run = async () => await new Exchange(r, worker, splitProxyUrl(`${worker.origin.text}${target}`), attempt).run();
  return { r, out, body, attempt, run };
}

export function workerFor(port: number, params: Partial<WorkerParams> = {}, host = "127.0.0.1"): ProxyWorker {
  const url = parseWorkerUrl(`http://${host}:${port}`);
  if (typeof url === "string") throw new Error(url);
  const worker = new ProxyWorker(url, "member");
  Object.assign(worker.params, params);
  worker.initialize();
  return worker;
}

/** A peer that answers each request head (and what follows) by `script`. */
export function peer(
  script: (socket: net.Socket, data: string, connection: number) => void,
  port = 0,
  address = "127.0.0.1",
): Promise<{ port: number; seen: string[]; connections: () => number; close: () => void }> {
  const seen: string[] = [];
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    const mine = connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (data) => {
      const text = data.toString("latin1");
      seen.push(text);
      script(socket, text, mine);
    });
  });
  return new Promise((resolve) => {
    server.listen(port, address, () => {
      const close = () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      };
      resolve({ port: (server.address() as net.AddressInfo).port, seen, connections: () => connections, close });
    });
  });
}
