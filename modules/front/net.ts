/**
 * Listening: on the net front what is accepted → connections of the generation that serves now; on the fetch front the
 * runtime's server → its requests.
 * Source: httpd server/listen.c, ap_setup_listeners; server/mpm_common.c
 */
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import type { Listener, ListenOptions, Socket, SocketError, SocketHost } from "../net/socket.ts";
import { listenerTls } from "../server/listener_tls.ts";
import core, { frontOf, type ListenSpec } from "../server/mod_core.ts";
import { Gate } from "./gate.ts";
import { listenFetch, speechOf } from "./listen_fetch.ts";
import type { FetchServer } from "./server_options.ts";

const SHED_LOG_MS = 1000;

/** A listening socket that could not be opened. */
export interface ListenFailure {
  readonly spec: ListenSpec;
  readonly error: SocketError;
}

/** Other ways to come to a listener than to open one for this process alone. */
export interface ListenWays {
  /** Others listen on the same ports. @default false */
  readonly reusePort?: boolean;
  /** Others go on with its unix sockets, and remove their paths. @default false */
  readonly keepPaths?: boolean;
  /** The descriptor of a listener that is open already. @default none is */
  readonly fdOf?: (spec: ListenSpec) => number | undefined;
}

/** The listening sockets of a program. They outlive a generation whose successor wants them, too. */
export class NetFront {
  readonly gate: Gate;
  private readonly sockets: SocketHost;
  private readonly current: () => ProcessRec;
  private readonly ways: ListenWays;
  private readonly listeners = new Map<string, Listener>();
  /** Further ones of the same addresses. */
  private adopted: { readonly key: string; readonly listener: Listener }[] = [];
  /** Those of them that the runtime's server has. */
  private readonly web = new Map<string, FetchServer>();
  private shedCount = 0;
  private shedToldMs = Number.NEGATIVE_INFINITY;

  /**
   * @param current the generation that new connections belong to
   */
  constructor(sockets: SocketHost, current: () => ProcessRec, ways: ListenWays = {}) {
    this.sockets = sockets;
    this.current = current;
    this.gate = new Gate(current);
    this.ways = ways;
  }

  /** Opens what a generation wants and is not open. What fails is answered; what succeeded stays open. */
  async open(generation: ProcessRec): Promise<ListenFailure[]> {
    const failures: ListenFailure[] = [];
    const conf = getModuleConfig(generation.servers[0]!.config, core);
    for (const spec of conf.listen) {
      const front = frontOf(conf, spec);
      const key = listenKey(spec, front);
      const tls = speaksTls(generation, spec);
      const known = this.listeners.get(key);
      if (known !== undefined) {
        if (!tls || known.plainOnly !== true) continue;
        // Another kind of listener cannot be bound beside it; what it has accepted goes on.
        void known.close();
        this.listeners.delete(key);
      }
      try {
        const options = {
          address: spec.address,
          port: spec.port,
          backlog: this.gate.backlog,
          reusePort: this.ways.reusePort ?? false,
          keepPath: this.ways.keepPaths ?? false,
          fd: this.ways.fdOf?.(spec),
          tls,
          ...(spec.unix === "" ? {} : { unix: spec.unix }),
        };
        if (front === "fetch") {
          const server = await listenFetch(options, generation, this.current);
          this.web.set(key, server);
          this.listeners.set(key, server);
        } else this.listeners.set(key, await this.accept(spec, options));
      } catch (error) {
        failures.push({ spec, error: error as SocketError });
      }
    }
    if (this.web.size > 0)
      generation.providers.lookup(listenerTls, "ssl")?.watch(generation, () => this.renew(generation));
    return failures;
  }

  /** Accepts from one more listener of this address. @param fd it is open already. Rejects with a SocketError */
  async adopt(spec: ListenSpec, fd: number): Promise<void> {
    const { address, port } = spec;
    const listener = await this.accept(spec, { address, port, backlog: this.gate.backlog, fd, tls: true });
    this.adopted.push({ key: listenKey(spec, "net"), listener });
  }

  private accept(spec: ListenSpec, options: ListenOptions): Promise<Listener> {
    const plain = spec.protocol.toLowerCase() !== "https";
    const accept = (socket: Socket): void => this.gate.accept(socket, plain);
    return this.sockets.listen(options, accept, () => this.shed());
  }

  /** Where the runtime's server listens: what a generation wants to be spoken there, with the certificates of now. */
  private renew(generation: ProcessRec): void {
    if (generation !== this.current()) return;
    const conf = getModuleConfig(generation.servers[0]!.config, core);
    for (const spec of conf.listen) {
      const server = this.web.get(listenKey(spec, frontOf(conf, spec)));
      server?.speak(speechOf(generation, spec)).catch((error: SocketError) => {
        const text = `make_sock: could not bind to address ${listenName(spec)} for other certificates: ${error.message}`;
        generation.log.crit("core", "AH00072", text);
      });
    }
  }

  /** Who floods a server need not fill its log, too: a line a second. */
  private shed(): void {
    this.shedCount++;
    const { clock, log } = this.current();
    const now = clock.now();
    if (now - this.shedToldMs < SHED_LOG_MS) return;
    this.shedToldMs = now;
    log.error(
      "core",
      "",
      `too many open files: ${this.shedCount} connections were closed at once so far; see ulimit -n`,
    );
  }

  /** Closes what is not wanted any more. Connections go on. */
  retain(generation: ProcessRec | null): void {
    const conf = generation === null ? null : getModuleConfig(generation.servers[0]!.config, core);
    const wanted = new Set(conf?.listen.map((spec) => listenKey(spec, frontOf(conf, spec))));
    for (const [key, listener] of this.listeners) {
      if (wanted.has(key)) continue;
      void listener.close();
      this.listeners.delete(key);
      this.web.delete(key);
    }
    for (const { key, listener } of this.adopted) if (!wanted.has(key)) void listener.close();
    this.adopted = this.adopted.filter(({ key }) => wanted.has(key));
    if (generation !== null) this.renew(generation);
  }

  close(): void {
    this.retain(null);
  }
}

/** Whether a client of this listener may meet a virtual host with TLS; names among its addresses may be any address. */
function speaksTls(generation: ProcessRec, spec: ListenSpec): boolean {
  return generation.servers.some(
    (server) =>
      server.speaksTls && (!server.isVirtual || server.addrs.some(({ port }) => port === 0 || port === spec.port)),
  );
}

/** "127.0.0.1:80", "[::1]:80", "*:80" or a path, as the log names a listener. */
export function listenName(spec: ListenSpec): string {
  if (spec.unix !== "") return spec.unix;
  const host = spec.address === "" ? "[::]" : spec.address.includes(":") ? `[${spec.address}]` : spec.address;
  return `${host}:${spec.port}`;
}

function listenKey(spec: ListenSpec, front: string): string {
  return spec.unix === "" ? `${front} ${spec.address} ${spec.port}` : `${front} unix:${spec.unix}`;
}
