/**
 * The name of a client: by HostnameLookups, or proved, which is that the name has the client's address.
 * Source: httpd server/core.c, ap_get_useragent_host with REMOTE_DOUBLE_REV
 */
import { sameIp } from "../core/ipsubnet.ts";
import type { ConnRec, RequestRec } from "../core/records.ts";

const known = new WeakMap<RequestRec, Promise<string | null>>();

/** In lower case; null: it has none, or it is not proved. Asked for once in a request. */
export function getRemoteHost(r: RequestRec): Promise<string | null> {
  let name = known.get(r);
  if (name === undefined) {
    name = doubleReverse(r).catch(() => null);
    known.set(r, name);
  }
  return name;
}

async function doubleReverse(r: RequestRec): Promise<string | null> {
  const { sockets } = r.server.process;
  const address = r.useragentIp;
  const name = (await sockets.reverse(address)).toLowerCase();
  const addresses = await sockets.lookup(name);
  return name !== address && addresses.some((other) => sameIp(other, address)) ? name : null;
}

/** Address → name, "" if it has none; of a connection, as long as it lasts. */
const names = new WeakMap<ConnRec, Map<string, string>>();

/** The client's name if HostnameLookups has found one, else its address. */
export function remoteName(r: RequestRec): string {
  return names.get(r.conn.master ?? r.conn)?.get(r.useragentIp) || r.useragentIp;
}

/** HostnameLookups: asks for the name of the client's address, once for a connection. @param how "double": it must be proved */
export async function findRemoteName(r: RequestRec, how: "on" | "double"): Promise<void> {
  const conn = r.conn.master ?? r.conn;
  const { useragentIp } = r;
  let known = names.get(conn);
  if (known === undefined) {
    known = new Map();
    names.set(conn, known);
  }
  if (known.has(useragentIp)) return;
  const { sockets } = r.server.process;
  const name = how === "double" ? getRemoteHost(r) : sockets.reverse(useragentIp).catch(() => null);
  known.set(useragentIp, (await name)?.toLowerCase() ?? "");
}

/** Is `host` the domain, or in it? "example.com" and ".example.com" cover "www.example.com", but not "myexample.com". */
export function inDomain(domain: string, host: string): boolean {
  const wanted = domain.toLowerCase();
  if (!host.endsWith(wanted)) return false;
  return host.length === wanted.length || wanted.startsWith(".") || host[host.length - wanted.length - 1] === ".";
}
