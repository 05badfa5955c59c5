/**
 * What an operator may change of members and balancers while the server runs: one vocabulary for the manager's forms, the
 * API, the audit log with its undo, and the file that keeps it all over a restart.
 * Source: httpd modules/proxy/mod_proxy_balancer.c balancer_process_balancer_worker
 */
import type { Providers } from "../core/providers.ts";
import type { ServerRec } from "../core/records.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { defaultHealthCheck, HC_METHODS, HealthCheck, healthContext } from "../proxy/health_check.ts";
import {
  DISABLED,
  DRAIN,
  HC_FAIL,
  HOT_SPARE,
  HOT_STANDBY,
  IGNORE_ERRORS,
  type ProxyWorker,
  STOPPED,
} from "../proxy/worker.ts";

/** What may be set of a member. The schemas of the API say what values it takes. */
export interface MemberSettings {
  /** Failures never take it out (I). */
  ignoreErrors: boolean;
  /** Only requests whose session names its route (N). */
  draining: boolean;
  /** No requests (D). */
  disabled: boolean;
  /** No requests, no health checks, no retries (S). */
  stopped: boolean;
  /** Serves when no regular member of its lbset can (H). */
  standby: boolean;
  /** Takes the place of a member of its lbset that cannot serve (R). */
  spare: boolean;
  /** Counts as failing its health checks (C). */
  checkFailed: boolean;
  /** Share of the requests, in hundredths of 1. */
  loadFactor: number;
  lbset: number;
  /** What its sessions name; "": none. */
  route: string;
  /** The route that serves its sessions while it cannot; "": none. */
  redirect: string;
  retryMs: number;
  /** null: ProxyTimeout, else Timeout. */
  timeoutMs: number | null;
  /** null: as timeoutMs. */
  connectionTimeoutMs: number | null;
  /** null: no limit. */
  acquireMs: number | null;
  /** hcmethod: one of HC_METHODS, or PROVIDER:NAME. */
  checkMethod: string;
  checkIntervalMs: number;
  /** In a row; 0 acts like 1. */
  checkPasses: number;
  /** In a row; 0 acts like 1. */
  checkFails: number;
  checkUri: string;
  /** Name of a ProxyHCExpr; "": a status of 200 to 399 passes. */
  checkExpr: string;
}
/** What is to be changed; what is not there stays. */
export type MemberChange = { [K in keyof MemberSettings]?: MemberSettings[K] | undefined };

export interface BalancerSettings {
  lbmethod: string;
  /** Longest wait for a usable member. */
  timeoutMs: number;
  /** Attempts after the first. */
  maxAttempts: number;
  /** A known route never moves to another member. */
  noFailover: boolean;
  /** Name of the session cookie; "": no sticky sessions. */
  stickySession: string;
  /** Name of the path parameter. */
  stickyPath: string;
}
export type BalancerChange = { [K in keyof BalancerSettings]?: BalancerSettings[K] | undefined };

/** How a setting is read and written. */
interface Access<T, V> {
  get(of: T): V;
  set(of: T, value: V, server: ServerRec): void;
}
type Table<T, S> = { readonly [K in keyof S]: Access<T, S[K]> };

const MEMBER: Table<ProxyWorker, MemberSettings> = {
  ignoreErrors: flag(IGNORE_ERRORS),
  draining: flag(DRAIN),
  disabled: flag(DISABLED),
  stopped: flag(STOPPED),
  standby: flag(HOT_STANDBY),
  spare: flag(HOT_SPARE),
  checkFailed: flag(HC_FAIL),
  loadFactor: {
    get: ({ s }) => s.lbfactor / 100,
    set(member, value) {
      member.s.lbfactor = Math.round(value * 100);
      member.touch();
    },
  },
  lbset: {
    get: ({ s }) => s.lbset,
    set(member, value) {
      member.s.lbset = value;
      member.touch();
    },
  },
  route: plain("route"),
  redirect: plain("redirect"),
  retryMs: {
    get: ({ params }) => params.retryMs,
    set(member, value) {
      member.params.retryMs = value;
      member.touch();
    },
  },
  timeoutMs: wait("timeoutMs"),
  connectionTimeoutMs: wait("connectionTimeoutMs"),
  acquireMs: wait("acquireMs"),
  checkMethod: {
    get({ check }) {
      const { method, provider } = check?.params ?? NO_CHECK;
      return method === "PROVIDER" ? `PROVIDER:${provider}` : method;
    },
    set(member, value, server) {
      const { params } = checkOf(member, server);
      const [method, provider] = value.startsWith("PROVIDER:") ? ["PROVIDER", value.slice(9)] : [value, ""];
      params.method = HC_METHODS.find((known) => known === method) ?? "NONE";
      params.provider = provider;
    },
  },
  checkIntervalMs: checkParam("intervalMs"),
  checkPasses: checkParam("passes"),
  checkFails: checkParam("fails"),
  checkUri: checkParam("uri"),
  checkExpr: checkParam("expr"),
};

const BALANCER: Table<ProxyBalancer, Omit<BalancerSettings, "lbmethod">> = {
  timeoutMs: {
    get: ({ params }) => params.timeoutMs,
    set({ params }, value) {
      params.timeoutMs = value;
    },
  },
  maxAttempts: {
    get: ({ maxAttempts }) => maxAttempts,
    set(balancer, value) {
      balancer.params.maxAttempts = value;
      balancer.maxAttempts = value;
    },
  },
  noFailover: {
    get: ({ params }) => params.noFailover,
    set({ params }, value) {
      params.noFailover = value;
    },
  },
  stickySession: {
    get: ({ params }) => params.stickySession,
    set({ params }, value) {
      params.stickySession = value;
    },
  },
  stickyPath: {
    get: ({ params }) => params.stickyPath,
    set({ params }, value) {
      params.stickyPath = value;
    },
  },
};

const NO_CHECK = defaultHealthCheck();

export function memberSettings(member: ProxyWorker): MemberSettings {
  return readAll(MEMBER, member);
}

export function balancerSettings(balancer: ProxyBalancer): BalancerSettings {
  return { lbmethod: balancer.params.lbmethod, ...readAll(BALANCER, balancer) };
}

/**
 * Why a change cannot be made; null: it can.
 * @param server the one at which it is asked for
 */
export function memberRefusal(member: ProxyWorker, change: MemberChange, server: ServerRec): string | null {
  const { checkExpr = "", checkMethod } = change;
  const { exprs } = member.check?.context ?? healthContext(server);
  if (checkExpr !== "" && !exprs.has(checkExpr.toLowerCase())) return `there is no ProxyHCExpr ${checkExpr}`;
  if (checkMethod?.startsWith("PROVIDER:") && !server.process.providers.has("healthcheck", checkMethod.slice(9)))
    return `no module provides the health check ${checkMethod.slice(9)}`;
  return null;
}

export function balancerRefusal(
  balancer: ProxyBalancer,
  { lbmethod, stickySession = "" }: BalancerChange,
  providers: Providers,
): string | null {
  if (lbmethod !== undefined && !providers.has("lbmethod", lbmethod)) return `there is no lbmethod ${lbmethod}`;
  if (stickySession !== "" && balancer.params.stickyCookie !== null)
    return "the balancer issues a cookie of its own (stickycookie), and so has no stickysession";
  return null;
}

/**
 * Makes a change of which `memberRefusal` said nothing. Answers what was changed, as it was before. A load factor starts
 * the balancer's accounts anew, and of a single member it stays 1, as in httpd.
 */
export function changeMember(
  balancer: ProxyBalancer,
  member: ProxyWorker,
  change: MemberChange,
  server: ServerRec,
  first = true,
): MemberChange {
  const before = writeAll(MEMBER, member, change, server);
  if (change.loadFactor !== undefined) {
    if (balancer.members.length === 1) member.s.lbfactor = 100;
    if (first) for (const { s } of balancer.members) s.lbstatus = s.lbfactor;
  }
  return before;
}

/** Makes a change of which `balancerRefusal` said nothing. Answers what was changed, as it was before. */
export function changeBalancer(
  balancer: ProxyBalancer,
  { lbmethod, ...others }: BalancerChange,
  server: ServerRec,
  first = true,
): BalancerChange {
  const before: BalancerChange = writeAll(BALANCER, balancer, others, server);
  if (lbmethod === undefined || lbmethod === balancer.params.lbmethod) return before;
  before.lbmethod = balancer.params.lbmethod;
  balancer.setMethod(lbmethod, server.process.providers, first);
  return before;
}

function readAll<T, S extends object>(table: Table<T, S>, of: T): S {
  const settings: Partial<S> = {};
  for (const key of Object.keys(table) as (keyof S)[]) settings[key] = table[key].get(of);
  return settings as S;
}

function writeAll<T, S extends object>(
  table: Table<T, S>,
  of: T,
  change: { [K in keyof S]?: S[K] | undefined },
  server: ServerRec,
): Partial<S> {
  const before: Partial<S> = {};
  for (const key of Object.keys(change) as (keyof S)[]) {
    const value = change[key];
    if (value === undefined) continue;
    const old = table[key].get(of);
    table[key].set(of, value as S[typeof key], server);
    if (old !== table[key].get(of)) before[key] = old;
  }
  return before;
}

function flag(bit: number): Access<ProxyWorker, boolean> {
  return {
    get: (member) => member.has(bit),
    set(member, on) {
      if (on) member.setStatus(bit);
      else member.clearStatus(bit);
    },
  };
}

function plain(key: "route" | "redirect"): Access<ProxyWorker, string> {
  return {
    get: (member) => member[key],
    set(member, value) {
      member[key] = value;
    },
  };
}

function wait(key: "timeoutMs" | "connectionTimeoutMs" | "acquireMs"): Access<ProxyWorker, number | null> {
  return {
    get: ({ params }) => params[key] ?? null,
    set({ params }, value) {
      params[key] = value ?? undefined;
    },
  };
}

type CheckKey = "intervalMs" | "passes" | "fails" | "uri" | "expr";
type CheckParams = HealthCheck["params"];

function checkParam<K extends CheckKey>(key: K): Access<ProxyWorker, CheckParams[K]> {
  return {
    get: ({ check }) => (check?.params ?? NO_CHECK)[key],
    set(member, value, server) {
      checkOf(member, server).params[key] = value;
    },
  };
}

function checkOf(member: ProxyWorker, server: ServerRec): HealthCheck {
  member.check ??= new HealthCheck(healthContext(server));
  return member.check;
}
