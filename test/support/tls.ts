/** TLS clients and backends for tests; certs/README.md lists the certificates. */
import type { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import type net from "node:net";
import tls from "node:tls";
import { fileURLToPath } from "node:url";

/** The folder of certificates, for configurations. */
export const CERTS = fileURLToPath(new URL("certs", import.meta.url));

export function pem(name: string): string {
  return readFileSync(`${CERTS}/${name}`, "utf8");
}

export interface Secure {
  readonly socket: tls.TLSSocket;
  /** CN of the server's certificate. */
  readonly peer: string;
}

/** Resolves after the handshake; rejects if it fails. */
export function connectTls(port: number, servername: string, options: tls.ConnectionOptions = {}): Promise<Secure> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      port,
      host: "127.0.0.1",
      servername,
      rejectUnauthorized: false,
      allowHalfOpen: true,
      ...options,
    } as tls.ConnectionOptions);
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerCertificate();
      resolve({ socket, peer: String(certificate?.subject?.CN) });
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
  });
}

/** What a request on a connection of its own brings: all bytes until the end, as latin-1; "" if there were none. */
export async function askTls(
  port: number,
  servername: string,
  options: Omit<tls.ConnectionOptions, "host"> & { readonly host?: string; readonly target?: string } = {},
): Promise<string> {
  const { host = servername, target = "/", ...more } = options;
  let secure: Secure;
  try {
    secure = await connectTls(port, servername, more);
  } catch {
    return "";
  }
  const { socket } = secure;
  return await new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => resolve(text));
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}

/**
 * A TLS backend: says what it was asked for, over which connection, and by whom. On Deno the servers of one process share the
 * keys of their tickets, and its client knows sessions by the host's name, addresses being all one: in a test, backends with
 * other certificates have other names or other protocols.
 */
export class TlsBackend implements AsyncDisposable {
  connections = 0;
  resumed = 0;
  /** The names in SNI, in order; "" for none. */
  readonly names: string[] = [];
  port = 0;
  /** What it is called in URLs; it listens on 127.0.0.1. */
  readonly address: string;
  readonly server: tls.Server;
  private readonly sockets = new Set<net.Socket>();

  constructor(
    options: tls.TlsOptions,
    onData: ((socket: tls.TLSSocket, bytes: Buffer) => void) | undefined,
    address: string,
  ) {
    this.address = address;
    this.server = tls.createServer({ allowHalfOpen: true, ...options } as tls.TlsOptions, (socket) => {
      const number = ++this.connections;
      if (socket.isSessionReused()) this.resumed++;
      this.names.push((socket as tls.TLSSocket & { servername?: string | false }).servername || "");
      const peer = socket.getPeerCertificate()?.subject?.CN ?? "nobody";
      socket.on("error", () => {});
      socket.on("end", () => socket.end());
      socket.on("data", (bytes: Buffer) => {
        if (onData !== undefined) {
          onData(socket, bytes);
          return;
        }
        const [first, ...fields] = bytes.toString("latin1").split("\r\n");
        const host = fields.find((line) => /^host:/i.test(line));
        const text = `${first!.split(" ")[1]} ${host} #${number} ${peer}`;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      });
    });
    this.server.on("connection", (socket: net.Socket) => this.sockets.add(socket));
    this.server.on("tlsClientError", () => {});
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = (this.server.address() as net.AddressInfo).port;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

export function startTlsBackend(
  options: tls.TlsOptions = {},
  onData?: (socket: tls.TLSSocket, bytes: Buffer) => void,
  address = "127.0.0.1",
): Promise<TlsBackend> {
  return new TlsBackend({ cert: pem("backend.pem"), key: pem("backend.key"), ...options }, onData, address).start();
}
