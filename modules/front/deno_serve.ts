/**
 * The fetch front on Deno.serve: its options, its start, and another certificate for it.
 */
import { NO_PEER } from "./fetch.ts";
import {
  type FetchServer,
  type FetchServerOptions,
  type FrontSpeech,
  plainAddress,
  sameSpeech,
} from "./server_options.ts";
import { denoTunnelHost } from "./tunnel_host.ts";
import { denoWebSocketHost } from "./web_socket_host.ts";

/** @throws Error with `code` if the port cannot be had */
export function serveDeno(options: FetchServerOptions): FetchServer {
  return options.unix === undefined ? new DenoFront(options) : serveUnix(options, options.unix);
}

function serveUnix({ handle }: FetchServerOptions, path: string): FetchServer {
  const server = Deno.serve({ onListen() {}, path }, (request) =>
    handle(request, { peer: NO_PEER, webSocket: denoWebSocketHost, tunnel: denoTunnelHost }),
  );
  return { port: 0, close: () => server.shutdown(), speak: async () => {} };
}

const REBIND_TRIES = 100;

type DenoServer = Deno.HttpServer<Deno.NetAddr>;

class DenoFront implements FetchServer {
  readonly port: number;
  private readonly options: FetchServerOptions;
  private readonly hostname: string;
  private speech: FrontSpeech;
  private server: DenoServer;
  private changed: Promise<void> = Promise.resolve();
  /** Servers that spoke otherwise, until their last request has ended. */
  private readonly ending = new Set<Promise<void>>();
  private closed = false;

  constructor(options: FetchServerOptions) {
    this.options = options;
    this.speech = options.speech;
    const { address, port } = options;
    if (address !== "") this.server = this.listen((this.hostname = address), port);
    else {
      try {
        this.server = this.listen((this.hostname = "::"), port);
      } catch (error) {
        if ((error as { code?: string }).code === "EADDRINUSE") throw error;
        this.server = this.listen((this.hostname = "0.0.0.0"), port); // a machine without IPv6
      }
    }
    this.port = this.server.addr.port;
  }

  /** Two servers cannot share a port without a flag (Deno 2.9.5): for a moment nobody listens. */
  speak(speech: FrontSpeech): Promise<void> {
    if (sameSpeech(speech, this.speech)) return this.changed;
    this.speech = speech;
    return (this.changed = this.changed.catch(() => {}).then(() => this.restart()));
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.server.shutdown(), ...this.ending]);
  }

  private async restart(): Promise<void> {
    if (this.closed) return;
    const stopped = this.server.shutdown();
    this.ending.add(stopped);
    void stopped.then(() => this.ending.delete(stopped));
    for (let left = REBIND_TRIES; !this.closed; left--) {
      try {
        this.server = this.listen(this.hostname, this.port);
        return;
      } catch (error) {
        // The port is free a turn of the loop later.
        if (left === 0 || (error as { code?: string }).code !== "EADDRINUSE") throw error;
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
  }

  private listen(hostname: string, port: number): DenoServer {
    const { handle } = this.options;
    const [host] = this.speech.tls ?? [];
    const pair = host?.certificates[0];
    const secure = pair === undefined ? {} : { cert: pair.cert, key: pair.key };
    return Deno.serve({ onListen() {}, ...secure, hostname, port }, (request, info) => {
      const { hostname: ip, port } = info.remoteAddr as Deno.NetAddr;
      const peer = { ip: plainAddress(ip), port };
      return handle(request, { peer, webSocket: denoWebSocketHost, tunnel: denoTunnelHost });
    });
  }
}
