/**
 * Listening for `DenoSocket`: node:net binds, and what it would accept is accepted here.
 */
import net from "node:net";
import type { Binding, Handle } from "./deno_binding.ts";
import { DenoSocket } from "./deno_socket.ts";
import { canSecure } from "./deno_tls.ts";
import { descriptors } from "./descriptors.ts";
import { bind } from "./node_listen.ts";
import { nobody } from "./node_socket.ts";
import type { Accept, Listener } from "./socket.ts";

interface ListeningHandle {
  /** Somebody waits to be accepted. */
  onconnection: (this: ListeningHandle, status: number) => void;
  accept(into: Handle): number;
}

/** TCP. Rejects with a SocketError. */
export async function listenDeno(
  binding: Binding,
  options: net.ListenOptions,
  accept: Accept,
  shed?: () => void,
): Promise<Listener> {
  const server = net.createServer();
  const bound = bind(server, options);
  let open = 0;
  let allClosed = (): void => {};
  const closed = (): void => {
    if (--open === 0) allClosed();
  };
  const listener = await bound;
  const { host = "" } = options;
  /** What every connection has for its local address, if that is known. */
  const local = net.isIPv4(host) && host !== "0.0.0.0" ? { address: host, port: listener.port } : null;
  const { _handle: handle } = server as unknown as { readonly _handle: ListeningHandle };
  handle.onconnection = function (status) {
    const client = binding.make();
    if (status !== 0 || this.accept(client) !== 0) return;
    if (!descriptors.canAccept) {
      client.close(ignore);
      shed?.();
      return;
    }
    open++;
    client.setNoDelay(true);
    const socket = new DenoSocket(binding, nobody, client, closed, local);
    accept(socket);
    socket.startReading();
  };
  return {
    port: listener.port,
    get plainOnly() {
      return !canSecure(binding);
    },
    async close() {
      await listener.close();
      if (open > 0) await new Promise<void>((resolve) => (allClosed = resolve));
    },
  };
}

function ignore(): void {}
