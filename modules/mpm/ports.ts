/**
 * Ports of other programs. Children share theirs by SO_REUSEPORT, and would share them with a second server of the same user
 * without a word: each port on which somebody listens, or may, is bound once alone before, while no other sluice does the same.
 */
import process from "node:process";
import { nodeSockets } from "../net/node.ts";
import type { Listener, Socket, SocketError } from "../net/socket.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import { bindMessage } from "./child.ts";
import { listeningTcp } from "./proc_net.ts";

/** Who reserves for longer hangs, or means no good: the name of a reservation is anybody's. */
const MOST_WAIT_MS = 3000;
const RETRY_MS = 5;
/** Of the 108 bytes of a socket's name. */
const MOST_NAME = 99;

/** Messages about those that are not free. (One on which nobody listens is not tried: a client that came just then would be reset.) */
export async function probePorts(listen: readonly ListenSpec[]): Promise<string[]> {
  const failures: string[] = [];
  const sockets = listeningTcp();
  const taken = sockets === null ? null : new Set([...sockets.values()].map(({ port }) => port));
  for (const spec of listen) {
    if (spec.unix !== "") continue;
    if (taken?.has(spec.port) === false) continue;
    try {
      const listener = await nodeSockets.listen({ address: spec.address, port: spec.port }, refuse);
      await listener.close();
    } catch (error) {
      failures.push(bindMessage({ spec, error: error as SocketError }));
    }
  }
  return failures;
}

/** Opens listeners while no other sluice of this machine, or container, opens any on the same ports and paths. */
export async function reservePorts<T>(listen: readonly ListenSpec[], open: () => Promise<T>): Promise<T> {
  // In one order, lest two wait for each other.
  const names = [...new Set(listen.map(({ unix, port }) => unix || String(port)))].sort();
  const reserved: Listener[] = [];
  try {
    if (mayReserve()) for (const name of names) reserved.push(...(await reserve(name)));
    return await open();
  } finally {
    for (const listener of reserved) void listener.close();
  }
}

/**
 * By an abstract unix socket, which is there once in what has its own ports, a network namespace, and goes with the process.
 * Source: unix(7), network_namespaces(7)
 */
async function reserve(name: string): Promise<Listener[]> {
  const path = `\0sluice:${name.slice(-MOST_NAME)}`;
  const deadline = performance.now() + MOST_WAIT_MS;
  while (performance.now() < deadline) {
    try {
      return [await nodeSockets.listen({ address: "", port: 0, unix: path }, refuse)];
    } catch (error) {
      if ((error as SocketError).code !== "EADDRINUSE") break;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return [];
}

function mayReserve(): boolean {
  if (process.platform !== "linux") return false;
  if (!("Deno" in globalThis)) return true;
  // Asked for, it would be asked of whoever sits at the terminal.
  return (["read", "write"] as const).every((name) => Deno.permissions.querySync({ name }).state === "granted");
}

function refuse(socket: Socket): void {
  socket.owner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
  socket.destroy();
}
