/**
 * What -v, -V, -L, -M, -S and DUMP_INCLUDES print.
 * Source: httpd server/main.c, server/vhost.c (ap_vhost_iterate_given_conn, dump_vhost_config), server/config.c
 */

import manifest from "../package.json" with { type: "json" };
import { Hooks } from "./core/hooks.ts";
import { type Module, Registrar } from "./core/module.ts";
import { Providers } from "./core/providers.ts";
import type { ProcessRec, ServerRec } from "./core/records.ts";
import type { Loaded } from "./mpm/load.ts";
import { lbmethod } from "./proxy/lbmethod.ts";
import { SERVER_VERSION } from "./server/mod_core.ts";

const RUNTIME = "Deno" in globalThis ? "Deno" : "Bun";

export const VERSION_TEXT = {
  short: `Server version: sluice/${manifest.version} (configuration of Apache/${SERVER_VERSION})`,
  get long(): string {
    return [
      this.short,
      `Runtime:        ${RUNTIME} ${(process.versions as Record<string, string | undefined>)[RUNTIME.toLowerCase()]}`,
      "Server MPM:     single",
      "  threaded:     no",
      "    forked:     no",
    ].join("\n");
  },
};

/** Each directive with its help and where it may stand; the names of a module's lbmethods. */
export function listDirectives(modules: readonly Module[]): string {
  const lines: string[] = [];
  for (const module of modules) {
    for (const { name, kind, help, where } of module.commands) {
      lines.push(
        `${kind === "section" ? `<${name}` : name} (${module.name}.c)`,
        `\t${help}`,
        `\tAllowed in ${PLACES[where]}`,
      );
    }
    for (const name of methodsOf(module)) {
      lines.push(
        `lbmethod=${name} (${module.name}.c)`,
        "\tA value of a balancer's parameter",
        `\tAllowed in ${PLACES.any}`,
      );
    }
  }
  return lines.join("\n");
}

function methodsOf(module: Module): string[] {
  const providers = new Providers();
  module.registerHooks?.(new Registrar(new Hooks(), providers));
  return providers.names(lbmethod);
}

const PLACES = {
  global: "*.conf only outside of <VirtualHost> and sections",
  server: "*.conf only outside <Location> and its like",
  vhost: "<VirtualHost> only",
  dir: "*.conf only inside <Location> and its like",
  proxy: "*.conf anywhere but inside of <Location>",
  any: "*.conf anywhere",
};

/** @param shipped those that no LoadModule line brought */
export function describeModules(modules: readonly Module[], shipped: readonly Module[]): string {
  const lines = modules.map(
    (module) => ` ${module.name.replace(/^mod_/, "")}_module (${shipped.includes(module) ? "static" : "shared"})`,
  );
  return ["Loaded Modules:", ...lines].join("\n");
}

export function listIncludes({ files }: Loaded): string {
  const lines = ["Included configuration files:"];
  for (const { path, from } of files) lines.push(from === undefined ? `  (*) ${path}` : `    (${from.line}) ${path}`);
  return lines.join("\n");
}

export function describeVhosts(process: ProcessRec): string {
  const lines = ["VirtualHost configuration:"];
  const byAddress = new Map<string, ServerRec[]>();
  for (const server of process.servers) {
    for (const { host, port } of server.addrs) {
      const key = `${host.includes(":") ? `[${host}]` : host}:${port === 0 ? "*" : port}`;
      byAddress.set(key, [...(byAddress.get(key) ?? []), server]);
    }
  }
  const order = [...byAddress].sort(([a], [b]) => Number(a.startsWith("*")) - Number(b.startsWith("*")));
  for (const [address, servers] of order) {
    const port = address.slice(address.lastIndexOf(":") + 1);
    const place = (server: ServerRec) => `${server.hostname} (${server.file}:${server.line})`;
    if (servers.length === 1) {
      lines.push(`${address.padEnd(22)} ${place(servers[0]!)}`, ...aliases(servers[0]!));
      continue;
    }
    lines.push(`${address.padEnd(22)} is a NameVirtualHost`, `         default server ${place(servers[0]!)}`);
    for (const server of servers) lines.push(`         port ${port} namevhost ${place(server)}`, ...aliases(server));
  }
  return lines.join("\n");
}

function aliases(server: ServerRec): string[] {
  return [
    ...server.names.map((name) => `                 alias ${name}`),
    ...server.wildNames.map((name) => `                 wild alias ${name}`),
  ];
}
