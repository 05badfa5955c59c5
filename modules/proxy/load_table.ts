/**
 * The provider group `load_table`: what backends say of their load, for lbmethod=heartbeat.
 * Source: httpd modules/cluster/mod_heartmonitor.c, modules/proxy/balancers/mod_lbmethod_heartbeat.c struct hb_server
 */
import { providerGroup } from "../core/providers.ts";

export interface HostLoad {
  /** Requests that it could take at once. */
  readonly ready: number;
  /** Requests that it works on. */
  readonly busy: number;
  /** Seconds since it was heard of. */
  readonly lastSeen: number;
}

export interface LoadTable {
  /**
   * By host, as a BalancerMember names it; null: not known at the moment. The same map as long as nothing in it changes.
   * @param nowMs wall clock
   */
  hosts(nowMs: number): ReadonlyMap<string, HostLoad> | null;
}

/** "slotmem" is the table of a heart monitor that keeps its own; without it the method reads HeartbeatStorage. */
export const loadTable = providerGroup<LoadTable>("load_table");
