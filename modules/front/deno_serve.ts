/**
 * The fetch front on Deno.serve: its options, and its start.
 */
import type { Listener } from "../net/socket.ts";
import { NO_PEER } from "./fetch.ts";
import { type FetchServerOptions, plainAddress } from "./server_options.ts";
import { denoWebSocketHost } from "./web_socket_host.ts";

/** @throws Error with `code` if the port cannot be had */
export function serveDeno(options: FetchServerOptions): Listener {
  const { unix, tls, handle } = options;
  const common = { onListen() {}, ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }) };
  if (unix !== undefined) {
    const server = Deno.serve({ ...common, path: unix }, (request) =>
      handle(request, { peer: NO_PEER, webSocket: denoWebSocketHost }),
    );
    return { port: 0, close: () => server.shutdown() };
  }
  const serve = (hostname: string) =>
    Deno.serve({ ...common, hostname, port: options.port }, (request, info) => {
      const { hostname: ip, port } = info.remoteAddr as Deno.NetAddr;
      return handle(request, { peer: { ip: plainAddress(ip), port }, webSocket: denoWebSocketHost });
    });
  const server = options.address === "" ? serveAll(serve) : serve(options.address);
  return { port: server.addr.port, close: () => server.shutdown() };
}

function serveAll<S>(serve: (hostname: string) => S): S {
  try {
    return serve("::");
  } catch (error) {
    if ((error as { code?: string }).code === "EADDRINUSE") throw error;
    return serve("0.0.0.0"); // a machine without IPv6
  }
}
