/**
 * UDP on node:dgram, for Bun and Deno.
 */
import dgram from "node:dgram";
import { type DatagramOptions, type DatagramOwner, type DatagramSocket, isMulticast } from "./datagram.ts";
import type { SocketError } from "./socket.ts";

/** Several sockets may listen on one address: a generation takes over from the one before without a gap. */
export function openDatagram(options: DatagramOptions, owner: DatagramOwner): Promise<DatagramSocket> {
  const ipv6 = options.ipv6 ?? options.address.includes(":");
  const raw = dgram.createSocket({ type: ipv6 ? "udp6" : "udp4", reuseAddr: true });
  return new Promise((resolve, reject) => {
    let open = false;
    const failed = (error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException;
      const known: SocketError = { code: code ?? "UNKNOWN", message };
      if (open) {
        owner.onError(known);
        return;
      }
      raw.close();
      reject(known);
    };
    raw.on("error", failed);
    raw.on("message", (bytes, from) => owner.onMessage(bytes, from.address));
    raw.bind({ port: options.port, ...(options.address !== "" && { address: options.address }) }, () => {
      try {
        if (isMulticast(options.address)) raw.addMembership(options.address);
      } catch (error) {
        failed(error);
        return;
      }
      open = true;
      resolve({
        port: raw.address().port,
        send: (bytes, address, port) => raw.send(bytes, port, address, (error) => error && failed(error)),
        close: () => void raw.close(),
      });
    });
  });
}
