/**
 * A whole server in the test's process: virtual clock, sockets that the test drives, logs in memory.
 *
 *     const server = makeServer(`ProxyPass "/" "http://127.0.0.1:9/"`);
 *     const client = server.connect();
 *     client.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
 *     const backend = await server.backend();
 *     backend.feed("HTTP/1.1 204 No Content\r\n\r\n");
 */

import { Buffer } from "node:buffer";
import { commandsByName } from "../../modules/config/build.ts";
import { readConfig } from "../../modules/config/preprocess.ts";
import type { Bytes } from "../../modules/core/bytes.ts";
import { TimerWheel } from "../../modules/core/clock.ts";
import type { LogSink } from "../../modules/core/error_log.ts";
import type { Module } from "../../modules/core/module.ts";
import type { ProcessRec } from "../../modules/core/records.ts";
import { nodeHost } from "../../modules/mpm/host.ts";
import { readFirstBytes } from "../../modules/net/first_bytes.ts";
import type { ConnectOptions, Socket, SocketHost, SocketOwner } from "../../modules/net/socket.ts";
import { acceptConnection } from "../../modules/server/connection.ts";
import { endGeneration, makeGeneration, startGeneration } from "../../modules/server/lifecycle.ts";
import { VirtualClock } from "./clock.ts";
import { standardModules } from "./modules.ts";

/** A socket without a system behind it. */
export class TestSocket implements Socket {
  owner!: SocketOwner;
  remoteAddress = "192.0.2.1";
  remotePort = 4321;
  localAddress = "192.0.2.9";
  localPort = 80;
  queuedBytes = 0;
  receivedBytes = 0;
  readonly tls = null;
  /** What the server wrote, as latin-1. */
  written = "";
  paused = false;
  /** The server sent a FIN. */
  ended = false;
  closed = false;

  /** Bytes from the peer. */
  feed(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.owner.onData(bytes as unknown as Bytes, 0, bytes.length);
  }

  /** The peer sends no more. */
  finish(): void {
    this.owner.onEnd();
  }

  write(data: string | Uint8Array): boolean {
    if (!this.ended && !this.closed)
      this.written += typeof data === "string" ? data : Buffer.from(data).toString("latin1");
    return true;
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) this.write(part);
    return true;
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    return Buffer.from(bytes.subarray(start, end)) as unknown as Bytes;
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  /** By either side. */
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    queueMicrotask(() => this.owner.onClose(null));
  }

  setKeepAlive(): void {}
}

export class TestServer {
  readonly clock = new VirtualClock();
  readonly process: ProcessRec;
  /** Lines of the error log. */
  readonly errors: string[] = [];
  /** What was written to other logs, by target. */
  readonly logs: Record<string, string> = {};
  private readonly sinks = new Map<string, LogSink>();
  private readonly backends: TestSocket[] = [];

  constructor(conf: string, more: readonly Module[]) {
    const modules = [...standardModules, ...more];
    const commands = commandsByName(modules);
    const names = new Set(modules.map((module) => module.name));
    const hasModule = (name: string) => names.has(name);
    const tree = readConfig(
      "test.conf",
      {
        readFile: () => conf,
        readDir: () => [],
        kind: () => "file",
        env: () => undefined,
        version: "2.4.71",
        moduleLoaded: hasModule,
        loadModule: () => null,
        hasDirective: (name) => commands.has(name.toLowerCase()),
        hasSection: (name) => commands.get(name.toLowerCase())?.command.kind === "section",
        warn: () => {},
      },
      { defines: [], before: [], after: [], serverRoot: "/" },
    );
    this.process = makeGeneration({
      tree,
      modules,
      clock: this.clock,
      wheel: new TimerWheel(this.clock),
      sockets: this.sockets(),
      host: nodeHost,
      generation: 0,
      resolvePath: (path) => path,
      warn: (ah, text) => this.errors.push(`${ah}: ${text}`),
      hasModule,
      pid: 1,
      openErrorLog: () => ({ write: (line) => void this.errors.push(line) }),
      openLog: (target) => this.openLog(target),
      missingLogFolder: () => null,
    });
    startGeneration(this.process, null);
  }

  /** A client's connection. */
  connect(): TestSocket {
    const socket = new TestSocket();
    acceptConnection(this.process, socket);
    return socket;
  }

  /** The next connection to a backend, once the request is on it. */
  async backend(): Promise<TestSocket> {
    await settle();
    const socket = this.backends.shift();
    if (socket === undefined) throw new Error("the server opened no connection");
    return socket;
  }

  end(): void {
    endGeneration(this.process);
  }

  private openLog(target: string): LogSink {
    let sink = this.sinks.get(target);
    if (sink === undefined) {
      this.logs[target] = "";
      sink = { write: (text) => void (this.logs[target] += text) };
      this.sinks.set(target, sink);
    }
    return sink;
  }

  private sockets(): SocketHost {
    return {
      connect: (_options: ConnectOptions, owner: SocketOwner) => {
        const socket = new TestSocket();
        socket.owner = owner;
        queueMicrotask(() => {
          socket.owner.onConnect?.();
          this.backends.push(socket);
        });
        return socket;
      },
      listen: () => Promise.reject(new Error("not here")),
      alloc: (size) => Buffer.alloc(size) as unknown as Bytes,
      lookup: (name) => Promise.resolve([name]),
      reverse: () => Promise.reject(new Error("not here")),
      datagram: () => Promise.reject(new Error("not here")),
      tlsServer: () => {
        throw new Error("not here");
      },
      acceptTls: (socket) => socket.destroy(),
      readFirst: readFirstBytes,
      tlsLimits: { name: "a test", oldest: "TLSv1.2", fixedSuites: [], serverOrder: true, ticketsOff: true },
    };
  }
}

/** @param more modules besides those that ship */
export function makeServer(conf: string, ...more: readonly Module[]): TestServer {
  return new TestServer(`ServerName test.example\n${conf}`, more);
}

/** Lets what waits for promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 40; i++) await null;
}
