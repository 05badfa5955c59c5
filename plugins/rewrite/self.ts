/**
 * Whether a host and port are a server's own.
 * Source: httpd server/vhost.c ap_matches_request_vhost
 */
import { compileGlob, type ServerRec } from "../../modules/mod.ts";

export function namesServer(server: ServerRec, host: string, port: number): boolean {
  const name = host.toLowerCase();
  if (server.addrs.some((addr) => (addr.port === 0 || addr.port === port) && addr.host === name)) return true;
  if (port !== server.port) return false;
  if (server.hostname.toLowerCase() === name || server.names.includes(name)) return true;
  return server.wildNames.some((glob) => compileGlob(glob, false).test(name));
}
