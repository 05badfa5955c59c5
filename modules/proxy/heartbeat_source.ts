/**
 * The provider group `heartbeat_source`: what backends said of their load, for lbmethod=heartbeat.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_heartbeat.c read_heartbeats
 */
import { providerGroup } from "../core/providers.ts";
import type { ProcessRec } from "../core/records.ts";

export interface HeartbeatEntry {
  /** Requests that it could take at once, besides `busy`. */
  readonly ready: number;
  readonly busy: number;
  /** Seconds since it was heard of. */
  readonly lastSeen: number;
}

export interface HeartbeatSource {
  /** By IP address, as a member's host must be written; null: it cannot be read. For each election, so it must be cheap. */
  read(process: ProcessRec): ReadonlyMap<string, HeartbeatEntry> | null;
}

/** mod_heartmonitor fills it as "heartmonitor": from memory while it listens, else from the file of HeartbeatStorage. */
export const heartbeatSource = providerGroup<HeartbeatSource>("heartbeat_source");
