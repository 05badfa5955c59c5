/**
 * What sockets of Deno read into: one buffer for all, and some for those that read much.
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import { asBytes } from "./system.ts";

/** Deno reads no more at once. */
const READ_BYTES = 65_536;
/** More of them are not made: 16 MB. Who gets none has what it sends on copied. */
const MOST = 256;
/** Of those that nobody has, so many are kept. */
const MOST_SPARE = 16;

export const sharedBytes = freshBuffer();
/** What TLS reads from the network, for all. */
export const cipherBytes = freshBuffer();

let lent = 0;
const spare: Bytes[] = [];

/** null: there are enough. */
export function takeBuffer(): Bytes | null {
  if (lent >= MOST) return null;
  lent++;
  return spare.pop() ?? freshBuffer();
}

/** @param buffer null: it is in use elsewhere, and nobody's here */
export function giveBuffer(buffer: Bytes | null): void {
  lent--;
  if (buffer !== null && spare.length < MOST_SPARE) spare.push(buffer);
}

function freshBuffer(): Bytes {
  return asBytes(Buffer.allocUnsafeSlow(READ_BYTES));
}
