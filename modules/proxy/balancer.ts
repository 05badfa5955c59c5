/**
 * Balancers: members, and how one of them is elected.
 * Source: httpd modules/proxy/mod_proxy.h, struct proxy_balancer; mod_proxy_balancer.c force_recovery
 */
import type { ErrorLog } from "../core/error_log.ts";
import type { Providers } from "../core/providers.ts";
import type { Stripes } from "../slotmem/stripes.ts";
import { Electorate } from "./electorate.ts";
import { type LbMethod, lbmethod } from "./lbmethod.ts";
import type { WorkerMeter } from "./meter.ts";
import { type StickyProvider, sticky } from "./sticky.ts";
import type { StickyCookie } from "./sticky_cookie.ts";
import type { ElectionWatcher } from "./watch.ts";
import {
  IN_ERROR,
  NOT_YET,
  type ProxyWorker,
  retryWorker,
  type SharesSlot,
  type WorkerSlot,
  workerStruct,
} from "./worker.ts";

/** What `key=value` sets; durations in milliseconds. */
export interface BalancerParams {
  /** Case-sensitive. @default "byrequests" */
  lbmethod: string;
  /** Attempts after the first. @default undefined: members - 1 at start */
  maxAttempts: number | undefined;
  /** Name of the session cookie; "": no sticky sessions. */
  stickySession: string;
  /** Name of the path parameter. @default as the cookie */
  stickyPath: string;
  /** A session cookie that the balancer issues; null: it does not. */
  stickyCookie: StickyCookie | null;
  /** Between session id and route; "": the whole value is the route. @default "." */
  stickySeparator: string;
  /** ";" ends a path value, too. @default false */
  scolonPathDelim: boolean;
  /** A known route never moves to another member. @default false */
  noFailover: boolean;
  /** Longest wait for a usable member. @default 0: none */
  timeoutMs: number;
  /** Statuses of responses that put the member in error. */
  failOnStatus: readonly number[];
  /** A read that timed out before the status line does so, too. @default false */
  failOnTimeout: boolean;
  /** When all members are in error, all are tried again. @default true */
  forceRecovery: boolean;
  /** When every member fails its checks, serve as if none had. Not httpd's. @default false */
  panic: boolean;
  /** For the manager; "": read-only. @default undefined: random, by the manager */
  nonce: string | undefined;
  /** Members that may be added while running. @default 0 */
  growth: number;
  /** For members that have no `slowstart` of their own. @default 0 */
  slowStartMs: number;
  /** What lbmethod=hash goes by. @default the client's address */
  hashKey: HashKey;
}

/** A part of a request: which member serves it depends on its text. */
export interface HashKey {
  readonly from: "address" | "path" | "header" | "cookie";
  /** Of the header or cookie. */
  readonly name: string;
}

export function defaultBalancerParams(): BalancerParams {
  return {
    lbmethod: "byrequests",
    maxAttempts: undefined,
    stickySession: "",
    stickyPath: "",
    stickyCookie: null,
    stickySeparator: ".",
    scolonPathDelim: false,
    noFailover: false,
    timeoutMs: 0,
    failOnStatus: [],
    failOnTimeout: false,
    forceRecovery: true,
    panic: false,
    nonce: undefined,
    growth: 0,
    slowStartMs: 0,
    hashKey: { from: "address", name: "" },
  };
}

export class ProxyBalancer {
  /** "balancer://name" in lower case. */
  readonly name: string;
  /** In the order of definition. Shared with the balancers of virtual hosts that inherit this one. */
  readonly members: ProxyWorker[];
  params: BalancerParams = defaultBalancerParams();
  /** What the last ProxyPass that leads to it maps; "/" where only sections name it. */
  path = "/";
  lbmethod: LbMethod | null = null;
  sticky: StickyProvider | null = null;
  nonce = "";
  /** Attempts after the first. */
  maxAttempts = 0;
  /** What the configuration says of it, as text; its members apart. */
  configured = "";
  readonly electorate: Electorate;
  /** Who is told of each election; null: nobody. */
  electionWatchers: Set<ElectionWatcher> | null = null;
  /** For members that come while the server runs: as many as `growth`. */
  spareSlots: WorkerSlot[] = [];
  /** Their keys, and their meters, if workers have any. */
  spareKeys: readonly string[] = [];
  spareMeters: WorkerMeter[] = [];
  /** Which child has how many of their requests at hand; none: there is one child. */
  spareShares: SharesSlot[] = [];
  /** The place of this child in `spareShares`. */
  child = 0;
  /** Counts requests for which nobody could be elected; null: as for `meter`. */
  unserved: Stripes | null = null;

  /** @param members those of the balancer that is inherited */
  constructor(name: string, members: ProxyWorker[] = []) {
    this.name = balancerName(name);
    this.members = members;
    this.electorate = new Electorate(members);
  }

  /** Whether requests that belong together go to one member. */
  get hasSessions(): boolean {
    return this.params.stickySession !== "" || this.params.stickyCookie !== null;
  }

  /** Looks up method and session provider, once all members are known. A string is an error. */
  initialize(providers: Providers): string | null {
    const factory = providers.lookup(lbmethod, this.params.lbmethod);
    if (factory === undefined) return "unknown lbmethod";
    this.lbmethod = factory(this);
    const { stickyCookie, stickySession } = this.params;
    if (stickyCookie !== null && stickySession !== "")
      return `stickycookie and stickysession exclude each other; ${this.name}`;
    const kind = stickyCookie === null ? "route" : "cookie";
    this.sticky = providers.lookup(sticky, kind) ?? null;
    if (this.hasSessions && this.sticky === null) return `no module serves sticky sessions by ${kind}; ${this.name}`;
    this.nonce = this.params.nonce ?? "";
    this.maxAttempts = this.params.maxAttempts ?? Math.max(0, this.members.length - 1);
    gatherSlots(this.members);
    for (const member of this.members) this.adopt(member);
    return null;
  }

  /**
   * Adds a member while the server runs. A string is an error: no slot is left.
   * @param member with all its parameters set
   * @param first no other child has added it before: its state, which they share, begins here
   */
  add(member: ProxyWorker, first = true): string | null {
    const slot = this.spareSlots.pop();
    if (slot === undefined) return `${this.name}: no room for another member, growth=${this.params.growth}`;
    if (first) {
      member.s.backSinceMs = NOT_YET;
      member.moveTo(slot);
    } else {
      member.initialize();
      member.s = slot;
    }
    member.meter = this.spareMeters.pop() ?? null;
    member.shares = this.spareShares.pop() ?? null;
    member.child = this.child;
    member.added = true;
    this.members.push(member);
    this.adopt(member);
    member.touch();
    return null;
  }

  /** Takes out a member that `add` brought. Requests that it serves go on. @param first no other child has done it before */
  remove(member: ProxyWorker, first = true): void {
    this.members.splice(this.members.indexOf(member), 1);
    const { s: slot, lead } = member;
    // What requests at hand still count must not go to whoever gets the slot next.
    member.moveTo(workerStruct.slotAt(new ArrayBuffer(workerStruct.sizeBytes), 0));
    if (first) workerStruct.clear(slot);
    this.spareSlots.push(slot);
    if (member.meter !== null) this.spareMeters.push(member.meter);
    member.meter = null;
    if (member.shares !== null) this.spareShares.push(member.leaveShares());
    lead.touch();
    member.pool?.close();
  }

  /** Another method, from the next election on. A string is an error. @param first no other child has done it before */
  setMethod(name: string, providers: Providers, first = true): string | null {
    const factory = providers.lookup(lbmethod, name);
    if (factory === undefined) return `unknown lbmethod ${name}`;
    this.params.lbmethod = name;
    this.lbmethod = factory(this);
    if (first) this.lbmethod.reset?.();
    this.electorate.changes = -1;
    return null;
  }

  private adopt(member: ProxyWorker): void {
    // One that is inherited counts for the balancer that it comes from, too.
    if (member.lead === member) member.lead = this.members[0]!.lead;
    member.params.slowStartMs ??= this.params.slowStartMs;
    member.initialize();
  }

  /**
   * Before an election: if all members are in error and none may be retried yet, all leave it. A member that is merely
   * disabled, draining or a standby is not in error, and so prevents it.
   */
  recover(nowMs: number, log: ErrorLog): void {
    for (const member of this.members) {
      if (!member.has(IN_ERROR) || retryWorker(member, nowMs, log)) return;
    }
    if (!this.params.forceRecovery) return;
    for (const member of this.members) {
      member.recover();
      log.debug("proxy_balancer", "AH01165", `${this.name}: Forcing recovery for worker (${member.hostPort})`);
    }
  }
}

/** "balancer://name" in lower case, out of a URL that starts so. */
export function balancerName(url: string): string {
  const end = url.indexOf("/", 11);
  return (end < 0 ? url : url.slice(0, end)).toLowerCase();
}

/** Into one piece of memory, unless they are in one. `shareWorkers` moves them on, all together. */
function gatherSlots(members: readonly ProxyWorker[]): void {
  const columns = members[0]?.s.f64;
  if (members.every((member) => member.s.f64 === columns)) return;
  const size = workerStruct.sizeBytes;
  const gathered = new ArrayBuffer(members.length * size);
  for (let i = 0; i < members.length; i++) members[i]!.moveTo(workerStruct.slotAt(gathered, i * size));
}
