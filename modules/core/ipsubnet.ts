/**
 * IP addresses and networks of them.
 * Source: apr network_io/unix/sockaddr.c, apr_ipsubnet_create, apr_ipsubnet_test
 */

/** Words of 32 bits, the first one first: one for IPv4 (also for ::ffff:a.b.c.d), four for IPv6. */
export type IpWords = readonly number[];

/** An address in numbers; null: it is none. */
export function parseIp(text: string): IpWords | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** The usual text of an address. Source: inet_ntop */
export function formatIp(words: IpWords): string {
  if (words.length === 1) return ipv4Text(words[0]!);
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const [start, length] = longestZeros(groups);
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return length < 2 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}

/** Are two texts the same address? */
export function sameIp(a: string, b: string): boolean {
  if (a === b) return true;
  const x = parseIp(a);
  const y = parseIp(b);
  return x !== null && y !== null && x.length === y.length && x.every((word, i) => word === y[i]);
}

/** A network, or a single address. */
export class IpSubnet {
  private readonly words: IpWords;
  private readonly mask: IpWords;

  /** @param mask as many words as `words` */
  constructor(words: IpWords, mask: IpWords) {
    this.words = words.map((word, i) => (word & mask[i]!) >>> 0);
    this.mask = mask;
  }

  has(address: string): boolean {
    const words = parseCached(address);
    if (words === null || words.length !== this.words.length) return false;
    for (let i = 0; i < words.length; i++) if ((words[i]! & this.mask[i]!) >>> 0 !== this.words[i]) return false;
    return true;
  }
}

/** Why a text is no network: it is not even like an address, the address is wrong, or the mask. */
export type IpSubnetError = "no address" | "bad address" | "bad mask";

/** "10.1.2.3", "10.1" (the network), "10.0.0.0/8", "10.0.0.0/255.0.0.0", "2001:db8::/32". */
export function parseIpSubnet(text: string): IpSubnet | IpSubnetError {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  if (!address.includes(":") && !/^[\d.]*$/.test(address)) return "no address";
  const words = parseIp(address);
  if (slash < 0) {
    if (words === null) return partialIpv4(address) ?? "bad address";
    return new IpSubnet(
      words,
      words.map(() => 0xffffffff),
    );
  }
  if (words === null) return "bad address";
  const mask = parseMask(text.slice(slash + 1), words.length);
  return mask === null ? "bad mask" : new IpSubnet(words, mask);
}

const MESSAGES: Readonly<Record<IpSubnetError, string>> = {
  "no address": "",
  "bad address": "The specified IP address is invalid.",
  "bad mask": "The specified network mask is invalid.",
};

/** The words of apr for it; "" where it has none. */
export function ipSubnetMessage(error: IpSubnetError): string {
  return MESSAGES[error];
}

// A request's address is asked for by one rule after the other.
let lastText = "";
let lastWords: IpWords | null = null;

function parseCached(text: string): IpWords | null {
  if (text !== lastText) {
    lastWords = parseIp(text);
    lastText = text;
  }
  return lastWords;
}

function parseIpv4(text: string): IpWords | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let word = 0;
  for (let i = 1; i <= 4; i++) {
    const octet = Number(match[i]);
    if (octet > 255 || (match[i]!.length > 1 && match[i]!.startsWith("0"))) return null;
    word = word * 256 + octet;
  }
  return [word];
}

function parseIpv6(text: string): IpWords | null {
  let rest = text;
  const tail: number[] = [];
  const lastColon = rest.lastIndexOf(":");
  if (rest.includes(".", lastColon)) {
    const v4 = parseIpv4(rest.slice(lastColon + 1));
    if (v4 === null) return null;
    tail.push(v4[0]! >>> 16, v4[0]! & 0xffff);
    rest = rest.slice(0, lastColon);
    if (rest.endsWith(":")) rest += ":"; // it was "::" before the dotted part
  }
  const halves = rest.split("::");
  if (halves.length > 2) return null;
  const head = hexGroups(halves[0]!);
  const behind = halves.length === 2 ? hexGroups(halves[1]!) : [];
  if (head === null || behind === null) return null;
  const missing = 8 - head.length - behind.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...behind, ...tail];
  const words = [0, 2, 4, 6].map((i) => ((groups[i]! << 16) | groups[i + 1]!) >>> 0);
  const mapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  return mapped ? [words[3]!] : words;
}

function hexGroups(text: string): number[] | null {
  if (text === "") return [];
  const groups = text.split(":");
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return groups.map((group) => Number.parseInt(group, 16));
}

/** "10.1." and "10.1": 10.1.0.0/16. */
function partialIpv4(text: string): IpSubnet | null {
  if (!/^\d+(\.\d+){0,3}\.?$/.test(text)) return null;
  const octets = text.replace(/\.$/, "").split(".").map(Number);
  if (octets.some((octet) => octet > 255)) return null;
  let word = 0;
  for (let i = 0; i < 4; i++) word = word * 256 + (octets[i] ?? 0);
  return new IpSubnet([word], prefixMask(octets.length * 8, 1));
}

function parseMask(text: string, words: number): IpWords | null {
  if (/^\d+$/.test(text)) {
    const bits = Number(text);
    return bits > 0 && bits <= words * 32 ? prefixMask(bits, words) : null;
  }
  return words === 1 ? parseIpv4(text) : null;
}

function prefixMask(bits: number, words: number): number[] {
  return Array.from({ length: words }, (_, i) => {
    const left = Math.min(32, Math.max(0, bits - 32 * i));
    return left === 0 ? 0 : (0xffffffff << (32 - left)) >>> 0;
  });
}

function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (i + length < groups.length && groups[i + length] === 0) length++;
    if (length > best[1]) best = [i, length];
    i += length;
  }
  return best;
}
