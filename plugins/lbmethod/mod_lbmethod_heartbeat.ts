/**
 * lbmethod=heartbeat: in proportion to the places that the backends themselves say they have ready. All members take part that
 * can serve, whatever their lbset, role or load factor.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_heartbeat.c
 */
import { z } from "zod";
import {
  defineModule,
  getModuleConfig,
  type HostLoad,
  type LbMethod,
  type LoadTable,
  lbmethod,
  loadTable,
  type Module,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
} from "../../modules/mod.ts";
import { HeartbeatStorage } from "./heartbeat_storage.ts";

/** Seconds: who was not heard of for so long gets no requests. */
const MAX_AGE = 10;
const LOG = "lbmethod_heartbeat";

const heartbeatMethod = defineModule({
  name: "mod_lbmethod_heartbeat",
  config: z.object({ storage: z.string().default("hb.dat") }),
  commands: ({ take1 }) => [take1("HeartbeatStorage", "server", "storage", "Path to read heartbeat data.")],
  needs: ["files"],
  registerHooks(hooks) {
    hooks.provider(lbmethod, "heartbeat", (balancer) => new Heartbeat(balancer));
  },
});
export default heartbeatMethod as Module;

class Heartbeat implements LbMethod {
  readonly wholeBalancer = true;
  private readonly balancer: ProxyBalancer;
  private table: LoadTable | null = null;

  constructor(balancer: ProxyBalancer) {
    this.balancer = balancer;
  }

  /** A point among all places that are ready, both ends included; who covers it last is elected. */
  finder(candidates: readonly ProxyWorker[], r: RequestRec): ProxyWorker | null {
    const hosts = this.hostsOf(r);
    if (hosts === null) return null;
    let total = 0;
    for (const member of candidates) total += readyOf(hosts.get(member.host));
    this.tellOfUnknown(hosts, r);
    if (total === 0) return null;
    const point = Math.floor(r.conn.process.clock.random() * (total + 1));
    let elected: ProxyWorker | null = null;
    let start = 0;
    for (const member of candidates) {
      const load = hosts.get(member.host);
      if (load === undefined || load.lastSeen >= MAX_AGE) continue;
      if (point >= start && point <= start + load.ready) elected = member;
      start += load.ready;
    }
    return elected;
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
      r.server.log.error(LOG, "AH01213", `lb_heartbeat: Unable to read heartbeats at '${storagePath(r)}'`);
    }
    return hosts;
  }

  private tableOf(r: RequestRec): LoadTable {
    const { providers, files } = r.server.process;
    this.table ??= providers.lookup(loadTable, "slotmem") ?? new HeartbeatStorage(storagePath(r), files);
    return this.table;
  }

  private tellOfUnknown(hosts: ReadonlyMap<string, HostLoad>, r: RequestRec): void {
    const { log } = r.server;
    if (!log.enabled(LOG, 7)) return;
    for (const { host, name } of this.balancer.members) {
      if (!hosts.has(host)) log.debug(LOG, "AH01214", `lb_heartbeat: No server for worker ${name}`);
    }
  }
}

function readyOf(load: HostLoad | undefined): number {
  return load === undefined || load.lastSeen >= MAX_AGE ? 0 : load.ready;
}

function storagePath(r: RequestRec): string {
  const { storage } = getModuleConfig(r.server.config, heartbeatMethod);
  return storage.startsWith("/") ? storage : `${r.server.process.runtimeDir.replace(/\/$/, "")}/${storage}`;
}
