/**
 * A listener of the fetch front: the server of the runtime that this is.
 */
import { getModuleConfig, type Module } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import type { HttpConfig } from "../http/http_config.ts";
import type { Listener, ListenOptions } from "../net/socket.ts";
import { serveBun } from "./bun_serve.ts";
import { serveDeno } from "./deno_serve.ts";
import { serveFetch } from "./fetch.ts";
import type { FetchServerOptions } from "./server_options.ts";

/**
 * Listens for requests, which the generation that serves when they come answers.
 * @throws Error with `code` if the address cannot be had
 */
export function listenFetch(options: ListenOptions, current: () => ProcessRec): Listener {
  const listener = { localIp: options.address, localPort: options.port };
  const server: FetchServerOptions = {
    address: options.address,
    port: options.port,
    ...(options.unix === undefined ? {} : { unix: options.unix }),
    idleMs: () => keepAliveMs(current()),
    handle: (request, host, ended) => serveFetch(current(), listener, host, request, ended),
  };
  return "Deno" in globalThis ? serveDeno(server) : serveBun(server);
}

function keepAliveMs(process: ProcessRec): number {
  const http = process.modules.find((module) => module.name === "mod_http") as Module<HttpConfig>;
  return getModuleConfig(process.servers[0]!.config, http).keepAliveTimeoutMs;
}
