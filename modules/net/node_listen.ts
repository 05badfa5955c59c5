/**
 * Listening on node:net: unix sockets, listeners that were handed over, and where nothing else can be had.
 */
import { lstatSync, rmSync } from "node:fs";
import net from "node:net";
import { descriptors } from "./descriptors.ts";
import { NodeSocket, nobody } from "./node_socket.ts";
import type { Accept, Listener, SocketError } from "./socket.ts";
import { socketError } from "./system.ts";

const onDeno = "Deno" in globalThis;

/** @types/node lacks the descriptor of a listener that is open already. */
type NodeListenOptions = net.ListenOptions & { readonly fd?: number };

/** While sockets are many, how often listeners of Deno are looked after. */
const REVIVE_MS = 250;

export function listenNode(options: NodeListenOptions, accept: Accept, shed?: () => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
    if (!descriptors.canAccept) {
      raw.on("error", ignore);
      raw.destroy();
      shed?.();
      return;
    }
    const socket = new NodeSocket(raw, nobody, true);
    socket.learnAddresses();
    accept(socket);
    socket.startReading();
  });
  return bind(server, options);
}

/** Its `close` resolves when the server's own connections have ended. */
export function bind(server: net.Server, options: NodeListenOptions): Promise<Listener> {
  return new Promise((resolve, reject) => {
    // Stays on for good; once bound there is nobody left to reject for.
    server.on("error", (error) => reject(socketError(error)));
    server.listen(options, () => {
      const address = server.address();
      const reviver = onDeno ? setInterval(() => revive(server, options.backlog ?? 511), REVIVE_MS) : undefined;
      reviver?.unref();
      resolve({
        port: address !== null && typeof address === "object" ? address.port : 0,
        close() {
          clearInterval(reviver);
          return new Promise((closed) => server.close(() => closed()));
        },
      });
    });
  });
}

/**
 * Deno 2.9.5 accepts nothing more on a listener once accept(2) has failed for want of descriptors, and says nothing. Its
 * handle takes a second `listen`, which does no harm and goes on. Bun tries again by itself.
 */
function revive(server: net.Server, backlog: number): void {
  if (!descriptors.wereMany(10 * REVIVE_MS)) return;
  const { _handle: handle } = server as unknown as { _handle?: { listen?(backlog: number): number } };
  handle?.listen?.(backlog);
}

function ignore(): void {}

/** A socket file that nobody listens on any more is replaced; what is no socket is left alone. */
export async function listenUnix(path: string, backlog: number, accept: Accept, shed?: () => void): Promise<Listener> {
  try {
    return await listenNode({ path, backlog }, accept, shed);
  } catch (error) {
    if ((error as SocketError).code !== "EADDRINUSE" || !(await isStale(path))) throw error;
    rmSync(path, { force: true });
    return listenNode({ path, backlog }, accept, shed);
  }
}

async function isStale(path: string): Promise<boolean> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return true; // gone in the meantime
  if (!stat.isSocket()) return false; // connecting to a plain file is refused too
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
