/**
 * The figures that status pages show, in sluice's terms: children are event loops, whose slots are their connections.
 * Source: httpd modules/generators/mod_status.c status_handler
 */
import {
  attachStripes,
  type ConnectionView,
  type ConnRec,
  clientAddress,
  core,
  getModuleConfig,
  openConnections,
  type ProcessRec,
  type RequestRec,
  SERVER_BUILT,
  type Stripes,
  serverToken,
} from "../../modules/mod.ts";

/** What ended since the start, in all children: accesses, bytes, microseconds. */
const ACCESSES = 0;
const BYTES = 1;
const DURATION_US = 2;
/** When the server was started: microseconds since 1970, by who allots the memory. */
const STARTED_US = 3;
const LENGTH = 4;

/** In check_config: the counters of all children. @throws Error if there is no room */
export function attachTally(process: ProcessRec): Tally {
  const { siblings, clock } = process;
  const tally = new Tally(attachStripes(process, "status", LENGTH, ["tally"])[0]!);
  if (siblings.index <= 0 && tally.own[STARTED_US] === 0) tally.own[STARTED_US] = clock.wallUs();
  return tally;
}

/** What one connection has had so far. */
interface ConnectionTotals {
  accesses: number;
  bytes: number;
  durationUs: number;
  lastUs: number;
}

/** Counts requests, where ExtendedStatus is on and some location shows it. */
export class Tally {
  private readonly stripes: Stripes;
  private readonly connections = new WeakMap<ConnRec, ConnectionTotals>();

  constructor(stripes: Stripes) {
    this.stripes = stripes;
  }

  /** Of this child. */
  get own(): Float64Array {
    return this.stripes.own;
  }

  /** Of all children, those that have ended included. */
  sums(): Float64Array {
    return this.stripes.sums();
  }

  /** log_transaction. */
  count(r: RequestRec): void {
    const durationUs = Math.max(0, r.server.process.clock.wallUs() - r.requestTimeUs);
    const totals = this.own;
    totals[ACCESSES]! += 1;
    totals[BYTES]! += r.bytesSent;
    totals[DURATION_US]! += durationUs;
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

/** What can be counted at any moment, of one child or of all. */
export interface Counts {
  /** Requests at hand; those of generations that end are `graceful`. */
  readonly busy: number;
  readonly graceful: number;
  /** Event loops that are ready for more: of one child 1, or 0 once it ends. */
  readonly idle: number;
  readonly connections: number;
  readonly waitIo: number;
  readonly writing: number;
  readonly keepAlive: number;
  readonly closing: number;
}

/** One child: plain data, for other children. */
export interface ChildFigures extends Counts {
  readonly index: number;
  readonly stopping: boolean;
  /** What it has served, whoever was in its place before included. */
  readonly accesses: number;
  readonly kilobytes: number;
  readonly slots: readonly SlotFigures[];
}

export interface Figures extends Counts {
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
  /** Children that end. */
  readonly stopping: number;
  /** By their numbers. */
  readonly children: readonly ChildFigures[];
  readonly scoreboard: string;
}

/** @param extended requests were counted */
export function childFigures(process: ProcessRec, tally: Tally, extended: boolean): ChildFigures {
  const nowUs = process.clock.wallUs();
  const views = openConnections();
  const count = (test: (view: ConnectionView) => boolean) => views.filter(test).length;
  return {
    index: Math.max(0, process.siblings.index),
    stopping: process.stopping,
    accesses: tally.own[ACCESSES]!,
    kilobytes: Math.floor(tally.own[BYTES]! / 1024),
    busy: count((view) => isBusy(view) && !view.conn.process.stopping),
    graceful: count((view) => isBusy(view) && view.conn.process.stopping),
    idle: process.stopping ? 0 : 1,
    connections: views.length,
    waitIo: count(({ phase, conn }) => phase === "head" || (phase === "waiting" && conn.keepalives === 0)),
    writing: count((view) => isBusy(view) && view.r?.out.started === true),
    keepAlive: count(({ phase, conn }) => phase === "waiting" && conn.keepalives > 0),
    closing: count(({ phase }) => phase === "lingering"),
    slots: views.map((view) => slotFigures(view, extended ? tally : null, nowUs)),
  };
}

/** @param others the other children */
export function figures(r: RequestRec, tally: Tally, extended: boolean, others: readonly ChildFigures[]): Figures {
  const { process } = r.server;
  const { host, clock } = process;
  const nowUs = clock.wallUs();
  const cpu = host.cpuUsageUs();
  const children = [childFigures(process, tally, extended), ...others].sort((a, b) => a.index - b.index);
  const sum = (key: keyof Counts) => children.reduce((all, child) => all + child[key], 0);
  const totals = tally.sums();
  const startedUs = totals[STARTED_US]!;
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
    accesses: totals[ACCESSES]!,
    kilobytes: Math.floor(totals[BYTES]! / 1024),
    durationMs: Math.round(totals[DURATION_US]! / 1000),
    busy: sum("busy"),
    graceful: sum("graceful"),
    idle: sum("idle"),
    connections: sum("connections"),
    waitIo: sum("waitIo"),
    writing: sum("writing"),
    keepAlive: sum("keepAlive"),
    closing: sum("closing"),
    stopping: children.filter((child) => child.stopping).length,
    children,
    scoreboard: children.map(scoreboardOf).join(""),
  };
}

function scoreboardOf({ slots, idle }: ChildFigures): string {
  return slots.map(({ letter }) => letter).join("") + "_".repeat(idle);
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
