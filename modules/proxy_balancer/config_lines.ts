/** What operators changed, as the lines of a configuration that would make it permanent. */
import type { ProxyBalancer } from "../proxy/balancer.ts";
import {
  DISABLED,
  DRAIN,
  defaultWorkerParams,
  flagLetters,
  HC_FAIL,
  HC_IGNORED,
  HOT_SPARE,
  HOT_STANDBY,
  IGNORE_ERRORS,
  type ProxyWorker,
  STOPPED,
  type WorkerParams,
} from "../proxy/worker.ts";
import { overridesOf } from "./overrides.ts";
import { balancerSettings, memberSettings } from "./settings.ts";

const ADMINISTRATIVE = IGNORE_ERRORS | DRAIN | DISABLED | STOPPED | HOT_STANDBY | HOT_SPARE;

/**
 * A `<Proxy>` section: a BalancerMember line for each member that is otherwise, to stand in the place of the one that there is,
 * and a ProxySet line. "": nothing is otherwise.
 */
export function configLines(balancer: ProxyBalancer): string {
  const overrides = overridesOf(balancer);
  if (overrides.length === 0) return "";
  const lines = [`<Proxy "${balancer.name}">`];
  for (const { member: name } of overrides) {
    const member = balancer.members.find(({ displayName }) => displayName === name);
    if (member !== undefined) lines.push(`    ${memberLine(member)}`);
  }
  const own = overrides.find(({ member }) => member === null);
  if (own !== undefined) lines.push(`    ${balancerLine(balancer, new Set(own.changes.map(({ name }) => name)))}`);
  return [...lines, "</Proxy>"].join("\n");
}

function memberLine(member: ProxyWorker): string {
  const { loadFactor, lbset, route, redirect, ...settings } = memberSettings(member);
  const status = flagLetters(member.s.status & ADMINISTRATIVE & ~(HC_FAIL | HC_IGNORED));
  const words: [key: string, value: string | number, isDefault: boolean][] = [
    ["loadfactor", loadFactor, loadFactor === 1],
    ["lbset", lbset, lbset === 0],
    ["route", route, route === ""],
    ["redirect", redirect, redirect === ""],
    ["status", `+${status}`, status === ""],
    ...paramWords(member.params),
    ["hcmethod", settings.checkMethod, settings.checkMethod === "NONE"],
    ["hcinterval", `${settings.checkIntervalMs}ms`, settings.checkIntervalMs === 30_000],
    ["hcpasses", settings.checkPasses, settings.checkPasses === 1],
    ["hcfails", settings.checkFails, settings.checkFails === 1],
    ["hcuri", settings.checkUri, settings.checkUri === ""],
    ["hcexpr", settings.checkExpr, settings.checkExpr === ""],
  ];
  return `BalancerMember "${member.displayName}"${text(words.filter(([, , isDefault]) => !isDefault))}`;
}

/** Keys of the configuration that are other than by default. */
function paramWords(params: WorkerParams): [key: string, value: string | number, isDefault: boolean][] {
  const defaults = defaultWorkerParams();
  const ms = (key: string, name: keyof WorkerParams): [string, string, boolean] => [
    key,
    `${params[name]}ms`,
    params[name] === defaults[name],
  ];
  const plain = (key: string, name: keyof WorkerParams): [string, string, boolean] => [
    key,
    typeof params[name] === "boolean" ? (params[name] ? "On" : "Off") : String(params[name]),
    params[name] === defaults[name],
  ];
  return [
    ms("retry", "retryMs"),
    ms("timeout", "timeoutMs"),
    ms("connectiontimeout", "connectionTimeoutMs"),
    ms("acquire", "acquireMs"),
    ms("ttl", "ttlMs"),
    ms("ping", "pingMs"),
    plain("min", "min"),
    ["max", params.max, params.max === defaults.max || !Number.isFinite(params.max)],
    ["smax", params.smax, params.smax === defaults.smax || params.smax === params.max],
    plain("keepalive", "keepAlive"),
    plain("disablereuse", "disableReuse"),
    plain("upgrade", "upgrade"),
    plain("responsefieldsize", "responseFieldSize"),
    plain("receivebuffersize", "receiveBufferSize"),
    plain("iobuffersize", "ioBufferSize"),
    ["slowstart", `${params.slowStartMs}ms`, (params.slowStartMs ?? 0) === 0],
    ["addressttl", (params.addressTtlMs ?? 0) / 1000, params.addressTtlMs === undefined],
  ];
}

function balancerLine(balancer: ProxyBalancer, changed: ReadonlySet<string>): string {
  const { lbmethod, timeoutMs, maxAttempts, noFailover, stickySession, stickyPath } = balancerSettings(balancer);
  const sticky = stickyPath === "" || stickyPath === stickySession ? stickySession : `${stickySession}|${stickyPath}`;
  const noSticky = changed.has("stickySession") && stickySession === "";
  const noTimeout = changed.has("timeoutMs") && timeoutMs === 0;
  // There is no value that says so.
  const absent = [...(noSticky ? ["stickysession="] : []), ...(noTimeout ? ["timeout="] : [])];
  const words: [key: string, value: string | number, isWanted: boolean][] = [
    ["lbmethod", lbmethod, changed.has("lbmethod")],
    ["timeout", `${timeoutMs}ms`, changed.has("timeoutMs") && !noTimeout],
    ["maxattempts", maxAttempts, changed.has("maxAttempts")],
    ["nofailover", noFailover ? "On" : "Off", changed.has("noFailover")],
    ["stickysession", sticky, (changed.has("stickySession") || changed.has("stickyPath")) && !noSticky],
  ];
  const wanted = words.filter(([, , isWanted]) => isWanted);
  const lines = wanted.length === 0 ? [] : [`ProxySet${text(wanted)}`];
  for (const key of absent) lines.push(`# and without ${key}`);
  return lines.join("\n    ");
}

function text(words: readonly (readonly [key: string, value: string | number, ...rest: unknown[]])[]): string {
  return words
    .map(([key, value]) => ` ${/[\s"\\]/.test(String(value)) ? quoted(`${key}=${value}`) : `${key}=${value}`}`)
    .join("");
}

function quoted(word: string): string {
  return `"${word.replace(/["\\]/g, "\\$&")}"`;
}
