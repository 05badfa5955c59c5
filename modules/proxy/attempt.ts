/**
 * One proxied request over its attempts: what was tried, and what it left behind.
 */
import type { Bytes } from "../core/bytes.ts";
import type { EnvSource, FilenameSource, NoteSource, RequestRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import type { BackendTls } from "./backend.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { Failure } from "./failure.ts";
import type { SessionRoute } from "./sticky.ts";
import { type Origin, originLength, originOf, type ProxyUrl } from "./url.ts";
import type { ProxyWorker } from "./worker.ts";

const ENV_NAMES = [
  "BALANCER_NAME",
  "BALANCER_WORKER_NAME",
  "BALANCER_WORKER_ROUTE",
  "BALANCER_SESSION_STICKY",
  "BALANCER_SESSION_ROUTE",
] as const;

/** When an attempt went how far. Microseconds since 1970; 0: it did not get there. */
export interface AttemptTimes {
  readonly startUs: number;
  /** The worker's name; "" if none was elected. */
  worker: string;
  /** A connection was opened for it; 0 for one that was kept from a request before, too. */
  connectedUs: number;
  /** The first byte of the answer came. */
  firstByteUs: number;
  endUs: number;
  failure: Failure | null;
}

/** Before anybody was elected, and after the end: one list for all. */
const NOBODY: readonly ProxyWorker[] = [];

export class ProxyAttempt implements EnvSource, NoteSource, FilenameSource {
  /** The URL to ask for, in its halves. `pre_request` replaces that of a balancer by the member's. */
  origin: Origin;
  /** Path and query. */
  target: string;
  worker: ProxyWorker | null = null;
  /** How to speak TLS to the backend; null: not at all. Set by `ssl_bind_outgoing`. */
  tls: BackendTls | null = null;
  balancer: ProxyBalancer | null = null;
  /** The member elected last, of which the environment tells: an attempt that finds none changes nothing there. */
  member: ProxyWorker | null = null;
  /** The session that the request names; null: none. */
  session: SessionRoute | null = null;
  /** 0 for the first. */
  number = 0;
  /** Members elected so far: their `busy` counts this request until it ends. */
  elected: readonly ProxyWorker[] = NOBODY;
  /** On the clock's `now`, if the lbmethod or a meter wants to know how long an answer takes; -1: neither does. */
  electedAtMs = -1;
  /** How the last attempt failed. */
  failure: Failure | null = null;
  /** The status is the backend's, only its page is not (ProxyErrorOverride): nothing is wrong with the member. */
  overridden = false;
  /** Body bytes read from the client before a backend was tried; null again once one was sent them, which is then the last. */
  prefetched: Bytes[] | null = null;
  prefetchedBytes = 0;
  /** The prefetched bytes are the whole body. */
  prefetchedAll = false;
  /** That the backend answered with; 0: it did not. */
  status: Status | 0 = 0;
  /** One entry for each attempt; null unless a log asks for them (`ProcessRec.takesTimes`). */
  times: AttemptTimes[] | null = null;

  constructor(url: ProxyUrl) {
    this.origin = url.origin;
    this.target = url.target;
  }

  get url(): string {
    return this.origin.text + this.target;
  }

  set url(url: string) {
    const end = originLength(url);
    this.origin = originOf(url.slice(0, end));
    this.target = url.slice(end);
  }

  get filename(): string {
    return `proxy:${this.url}`;
  }

  /** A member was elected, and is busy with this request until `release`. */
  elect(worker: ProxyWorker): void {
    worker.incrementBusy();
    this.worker = worker;
    this.member = worker;
    this.elected = this.elected.length === 0 ? worker.alone : [...this.elected, worker];
  }

  /** Ends what `busy` counts for the request. Once it is over; again does no harm. */
  release(): void {
    for (let i = 0; i < this.elected.length; i++) this.elected[i]!.decrementBusy();
    this.elected = NOBODY;
  }

  /** The head of the answer is there, or will not come. Told once for each election. */
  answered(nowMs: number): void {
    if (this.electedAtMs < 0 || this.worker === null) return;
    this.balancer?.lbmethod?.observe?.(this.worker, nowMs - this.electedAtMs, nowMs);
    this.worker.meter?.answered(nowMs - this.electedAtMs);
    this.electedAtMs = -1;
  }

  getNote(name: string): string | undefined {
    const lower = name.toLowerCase(); // names are case-blind
    if (lower === "proxy-status") return this.status === 0 ? undefined : String(this.status);
    if (this.session === null) return undefined;
    if (lower === "session-sticky") return this.session.name;
    return lower === "session-route" ? this.session.route : undefined;
  }

  get envNames(): readonly string[] {
    return ENV_NAMES;
  }

  getEnv(name: string): string | undefined {
    // Nearly all that are asked for are others.
    if ((name.charCodeAt(0) | 0x20) !== 0x62) return undefined;
    switch (name) {
      case "BALANCER_NAME":
        return this.balancer?.name;
      case "BALANCER_WORKER_NAME":
        return this.member?.name;
      case "BALANCER_WORKER_ROUTE":
        return this.member?.route;
      case "BALANCER_SESSION_STICKY":
        return this.session?.name;
      case "BALANCER_SESSION_ROUTE":
        return this.session?.route;
      default: {
        const upper = name.toUpperCase(); // names are case-blind
        return upper === name ? undefined : this.getEnv(upper);
      }
    }
  }
}

const attempts = new WeakMap<RequestRec, ProxyAttempt>();

/** Begins to take the times of a request's attempts. */
export function takeTimes(r: RequestRec, attempt: ProxyAttempt): void {
  attempt.times = [];
  attempts.set(r, attempt);
}

/** Of a request whose times are taken. */
export function beginAttempt(r: RequestRec, attempt: ProxyAttempt): void {
  const startUs = r.server.process.clock.wallUs();
  attempt.times!.push({ startUs, worker: "", connectedUs: 0, firstByteUs: 0, endUs: 0, failure: null });
}

/** Of a request whose times are taken. */
export function endAttempt(r: RequestRec, attempt: ProxyAttempt): void {
  const times = attempt.times!.at(-1)!;
  times.worker = attempt.worker?.name ?? "";
  times.failure = attempt.failure;
  times.endUs = r.server.process.clock.wallUs();
}

/** The attempts of a request whose times are taken; undefined if it was not proxied. */
export function attemptOf(r: RequestRec): ProxyAttempt | undefined {
  return attempts.get(r);
}
