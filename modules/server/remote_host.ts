/**
 * The name of a client, proved: the name of its address, if that name has the address.
 * Source: httpd server/core.c, ap_get_useragent_host with REMOTE_DOUBLE_REV
 */
import { sameIp } from "../core/ipsubnet.ts";
import type { RequestRec } from "../core/records.ts";

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

/** Is `host` the domain, or in it? "example.com" and ".example.com" cover "www.example.com", but not "myexample.com". */
export function inDomain(domain: string, host: string): boolean {
  const wanted = domain.toLowerCase();
  if (!host.endsWith(wanted)) return false;
  return host.length === wanted.length || wanted.startsWith(".") || host[host.length - wanted.length - 1] === ".";
}
