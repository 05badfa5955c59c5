/**
 * What heartbeats need of UDP. `node_datagram.ts` gives it on node:dgram.
 */
import type { SocketError } from "./socket.ts";

/** Gets the events of a datagram socket. */
export interface DatagramOwner {
  /** A datagram; `bytes` may be kept. */
  onMessage(bytes: Uint8Array, address: string): void;
  /** Something failed, such as sending; the socket goes on. */
  onError(error: SocketError): void;
}

export interface DatagramOptions {
  /** An IP address to listen on: one of this machine's, or that of a multicast group, which is joined. "": only send. */
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /** The peers have IPv6 addresses. @default that of `address` */
  readonly ipv6?: boolean;
}

export interface DatagramSocket {
  readonly port: number;
  /** To one address or a multicast group; this machine hears it, too. */
  send(bytes: Uint8Array, address: string, port: number): void;
  close(): void;
}

/** Whether an IP address is that of a multicast group. */
export function isMulticast(address: string): boolean {
  const first = Number(/^(\d+)\./.exec(address)?.[1] ?? 0);
  return (first >= 224 && first <= 239) || /^ff[0-9a-f]{2}:/i.test(address);
}
