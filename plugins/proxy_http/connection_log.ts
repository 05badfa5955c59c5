/**
 * What becomes of the connection of a request, for who debugs.
 * Source: httpd modules/proxy/proxy_util.c, ap_proxy_acquire_connection and what follows
 */
import type { ProxyUrl, ProxyWorker, RequestRec } from "../../modules/mod.ts";

export function logAcquired(r: RequestRec, worker: ProxyWorker, { scheme }: ProxyUrl): void {
  r.log.debug("proxy", "AH00942", `${scheme}: has acquired connection for (${worker.hostPort})`);
}

/** Before the address is known. */
export function logTarget(r: RequestRec, worker: ProxyWorker, { origin, target }: ProxyUrl): void {
  r.log.debug("proxy", "AH00944", `connecting ${origin.text}${target} to ${worker.hostPort}`, r);
  r.log.debug("proxy", "AH00947", `connecting ${target} to ${worker.hostPort} (${worker.hostPort})`, r);
}

/** By a new connection. @param address that of several which was reached */
export function logConnected(r: RequestRec, worker: ProxyWorker, { scheme }: ProxyUrl, address: string): void {
  const host = address.includes(":") ? `[${address}]` : address;
  const at = worker.unixPath === null ? `${host}:${worker.port}` : address;
  r.log.debug("proxy", "AH02824", `${scheme}: connection established with ${at} (${worker.hostPort})`);
  r.log.debug("proxy", "AH00962", `${scheme}: connection complete to ${at} (${worker.host})`);
}

export function logReleased(r: RequestRec, worker: ProxyWorker, { scheme }: ProxyUrl): void {
  r.log.debug("proxy", "AH00943", `${scheme}: has released connection for (${worker.hostPort})`);
}
