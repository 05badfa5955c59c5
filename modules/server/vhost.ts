/**
 * Virtual hosts: address and port of a connection → candidates; Host → one of them.
 * Source: httpd server/vhost.c
 */
import type { ServerRec } from "../core/records.ts";
import { compileGlob } from "./glob.ts";

const wild = new Map<string, RegExp>();

/**
 * The virtual hosts that serve a local address, the default first; the main server if none does. Exact address and
 * port, then exact address, then `*:port`, then `*:*`.
 */
export function vhostsOf(servers: readonly ServerRec[], localIp: string, localPort: number): readonly ServerRec[] {
  const named = (host: string, port: number) =>
    servers.filter((s) => s.addrs.some((a) => a.host === host && a.port === port));
  for (const [host, port] of [
    [localIp, localPort],
    [localIp, 0],
    ["*", localPort],
    ["*", 0],
  ] as const) {
    const found = named(host, port);
    if (found.length > 0) return found;
  }
  return servers.slice(0, 1);
}

/** The first candidate that has the name, or undefined. `name` is lower case and has no port. */
export function vhostNamed(candidates: readonly ServerRec[], name: string): ServerRec | undefined {
  for (const server of candidates) {
    if (server.hostname.toLowerCase() === name || server.names.includes(name)) return server;
    if (server.wildNames.some((glob) => globOf(glob).test(name))) return server;
  }
  return candidates.find((s) => s.addrs.some((a) => a.name === name));
}

/** For a request without Host: the first candidate whose ServerPath is `path` or above it. */
export function vhostOfPath(candidates: readonly ServerRec[], path: string): ServerRec | undefined {
  return candidates.find(
    (s) =>
      s.path !== "" && path.startsWith(s.path) && (s.path.endsWith("/") || /^(\/|$)/.test(path.slice(s.path.length))),
  );
}

function globOf(glob: string): RegExp {
  const known = wild.get(glob);
  if (known !== undefined) return known;
  const compiled = compileGlob(glob, false);
  wild.set(glob, compiled);
  return compiled;
}
