/**
 * lbmethod=heartbeat: in proportion to the places that the backends themselves say they have ready. All members take part that
 * can serve, whatever their lbset, role or load factor.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_heartbeat.c
 */
import {
  type Candidates,
  type CommandContext,
  defineModule,
  getModuleConfig,
  type HostLoad,
  type LbMethod,
  type LoadTable,
  lbmethod,
  loadTable,
  type Module,
  type ProcessRec,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
  z,
} from "../../modules/mod.ts";
import { HeartbeatStorage } from "./heartbeat_storage.ts";

/** Seconds: who was not heard of for so long gets no requests. */
const MAX_AGE = 10;
const LOG = "lbmethod_heartbeat";

const heartbeatMethod = defineModule({
  name: "mod_lbmethod_heartbeat",
  config: z.object({ storage: z.string().default("hb.dat") }),
  commands: ({ take1 }) => [take1("HeartbeatStorage", "server", setStorage, "Path to read heartbeat data.")],
  needs: ["files"],
  registerHooks(hooks) {
    hooks.provider(lbmethod, "heartbeat", (balancer) => new Heartbeat(balancer));
  },
});
export default heartbeatMethod as Module;

function setStorage(cmd: CommandContext, path: string): string | undefined {
  if (cmd.server.isVirtual) return "HeartbeatStorage cannot occur within <VirtualHost> section";
  cmd.set("storage", path);
  return undefined;
}

class Heartbeat implements LbMethod {
  readonly wholeBalancer = true;
  private readonly balancer: ProxyBalancer;
  /** The generation that it knows the tables of. */
  private generation: ProcessRec | null = null;
  /** A heart monitor here; its table changes in place. */
  private monitor: LoadTable | null = null;
  private storage: LoadTable | null = null;
  private hosts: ReadonlyMap<string, HostLoad> | null = null;
  private candidates: Candidates | null = null;
  /** The candidates that were heard of lately, in order; where the places of each begin; all places. */
  private heardOf: readonly ProxyWorker[] = [];
  private starts: readonly number[] = [];
  private total = 0;

  constructor(balancer: ProxyBalancer) {
    this.balancer = balancer;
  }

  /** A point among all places that are ready, both ends included; who covers it last is elected. */
  finder(candidates: Candidates, r: RequestRec): ProxyWorker | null {
    const hosts = this.hostsOf(r);
    if (hosts === null) return null;
    this.tellOfUnknown(hosts, r);
    if (this.monitor !== null || hosts !== this.hosts || candidates !== this.candidates) this.take(hosts, candidates);
    if (this.total === 0) return null;
    const point = Math.floor(r.conn.process.clock.random() * (this.total + 1));
    const { starts } = this;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= point) low = middle;
      else high = middle - 1;
    }
    return this.heardOf[low]!;
  }

  private take(hosts: ReadonlyMap<string, HostLoad>, candidates: Candidates): void {
    this.heardOf = candidates.filter((member) => (hosts.get(member.host)?.lastSeen ?? MAX_AGE) < MAX_AGE);
    this.total = 0;
    this.starts = this.heardOf.map((member) => {
      const start = this.total;
      this.total += hosts.get(member.host)!.ready;
      return start;
    });
    this.hosts = hosts;
    this.candidates = candidates;
  }

  figure(member: ProxyWorker, r: RequestRec): string {
    const load = this.tableOf(r)
      .hosts(r.conn.process.clock.wallUs() / 1000)
      ?.get(member.host);
    if (load === undefined) return `nothing known of ${member.host}`;
    return `ready ${load.ready}, busy ${load.busy}, heard of ${load.lastSeen} s ago`;
  }

  private hostsOf(r: RequestRec): ReadonlyMap<string, HostLoad> | null {
    const hosts = this.tableOf(r).hosts(r.conn.process.clock.wallUs() / 1000);
    if (hosts === null) {
      r.log.error(LOG, "AH01213", `lb_heartbeat: Unable to read heartbeats at '${storagePath(r)}'`);
    }
    return hosts;
  }

  private tableOf(r: RequestRec): LoadTable {
    const generation = r.server.process;
    const { providers, host } = generation;
    if (generation !== this.generation) {
      this.generation = generation;
      this.monitor = this.storage = null;
    }
    this.monitor ??= providers.lookup(loadTable, "slotmem") ?? null;
    return this.monitor ?? (this.storage ??= new HeartbeatStorage(storagePath(r), host.files));
  }

  private tellOfUnknown(hosts: ReadonlyMap<string, HostLoad>, r: RequestRec): void {
    const { log } = r.server;
    if (!log.enabled(LOG, 7)) return;
    for (const { host, name } of this.balancer.members) {
      if (!hosts.has(host)) log.debug(LOG, "AH01214", `lb_heartbeat: No server for worker ${name}`);
    }
  }
}

function storagePath(r: RequestRec): string {
  const { storage } = getModuleConfig(r.server.process.servers[0]!.config, heartbeatMethod);
  return storage.startsWith("/") ? storage : `${r.server.process.runtimeDir.replace(/\/$/, "")}/${storage}`;
}
