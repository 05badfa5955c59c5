/**
 * Workers: one backend each, with its parameters, its shared slot and its connection pool.
 * Source: httpd modules/proxy/mod_proxy.h, struct proxy_worker; proxy_util.c ap_proxy_define_worker, ap_proxy_retry_worker
 */
import type { ErrorLog } from "../core/error_log.ts";
import type { ProcessRec } from "../core/records.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";
import { type Slot, Struct } from "../slotmem/struct.ts";
import type { ConnPool } from "./conn_pool.ts";
import type { PoolFigures } from "./elsewhere.ts";
import type { HealthCheck } from "./health_check.ts";
import type { WorkerMeter } from "./meter.ts";
import { type Origin, originLength, originOf } from "./url.ts";
import type { WorkerUrl } from "./worker_url.ts";

/** Status bits, with httpd's letters and values. */
export const INITIALIZED = 0x0001; // O
export const IGNORE_ERRORS = 0x0002; // I
export const DRAIN = 0x0004; // N
export const GENERIC = 0x0008; // G
export const IN_SHUTDOWN = 0x0010; // U
export const DISABLED = 0x0020; // D
export const STOPPED = 0x0040; // S
export const IN_ERROR = 0x0080; // E
export const HOT_STANDBY = 0x0100; // H
export const FREE = 0x0200; // F
export const HC_FAIL = 0x0400; // C
export const HOT_SPARE = 0x0800; // R
/** Its balancer panics: HC_FAIL does not count. Not httpd's, and not printed. */
export const HC_IGNORED = 0x1000;

/** In printing order. */
const FLAGS: readonly (readonly [letter: string, bit: number, text: string])[] = [
  ["O", INITIALIZED, "Init "],
  ["I", IGNORE_ERRORS, "Ign "],
  ["N", DRAIN, "Drn "],
  ["G", GENERIC, "Gen "],
  ["U", IN_SHUTDOWN, "Shut "],
  ["D", DISABLED, "Dis "],
  ["S", STOPPED, "Stop "],
  ["E", IN_ERROR, "Err "],
  ["H", HOT_STANDBY, "Stby "],
  ["R", HOT_SPARE, "Spar "],
  ["F", FREE, "Free "],
  ["C", HC_FAIL, "HcFl "],
];
const NOT_USABLE = IN_SHUTDOWN | DISABLED | STOPPED | IN_ERROR | HC_FAIL;
const NOT_USABLE_IN_PANIC = NOT_USABLE & ~HC_FAIL;

/** What `key=value` sets; durations in milliseconds. */
export interface WorkerParams {
  /** Pool entries made at start. @default 0 */
  min: number;
  /** Most connections of this child. @default 0: no limit, as an event loop has no number of threads */
  max: number;
  /** Connections kept regardless of `ttlMs`. @default -1: as `max` */
  smax: number;
  /** Longest wait for a free connection. @default undefined: no limit */
  acquireMs: number | undefined;
  /** A connection idle for longer is not used again. @default undefined: no limit */
  ttlMs: number | undefined;
  /** @default undefined: ProxyTimeout, else Timeout */
  timeoutMs: number | undefined;
  /** @default undefined: as timeout */
  connectionTimeoutMs: number | undefined;
  /** How long a worker in error is left alone. @default 60000 */
  retryMs: number;
  /** SO_KEEPALIVE. @default false */
  keepAlive: boolean;
  /** Close after each request. @default undefined: as false, but that nobody said so */
  disableReuse: boolean | undefined;
  /** Life of a cached address; 0: no caching and no reuse. @default undefined: for ever */
  addressTtlMs: number | undefined;
  /** Only for ajp and fcgi. @default "off" */
  flushPackets: "off" | "on" | "auto";
  /** @default 10 */
  flushWaitMs: number;
  /** @default 8192. Without effect on http, as in httpd */
  ioBufferSize: number;
  /** SO_RCVBUF. @default 0: the system's */
  receiveBufferSize: number;
  /** Longest line of a response head, in bytes. @default 8192 */
  responseFieldSize: number;
  /** Wait for 100 Continue before a body is sent. @default undefined: no probe */
  pingMs: number | undefined;
  /**
   * A member that was away, or was added while running, is offered to the lbmethod ever more often for so long.
   * @default undefined: the balancer's; 0: at once
   */
  slowStartMs: number | undefined;
  /** The protocol that an upgrade may switch to; "ANY": every one. @default "": WebSocket if the scheme is ws or wss, else none */
  upgrade: string;
}

export function defaultWorkerParams(): WorkerParams {
  return {
    min: 0,
    max: 0,
    smax: -1,
    acquireMs: undefined,
    ttlMs: undefined,
    timeoutMs: undefined,
    connectionTimeoutMs: undefined,
    retryMs: 60_000,
    keepAlive: false,
    disableReuse: undefined,
    addressTtlMs: undefined,
    flushPackets: "off",
    flushWaitMs: 10,
    ioBufferSize: 8192,
    receiveBufferSize: 0,
    responseFieldSize: 8192,
    pingMs: undefined,
    slowStartMs: undefined,
    upgrade: "",
  };
}

/** What all children share of a worker. Times are wall-clock milliseconds: children have no monotonic clock in common. */
export const workerStruct = new Struct({
  lbstatus: "f64",
  /** loadfactor in hundredths. Who changes it or lbset while the server runs calls `touch`. */
  lbfactor: "f64",
  lbset: "f64",
  elected: "f64",
  retries: "f64",
  errorTimeMs: "f64",
  /** Bytes to the backend. */
  transferred: "f64",
  /** Bytes from the backend: status line and body. */
  read: "f64",
  /** When it came back after it was not usable; `NOT_YET` until an election sees it, 0 if it never was away. */
  backSinceMs: "f64",
  status: "i32",
  busy: "i32",
  /** Of a balancer's first member: counts what changed who may be elected. */
  changes: "i32",
  /** Of a balancer's first member: the child that elects, counted from 1; 0: none. */
  election: "i32",
});
export type WorkerSlot = typeof workerStruct extends Struct<infer L> ? Slot<L> : never;
/** What of a worker's `busy` is of which child. */
export const sharesStruct = new Struct(
  Object.fromEntries(Array.from({ length: MOST_CHILDREN }, (_, child) => [`child${child}`, "i32" as const])),
);
export type SharesSlot = typeof sharesStruct extends Struct<infer L> ? Slot<L> : never;
const STATUS = workerStruct.index("status");
const BUSY = workerStruct.index("busy");
const CHANGES = workerStruct.index("changes");
export const ELECTION = workerStruct.index("election");
/** In `backSinceMs`. */
export const NOT_YET = -1;

/** What a request finds when it looks at a worker in error. */
export type RetryVerdict = "not in error" | "marked for retry" | "too soon" | "stopped";

export class ProxyWorker {
  /** Normalised URL: scheme and host in lower case, no default port, path as written; without unix:PATH| */
  readonly name: string;
  /** As `name`, with unix:PATH| */
  readonly displayName: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** `name` in its halves. */
  readonly origin: Origin;
  readonly path: string;
  /** A list of this one, for who needs lists. */
  readonly alone: readonly ProxyWorker[] = [this];
  readonly unixPath: string | null;
  /** Of a ProxyPassMatch. */
  readonly isMatch: boolean;
  /** `name` has $1 and the like, which stand for any text. */
  readonly isRegex: boolean;
  readonly matcher: RegExp | null;
  params: WorkerParams = defaultWorkerParams();
  s: WorkerSlot = workerStruct.slotAt(new ArrayBuffer(workerStruct.sizeBytes), 0);
  redirect = "";
  pool: ConnPool | null = null;
  private routeName = "";
  /** Keeps `changes` for all members of its balancers. */
  lead: ProxyWorker = this;
  /** What `slowstart` has left this member of elections, 0 to 1. */
  rampCredit = 0;
  /** null: no location shows metrics. */
  meter: WorkerMeter | null = null;
  /** It came while the server runs. */
  added = false;
  /** null: no hc* parameter was given. */
  check: HealthCheck | null = null;
  /** The status bits that the configuration set: what differs from them in `s.status` came later. */
  configuredStatus = 0;
  /** Why traffic put it in error, last, and when; as this child saw it, or has heard from another. */
  errorReason = "";
  errorReasonMs = 0;
  /** Of the pools of other children, when they were last asked; null: there are none. */
  elsewhere: PoolFigures | null = null;
  /** What the configuration says of the slot's lbset and lbfactor. */
  configuredShare = { lbset: 0, lbfactor: 100 };
  /** Another one for each worker of a configuration, and for each change of its settings; "": made while running. */
  key = "";
  /** The generation that it serves, the newest of those that have it; null: made for one request. */
  home: ProcessRec | null = null;
  /** What of `s.busy` is of which child; null: there is one only. */
  shares: SharesSlot | null = null;
  /** The place of this child in `shares`. */
  child = 0;

  constructor(url: WorkerUrl, kind: "plain" | "member" | "match" | "generic" = "plain") {
    this.name = url.name;
    this.displayName = url.displayName;
    this.scheme = url.scheme;
    this.host = url.host;
    this.port = url.port;
    const end = originLength(url.name);
    this.origin = originOf(url.name.slice(0, end));
    this.path = url.name.slice(end);
    this.unixPath = url.unixPath;
    this.isMatch = kind === "match";
    this.isRegex = this.isMatch && /\$\d/.test(url.name);
    this.matcher = this.isRegex ? wildcardPattern(url.name) : null;
    this.s.lbfactor = 100;
    if (kind !== "member") this.s.status = IGNORE_ERRORS;
    // What $1 stands for differs from request to request.
    if (this.isRegex) this.params.disableReuse = true;
    if (kind === "generic") {
      this.s.status = IGNORE_ERRORS | GENERIC;
      this.params.disableReuse = true;
    }
  }

  /** The shared "reverse" worker: any host, no reuse of connections. */
  get generic(): boolean {
    return (this.status & GENERIC) !== 0;
  }

  get isUsable(): boolean {
    const { status } = this;
    if ((status & (NOT_USABLE | INITIALIZED)) === INITIALIZED) return true;
    return (status & (NOT_USABLE_IN_PANIC | INITIALIZED | HC_IGNORED)) === (INITIALIZED | HC_IGNORED);
  }

  /** The name by which sessions ask for it; "": none. */
  get route(): string {
    return this.routeName;
  }

  set route(route: string) {
    if (route === this.routeName) return;
    this.routeName = route;
    this.touch();
  }

  /** Resolves the pool's limits and lets the worker serve. Once, after all parameters are set. */
  initialize(): void {
    if (this.has(INITIALIZED)) return;
    const params = this.params;
    if (params.max <= 0) params.max = Number.POSITIVE_INFINITY;
    if (params.smax < 0 || params.smax > params.max) params.smax = params.max;
    if (params.min > params.smax) params.min = params.smax;
    this.setStatus(INITIALIZED);
    this.configuredStatus = this.s.status;
  }

  private get status(): number {
    const { i32, row } = this.s;
    return i32[STATUS]![row]!;
  }

  has(bits: number): boolean {
    return (this.status & bits) !== 0;
  }

  setStatus(bits: number): void {
    const before = Atomics.or(this.s.i32[STATUS]!, this.s.row, bits);
    if ((before & bits) === bits) return;
    if ((bits & NOT_USABLE) !== 0) this.s.backSinceMs = NOT_YET;
    this.touch();
  }

  clearStatus(bits: number): void {
    const before = Atomics.and(this.s.i32[STATUS]!, this.s.row, ~bits);
    if ((before & bits) !== 0) this.touch();
  }

  /** Tells elections to look at the members anew: after a change of `s.lbset` or `s.lbfactor`. */
  touch(): void {
    const { i32, row } = this.lead.s;
    Atomics.add(i32[CHANGES]!, row, 1);
  }

  /** How often `touch` was called for a member of its balancers, in any child. */
  get changes(): number {
    const { i32, row } = this.lead.s;
    return Atomics.load(i32[CHANGES]!, row);
  }

  /** Takes the worker out for `retry`, unless it ignores errors. Answers whether it did. @param nowMs wall clock */
  setError(nowMs: number, reason = ""): boolean {
    if (this.has(IGNORE_ERRORS)) return false;
    this.s.errorTimeMs = nowMs;
    this.errorReason = reason;
    this.errorReasonMs = nowMs;
    this.setStatus(IN_ERROR);
    return true;
  }

  /** A new connection succeeded. (One that is reused proves nothing.) */
  connected(): void {
    this.s.errorTimeMs = 0;
    this.s.retries = 0;
    if (this.has(IN_ERROR)) this.touch(); // by another request meanwhile: it may leave at once now
  }

  /** May the worker leave its error state? If so, it does: the next request is the probe. @param nowMs wall clock */
  retry(nowMs: number): RetryVerdict {
    const { status } = this;
    if ((status & IN_ERROR) === 0) return "not in error";
    if ((status & STOPPED) !== 0) return "stopped";
    if ((status & IGNORE_ERRORS) === 0 && nowMs <= this.s.errorTimeMs + this.params.retryMs) return "too soon";
    this.recover();
    return "marked for retry";
  }

  /** Leaves the error state whatever the time. */
  recover(): void {
    this.s.retries++;
    this.clearStatus(IN_ERROR);
  }

  incrementBusy(): void {
    if (this.shares !== null) Atomics.add(this.shares.i32[this.child]!, this.shares.row, 1);
    Atomics.add(this.s.i32[BUSY]!, this.s.row, 1);
  }

  /** Never below 0: a reset may have come in between. Source: httpd ap_proxy_decrement_busy_count */
  decrementBusy(): void {
    this.lowerBusy(1);
    if (this.shares !== null) Atomics.sub(this.shares.i32[this.child]!, this.shares.row, 1);
  }

  private lowerBusy(by: number): void {
    const { i32, row } = this.s;
    const column = i32[BUSY]!;
    for (let busy = Atomics.load(column, row); busy > 0; ) {
      const found = Atomics.compareExchange(column, row, busy, Math.max(0, busy - by));
      if (found === busy) return;
      busy = found;
    }
  }

  /** What is at hand here counts in a slot of its own from now on. Answers the one that others may have. */
  leaveShares(): SharesSlot {
    const shares = this.shares!;
    this.shares = sharesStruct.slotAt(new ArrayBuffer(sharesStruct.sizeBytes), 0);
    this.shares.i32[this.child]![0] = Atomics.exchange(shares.i32[this.child]!, shares.row, 0);
    return shares;
  }

  /** A child died: its requests at hand are over, and its election. Answers how many requests. */
  forgetChild(child: number): number {
    const { s, shares } = this;
    Atomics.compareExchange(s.i32[ELECTION]!, s.row, child + 1, 0);
    const lost = shares === null ? 0 : Atomics.exchange(shares.i32[child]!, shares.row, 0);
    this.lowerBusy(lost);
    return lost;
  }

  /** "Init Ok ", "Init Err "... with the trailing blank of httpd. */
  get flags(): string {
    const { status } = this;
    let text = "";
    for (const [, bit, name] of FLAGS) if ((status & bit) !== 0) text += name;
    if (text === "") text = "??? ";
    return this.isUsable ? `${text}Ok ` : text;
  }

  /** "host:port", as log lines name a worker. */
  get hostPort(): string {
    return `${this.host}:${this.port}`;
  }

  /** Moves what is shared to another slot. */
  moveTo(slot: WorkerSlot): void {
    workerStruct.copy(this.s, slot);
    this.s = slot;
    this.touch();
  }
}

/**
 * The generic worker of a server, for URLs that no other worker serves.
 * @param unixPath it connects to this socket, whatever the URL
 */
export function genericWorker(unixPath: string | null = null): ProxyWorker {
  const name = "http://www.apache.org"; // httpd's name of it, too
  const url = { name, displayName: name, scheme: "http", host: "*", port: 0, path: "", unixPath };
  const worker = new ProxyWorker(url, "generic");
  worker.initialize();
  return worker;
}

/** `ProxyWorker.retry` with httpd's log lines. Source: httpd ap_proxy_retry_worker */
export function retryWorker(worker: ProxyWorker, nowMs: number, log: ErrorLog, scheme = "BALANCER"): boolean {
  const verdict = worker.retry(nowMs);
  if (verdict === "not in error") return true;
  if (log.enabled("proxy", 7)) {
    if (verdict === "stopped")
      log.debug("proxy", "AH03305", `${scheme}: Won't retry worker (${worker.hostPort}): stopped`);
    else if (verdict === "too soon") {
      log.debug("proxy", "AH00933", `${scheme}: too soon to retry worker for (${worker.hostPort})`);
    } else log.debug("proxy", "AH00932", `${scheme}: worker for (${worker.hostPort}) has been marked for retry`);
  }
  return verdict === "marked for retry";
}

/** A new connection failed: the worker is out for `retry`. Source: httpd ap_proxy_connect_backend */
export function disableWorker(worker: ProxyWorker, nowMs: number, log: ErrorLog, cause: string): void {
  if (!worker.setError(nowMs, cause)) return;
  const seconds = Math.round(worker.params.retryMs / 1000);
  log.error("proxy", "AH00959", `ap_proxy_connect_backend disabling worker for (${worker.hostPort}) for ${seconds}s`);
}

/** The letters of status bits, "ND". */
export function flagLetters(bits: number): string {
  return FLAGS.filter(([, bit]) => (bits & bit) !== 0)
    .map(([letter]) => letter)
    .join("");
}

/** Bits that a `status=` sets and clears. */
export interface StatusChange {
  readonly on: number;
  readonly off: number;
}

/** Reads "+H-D": each letter sets or clears its bit, a sign holds until the next. Null: not of that form. */
export function parseStatus(text: string, before: StatusChange = { on: 0, off: 0 }): StatusChange | null {
  let { on, off } = before;
  let set = true;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "+" || text[i] === "-") set = text[i++] === "+";
    const letter = text[i]?.toUpperCase();
    const flag = FLAGS.find(([name]) => name === letter);
    if (flag === undefined) return null;
    on = set ? on | flag[1] : on & ~flag[1];
    off = set ? off & ~flag[1] : off | flag[1];
  }
  return { on, off };
}

/** $1 and the like stand for any text; what follows the name is free. Source: httpd ap_proxy_strcmp_ematch */
function wildcardPattern(name: string): RegExp {
  const literals = name.split(/(?:\$\d)+/).map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${literals.join(".*?")}`, "s");
}
