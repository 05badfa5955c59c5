/**
 * The fetch front on Bun.serve: its options, its start, and other certificates for it.
 */
import type { TlsServerOptions } from "../net/socket.ts";
import type { TlsHost } from "../server/listener_tls.ts";
import { NO_PEER } from "./fetch.ts";
import {
  type FetchServer,
  type FetchServerOptions,
  type FrontSpeech,
  plainAddress,
  sameSpeech,
} from "./server_options.ts";
import { bunWebSocket, bunWebSocketHost } from "./web_socket_host.ts";

type BunData = typeof bunWebSocket extends Bun.WebSocketHandler<infer T> ? T : never;
type BunServer = Bun.Server<BunData>;

/** Bun takes no more. Source: bun.sh/docs/api/http, idleTimeout */
const MOST_IDLE_SECONDS = 255;

/** Source: OpenSSL include/openssl/ssl.h, which BoringSSL follows */
const NO_TICKET = 0x4000;
const CIPHER_SERVER_PREFERENCE = 0x400000;
const NO_TLS_1_2 = 0x8000000;
const NO_TLS_1_3 = 0x20000000;

/** @throws Error with `code` if the port cannot be had */
export function serveBun(options: FetchServerOptions): FetchServer {
  return new BunFront(options);
}

class BunFront implements FetchServer {
  readonly port: number;
  private readonly options: FetchServerOptions;
  private readonly hostname: string;
  private speech: FrontSpeech;
  private server: BunServer;
  /** Servers that spoke otherwise, until their last request has ended. */
  private readonly ending = new Set<Promise<void>>();

  constructor(options: FetchServerOptions) {
    this.options = options;
    this.speech = options.speech;
    const { unix, address, port } = options;
    if (unix !== undefined) {
      this.hostname = "";
      this.server = Bun.serve({ ...this.common(this.speech), unix } as Bun.Serve.Options<BunData>);
    } else {
      this.hostname = port === 0 ? address : freeAddress(address, port);
      this.server = this.listen(port, this.speech);
    }
    this.port = this.server.port ?? 0;
  }

  /** Bun cannot change the certificates of a server (1.4.4): another one takes its place at the port. */
  async speak(speech: FrontSpeech): Promise<void> {
    if (this.options.unix !== undefined || sameSpeech(speech, this.speech)) return;
    const fresh = this.listen(this.port, speech);
    const stopped = this.server.stop();
    this.ending.add(stopped);
    void stopped.then(() => this.ending.delete(stopped));
    this.server = fresh;
    this.speech = speech;
  }

  async close(): Promise<void> {
    await Promise.all([this.server.stop(), ...this.ending]);
  }

  private listen(port: number, speech: FrontSpeech): BunServer {
    const { tls, http2, http3 } = speech;
    return Bun.serve({
      ...this.common(speech),
      hostname: this.hostname,
      port,
      // So that the next one is there before this one goes.
      reusePort: true,
      http2,
      http3: http3 && tls !== null,
      ...(tls === null ? {} : { tls: tlsOf(tls) }),
    } as Bun.Serve.Options<BunData>);
  }

  private common({ maxMessage }: FrontSpeech) {
    const { handle, idleMs } = this.options;
    // Bun's whole seconds run while a response is waited for, too; 0 is none.
    const idleSeconds = () => Math.min(MOST_IDLE_SECONDS, Math.max(1, Math.ceil(idleMs() / 1000)));
    return {
      idleTimeout: idleSeconds(),
      // A proxy's limits are its backends'. Bun's default is 128 MB.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      websocket: { ...bunWebSocket, maxPayloadLength: maxMessage },
      fetch(request: Request, server: BunServer): Promise<Response> {
        server.timeout(request, 0);
        const from = server.requestIP(request);
        const peer = from === null ? NO_PEER : { ip: plainAddress(from.address), port: from.port };
        return handle(request, { peer, webSocket: bunWebSocketHost(server), tunnel: null }, () =>
          server.timeout(request, idleSeconds()),
        );
      },
    };
  }
}

/**
 * The address to listen on, if nobody else does: servers that share ports do not notice each other.
 * @throws Error with `code`
 */
function freeAddress(address: string, port: number): string {
  const tryAt = (hostname: string): string => {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return hostname;
  };
  if (address !== "") return tryAt(address);
  try {
    return tryAt("::");
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") throw error;
    return tryAt("0.0.0.0"); // a machine without IPv6
  }
}

/** The first host without a name, and each name of each. */
function tlsOf(hosts: readonly TlsHost[]): Bun.TLSOptions[] {
  const first = bunOptions(hosts[0]!.certificates);
  const named = hosts.flatMap(({ names, certificates }) => {
    const options = bunOptions(certificates);
    return names.map((serverName) => ({ ...options, serverName }));
  });
  return [first, ...named];
}

function bunOptions(certificates: readonly TlsServerOptions[]): Bun.TLSOptions {
  const { minVersion, maxVersion, ciphers, honorCipherOrder, tickets, requestCert, ca } = certificates[0]!;
  let secureOptions = 0;
  if (!tickets) secureOptions |= NO_TICKET;
  if (honorCipherOrder) secureOptions |= CIPHER_SERVER_PREFERENCE;
  if (minVersion === "TLSv1.3") secureOptions |= NO_TLS_1_2;
  if (maxVersion !== "TLSv1.3") secureOptions |= NO_TLS_1_3;
  return {
    cert: certificates.map(({ cert }) => cert),
    key: certificates.map(({ key }) => key),
    secureOptions,
    ...(ciphers === "" ? {} : { ciphers }),
    ...(requestCert ? { requestCert, rejectUnauthorized: true, ca } : {}),
  };
}
