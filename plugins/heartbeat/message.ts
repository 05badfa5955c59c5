/**
 * A heartbeat: what a backend says of its load, as "v=1&ready=50&busy=0".
 * Source: httpd modules/cluster/mod_heartbeat.c hb_monitor; mod_heartmonitor.c qs_to_table, hm_processmsg
 */

/** What a receiver reads of a message; longer ones are cut. */
export const MAX_MESSAGE_BYTES = 1000;
/** Of a backend that does not name its port. */
export const DEFAULT_PORT = 80;

export interface Heartbeat {
  /** Requests that it could take at once, besides `busy`. */
  readonly ready: number;
  readonly busy: number;
  /** Where it serves. @default 80 */
  readonly port: number;
}

export function formatHeartbeat({ ready, busy, port }: Heartbeat): string {
  return `v=1&ready=${ready}&busy=${busy}${port === DEFAULT_PORT ? "" : `&port=${port}`}`;
}

/** key=value pairs; a key alone has the value 1, the last of a key wins. */
export function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 0) pairs.set(decode(pair), "1");
    else pairs.set(decode(pair.slice(0, equals)), decode(pair.slice(equals + 1)));
  }
  return pairs;
}

/** @param versioned a datagram must have `v`. Null: something is missing. */
export function parseHeartbeat(text: string, versioned: boolean): Heartbeat | null {
  const pairs = parsePairs(text);
  const ready = pairs.get("ready");
  const busy = pairs.get("busy");
  if (ready === undefined || busy === undefined || (versioned && !pairs.has("v"))) return null;
  return { ready: count(ready), busy: count(busy), port: count(pairs.get("port") ?? "") || DEFAULT_PORT };
}

/** atoi, but not below 0. */
export function count(text: string): number {
  return Number(/^\s*\+?(\d+)/.exec(text)?.[1] ?? 0);
}

function decode(text: string): string {
  const plain = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}
