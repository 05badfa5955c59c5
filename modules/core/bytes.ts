/**
 * Bytes: what the socket layer hands up and every parser reads. They are Node buffers in both runtimes; only the one method
 * the parsers need is named, so that nothing above modules/net depends on node:buffer.
 */
export interface Bytes extends Uint8Array {
  /** The bytes as a string of the same length, one char per byte: about 55 ns for a head, 7 times cheaper than TextDecoder on Deno. */
  latin1Slice(start?: number, end?: number): string;
}
