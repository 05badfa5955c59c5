/**
 * Bytes: what the socket layer hands up and every parser reads. They are Node buffers in both runtimes; only the one method
 * the parsers need is named, so that nothing above modules/net depends on node:buffer.
 */
export interface Bytes extends Uint8Array {
  /** The bytes as a string of the same length, one char per byte: about 55 ns for a head, 7 times cheaper than TextDecoder on Deno. */
  latin1Slice(start?: number, end?: number): string;
}

/** A text as its UTF-8 bytes, one character each: what fields, patterns and other binary strings are made of. */
export function byteString(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  let out = "";
  for (const byte of new TextEncoder().encode(text)) out += String.fromCharCode(byte);
  return out;
}
