/**
 * Whether ports are free. Children share theirs by SO_REUSEPORT, and would share them with a second server of the same user
 * without a word: each port on which somebody listens, or may, is bound once alone before. (Not the others: a client that came
 * just then would be reset.)
 */
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { nodeSockets } from "../net/node.ts";
import type { Socket, SocketError } from "../net/socket.ts";
import core, { type ListenSpec } from "../server/mod_core.ts";
import { bindMessage } from "./child.ts";
import { listeningTcp } from "./proc_net.ts";

/** Messages about those that are not. @param previous has its ports open */
export async function probePorts(process: ProcessRec, previous: ProcessRec | null): Promise<string[]> {
  const open = new Set(previous === null ? [] : listenOf(previous).map(keyOf));
  const failures: string[] = [];
  const sockets = listeningTcp();
  const taken = sockets === null ? null : new Set([...sockets.values()].map(({ port }) => port));
  for (const spec of listenOf(process)) {
    if (spec.unix !== "" || open.has(keyOf(spec))) continue;
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

function refuse(socket: Socket): void {
  socket.owner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
  socket.destroy();
}

function listenOf(process: ProcessRec): readonly ListenSpec[] {
  return getModuleConfig(process.servers[0]!.config, core).listen;
}

function keyOf({ address, port }: ListenSpec): string {
  return `${address} ${port}`;
}
