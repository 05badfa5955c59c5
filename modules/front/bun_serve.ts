/**
 * The fetch front on Bun.serve: its options, and its start.
 */
import type { Listener } from "../net/socket.ts";
import { NO_PEER } from "./fetch.ts";
import { type FetchServerOptions, plainAddress } from "./server_options.ts";
import { bunWebSocket, bunWebSocketHost } from "./web_socket_host.ts";

type BunData = typeof bunWebSocket extends Bun.WebSocketHandler<infer T> ? T : never;
type BunServer = Bun.Server<BunData>;

/** Bun takes no more. Source: bun.sh/docs/api/http, idleTimeout */
const MOST_IDLE_SECONDS = 255;

/** @throws Error with `code` if the port cannot be had */
export function serveBun(options: FetchServerOptions): Listener {
  const { unix, tls, handle, idleMs } = options;
  // Bun's whole seconds run while a response is waited for, too; 0 is none.
  const idleSeconds = () => Math.min(MOST_IDLE_SECONDS, Math.max(1, Math.ceil(idleMs() / 1000)));
  const common = {
    ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
    idleTimeout: idleSeconds(),
    // A proxy's limits are its backends'. Bun's default is 128 MB.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    websocket: bunWebSocket,
    fetch(request: Request, server: BunServer): Promise<Response> {
      server.timeout(request, 0);
      const from = server.requestIP(request);
      const peer = from === null ? NO_PEER : { ip: plainAddress(from.address), port: from.port };
      return handle(request, { peer, webSocket: bunWebSocketHost(server) }, () =>
        server.timeout(request, idleSeconds()),
      );
    },
  };
  if (unix !== undefined) return listener(Bun.serve({ ...common, unix } as Bun.Serve.Options<BunData>));
  if (options.address !== "") return listener(Bun.serve({ ...common, hostname: options.address, port: options.port }));
  try {
    return listener(Bun.serve({ ...common, hostname: "::", port: options.port }));
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") throw error;
    return listener(Bun.serve({ ...common, hostname: "0.0.0.0", port: options.port })); // a machine without IPv6
  }
}

function listener(server: BunServer): Listener {
  return { port: server.port ?? 0, close: () => server.stop() };
}
