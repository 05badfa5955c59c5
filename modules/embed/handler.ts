/**
 * Embedding: a configuration → a `fetch` handler, for a runtime's server, a host's, or a framework.
 */
import { ConfigError, type Directive, errorAt, formatConfigError } from "../config/directive.ts";
import { guestClock, TimerWheel } from "../core/clock.ts";
import { type Capability, getModuleConfig, type Module } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { loadAll, type Shipped } from "../core/shipped.ts";
import { type FetchListener, type FetchPeer, NO_PEER, serveFetch } from "../front/fetch.ts";
import { plainAddress } from "../front/server_options.ts";
import { denoTunnelHost, type TunnelHost } from "../front/tunnel_host.ts";
import {
  type BunUpgrader,
  bunWebSocket,
  bunWebSocketHost,
  denoWebSocketHost,
  type WebSocketHost,
} from "../front/web_socket_host.ts";
import { largestMessage } from "../http/http_config.ts";
import { whenDrained } from "../http/open_connections.ts";
import { endGeneration, startGeneration } from "../server/lifecycle.ts";
import type { Loaded, LoadSource, Machine } from "../server/load.ts";
import core from "../server/mod_core.ts";
import { unmetNeeds } from "./capabilities.ts";
import type { SluiceConfig } from "./define_config.ts";
import { RequestClock } from "./request_clock.ts";
import { type TargetName, targets } from "./targets.ts";

export interface HandlerOptions {
  /** The language of a text. @default YAML if its first line is a key, else httpd.conf */
  readonly syntax?: "httpd" | "yaml";
  /** What relative paths and Include start from. @default the working directory */
  readonly serverRoot?: string;
  /** As by -D. */
  readonly defines?: readonly string[];
  /** Modules of your own, besides those that ship. */
  readonly modules?: readonly Module[];
  /** Where it runs: what that host cannot give is refused. @default the host that this is */
  readonly target?: TargetName;
  /** The client's address, where the host has a way of its own. @default what Bun and Deno tell, else unknown */
  readonly clientAddress?: (request: Request, ...host: readonly unknown[]) => string;
}

/** What `export default` is to be for `bun run` and `deno serve`. */
export interface Handler {
  /** Answers a request. More arguments are the host's: Bun's server, Deno's connection. */
  readonly fetch: (request: Request, ...host: readonly unknown[]) => Promise<Response>;
  /** For Bun: goes with `fetch` into `Bun.serve`. */
  readonly websocket: typeof bunWebSocket;
  /** Of the first Listen, for `bun run`; absent without one. */
  readonly port?: number;
  readonly hostname?: string;
  /** Takes no more requests, and resolves when the last one has ended. */
  readonly close: () => Promise<void>;
}

/** What a host brings. */
export interface EmbedHost {
  readonly target: TargetName;
  readonly modules: Shipped;
  readonly serverRoot: string;
  readonly machine: () => Machine;
  /** Reads with plug-ins. @throws ConfigError */
  load(source: LoadSource, machine: Machine): Promise<Loaded>;
}

/**
 * Makes a handler.
 * @throws ConfigError also for a directive that asks for what the host cannot give. Its message has all that the program prints:
 * whoever embeds shows it as any error, or nobody catches it.
 */
export async function makeHandler(
  config: string | SluiceConfig,
  options: HandlerOptions,
  host: EmbedHost,
): Promise<Handler> {
  try {
    return await build(config, options, host);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(formatConfigError(error, "sluice"), { ...error, form: "plain" });
  }
}

async function build(config: string | SluiceConfig, options: HandlerOptions, host: EmbedHost): Promise<Handler> {
  const name = options.target ?? host.target;
  const target = targets[name];
  const clock = guestClock(host.machine().clock);
  const onDemand = target.timersStop ? new RequestClock(clock) : null;
  const gives = target.gives as ReadonlySet<Capability>;
  const ticks = onDemand ?? clock;
  const machine: Machine = { ...host.machine(), gives, clock: ticks, wheel: new TimerWheel(ticks) };
  const loaded = await host.load(sourceOf(config, options, host, await loadAll(host.modules)), machine);
  const [unmet] = unmetNeeds(loaded.tree, loaded.process.modules, name);
  if (unmet !== undefined) throw unmet;
  refuseTls(loaded.tree);
  startGeneration(loaded.process, null);
  return new EmbeddedHandler(loaded, options, onDemand, gives.has("sockets"));
}

/** A host that was asked for TLS must not be served in clear. @throws ConfigError */
function refuseTls(body: readonly Directive[]): void {
  for (const directive of body) {
    if (/^sslengine$/i.test(directive.name) && /^"?on"?$/i.test(directive.args))
      throw errorAt(directive, "SSLEngine on: a handler does not listen; who calls it speaks TLS");
    refuseTls(directive.body ?? []);
  }
}

class EmbeddedHandler implements Handler {
  readonly port?: number;
  readonly hostname?: string;
  readonly websocket: typeof bunWebSocket;
  private readonly process: ProcessRec;
  private readonly logs: Loaded["logs"];
  private readonly clock: RequestClock | null;
  private readonly listener: FetchListener;
  private readonly clientAddress: HandlerOptions["clientAddress"];
  private readonly tunnel: TunnelHost | null;

  constructor(loaded: Loaded, options: HandlerOptions, clock: RequestClock | null, sockets: boolean) {
    const { process } = loaded;
    this.websocket = { ...bunWebSocket, maxPayloadLength: largestMessage(process, process.servers) };
    this.tunnel = sockets ? denoTunnelHost : null;
    this.process = process;
    this.logs = loaded.logs;
    this.clock = clock;
    this.clientAddress = options.clientAddress;
    const listen = getModuleConfig(process.servers[0]!.config, core).listen[0];
    this.listener = { localIp: listen?.address ?? "", localPort: listen?.port ?? 0 };
    if (listen !== undefined && listen.unix === "") {
      this.port = listen.port;
      if (listen.address !== "") this.hostname = listen.address;
    }
  }

  readonly fetch = (request: Request, ...host: readonly unknown[]): Promise<Response> => {
    this.clock?.catchUp();
    if (this.process.stopping) return Promise.resolve(new Response(null, { status: 503 }));
    const webSocket = webSocketHostOf(host[0] as HostArgument | undefined);
    return serveFetch(
      this.process,
      this.listener,
      { peer: this.peer(request, host), webSocket, tunnel: this.tunnel },
      request,
    );
  };

  readonly close = (): Promise<void> => {
    this.process.stopping = true;
    return new Promise((resolve) => {
      whenDrained(this.process, () => {
        endGeneration(this.process);
        this.logs.release();
        resolve();
      });
    });
  };

  private peer(request: Request, host: readonly unknown[]): FetchPeer {
    if (this.clientAddress !== undefined) return { ip: this.clientAddress(request, ...host), port: 0 };
    return peerOf(request, host[0] as HostArgument | undefined);
  }
}

/** What Bun.serve (a server) and Deno.serve (a connection) hand to `fetch`. */
interface HostArgument {
  readonly requestIP?: (request: Request) => { readonly address: string; readonly port: number } | null;
  readonly upgrade?: BunUpgrader["upgrade"];
  readonly remoteAddr?: { readonly hostname?: string; readonly port?: number };
}

function webSocketHostOf(host: HostArgument | undefined): WebSocketHost | null {
  if (typeof host?.upgrade === "function") return bunWebSocketHost(host as BunUpgrader);
  return "Deno" in globalThis ? denoWebSocketHost : null;
}

function peerOf(request: Request, host: HostArgument | undefined): FetchPeer {
  const bun = host?.requestIP?.(request);
  if (bun) return { ip: plainAddress(bun.address), port: bun.port };
  const deno = host?.remoteAddr;
  return deno?.hostname === undefined ? NO_PEER : { ip: plainAddress(deno.hostname), port: deno.port ?? 0 };
}

function sourceOf(
  config: string | SluiceConfig,
  options: HandlerOptions,
  host: EmbedHost,
  modules: readonly Module[],
): LoadSource {
  // JSON is YAML: the object goes the way of the text.
  const text = typeof config === "string" ? config : JSON.stringify(config, null, 2);
  const syntax = typeof config === "string" ? (options.syntax ?? syntaxOf(text)) : "yaml";
  const serverRoot = options.serverRoot ?? host.serverRoot;
  return {
    file: `${serverRoot === "/" ? "" : serverRoot}/${syntax === "yaml" ? "handler.yaml" : "handler.conf"}`,
    text,
    serverRoot,
    defines: options.defines ?? [],
    before: [],
    after: [],
    modules: [...modules, ...(options.modules ?? [])],
  };
}

/** The first line that says something: a YAML key, or a directive. */
function syntaxOf(text: string): "httpd" | "yaml" {
  const line = text.split("\n").find((one) => !/^\s*(#|$)/.test(one)) ?? "";
  return /^\s*([{-]|["']?[\w<>-]+["']?\s*:(\s|$))/.test(line) ? "yaml" : "httpd";
}
