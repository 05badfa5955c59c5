/**
 * What the fetch front asks of a runtime's server, whichever it is.
 */
import type { FetchHost } from "./fetch.ts";

/** PEM: a certificate with its chain, and its key. */
export interface FrontTls {
  readonly cert: string;
  readonly key: string;
}

export interface FetchServerOptions {
  /** "": every address. */
  readonly address: string;
  readonly port: number;
  /** Path of a socket, instead of address and port. */
  readonly unix?: string;
  readonly tls?: FrontTls;
  /** How long a connection may be open without a request; whole seconds where the runtime can tell. */
  readonly idleMs: () => number;
  readonly handle: FetchHandle;
}

/** Answers a request. `ended` is to be called when its response has ended. */
export type FetchHandle = (request: Request, host: FetchHost, ended?: () => void) => Promise<Response>;

/** "127.0.0.1" for "::ffff:127.0.0.1". */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
