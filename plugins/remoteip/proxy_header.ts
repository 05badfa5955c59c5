/**
 * The header of the PROXY protocol, versions 1 and 2: who the client of a load balancer is.
 * Source: HAProxy doc/proxy-protocol.txt; httpd modules/metadata/mod_remoteip.c
 */
import { formatIp, type IpWords, parseIp } from "../../modules/mod.ts";

export interface ProxyClient {
  readonly ip: string;
  readonly port: number;
}

/**
 * What bytes say: "more" is wanted; a client, or null, the load balancer itself (LOCAL, UNKNOWN), and how long the header was;
 * or that they are no header, and why.
 */
export type ProxyHeader =
  | "more"
  | { readonly length: number; readonly client: ProxyClient | null }
  | { readonly error: string };

const V2_SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V1_START = "PROXY ";
/** "PROXY UNKNOWN" and two IPv6 addresses in full fit. Source: the specification, 2.1 */
const V1_MOST_BYTES = 107;
const V2_HEAD_BYTES = 16;
/** Addresses and TLVs of version 2. Nobody needs as much. */
const V2_MOST_BYTES = 1024;
/** No header is longer. */
export const MOST_BYTES = V2_HEAD_BYTES + V2_MOST_BYTES;

/** @param text what came so far, a character for each byte */
export function parseProxyHeader(text: string): ProxyHeader {
  if (isStartOf(text, V2_SIGNATURE)) return text.length < V2_HEAD_BYTES ? "more" : parseV2(text);
  if (isStartOf(text, V1_START)) return parseV1(text);
  return { error: "no PROXY header" };
}

function isStartOf(text: string, start: string): boolean {
  return text.length < start.length ? start.startsWith(text) : text.startsWith(start);
}

function parseV1(text: string): ProxyHeader {
  const end = text.indexOf("\r\n");
  if (end < 0) return text.length < V1_MOST_BYTES ? "more" : { error: "no end of line" };
  const length = end + 2;
  if (length > V1_MOST_BYTES) return { error: "header too long" };
  const line = text.slice(0, end);
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { length, client: null };
  const words = /^PROXY (TCP[46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (words === null) return { error: `malformed header '${line}'` };
  const [, family, from, to, port, toPort] = words as unknown as string[];
  const client = address(from!, family!);
  if (client === null || address(to!, family!) === null) return { error: `invalid address in header '${line}'` };
  if (Number(port) > 65535 || Number(toPort) > 65535) return { error: `invalid port in header '${line}'` };
  return { length, client: { ip: formatIp(client), port: Number(port) } };
}

function address(text: string, family: string): IpWords | null {
  return text.includes(":") === (family === "TCP6") ? parseIp(text) : null;
}

function parseV2(text: string): ProxyHeader {
  const [versionCommand, family] = [byte(text, 12), byte(text, 13)];
  const length = V2_HEAD_BYTES + u16(text, 14);
  if (versionCommand >>> 4 !== 2) return { error: `unsupported version ${versionCommand >>> 4}` };
  if (length > V2_HEAD_BYTES + V2_MOST_BYTES) return { error: "header too long" };
  if (text.length < length) return "more";
  const command = versionCommand & 15;
  if (command === 0) return { length, client: null }; // LOCAL, such as a health check
  if (command !== 1) return { error: `unsupported command ${command}` };
  const words = family === 0x11 ? 1 : family === 0x21 ? 4 : 0;
  if (words === 0) return { error: `unsupported protocol ${family.toString(16)}` };
  if (length < V2_HEAD_BYTES + 8 * words + 4) return { error: "header too short for its addresses" };
  const ip = Array.from({ length: words }, (_, i) => u32(text, V2_HEAD_BYTES + 4 * i));
  return { length, client: { ip: formatIp(ip), port: u16(text, V2_HEAD_BYTES + 8 * words) } };
}

function byte(text: string, at: number): number {
  return text.charCodeAt(at);
}

function u16(text: string, at: number): number {
  return (byte(text, at) << 8) | byte(text, at + 1);
}

function u32(text: string, at: number): number {
  return ((u16(text, at) << 16) | u16(text, at + 2)) >>> 0;
}
