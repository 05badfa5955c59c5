/**
 * A listener of the fetch front: the server of the runtime that this is, loaded with the first one.
 */
import { getModuleConfig, type Module } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { type HttpConfig, largestMessage } from "../http/http_config.ts";
import type { ListenOptions } from "../net/socket.ts";
import { listenerTls } from "../server/listener_tls.ts";
import { vhostsOf } from "../server/vhost.ts";
import type { FetchServer, FetchServerOptions, FrontSpeech } from "./server_options.ts";

/**
 * Listens for requests, which the generation that serves when they come answers.
 * @throws Error with `code` if the address cannot be had
 */
export async function listenFetch(
  options: ListenOptions,
  first: ProcessRec,
  current: () => ProcessRec,
): Promise<FetchServer> {
  const { serveFetch } = await import("./fetch.ts");
  const listener = { localIp: options.address, localPort: options.port };
  const server: FetchServerOptions = {
    address: options.address,
    port: options.port,
    ...(options.unix === undefined ? {} : { unix: options.unix }),
    speech: speechOf(first, options),
    idleMs: () => httpConfig(current()).keepAliveTimeoutMs,
    handle: (request, host, ended) => serveFetch(current(), listener, host, request, ended),
  };
  return "Deno" in globalThis
    ? (await import("./deno_serve.ts")).serveDeno(server)
    : (await import("./bun_serve.ts")).serveBun(server);
}

/** What a generation wants to be spoken at an address. */
export function speechOf(process: ProcessRec, { address, port }: Pick<ListenOptions, "address" | "port">): FrontSpeech {
  const vhosts = vhostsOf(process.servers, address, port);
  const tls = process.providers.lookup(listenerTls, "ssl")?.hostsOf(vhosts) ?? null;
  const { protocols } = httpConfig(process, vhosts[0]!);
  return {
    tls,
    http2: protocols.includes(tls === null ? "h2c" : "h2"),
    http3: tls !== null && protocols.includes("h3"),
    maxMessage: largestMessage(process, vhosts),
  };
}

function httpConfig(process: ProcessRec, server = process.servers[0]!): HttpConfig {
  const http = process.modules.find((module) => module.name === "mod_http") as Module<HttpConfig>;
  return getModuleConfig(server.config, http);
}
