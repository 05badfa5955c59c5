/**
 * sluice for hosts that have `fetch` and nothing else. No file of this program imports node:.
 */
import { ConfigError } from "./modules/config/directive.ts";
import type { SluiceConfig } from "./modules/embed/define_config.ts";
import { type Handler, type HandlerOptions, makeHandler } from "./modules/embed/handler.ts";
import { webMachine } from "./modules/embed/web_machine.ts";
import http from "./modules/http/mod_http.ts";
import type { Shipped } from "./modules/mod.ts";
import proxy from "./modules/proxy/mod_proxy.ts";
import proxyBalancer from "./modules/proxy_balancer/mod_proxy_balancer.ts";
import { readSource } from "./modules/server/load.ts";
import authnCore from "./modules/server/mod_authn_core.ts";
import core from "./modules/server/mod_core.ts";
import watchdog from "./modules/watchdog/mod_watchdog.ts";
import { portablePlugins } from "./plugins/portable.ts";

export { ConfigError } from "./modules/config/directive.ts";
export { defineConfig, type SluiceConfig } from "./modules/embed/define_config.ts";
export type { Handler, HandlerOptions } from "./modules/embed/handler.ts";
export * from "./modules/mod.ts";

const modules: Shipped = [core, http, watchdog, authnCore, proxy, proxyBalancer, ...portablePlugins];

/**
 * A configuration, as YAML, as httpd.conf or as an object → a handler for requests.
 * @throws ConfigError
 */
export function createHandler(config: string | SluiceConfig, options: HandlerOptions = {}): Promise<Handler> {
  return makeHandler(config, options, {
    target: "edge",
    modules,
    serverRoot: "/",
    machine: webMachine,
    async load(source, machine) {
      const reading = await readSource(source, machine, 0, new Map());
      for (const { name, at } of reading.wanted.values()) {
        throw new ConfigError(`LoadModule ${name}: this host loads no files; give the module to createHandler`, {
          position: at,
        });
      }
      return reading.build();
    },
  });
}
