/**
 * What the runtimes say, as the seam has it: errors, addresses, bytes.
 */
import { Buffer } from "node:buffer";
import { getSystemErrorName } from "node:util";
import type { Bytes } from "../core/bytes.ts";
import type { SocketError } from "./socket.ts";

export function socketError(error: unknown): SocketError {
  const { code, message } = error as NodeJS.ErrnoException;
  return { code: code ?? "UNKNOWN", message };
}

/** @param status as libuv has it: errno, below 0 */
export function systemError(status: number, call: string): SocketError {
  const code = getSystemErrorName(status);
  return { code, message: `${call} ${code}` };
}

/** Without the ::ffff: of IPv4 in IPv6; "" if there is none. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** A node Buffer has `latin1Slice` on both runtimes; its type does not say so. */
export function asBytes(buffer: Buffer): Bytes {
  return buffer as unknown as Bytes;
}

export function latin1(part: Uint8Array): string {
  if ("latin1Slice" in part) return (part as Bytes).latin1Slice();
  return asBytes(Buffer.from(part.buffer, part.byteOffset, part.length)).latin1Slice();
}
