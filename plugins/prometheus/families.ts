/**
 * The metrics of a server. Labels are bounded: balancers and members of the configuration (and as many more as `growth`
 * allows), classes of statuses, stages and sources of failures.
 */

import {
  BOUNDS,
  balancerState,
  balancersOfServer,
  CLASSES,
  getProxyServerState,
  type Histogram,
  type MemberState,
  type ProcessRec,
  type ProxyBalancer,
  type ProxyWorker,
  poolFigures,
  type ServerRec,
  SOURCES,
  STAGES,
  unservedOf,
} from "../../modules/mod.ts";
import manifest from "../../package.json" with { type: "json" };
import { Family, type Labels } from "./exposition.ts";
import { runtime } from "./runtime.ts";

/** What each child has for itself, of all of them together. */
export interface ChildFigures {
  readonly children: number;
  readonly connections: number;
}

/** Of all servers: what a virtual host inherits counts once, for the server that it comes from. */
export function families(process: ProcessRec, startedUs: number, children: ChildFigures): Family[] {
  const all = new MemberFamilies();
  const noMember = new Family("counter", "sluice_unserved_requests", "Requests for which no member could be elected");
  const members = new Family("gauge", "sluice_balancer_members", "Members, by whether they are usable");
  const seen = new Set<ProxyBalancer | ProxyWorker>();
  for (const [server, host] of named(process.servers)) {
    for (const balancer of balancersOfServer(server)) {
      if (seen.has(balancer)) continue;
      seen.add(balancer);
      const labels = { server: host, balancer: balancer.name.slice("balancer://".length) };
      const state = balancerState(server, balancer);
      const usable = state.members.filter((member) => member.usable).length;
      noMember.add(labels, unservedOf(balancer));
      members.add({ ...labels, usable: "yes" }, usable);
      members.add({ ...labels, usable: "no" }, state.members.length - usable);
      for (const [i, member] of balancer.members.entries()) all.add(labels, member, state.members[i]!);
    }
    for (const worker of getProxyServerState(server)?.workers ?? []) {
      if (seen.has(worker)) continue;
      seen.add(worker);
      all.addWorker({ server: host, balancer: "", member: worker.displayName }, worker);
    }
  }
  return [...serverFamilies(process, startedUs, children), noMember, members, ...all.list];
}

/** Two servers may have one name; their metrics may not. */
function named(servers: readonly ServerRec[]): Map<ServerRec, string> {
  const names = new Map<ServerRec, string>();
  const taken = new Set<string>();
  for (const server of servers) {
    const name = server.port === 0 ? server.hostname : `${server.hostname}:${server.port}`;
    let unique = name;
    for (let i = 2; taken.has(unique); i++) unique = `${name}#${i}`;
    taken.add(unique);
    names.set(server, unique);
  }
  return names;
}

function serverFamilies(process: ProcessRec, startedUs: number, { children, connections }: ChildFigures): Family[] {
  const build = new Family("info", "sluice_build", "The version of sluice and what it runs on");
  build.add({ version: manifest.version, runtime: runtime.name, runtime_version: runtime.version }, 1);
  const one = (type: "counter" | "gauge", name: string, help: string, value: number) => {
    const family = new Family(type, name, help);
    family.add({}, value);
    return family;
  };
  const { user, system } = process.host.cpuUsageUs();
  const { failedReloads } = process;
  return [
    build,
    one("gauge", "sluice_start_time_seconds", "When the configuration was read, since 1970", startedUs / 1e6),
    one("gauge", "sluice_config_generation", "How often the configuration was read anew", process.generation),
    one(
      "counter",
      "sluice_config_reload_failures",
      "Configurations that were read anew and are broken",
      failedReloads.count,
    ),
    one(
      "gauge",
      "sluice_config_stale",
      "1: the last one was, and another one serves",
      failedReloads.reason === null ? 0 : 1,
    ),
    one("gauge", "sluice_children", "Event loops that serve", children),
    one("gauge", "sluice_client_connections", "Open connections of clients", connections),
    one("counter", "sluice_cpu_seconds", "Processor time that the program used", (user + system) / 1e6),
  ];
}

const STATES = ["draining", "disabled", "stopped", "standby", "spare", "ignoreErrors", "checkFailed"] as const;

class MemberFamilies {
  private readonly requests = new Family("counter", "sluice_requests", "Requests that ended, by class of their status");
  private readonly inFlight = new Family("gauge", "sluice_requests_in_flight", "Requests at hand");
  private readonly sent = new Family("counter", "sluice_sent_bytes", "Bytes sent to the backend");
  private readonly received = new Family("counter", "sluice_received_bytes", "Bytes received from the backend");
  private readonly retries = new Family(
    "counter",
    "sluice_retries",
    "Failed attempts after which another member was tried",
  );
  private readonly failures = new Family("counter", "sluice_failures", "Failed attempts, by stage and by who failed");
  private readonly elections = new Family("counter", "sluice_elections", "How often the member was elected");
  private readonly usable = new Family("gauge", "sluice_member_usable", "Whether the member may be elected");
  private readonly error = new Family("gauge", "sluice_member_error", "Whether traffic put the member in error");
  private readonly states = new Family(
    "gauge",
    "sluice_member_state",
    "What the configuration, an operator or checks set",
  );
  private readonly share = new Family(
    "gauge",
    "sluice_member_share_ratio",
    "Part of the next requests, by the load factors",
  );
  private readonly checks = new Family("gauge", "sluice_health_check_passed", "Whether the last health check passed");
  private readonly pool = new Family("gauge", "sluice_pool_connections", "Connections to the backend");
  private readonly waiting = new Family("gauge", "sluice_pool_waiting_requests", "Requests that wait for a connection");
  private readonly waits = new Family("counter", "sluice_pool_waits", "Requests that had to wait for a connection");
  private readonly connect = new Family("histogram", "sluice_connect_duration_seconds", "To a new connection");
  private readonly firstByte = new Family(
    "histogram",
    "sluice_first_byte_duration_seconds",
    "To the head of the answer",
  );
  private readonly total = new Family("histogram", "sluice_request_duration_seconds", "To the end of the answer");

  get list(): Family[] {
    return Object.values(this);
  }

  add(balancer: Labels, member: ProxyWorker, state: MemberState): void {
    const labels = { ...balancer, member: member.displayName };
    this.addWorker(labels, member);
    this.usable.add(labels, Number(state.usable));
    this.error.add(labels, Number(state.observed.error !== null));
    for (const name of STATES) this.states.add({ ...labels, state: name }, Number(state.settings[name]));
    this.share.add(labels, state.share);
    const last = state.check?.results.at(-1);
    if (last !== undefined) this.checks.add(labels, Number(last.passed));
  }

  addWorker(labels: Labels, worker: ProxyWorker): void {
    const { s, meter } = worker;
    const { inUse, idle, waiting } = poolFigures(worker);
    this.inFlight.add(labels, labels.balancer === "" ? inUse : s.busy);
    this.sent.add(labels, s.transferred);
    this.received.add(labels, s.read);
    this.elections.add(labels, s.elected);
    this.pool.add({ ...labels, state: "in_use" }, inUse);
    this.pool.add({ ...labels, state: "idle" }, idle);
    this.waiting.add(labels, waiting);
    if (meter === null) return;
    const { classes, failures, retried, waited, connect, firstByte, total } = meter.read();
    for (let i = 0; i < CLASSES; i++) {
      this.requests.add({ ...labels, code: i === 0 ? "other" : `${i}xx` }, classes[i]!);
    }
    this.retries.add(labels, retried);
    this.waits.add(labels, waited);
    for (const [i, stage] of STAGES.entries()) {
      for (const [j, source] of SOURCES.entries()) {
        const count = failures[i * SOURCES.length + j]!;
        // The pairs that came up: most of them never do.
        if (count > 0) this.failures.add({ ...labels, stage, source }, count);
      }
    }
    addHistogram(this.connect, labels, connect);
    addHistogram(this.firstByte, labels, firstByte);
    addHistogram(this.total, labels, total);
  }
}

function addHistogram(family: Family, labels: Labels, { buckets, sum }: Histogram): void {
  family.addHistogram(labels, BOUNDS, buckets, sum);
}
