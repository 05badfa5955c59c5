/**
 * IP addresses and the networks that hold them.
 * Source: APR network_io/unix/sockaddr.c, apr_ipsubnet_create
 */

export interface Subnet {
  /** `ip` without brackets; an IPv4 address may be written as an IPv6 one (`::ffff:1.2.3.4`). Other text is in no network. */
  contains(ip: string): boolean;
}

/** The bytes of an address, 4 or 16; null if it is none. An IPv4 address in an IPv6 one is an IPv4 address. */
export function parseIp(text: string): readonly number[] | null {
  if (!text.includes(":")) return parseIp4(text);
  const bytes = parseIp6(text);
  if (bytes === null) return null;
  const isMapped = bytes.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff));
  return isMapped ? bytes.slice(12) : bytes;
}

/**
 * A network: an address, one with `/bits` or `/mask`, or the first parts of an IPv4 address (`10.1`).
 * @returns null if it is none
 */
export function parseSubnet(text: string): Subnet | null {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const mask = slash < 0 ? null : text.slice(slash + 1);
  const parts = /^\d{1,3}(\.\d{1,3}){0,2}\.?$/.test(address) ? address.split(".").filter((part) => part !== "") : null;
  if (parts !== null) {
    const full = parseIp4([...parts, "0", "0", "0"].slice(0, 4).join("."));
    if (full === null) return null;
    if (mask === null) return network(full, parts.length * 8);
    return masked(full, mask);
  }
  const bytes = parseIp(address);
  if (bytes === null) return null;
  return mask === null ? network(bytes, bytes.length * 8) : masked(bytes, mask);
}

function masked(address: readonly number[], mask: string): Subnet | null {
  if (/^\d+$/.test(mask)) {
    const bits = Number(mask);
    return bits >= 1 && bits <= address.length * 8 ? network(address, bits) : null;
  }
  const bytes = address.length === 4 ? parseIp4(mask) : null;
  return bytes === null ? null : subnet(address, bytes);
}

function network(address: readonly number[], bits: number): Subnet {
  const mask = address.map((_, i) => (0xff00 >> Math.max(0, Math.min(8, bits - i * 8))) & 0xff);
  return subnet(address, mask);
}

function subnet(address: readonly number[], mask: readonly number[]): Subnet {
  const wanted = address.map((byte, i) => byte & mask[i]!);
  return {
    contains(ip) {
      const bytes = parseIp(ip);
      if (bytes === null || bytes.length !== wanted.length) return false;
      for (let i = 0; i < wanted.length; i++) if ((bytes[i]! & mask[i]!) !== wanted[i]) return false;
      return true;
    },
  };
}

function parseIp4(text: string): number[] | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function parseIp6(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => groupBytes(half));
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? head : null;
  const gap = 16 - head.length - tail.length;
  return gap >= 2 ? [...head, ...Array<number>(gap).fill(0), ...tail] : null;
}

function groupBytes(text: string): number[] | null {
  const bytes: number[] = [];
  if (text === "") return bytes;
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes(".")) {
      const last = parseIp4(group);
      if (last === null) return null;
      bytes.push(...last);
    } else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      return null;
    }
  }
  return bytes;
}
