/**
 * The net front: listening sockets, and what is accepted on them → connections of the generation that serves now.
 * Source: httpd server/listen.c, ap_setup_listeners; server/mpm_common.c
 */
import type { ProcessRec } from "../core/records.ts";
import type { Listener, SocketError, SocketHost } from "../net/socket.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import { Gate } from "./gate.ts";

/** A listening socket that could not be opened. */
export interface ListenFailure {
  readonly spec: ListenSpec;
  readonly error: SocketError;
}

/** The listening sockets of a program. They outlive a generation whose successor wants them, too. */
export class NetFront {
  readonly gate: Gate;
  private readonly sockets: SocketHost;
  private readonly reusePort: boolean;
  private readonly listeners = new Map<string, Listener>();

  /**
   * @param current the generation that new connections belong to
   * @param reusePort others listen on the same ports
   */
  constructor(sockets: SocketHost, current: () => ProcessRec, reusePort = false) {
    this.sockets = sockets;
    this.gate = new Gate(current);
    this.reusePort = reusePort;
  }

  /** Opens what is wanted and not open. What fails is answered; what succeeded stays open. */
  async open(specs: readonly ListenSpec[]): Promise<ListenFailure[]> {
    const failures: ListenFailure[] = [];
    for (const spec of specs) {
      const key = listenKey(spec);
      if (this.listeners.has(key)) continue;
      try {
        const options = {
          address: spec.address,
          port: spec.port,
          backlog: this.gate.backlog,
          reusePort: this.reusePort,
          ...(spec.unix === "" ? {} : { unix: spec.unix }),
        };
        const listener = await this.sockets.listen(options, (socket) => this.gate.accept(socket));
        this.listeners.set(key, listener);
      } catch (error) {
        failures.push({ spec, error: error as SocketError });
      }
    }
    return failures;
  }

  /** Closes what is not wanted any more. Connections go on. */
  retain(specs: readonly ListenSpec[]): void {
    const wanted = new Set(specs.map(listenKey));
    for (const [key, listener] of this.listeners) {
      if (wanted.has(key)) continue;
      void listener.close();
      this.listeners.delete(key);
    }
  }

  close(): void {
    this.retain([]);
  }
}

/** "127.0.0.1:80", "[::1]:80", "*:80" or a path, as the log names a listener. */
export function listenName(spec: ListenSpec): string {
  if (spec.unix !== "") return spec.unix;
  const host = spec.address === "" ? "[::]" : spec.address.includes(":") ? `[${spec.address}]` : spec.address;
  return `${host}:${spec.port}`;
}

function listenKey(spec: ListenSpec): string {
  return spec.unix === "" ? `${spec.address} ${spec.port}` : `unix:${spec.unix}`;
}
