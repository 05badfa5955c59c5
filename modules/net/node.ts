/**
 * The sockets of this machine, on Bun and on Deno: which kind takes what.
 */
import { Buffer } from "node:buffer";
import { lookup as dnsLookup, lookupService } from "node:dns";
import net from "node:net";
import { BunSocket, connectBun, listenBun } from "./bun_socket.ts";
import { denoBinding } from "./deno_binding.ts";
import { listenDeno } from "./deno_listen.ts";
import { connectDeno, DenoSocket } from "./deno_socket.ts";
import { canSecure } from "./deno_tls.ts";
import { connectDenoUnix, listenDenoUnix } from "./deno_unix.ts";
import { descriptors } from "./descriptors.ts";
import { readFirstBytes } from "./first_bytes.ts";
import { listenKept, listenNode, listenUnix } from "./node_listen.ts";
import { connectNode, NodeSocket } from "./node_socket.ts";
import { NodeTlsServer, tlsLimits } from "./node_tls.ts";
import { ServerHandshake } from "./server_handshake.ts";
import type { Accept, ConnectOptions, Listener, Socket, SocketError, SocketHost, SocketOwner } from "./socket.ts";
import { asBytes, socketError } from "./system.ts";

/** What TCP goes by where node:net can be passed by. */
interface Own {
  /** null: not by these. */
  connect(options: net.SocketConnectOpts, owner: SocketOwner): Socket | null;
  listen(options: TcpListenOptions, accept: Accept, shed?: () => void): Listener | Promise<Listener>;
}

interface TcpListenOptions {
  readonly host: string;
  readonly port: number;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly tls: boolean;
}

/**
 * So many sockets may be open in this event loop, where others share the limit of the process.
 * @param near shared with these, see there
 */
export function limitSockets(room: number, near = descriptors.near): void {
  descriptors.room = room;
  descriptors.near = near;
}

/** What unix sockets go by where node:net is not to be used. */
interface OwnUnix {
  connect(path: string, owner: SocketOwner): Socket;
  listen(path: string, accept: Accept, shed?: () => void): Promise<Listener>;
}

export const nodeSockets = socketsOf(
  ownSockets(),
  "Deno" in globalThis ? { connect: connectDenoUnix, listen: listenDenoUnix } : null,
);

/** The same on node:net alone. Tests hold the two against each other. */
export const plainSockets = socketsOf(null, null);

function ownSockets(): Own | null {
  if ("Bun" in globalThis) {
    return {
      connect: connectBun,
      listen: ({ host, port, reusePort }, accept, shed) => listenBun({ hostname: host, port, reusePort }, accept, shed),
    };
  }
  if (denoBinding === null) return null;
  const binding = denoBinding;
  return {
    connect: (options, owner) => connectDeno(binding, options, owner),
    listen: (options, accept, shed) =>
      options.tls && !canSecure(binding)
        ? listenNode(options, accept, shed)
        : listenDeno(binding, options, accept, shed),
  };
}

function socketsOf(own: Own | null, unix: OwnUnix | null): SocketHost {
  return {
    alloc: (size) => asBytes(Buffer.allocUnsafe(size)),

    tlsLimits,
    tlsServer: (options) => new NodeTlsServer(options),

    acceptTls(socket, acceptor) {
      if (socket instanceof NodeSocket) socket.acceptTls(acceptor);
      else if (socket instanceof BunSocket || socket instanceof DenoSocket)
        socket.owner = new ServerHandshake(socket, acceptor);
      else throw new Error("no socket of this host");
    },

    readFirst(socket, reader) {
      if (socket instanceof NodeSocket) socket.readFirst(reader);
      else readFirstBytes(socket, reader);
    },

    connect(options, owner) {
      const tls = options.tls ?? null;
      if (options.unix && tls === null && unix !== null) return unix.connect(options.address, owner);
      const where = connectOptions(options);
      return (tls === null ? own?.connect(where, owner) : null) ?? connectNode(where, tls, owner);
    },

    async listen(options, accept, shed) {
      const backlog = options.backlog ?? 511;
      // Nobody can bind another in its place, should TLS be wanted one day.
      if (options.fd !== undefined) return listenNode({ fd: options.fd, backlog }, accept, shed);
      if (options.unix !== undefined) {
        const bind = (path: string): Promise<Listener> =>
          unix === null || options.tls ? listenNode({ path, backlog }, accept, shed) : unix.listen(path, accept, shed);
        return (options.keepPath ? listenKept : listenUnix)(options.unix, bind);
      }
      const bind = async (host: string): Promise<Listener> => {
        const { port, reusePort = false, tls = false } = options;
        const tcp = { host, port, backlog, reusePort, tls };
        return own === null ? listenNode(tcp, accept, shed) : own.listen(tcp, accept, shed);
      };
      if (options.address !== "" && options.address !== "*") return bind(options.address);
      try {
        return await bind("::");
      } catch (error) {
        const { code } = error as SocketError;
        if (code === "EADDRINUSE" || code === "EACCES" || code === "EPERM") throw error;
        return bind("0.0.0.0"); // a machine without IPv6
      }
    },

    datagram: async (options, owner) => (await import("./node_datagram.ts")).openDatagram(options, owner),
    lookup,
    reverse,
  };
}

function lookup(name: string): Promise<readonly string[]> {
  if (net.isIP(name) !== 0) return Promise.resolve([name]);
  return new Promise((resolve, reject) => {
    dnsLookup(name, { all: true, order: "verbatim" }, (error, found) => {
      if (error !== null) reject(socketError(error));
      else if (found.length === 0) reject({ code: "ENOTFOUND", message: `no address for ${name}` });
      else resolve([...new Set(found.map((entry) => entry.address))]);
    });
  });
}

/** By the system's resolver, which `reverse` of node:dns goes past: names of /etc/hosts count, as in httpd. */
function reverse(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    try {
      lookupService(address, 0, (error, name) => (error === null ? resolve(name) : reject(socketError(error))));
    } catch (error) {
      reject(socketError(error)); // no address
    }
  });
}

function connectOptions(options: ConnectOptions): net.SocketConnectOpts {
  if (options.unix) return { path: options.address };
  return {
    host: options.address,
    port: options.port,
    noDelay: true,
    keepAlive: options.keepAlive ?? false,
    autoSelectFamily: false, // it is one address
  } as net.TcpSocketConnectOpts;
}
