#!/usr/bin/env bun
/**
 * sluice: a reverse proxy and load balancer for Bun and Deno, built the way Apache httpd is built.
 *
 * Imported, it gives what plug-ins and embedders need; run, it is the program.
 */
import { isMainThread } from "node:worker_threads";
import http from "./modules/http/mod_http.ts";
import { main, nameOurselves } from "./modules/main.ts";
import type { Module } from "./modules/mod.ts";
import unixd from "./modules/mpm/mod_unixd.ts";
import mpm from "./modules/mpm/mpm.ts";
import { isChildThread, runChildThread } from "./modules/mpm/thread.ts";
import proxy from "./modules/proxy/mod_proxy.ts";
import proxyBalancer from "./modules/proxy_balancer/mod_proxy_balancer.ts";
import authnCore from "./modules/server/mod_authn_core.ts";
import core from "./modules/server/mod_core.ts";
import watchdog from "./modules/watchdog/mod_watchdog.ts";
import { standardPlugins } from "./plugins/standard.ts";

export * from "./modules/mod.ts";

/** Every module that ships, in load order. */
export const standardModules: readonly Module[] = [
  core,
  http,
  mpm,
  unixd,
  watchdog,
  authnCore,
  proxy,
  proxyBalancer,
  ...standardPlugins,
] as readonly Module[];

// In a worker of Deno 2.9.6 import.meta.main is true, too. Nothing is awaited here: a plug-in that imports this file must not
// wait for the program's end.
if (isChildThread()) {
  nameOurselves();
  void runChildThread(standardModules);
} else if (import.meta.main && isMainThread) {
  main(process.argv.slice(2), standardModules, import.meta.url).then((code) => process.exit(code));
}
