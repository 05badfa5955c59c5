/**
 * The active check of a member: what is configured of it, and what it found. mod_proxy_hcheck does the checking; the manager
 * shows and changes this record.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c set_worker_hc_param; mod_proxy.h, hc* of proxy_worker_shared
 */
import { atoi, parseInterval } from "../config/units.ts";
import { providerGroup } from "../core/providers.ts";
import type { ServerRec } from "../core/records.ts";
import type { Expr } from "../server/expr.ts";
import type { ProxyWorker } from "./worker.ts";

/** How a member is asked; the order is httpd's, and the manager's. PROVIDER asks a function of a plug-in. */
export const HC_METHODS = [
  "NONE",
  "TCP",
  "OPTIONS",
  "HEAD",
  "GET",
  "OPTIONS11",
  "HEAD11",
  "GET11",
  "PROVIDER",
] as const;
export type HealthCheckMethod = (typeof HC_METHODS)[number];

const MAX_URI = 63;
const LEAST_INTERVAL_MS = 100;
/** Results that are kept of each member. */
export const KEPT_RESULTS = 20;

/** What `hc*=value` sets; durations in milliseconds. */
export interface HealthCheckParams {
  /** @default "NONE" */
  method: HealthCheckMethod;
  /** The name behind PROVIDER:. */
  provider: string;
  /** From the end of one check to the next. @default 30000 */
  intervalMs: number;
  /** Passed checks in a row that bring a member back; 0 acts like 1. @default 1 */
  passes: number;
  /** Failed checks in a row that take it out; 0 acts like 1. @default 1 */
  fails: number;
  /** Appended to the member's path. @default "" */
  uri: string;
  /** Name of the ProxyHCExpr that decides; "": a status of 200 to 399 passes. @default "" */
  expr: string;
}

export function defaultHealthCheck(): HealthCheckParams {
  return { method: "NONE", provider: "", intervalMs: 30_000, passes: 1, fails: 1, uri: "", expr: "" };
}

/** The expressions and templates of a server, by lower-case name: a virtual host sees its own only, as in httpd. */
export class HealthContext {
  readonly server: ServerRec;
  readonly exprs = new Map<string, Expr<boolean>>();
  readonly templates = new Map<string, HealthCheckParams>();

  constructor(server: ServerRec) {
    this.server = server;
  }
}

const contexts = new WeakMap<ServerRec, HealthContext>();

export function healthContext(server: ServerRec): HealthContext {
  let context = contexts.get(server);
  if (context === undefined) {
    context = new HealthContext(server);
    contexts.set(server, context);
  }
  return context;
}

/** What a line sets of a check. Unset keys are absent. */
export interface HealthCheckSettings extends Partial<HealthCheckParams> {
  /** Of the server whose line it is. */
  readonly context: HealthContext;
}

/** How one check ended. */
export interface CheckResult {
  /** Wall clock, milliseconds, of its end. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly passed: boolean;
  /** "status 200", "connect: (111)Connection refused", "expression healthy is false"... */
  readonly reason: string;
}

/** What checks have found of a member: plain data for other children. */
export interface CheckFindings {
  readonly passed: number;
  readonly failed: number;
  readonly failing: boolean;
  readonly sinceMs: number;
  readonly results: readonly CheckResult[];
}

/** The check of one member. Kept by the child that checks; the verdict is the shared status bit HC_FAIL. */
export class HealthCheck {
  params: HealthCheckParams = defaultHealthCheck();
  context: HealthContext;
  /** Checks in a row that passed or failed, as long as they have not changed the verdict. */
  passed = 0;
  failed = 0;
  /** The verdict of the checks: the member is out. (An operator may set and clear HC_FAIL besides.) */
  failing = false;
  /** Wall clock, milliseconds, at which a check last changed the verdict; 0: none did. */
  sinceMs = 0;
  /** An operator wants the next check now. */
  wanted = false;
  /** The last results, the newest last. */
  results: CheckResult[] = [];

  constructor(context: HealthContext) {
    this.context = context;
  }

  get last(): CheckResult | undefined {
    return this.results.at(-1);
  }

  /** What another child found. */
  take(found: CheckFindings): void {
    this.passed = found.passed;
    this.failed = found.failed;
    this.failing = found.failing;
    this.sinceMs = found.sinceMs;
    this.results = [...found.results];
  }

  add(result: CheckResult): void {
    this.results.push(result);
    if (this.results.length > KEPT_RESULTS) this.results.shift();
  }
}

export function applyHealthCheck(worker: ProxyWorker, { context, ...params }: HealthCheckSettings): void {
  worker.check ??= new HealthCheck(context);
  worker.check.context = context;
  Object.assign(worker.check.params, params);
}

/** What a function that checks a member is told of it. */
export interface HealthCheckTarget {
  /** The member's URL. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Path of its unix socket, or null. */
  readonly unixPath: string | null;
  /** hcuri. */
  readonly uri: string;
  readonly timeoutMs: number;
  /** Aborted when the time is up: what is answered then counts no more. */
  readonly signal: AbortSignal;
}

/** Whether a member is well; an object says why, too. One that throws fails the check. */
export type HealthCheckVerdict = boolean | { readonly passed: boolean; readonly reason: string };
export type HealthCheckProvider = (target: HealthCheckTarget) => HealthCheckVerdict | Promise<HealthCheckVerdict>;

/** What `hcmethod=PROVIDER:name` looks up. */
export const healthCheck = providerGroup<HealthCheckProvider>("healthcheck");

/** What parseHealthParam knows. */
export const HEALTH_PARAMS = [
  "hcmethod",
  "hcinterval",
  "hcpasses",
  "hcfails",
  "hcuri",
  "hcexpr",
  "hctemplate",
] as const;

/** Reads one of the hc* parameters of a member or a template; answers null, or an error in httpd's words. */
export function parseHealthParam(
  into: Partial<HealthCheckParams>,
  key: string,
  value: string,
  context: HealthContext,
): string | null {
  switch (key) {
    case "hctemplate": {
      const template = context.templates.get(value.toLowerCase());
      if (template === undefined) return `Unknown ProxyHCTemplate name: ${value}`;
      // What was written before it is lost, as in httpd.
      Object.assign(into, template);
      return null;
    }
    case "hcmethod":
      return parseMethod(into, value);
    case "hcinterval": {
      const ms = parseInterval(value, "s");
      if (ms === undefined) return "Unparse-able hcinterval setting";
      if (ms < LEAST_INTERVAL_MS) return "Interval must be a positive value greater than 100ms";
      into.intervalMs = ms;
      return null;
    }
    case "hcpasses":
      into.passes = atoi(value);
      return into.passes < 0 ? "Passes must be a positive value" : null;
    case "hcfails":
      into.fails = atoi(value);
      return into.fails < 0 ? "Fails must be a positive value" : null;
    case "hcuri":
      into.uri = value;
      return value.length > MAX_URI ? `Health check uri length must be < ${MAX_URI + 1} characters` : null;
    case "hcexpr":
      into.expr = value;
      return context.exprs.has(value.toLowerCase()) ? null : `Unknown health check condition expr: ${value}`;
    default:
      return "unknown Worker hcheck parameter";
  }
}

function parseMethod(into: Partial<HealthCheckParams>, value: string): string | null {
  const colon = value.indexOf(":");
  const name = (colon < 0 ? value : value.slice(0, colon)).toUpperCase();
  const method = HC_METHODS.find((known) => known === name);
  if (name === "CPING" || (method === "PROVIDER" && colon < 0))
    return `Health check method ${name} not (yet) implemented`;
  if (method === undefined || (method !== "PROVIDER" && colon >= 0)) return "Unknown method";
  if (method === "PROVIDER" && colon === value.length - 1) return "hcmethod=PROVIDER: needs the name of a provider";
  into.method = method;
  into.provider = method === "PROVIDER" ? value.slice(colon + 1) : "";
  return null;
}
