/**
 * Bytes that one socket has read go to another, with a head or without.
 */
import { type Bytes, JOIN_BYTES } from "../core/bytes.ts";
import type { Socket } from "./socket.ts";

/** `Socket.pass` where nothing better is known. */
export function passBytes(from: Socket, to: Socket, before: string, bytes: Bytes, start: number, end: number): boolean {
  if (end - start <= JOIN_BYTES) return to.write(before + bytes.latin1Slice(start, end));
  const part = from.lend(bytes, start, end, to);
  return before === "" ? to.write(part) : to.writev([before, part]);
}
