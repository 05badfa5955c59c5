/**
 * Who the client is by a list of addresses that proxies have written, as far as they are trusted.
 * Source: httpd modules/metadata/mod_remoteip.c, remoteip_modify_request
 */
import { formatIp, type IpSubnet, type IpWords, parseIp, parseIpSubnet } from "../../modules/mod.ts";

export interface TrustedProxy {
  readonly subnet: IpSubnet;
  /** It may name any client, a private address too. */
  readonly internal: boolean;
}

export interface Forwarded {
  /** The last address that could be believed. */
  readonly client: string;
  /** What is left of the list; null: nothing. */
  readonly rest: string | null;
  /** The proxies passed that are not internal, the nearest first. */
  readonly proxies: readonly string[];
}

/**
 * Walks the list from its end, from one trusted proxy to the next.
 * @param peer who sent the list
 * @param trusted none: every peer is trusted, but only with public addresses
 * @returns null where nothing of it counts
 */
export function readForwarded(list: string, peer: string, trusted: readonly TrustedProxy[]): Forwarded | null {
  let rest: string | null = list;
  let client = peer;
  let internal = trusted.length > 0;
  let moved = false;
  const proxies: string[] = [];
  while (rest !== null) {
    const current: string = client;
    const match = trusted.find(({ subnet }) => subnet.has(current));
    if (trusted.length > 0 && match === undefined) break;
    // An internal proxy may present an external one, but not the other way round.
    if (match !== undefined && internal) internal = match.internal;
    const comma: number = rest.lastIndexOf(",");
    const words = parseIp(rest.slice(comma + 1).replace(/^ +| +$/g, ""));
    if (words === null || !(internal || isPublic(words))) {
      rest = (comma < 0 ? rest.replace(/^ +/, "") : rest).replace(/ +$/, "");
      break;
    }
    if (!internal) proxies.push(client);
    client = formatIp(words);
    moved = true;
    rest = comma < 0 ? null : rest.slice(0, comma);
  }
  return moved ? { client, rest, proxies } : null;
}

const PRIVATE = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"].map(
  (text) => parseIpSubnet(text) as IpSubnet,
);

/** Of IPv6 only 2000::/3 is. */
function isPublic(words: IpWords): boolean {
  if (words.length > 1) return words[0]! >>> 29 === 1;
  const text = formatIp(words);
  return !PRIVATE.some((subnet) => subnet.has(text));
}
