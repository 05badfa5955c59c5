/**
 * What -v, -V, -L, -M, -S and DUMP_INCLUDES print.
 * Source: httpd server/main.c, server/vhost.c (ap_vhost_iterate_given_conn, dump_vhost_config), server/config.c
 */

import manifest from "../package.json" with { type: "json" };
import type { Module } from "./core/module.ts";
import type { ProcessRec, ServerRec } from "./core/records.ts";
import type { Loaded } from "./mpm/load.ts";
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

/** Each directive with its help and where it may stand. */
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
  }
  return lines.join("\n");
}

const PLACES = {
  global: "*.conf only outside of <VirtualHost> and sections",
  server: "*.conf only outside <Location> and its like",
  vhost: "<VirtualHost> only",
  dir: "*.conf only inside <Location> and its like",
  proxy: "*.conf anywhere but inside of <Location>",
  any: "*.conf anywhere",
};

export function describeModules(modules: readonly Module[]): string {
  const lines = modules.map(
    (module) => ` ${module.name.replace(/^mod_/, "")}_module (${isOurs(module) ? "static" : "shared"})`,
  );
  return ["Loaded Modules:", ...lines].join("\n");
}

function isOurs(module: Module): boolean {
  return module.name.startsWith("mod_");
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
