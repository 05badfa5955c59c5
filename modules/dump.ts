/**
 * What -v, -V, -L, -M, -S, DUMP_INCLUDES and DUMP_CONFIG print.
 * Source: httpd server/main.c, server/vhost.c (ap_vhost_iterate_given_conn, dump_vhost_config), server/config.c
 */

import manifest from "../package.json" with { type: "json" };
import { commandsByName } from "./config/build.ts";
import { httpdName } from "./config/convert.ts";
import { type Directive, quoteWord } from "./config/directive.ts";
import { Hooks } from "./core/hooks.ts";
import { parseIp } from "./core/ipsubnet.ts";
import { type Module, Registrar } from "./core/module.ts";
import { Providers } from "./core/providers.ts";
import type { ProcessRec, ServerRec } from "./core/records.ts";
import { lbmethod } from "./proxy/lbmethod.ts";
import type { Loaded } from "./server/load.ts";
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
export function describeModules(modules: readonly Module[], shipped: readonly { readonly name: string }[]): string {
  const lines = modules.map(
    (module) => ` ${module.name.replace(/^mod_/, "")}_module (${shipped.includes(module) ? "static" : "shared"})`,
  );
  return ["Loaded Modules:", ...lines].join("\n");
}

/** The directives that were read, each below its file and line. Source: httpd modules/generators/mod_info.c, mod_info_show_config */
export function dumpConfig({ tree, process }: Loaded): string {
  const commands = commandsByName(process.modules);
  const spelled = (name: string) => httpdName(name, (wanted) => commands.get(wanted.toLowerCase())?.command);
  const lines: string[] = [];
  let file = "";
  const write = (body: readonly Directive[], indent: string): void => {
    for (const d of body) {
      if (d.file !== file) lines.push(`${indent}# In file: ${d.file}`);
      file = d.file;
      lines.push(`${indent}# ${String(d.line).padStart(3)}:`);
      const words = d.named?.map(({ key, value }) => quoteWord(`${key}=${value}`)).join(" ") ?? d.args;
      const name = spelled(d.name);
      if (d.body === undefined) lines.push(`${indent}${name}${words && " "}${words}`);
      else {
        lines.push(`${indent}<${name}${words && " "}${words}>`);
        write(d.body, `${indent}  `);
        lines.push(`${indent}</${name}>`);
      }
    }
  };
  write(tree, "");
  return lines.join("\n");
}

export function listIncludes({ files }: Loaded): string {
  const lines = ["Included configuration files:"];
  for (const { path, from } of files) lines.push(from === undefined ? `  (*) ${path}` : `    (${from.line}) ${path}`);
  return lines.join("\n");
}

/** One address and the virtual hosts of it. */
interface AddressGroup {
  readonly host: string;
  readonly port: number;
  readonly servers: ServerRec[];
  /** Where the last of them stands among all, later addresses of one virtual host first. */
  place: number;
}

export function describeVhosts(process: ProcessRec): string {
  const groups = new Map<string, AddressGroup>();
  process.servers.forEach((server, i) => {
    server.addrs.forEach(({ host, port }, j) => {
      const key = `${host} ${port}`;
      const group = groups.get(key) ?? { host, port, servers: [], place: 0 };
      if (!group.servers.includes(server)) group.servers.push(server);
      group.place = i * 1000 - j;
      groups.set(key, group);
    });
  });
  const order = [...groups.values()].sort((a, b) => bucketOf(a.host) - bucketOf(b.host) || a.place - b.place);
  return ["VirtualHost configuration:", ...order.flatMap(describeGroup)].join("\n");
}

/** httpd lists the buckets of its hash table, then the wildcards. Source: server/vhost.c hash_inaddr */
function bucketOf(host: string): number {
  const last = parseIp(host)?.at(-1);
  return last === undefined ? 256 : (last >>> 24) ^ ((last >>> 16) & 255) ^ ((last >>> 8) & 255) ^ (last & 255);
}

function describeGroup({ host, port, servers }: AddressGroup): string[] {
  const shown = port === 0 ? "*" : String(port);
  const address = `${host.includes(":") ? `[${host}]` : host}:${shown}`.padEnd(22);
  const place = (server: ServerRec) => `${server.hostname} (${server.file}:${server.line})`;
  if (servers.length === 1) return [`${address} ${place(servers[0]!)}`];
  return [
    `${address} is a NameVirtualHost`,
    `         default server ${place(servers[0]!)}`,
    ...servers.flatMap((server) => [`         port ${shown} namevhost ${place(server)}`, ...aliases(server)]),
  ];
}

function aliases(server: ServerRec): string[] {
  return [
    ...server.names.map((name) => `                 alias ${name}`),
    ...server.wildNames.map((name) => `                 wild alias ${name}`),
  ];
}
