/**
 * key=value of ProxyPass, BalancerMember, ProxySet and <Proxy>: read into plain data, applied when workers are built.
 * Source: httpd modules/proxy/mod_proxy.c set_worker_param, set_balancer_param
 *
 * Parsers answer null or the text of an error, in httpd's words; the caller puts the directive's name in front.
 */
import { didYouMean } from "../config/directive.ts";
import { atoi as int, intervalOrInt, parseInterval } from "../config/units.ts";
import type { BalancerParams, HashKey, ProxyBalancer } from "./balancer.ts";
import {
  applyHealthCheck,
  HEALTH_PARAMS,
  type HealthCheckSettings,
  type HealthContext,
  parseHealthParam,
} from "./health_check.ts";
import { parseStickyCookie } from "./sticky_cookie.ts";
import { type ProxyWorker, parseStatus, type StatusChange, type WorkerParams } from "./worker.ts";

/** What a line sets of a worker; plain data. Unset keys are absent. */
export interface WorkerSettings extends Partial<WorkerParams> {
  lbset?: number;
  /** loadfactor in hundredths. */
  lbfactor?: number;
  route?: string;
  redirect?: string;
  status?: StatusChange;
  check?: HealthCheckSettings;
}

/** What a line sets of a balancer; plain data. Unset keys are absent. */
export type BalancerSettings = Partial<BalancerParams>;

type Rule<S> = (into: S, value: string, key: string) => string | null;

/** route and redirect, and each part of stickysession: httpd's buffers are 64 bytes. */
const MAX_NAME = 63;
/** upgrade=: httpd's buffer is 16 bytes. */
const MAX_PROTOCOL = 15;
const SECOND = 1000;

const WORKER: Readonly<Record<string, Rule<WorkerSettings>>> = {
  loadfactor: (into, value) => {
    const hundredths = Math.trunc((Number.parseFloat(value) || 0) * 100);
    if (hundredths < 100 || hundredths > 10_000) return "LoadFactor must be a number between 1..100";
    return put(into, "lbfactor", hundredths);
  },
  retry: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 0 ? "Retry must be a positive value" : put(into, "retryMs", ms);
  },
  ttl: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 1 ? "TTL must be at least one second" : put(into, "ttlMs", ms);
  },
  timeout: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 1 ? "Timeout must be at least one second" : put(into, "timeoutMs", ms);
  },
  min: (into, value) => {
    const n = int(value);
    return n < 0 ? "Min must be a positive number" : put(into, "min", n);
  },
  max: (into, value) => {
    const n = int(value);
    return n < 0 ? "Max must be a positive number" : put(into, "max", n);
  },
  smax: (into, value) => {
    const n = int(value);
    return n < 0 ? "Smax must be a positive number" : put(into, "smax", n);
  },
  acquire: (into, value) => {
    const ms = parseInterval(value, "ms");
    if (ms === undefined) return "Acquire timeout has wrong format";
    return ms < 1 ? "Acquire must be at least one millisecond" : put(into, "acquireMs", ms);
  },
  connectiontimeout: (into, value) => {
    const ms = parseInterval(value, "s");
    if (ms === undefined) return "Connectiontimeout has wrong format";
    return ms < 1 ? "Connectiontimeout must be at least one millisecond." : put(into, "connectionTimeoutMs", ms);
  },
  ping: (into, value) => {
    const ms = parseInterval(value, "s");
    if (ms === undefined) return "Ping/Pong timeout has wrong format";
    return ms < 1 ? "Ping/Pong timeout must be at least one millisecond" : put(into, "pingMs", ms);
  },
  addressttl: (into, value) => {
    if (value === "-1") return put(into, "addressTtlMs", undefined);
    const ms = parseInterval(value, "s");
    if (ms === undefined || ms % SECOND !== 0 || ms > 2147483647 * SECOND) {
      return "AddressTTL must be -1 or a number of seconds not exceeding (2147483647)";
    }
    return put(into, "addressTtlMs", ms);
  },
  iobuffersize: (into, value) => {
    const n = int(value);
    if (n < 512 && n !== 0) return "IOBufferSize must be >= 512 bytes, or 0 for system default.";
    return put(into, "ioBufferSize", n || 8192);
  },
  receivebuffersize: (into, value) => {
    const n = int(value);
    if (n < 512 && n !== 0) return "ReceiveBufferSize must be >= 512 bytes, or 0 for system default.";
    return put(into, "receiveBufferSize", n);
  },
  responsefieldsize: (into, value) => {
    const n = int(value);
    if (n < 0) return "ResponseFieldSize must be greater than 0 bytes, or 0 for system default.";
    return put(into, "responseFieldSize", n || 8192);
  },
  keepalive: (into, value) => {
    const on = onOff(value);
    return on === null ? "KeepAlive must be On|Off" : put(into, "keepAlive", on);
  },
  disablereuse: (into, value) => {
    const on = onOff(value);
    return on === null ? "DisableReuse must be On|Off" : put(into, "disableReuse", on);
  },
  enablereuse: (into, value) => {
    const on = onOff(value);
    return on === null ? "EnableReuse must be On|Off" : put(into, "disableReuse", !on);
  },
  route: (into, value) =>
    value.length > MAX_NAME ? `Route length must be < ${MAX_NAME + 1} characters` : put(into, "route", value),
  redirect: (into, value) =>
    value.length > MAX_NAME ? `Redirect length must be < ${MAX_NAME + 1} characters` : put(into, "redirect", value),
  status: (into, value) => {
    const change = parseStatus(value, into.status);
    return change === null ? "Unknown status parameter option" : put(into, "status", change);
  },
  flushpackets: (into, value) => {
    const when = value.toLowerCase();
    if (when !== "on" && when !== "off" && when !== "auto") return "flushpackets must be on|off|auto";
    return put(into, "flushPackets", when);
  },
  flushwait: (into, value) => {
    const ms = intervalOrInt(value, "ms");
    if (ms < 0 || ms > 1000) return "flushwait must be <= 1000, or 0 for system default of 10 millseconds.";
    return put(into, "flushWaitMs", ms || 10);
  },
  lbset: (into, value) => {
    const n = int(value);
    return n < 0 || n > 99 ? "lbset must be between 0 and 99" : put(into, "lbset", n);
  },
  slowstart: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 0 ? "slowstart must be a positive value" : put(into, "slowStartMs", ms);
  },
  upgrade: (into, value) => {
    if (value.length > MAX_PROTOCOL) return `upgrade protocol length must be < ${MAX_PROTOCOL + 1} characters`;
    return put(into, "upgrade", value);
  },
  secret: () => "secret is not supported: there is no mod_proxy_ajp",
  flusher: () => "flusher is not supported: there is no mod_proxy_fdpass",
};

const BALANCER: Readonly<Record<string, Rule<BalancerSettings>>> = {
  lbmethod: (into, value) => put(into, "lbmethod", value),
  maxattempts: (into, value) => {
    const n = int(value);
    return n < 0 ? "maximum number of attempts must be a positive number" : put(into, "maxAttempts", n);
  },
  stickysession: (into, value) => {
    const bar = value.indexOf("|");
    put(into, "stickySession", (bar < 0 ? value : value.slice(0, bar)).slice(0, MAX_NAME));
    return put(into, "stickyPath", value.slice(bar + 1).slice(0, MAX_NAME));
  },
  stickycookie: (into, value) => {
    const cookie = parseStickyCookie(value);
    return typeof cookie === "string" ? cookie : put(into, "stickyCookie", cookie);
  },
  stickysessionsep: (into, value) => {
    if (value.length === 1) return put(into, "stickySeparator", value);
    if (value.toLowerCase() === "off") return put(into, "stickySeparator", "");
    return "stickysessionsep must be a single character or Off";
  },
  scolonpathdelim: (into, value) => {
    const on = onOff(value);
    return on === null ? "scolonpathdelim must be On|Off" : put(into, "scolonPathDelim", on);
  },
  nofailover: (into, value) => {
    const on = onOff(value);
    return on === null ? "failover must be On|Off" : put(into, "noFailover", on);
  },
  timeout: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 1 ? "timeout must be at least one second" : put(into, "timeoutMs", ms);
  },
  failonstatus: (into, value) => {
    const codes = value
      .split(/[, ]+/)
      .filter((code) => code !== "")
      .map(int);
    if (codes.some((code) => code < 100 || code > 599)) return "failonstatus must be one or more HTTP response codes";
    return put(into, "failOnStatus", codes);
  },
  failontimeout: (into, value) => {
    const on = onOff(value);
    return on === null ? "failontimeout must be On|Off" : put(into, "failOnTimeout", on);
  },
  panic: (into, value) => {
    const on = onOff(value);
    return on === null ? "panic must be On|Off" : put(into, "panic", on);
  },
  forcerecovery: (into, value) => {
    const on = onOff(value);
    return on === null ? "forcerecovery must be On|Off" : put(into, "forceRecovery", on);
  },
  nonce: (into, value) => {
    if (value.length > 36) return "Provided nonce is too large";
    return put(into, "nonce", value.toLowerCase() === "none" ? "" : value);
  },
  growth: (into, value) => {
    const n = int(value);
    return n < 1 || n > 100 ? "growth must be between 1 and 100" : put(into, "growth", n);
  },
  slowstart: (into, value) => {
    const ms = intervalOrInt(value, "s");
    return ms < 0 ? "slowstart must be a positive value" : put(into, "slowStartMs", ms);
  },
  hashkey: (into, value) => {
    const match = /^(?:(address|path)|(header|cookie):(.+))$/i.exec(value);
    if (match === null) return "hashkey must be address, path, header:NAME or cookie:NAME";
    const from = (match[1] ?? match[2])!.toLowerCase() as HashKey["from"];
    return put(into, "hashKey", { from, name: match[3] ?? "" });
  },
};

/**
 * Reads one parameter of a worker; keys are case-blind, and the last of a key wins.
 * @param health the names that hcexpr and hctemplate may use; null: nothing here checks members, and hc* is unknown
 */
export function parseWorkerParam(
  into: WorkerSettings,
  key: string,
  value: string,
  health: HealthContext | null = null,
): string | null {
  const name = key.toLowerCase();
  if (Object.hasOwn(WORKER, name)) return WORKER[name]!(into, value, name);
  if (health === null) return "unknown Worker parameter";
  into.check ??= { context: health };
  return parseHealthParam(into.check, name, value, health);
}

/** @param hasLbMethod says whether a method is loaded; without it the name is checked when the balancer is built */
export function parseBalancerParam(
  into: BalancerSettings,
  key: string,
  value: string,
  hasLbMethod?: (name: string) => boolean,
): string | null {
  const name = key.toLowerCase();
  if (!Object.hasOwn(BALANCER, name)) return "unknown Balancer parameter";
  if (name === "lbmethod" && hasLbMethod !== undefined && !hasLbMethod(value)) return "unknown lbmethod";
  return BALANCER[name]!(into, value, name);
}

/** What to write instead of a parameter that there is not. @param checks members are checked: there is hc* */
export function paramHint(key: string, ofBalancer: boolean, checks: boolean): string {
  const worker = [...Object.keys(WORKER).filter((name) => name !== "secret"), ...(checks ? HEALTH_PARAMS : [])];
  const balancer = Object.keys(BALANCER);
  const [known, others] = ofBalancer ? [balancer, worker] : [worker, balancer];
  if (others.includes(key.toLowerCase()))
    return ofBalancer ? `${key} is a parameter of members` : `${key} is a parameter of balancers`;
  return didYouMean(key, known) ?? `there are ${known.join(", ")}`;
}

export function applyWorkerSettings(worker: ProxyWorker, settings: WorkerSettings): void {
  const { lbset, lbfactor, route, redirect, status, check, ...params } = settings;
  Object.assign(worker.params, params);
  if (lbset !== undefined) worker.s.lbset = lbset;
  if (lbfactor !== undefined) worker.s.lbfactor = lbfactor;
  if (route !== undefined) worker.route = route;
  if (redirect !== undefined) worker.redirect = redirect;
  if (status !== undefined) {
    worker.setStatus(status.on);
    worker.clearStatus(status.off);
  }
  if (check !== undefined) applyHealthCheck(worker, check);
}

export function applyBalancerSettings(balancer: ProxyBalancer, settings: BalancerSettings): void {
  Object.assign(balancer.params, settings);
}

function put<S, K extends keyof S>(into: S, key: K, value: S[K]): null {
  into[key] = value;
  return null;
}

function onOff(value: string): boolean | null {
  const word = value.toLowerCase();
  return word === "on" ? true : word === "off" ? false : null;
}
