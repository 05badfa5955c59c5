/**
 * The state of a server's balancers as plain data: what the manager's page, the API, server-status, the metrics and the file
 * that survives a restart all show.
 */
import type { ServerRec } from "../core/records.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { poolFigures } from "../proxy/elsewhere.ts";
import type { CheckResult } from "../proxy/health_check.ts";
import type { MeterReading } from "../proxy/meter.ts";
import { getProxyServerState } from "../proxy/server_state.ts";
import { flagLetters, type ProxyWorker } from "../proxy/worker.ts";
import { type Finding, workerState } from "../proxy/worker_state.ts";
import type { Change } from "./audit.ts";
import { balancerOverrides, memberOverrides } from "./overrides.ts";
import { type BalancerSettings, balancerSettings, type MemberSettings, memberSettings } from "./settings.ts";
import { expectedShares } from "./shares.ts";

export interface MemberState {
  /** Names the member in paths of the API: its URL, digested. */
  readonly id: string;
  /** unix:PATH| included. */
  readonly url: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** As httpd prints it, "Init Ok ". */
  readonly status: string;
  readonly usable: boolean;
  /** It came while the server runs. */
  readonly added: boolean;
  /** It gets no new requests, and has none left. */
  readonly drained: boolean;
  /** The part of the next requests without session that should be its own, 0 to 1, as far as load factors tell. */
  readonly share: number;
  readonly settings: MemberSettings;
  /** Letters of `status=`: what the file says. */
  readonly configured: string;
  /** What is otherwise than the configuration says. */
  readonly changed: readonly Change[];
  /** What an operator has set and cleared since, of these letters. */
  readonly administrative: { readonly set: string; readonly cleared: string };
  readonly observed: { readonly error: Finding | null; readonly check: Finding | null; readonly panic: boolean };
  readonly elected: number;
  /** Requests at hand. */
  readonly busy: number;
  readonly lbstatus: number;
  /** Bytes to it, and from it. */
  readonly transferred: number;
  readonly read: number;
  readonly retries: number;
  /** 0: it is not in error. */
  readonly errorTimeMs: number;
  /** null: nothing that is configured shows it. */
  readonly traffic: Traffic | null;
  readonly pool: PoolState;
  readonly check: CheckState | null;
}

/** Requests that ended, since the start: how many, how many of them with a 5xx, how long they took together. */
export interface Traffic {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  /** Attempts that failed, whatever became of the request. */
  readonly failures: number;
}

/** Connections to a member, of all children; `max` is of each. `max` null: no limit. */
export interface PoolState {
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number | null;
}

export interface CheckState {
  /** In a row, as long as they have not changed the verdict. */
  readonly passed: number;
  readonly failed: number;
  /** The newest last. */
  readonly results: readonly CheckResult[];
}

export interface BalancerState {
  /** balancer://NAME */
  readonly name: string;
  /** The path of the last ProxyPass that leads to it; "/" where only sections name it. */
  readonly path: string;
  readonly settings: BalancerSettings;
  /** Members that there is room for, those that are there included. */
  /** What is otherwise than the configuration says. */
  readonly changed: readonly Change[];
  readonly maxMembers: number;
  readonly members: readonly MemberState[];
}

/** What a server has: its own balancers, and those that it inherits. */
export function balancersOfServer(server: ServerRec): ProxyBalancer[] {
  return [...(getProxyServerState(server)?.balancers.values() ?? [])];
}

export function serverState(server: ServerRec): BalancerState[] {
  return balancersOfServer(server).map((balancer) => balancerState(server, balancer));
}

export function balancerState(server: ServerRec, balancer: ProxyBalancer): BalancerState {
  const { members } = balancer;
  const shares = expectedShares(members.map((member) => ({ ...memberSettings(member), usable: member.isUsable })));
  return {
    name: balancer.name,
    path: shownPath(balancer.path),
    settings: balancerSettings(balancer),
    changed: balancerOverrides(balancer),
    maxMembers: members.length + balancer.spareSlots.length,
    members: members.map((member, i) => memberState(server, member, shares[i]!)),
  };
}

/** Another one for each URL, in twelve letters that any path takes. */
export function memberId(server: ServerRec, member: ProxyWorker): string {
  return server.process.host.digest("sha1", member.displayName).slice(0, 12);
}

function memberState(server: ServerRec, member: ProxyWorker, share: number): MemberState {
  const { s, check, params } = member;
  const settings = memberSettings(member);
  const { configured, administrative, observed } = workerState(member);
  return {
    id: memberId(server, member),
    url: member.displayName,
    scheme: member.scheme,
    host: member.host,
    port: member.port,
    status: member.flags,
    usable: member.isUsable,
    added: member.added,
    drained: s.busy === 0 && (settings.draining || settings.disabled || settings.stopped),
    share,
    settings,
    configured: flagLetters(configured),
    changed: memberOverrides(member),
    administrative: { set: flagLetters(administrative.on), cleared: flagLetters(administrative.off) },
    observed,
    elected: s.elected,
    busy: s.busy,
    lbstatus: s.lbstatus,
    transferred: s.transferred,
    read: s.read,
    retries: s.retries,
    errorTimeMs: s.errorTimeMs,
    traffic: member.meter === null ? null : trafficOf(member.meter.read()),
    pool: {
      ...poolFigures(member),
      max: params.max > 0 && Number.isFinite(params.max) ? params.max : null,
    },
    check: check === null ? null : { passed: check.passed, failed: check.failed, results: [...check.results] },
  };
}

function trafficOf({ classes, failures, total }: MeterReading): Traffic {
  const sum = (numbers: Float64Array) => numbers.reduce((all, one) => all + one, 0);
  return { requests: sum(classes), errors: classes[5]!, seconds: total.sum, failures: sum(failures) };
}

/** Of a rule whose path is a URL: "host -> path", as httpd shows it. */
function shownPath(path: string): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)(.*)$/i.exec(path);
  return absolute === null ? path : `${absolute[1]} -> ${absolute[2]}`;
}
