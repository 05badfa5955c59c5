#!/usr/bin/env bun
/**
 * sluice: a reverse proxy and load balancer for Bun and Deno, built the way Apache httpd is built.
 *
 * Imported, it gives what plug-ins and embedders need; run, it is the program.
 */
import { isMainThread } from "node:worker_threads";
import type { SluiceConfig } from "./modules/embed/define_config.ts";
import type { Handler, HandlerOptions } from "./modules/embed/handler.ts";
import http from "./modules/http/mod_http.ts";
import { main, nameOurselves } from "./modules/main.ts";
import type { Shipped } from "./modules/mod.ts";
import { loadConfig, nodeMachine } from "./modules/mpm/load.ts";
import unixd from "./modules/mpm/mod_unixd.ts";
import mpm from "./modules/mpm/mpm.ts";
import { isChildThread, runChildThread } from "./modules/mpm/thread.ts";
import proxy from "./modules/proxy/mod_proxy.ts";
import proxyBalancer from "./modules/proxy_balancer/mod_proxy_balancer.ts";
import authnCore from "./modules/server/mod_authn_core.ts";
import core from "./modules/server/mod_core.ts";
import watchdog from "./modules/watchdog/mod_watchdog.ts";
import { consoleCommands } from "./plugins/balancer_manager/commands.ts";
import { standardPlugins } from "./plugins/standard.ts";

export { ConfigError } from "./modules/config/directive.ts";
export { defineConfig, type SluiceConfig } from "./modules/embed/define_config.ts";
export type { Handler, HandlerOptions } from "./modules/embed/handler.ts";
/** What `websocket` of every handler is, for `Bun.serve`. */
export { bunWebSocket as websocket } from "./modules/front/web_socket_host.ts";
export * from "./modules/mod.ts";

/** Every module that ships, in load order. */
export const standardModules: Shipped = [
  core,
  http,
  mpm,
  unixd,
  watchdog,
  authnCore,
  proxy,
  proxyBalancer,
  ...standardPlugins,
];

/**
 * A configuration, as YAML, as httpd.conf or as an object → a handler for requests: `export default await createHandler(...)`
 * serves under `bun run` and `deno serve`.
 * @throws ConfigError
 */
export async function createHandler(config: string | SluiceConfig, options: HandlerOptions = {}): Promise<Handler> {
  const { makeHandler } = await import("./modules/embed/handler.ts");
  return makeHandler(config, options, {
    target: "container",
    modules: standardModules,
    serverRoot: process.cwd(),
    machine: nodeMachine,
    load: (source, machine) => loadConfig(source, 0, machine),
  });
}

// In a worker of Deno 2.9.6 import.meta.main is true, too. Nothing is awaited here: a plug-in that imports this file must not
// wait for the program's end.
if (isChildThread()) {
  nameOurselves();
  void runChildThread(standardModules);
} else if (import.meta.main && isMainThread) {
  main(process.argv.slice(2), standardModules, import.meta.url, consoleCommands).then((code) => process.exit(code));
}
