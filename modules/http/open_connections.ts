/**
 * The connections that are open, whatever is spoken on them and whichever front they came by: what a stop, a limit and a status
 * page ask of them.
 */
import type { ConnRec, ProcessRec, RequestRec } from "../core/records.ts";

export type Phase = "waiting" | "head" | "busy" | "discarding" | "lingering" | "upgraded" | "closed";

/** What the stop of a generation waits for, or ends: a client's connection, or a request on a front that has no more. */
export interface ServedConnection {
  readonly view: ConnectionView;
  belongsTo(process: ProcessRec): boolean;
  /** Its generation stops, and it has no request at hand. */
  closeIfIdle(): void;
  /** Whether it was kept alive and idle: it ends. */
  giveWay?(): boolean;
  destroy(): void;
}

const open = new Set<ServedConnection>();

export function connectionOpened(connection: ServedConnection): void {
  open.add(connection);
}

export function connectionClosed(connection: ServedConnection, process: ProcessRec): void {
  open.delete(connection);
  if (room.wanted > 0) room.freed?.();
  checkDrained(process);
}

/** Connections that are open, idle ones included. */
export function connectionCount(): number {
  return open.size;
}

/** Where connections are limited: how many wait for one of those that are open to end. */
export const room = {
  wanted: 0,
  /** Called when one has ended, while one is wanted. */
  freed: null as (() => void) | null,
  /** Ends the idle connection that is open longest, if there is one. */
  make(): void {
    for (const connection of open) if (connection.giveWay?.()) return;
  },
};

/** A connection as status pages show it. */
export interface ConnectionView {
  readonly conn: ConnRec;
  readonly phase: Phase;
  /** The request at hand, or the last one, if that is kept; null: there is none. */
  readonly r: RequestRec | null;
}

export function openConnections(): ConnectionView[] {
  return [...open].map((connection) => connection.view);
}

const drains = new Map<ProcessRec, () => void>();

/** Calls `call` once no connection of a stopping generation is left. */
export function whenDrained(process: ProcessRec, call: () => void): void {
  drains.set(process, call);
  checkDrained(process);
}

function checkDrained(process: ProcessRec): void {
  const call = drains.get(process);
  if (call === undefined) return;
  for (const connection of open) if (connection.belongsTo(process)) return;
  drains.delete(process);
  call();
}

/** Ends idle connections of generations that are stopping, new ones soon; the others end with the response at hand. */
export function closeIdleConnections(): void {
  for (const connection of open) connection.closeIfIdle();
}

/** Ends every connection at once. */
export function closeAllConnections(): void {
  for (const connection of open) connection.destroy();
}
