/**
 * An accepted socket → a connection that some module speaks the protocol of.
 * Source: httpd server/connection.c
 */
import { ConnRec, type ProcessRec } from "../core/records.ts";
import { DECLINED, OK } from "../core/status.ts";
import type { Socket } from "../net/socket.ts";
import { preConnection, processConnection } from "./hooks.ts";
import { vhostsOf } from "./vhost.ts";

let connections = 0;

/** Counts the connections of the program. */
export function nextConnectionId(): number {
  return ++connections;
}

/** Makes the record and hands the socket to whoever speaks its protocol; nobody: the socket is closed. */
export function acceptConnection(process: ProcessRec, socket: Socket): void {
  const conn = new ConnRec({
    id: nextConnectionId(),
    process,
    peerIp: socket.remoteAddress,
    peerPort: socket.remotePort,
    localIp: socket.localAddress,
    localPort: socket.localPort,
    vhosts: vhosts(process, socket.localAddress, socket.localPort),
    secure: false,
  });
  beginConnection(conn, socket);
}

/** From the first byte on; once again for who has read what stood before it. */
export function beginConnection(conn: ConnRec, socket: Socket): void {
  if (preConnection.run(conn.process.hooks, conn, socket) === DECLINED) serveConnection(conn, socket);
}

/** The socket is ready for its protocol. Its owner is set when this returns. */
export function serveConnection(conn: ConnRec, socket: Socket): void {
  if (processConnection.run(conn.process.hooks, conn, socket) !== OK) socket.destroy();
}

const tables = new WeakMap<ProcessRec, Map<string, ReturnType<typeof vhostsOf>>>();

/** The virtual hosts of a local address, looked for once. */
export function vhosts(process: ProcessRec, ip: string, port: number): ReturnType<typeof vhostsOf> {
  let table = tables.get(process);
  if (table === undefined) {
    table = new Map();
    tables.set(process, table);
  }
  const key = `${ip} ${port}`;
  const known = table.get(key);
  if (known !== undefined) return known;
  const found = vhostsOf(process.servers, ip, port);
  table.set(key, found);
  return found;
}
