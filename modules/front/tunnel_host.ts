/**
 * Connections that a runtime's server lets go of, so that what follows on them is no HTTP.
 */
import type { DenoConn } from "../net/deno_conn.ts";

export interface ReleasedConnection {
  /** The first bytes that are written must be the head of a 101, of at most MOST_101_FIELDS fields. */
  readonly conn: DenoConn;
  /** What the handler must answer. */
  readonly response: Response;
}

/** How a host lets a connection go. */
export interface TunnelHost {
  /** @throws Error if the host refuses: the request is not its own, or over already */
  release(request: Request): ReleasedConnection;
}

/** Deno 2.9.5 parses the head with room for so many. Source: ext/http/http_next.rs UpgradeStream::write */
export const MOST_101_FIELDS = 16;

/** null: another runtime, or names have changed. It is nobody's promise: where it is missing WebSockets go by messages. */
export const denoTunnelHost: TunnelHost | null = load();

function load(): TunnelHost | null {
  if (!("Deno" in globalThis)) return null;
  const deno = Deno as unknown as { readonly internal?: symbol; readonly [internals: symbol]: unknown };
  if (deno.internal === undefined) return null;
  const { upgradeHttpRaw } = (deno[deno.internal] ?? {}) as { readonly upgradeHttpRaw?: TunnelHost["release"] };
  return typeof upgradeHttpRaw === "function" ? { release: (request) => upgradeHttpRaw(request) } : null;
}
