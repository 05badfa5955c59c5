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

/** Up to so many bytes are cheaper as one string, and one call below, than part by part. */
const SMALL_BYTES = 4096;

/** Parts of a message as one string; null: they are too large for that. */
export function joinSmall(parts: readonly (string | Uint8Array)[]): string | null {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > SMALL_BYTES) return null;
  let joined = "";
  for (const part of parts) joined += typeof part === "string" ? part : latin1(part);
  return joined;
}

function latin1(part: Uint8Array): string {
  if ("latin1Slice" in part) return (part as Bytes).latin1Slice();
  return asBytes(Buffer.from(part.buffer, part.byteOffset, part.length)).latin1Slice();
}
