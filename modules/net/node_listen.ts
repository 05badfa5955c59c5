/**
 * Listening on node:net: unix sockets, listeners that were handed over, and where nothing else can be had.
 */
import { lstatSync, renameSync, rmSync } from "node:fs";
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

/** Binds a path. */
type Bind = (path: string) => Promise<Listener>;

/** A socket file that nobody listens on any more is replaced; what is no socket is left alone. Rejects with a SocketError. */
export async function listenUnix(path: string, bind: Bind): Promise<Listener> {
  try {
    return await bind(path);
  } catch (error) {
    const failure = socketError(error);
    if (failure.code !== "EADDRINUSE" || isAbstract(path) || !(await isStale(path))) throw failure;
    rmSync(path, { force: true });
    return bind(path);
  }
}

/** A name that is no file, and nobody's once the process is gone. Source: unix(7) */
function isAbstract(path: string): boolean {
  return path.startsWith("\0");
}

/** Of the name that the system knows a socket by whose path is kept. */
const KEPT = ".new";

/** The path of a socket, as it was asked for. @param name as the system knows it */
export function pathOf(name: string): string {
  return name.endsWith(KEPT) ? name.slice(0, -KEPT.length) : name;
}

/** The runtime removes the name that it bound when it closes it: the socket is bound by another one, and then gets its own. */
export async function listenKept(path: string, bind: Bind): Promise<Listener> {
  const name = path + KEPT;
  const listener = await listenUnix(name, bind);
  try {
    if (!(await isStale(path)))
      throw { code: "EADDRINUSE", message: `listen EADDRINUSE: ${path}` } satisfies SocketError;
    renameSync(name, path);
  } catch (error) {
    void listener.close();
    throw socketError(error);
  }
  return listener;
}

async function isStale(path: string): Promise<boolean> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return true; // gone in the meantime
  if (!stat.isSocket()) return false; // connecting to a plain file is refused too
  if (onDeno) return refusesOnDeno(path);
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

/** See deno_unix.ts */
async function refusesOnDeno(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return (error as SocketError).code === "ECONNREFUSED";
  }
}
