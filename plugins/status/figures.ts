/**
 * The figures that status pages show, in sluice's terms: one child, an event loop, whose slots are its connections.
 * Source: httpd modules/generators/mod_status.c status_handler
 */
import {
  type ConnectionView,
  type ConnRec,
  clientAddress,
  core,
  getModuleConfig,
  openConnections,
  type RequestRec,
  SERVER_BUILT,
  serverToken,
} from "../../modules/mod.ts";

/** What ended since the generation began: accesses, bytes, microseconds. */
const ACCESSES = 0;
const BYTES = 1;
const DURATION_US = 2;

/** What one connection has had so far. */
interface ConnectionTotals {
  accesses: number;
  bytes: number;
  durationUs: number;
  lastUs: number;
}

/** Counts requests, where ExtendedStatus is on and some location shows it. */
export class Tally {
  readonly totals = new Float64Array(3);
  private readonly connections = new WeakMap<ConnRec, ConnectionTotals>();

  /** log_transaction. */
  count(r: RequestRec): void {
    const durationUs = Math.max(0, r.server.process.clock.wallUs() - r.requestTimeUs);
    this.totals[ACCESSES]! += 1;
    this.totals[BYTES]! += r.bytesSent;
    this.totals[DURATION_US]! += durationUs;
    const conn = r.conn.master ?? r.conn;
    let own = this.connections.get(conn);
    if (own === undefined) {
      own = { accesses: 0, bytes: 0, durationUs: 0, lastUs: 0 };
      this.connections.set(conn, own);
    }
    own.accesses++;
    own.bytes += r.bytesSent;
    own.durationUs += durationUs;
    own.lastUs = durationUs;
  }

  of(conn: ConnRec): ConnectionTotals {
    return this.connections.get(conn) ?? { accesses: 0, bytes: 0, durationUs: 0, lastUs: 0 };
  }
}

/** httpd's letters. */
export type ScoreLetter = "_" | "R" | "W" | "K" | "C" | "G";

/** One connection. */
export interface SlotFigures {
  readonly generation: number;
  readonly letter: ScoreLetter;
  readonly accesses: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Of the last request that ended. */
  readonly requestMs: number;
  /** Since the request at hand began, or the last one. */
  readonly sinceSeconds: number;
  readonly client: string;
  readonly protocol: string;
  readonly vhost: string;
  readonly request: string;
}

export interface Figures {
  readonly version: string;
  readonly built: string;
  readonly pid: number;
  readonly generation: number;
  readonly nowUs: number;
  readonly startedUs: number;
  readonly uptime: number;
  readonly load: readonly number[];
  /** Seconds. */
  readonly cpu: { readonly user: number; readonly system: number };
  readonly accesses: number;
  readonly kilobytes: number;
  readonly durationMs: number;
  /** Requests at hand; those of generations that end are `graceful`. */
  readonly busy: number;
  readonly graceful: number;
  /** The event loop is ready for more: 1, or 0 once the server stops. */
  readonly idle: number;
  readonly stopping: boolean;
  readonly connections: number;
  readonly waitIo: number;
  readonly writing: number;
  readonly keepAlive: number;
  readonly closing: number;
  readonly slots: readonly SlotFigures[];
  readonly scoreboard: string;
}

/** @param tally null: nothing was counted */
export function figures(r: RequestRec, tally: Tally | null, startedUs: number): Figures {
  const { process } = r.server;
  const { host, clock } = process;
  const nowUs = clock.wallUs();
  const views = openConnections();
  const slots = views.map((view) => slotFigures(view, tally, nowUs));
  const cpu = host.cpuUsageUs();
  const count = (test: (view: ConnectionView) => boolean) => views.filter(test).length;
  const idle = process.stopping ? 0 : 1;
  return {
    version: serverToken(getModuleConfig(process.servers[0]!.config, core)),
    built: SERVER_BUILT,
    pid: host.pid,
    generation: process.generation,
    nowUs,
    startedUs,
    uptime: Math.floor((nowUs - startedUs) / 1_000_000),
    load: host.loadAverage(),
    cpu: { user: hundredths(cpu.user), system: hundredths(cpu.system) },
    accesses: tally?.totals[ACCESSES] ?? 0,
    kilobytes: Math.floor((tally?.totals[BYTES] ?? 0) / 1024),
    durationMs: Math.round((tally?.totals[DURATION_US] ?? 0) / 1000),
    busy: count((view) => isBusy(view) && !view.conn.process.stopping),
    graceful: count((view) => isBusy(view) && view.conn.process.stopping),
    idle,
    stopping: process.stopping,
    connections: views.length,
    waitIo: count(({ phase, conn }) => phase === "head" || (phase === "waiting" && conn.keepalives === 0)),
    writing: count((view) => isBusy(view) && view.r?.out.started === true),
    keepAlive: count(({ phase, conn }) => phase === "waiting" && conn.keepalives > 0),
    closing: count(({ phase }) => phase === "lingering"),
    slots,
    scoreboard: slots.map(({ letter }) => letter).join("") + "_".repeat(idle),
  };
}

/** Of seconds; the clock ticks that httpd counts are as long. */
function hundredths(us: number): number {
  return Math.floor(us / 10_000) / 100;
}

function isBusy({ phase }: ConnectionView): boolean {
  return phase === "busy" || phase === "discarding";
}

function slotFigures({ conn, phase, r }: ConnectionView, tally: Tally | null, nowUs: number): SlotFigures {
  const own = tally?.of(conn);
  const server = r?.server ?? conn.vhosts[0]!;
  return {
    generation: conn.process.generation,
    letter: letterOf(phase, conn),
    accesses: own?.accesses ?? 0,
    bytes: own?.bytes ?? 0,
    durationMs: Math.round((own?.durationUs ?? 0) / 1000),
    requestMs: Math.round((own?.lastUs ?? 0) / 1000),
    sinceSeconds: r === null ? 0 : Math.max(0, Math.floor((nowUs - r.requestTimeUs) / 1_000_000)),
    client: r === null ? clientAddress(conn).replace(/:\d+$/, "") : r.useragentIp || "unix",
    protocol:
      r === null
        ? ""
        : conn.protocol !== "http/1.1"
          ? conn.protocol
          : `http/${Math.floor(r.protoNum / 1000)}.${r.protoNum % 1000}`,
    vhost: `${server.hostname}:${server.port || conn.localPort}`,
    request: r?.requestLine ?? "",
  };
}

function letterOf(phase: ConnectionView["phase"], { keepalives, process }: ConnRec): ScoreLetter {
  switch (phase) {
    case "waiting":
      return keepalives > 0 ? "K" : "R";
    case "head":
      return "R";
    case "lingering":
    case "closed":
      return "C";
    default:
      return process.stopping ? "G" : "W";
  }
}
