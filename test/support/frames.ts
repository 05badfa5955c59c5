/** WebSocket frames on plain sockets, as they come: nothing is gathered. Source: RFC 6455 section 5 */
import { Buffer } from "node:buffer";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** The head of a frame; one of a client has a mask, which may be 0. */
export function frameHead(opcode: number, length: number, masked: boolean, fin = true): Buffer {
  const small = length < 126 ? length : length < 65_536 ? 126 : 127;
  const head = Buffer.alloc(2 + (small === 126 ? 2 : small === 127 ? 8 : 0) + (masked ? 4 : 0));
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = (masked ? 0x80 : 0) | small;
  if (small === 126) head.writeUInt16BE(length, 2);
  if (small === 127) head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** Told of frames. */
export interface FrameSink {
  begin(opcode: number, length: number, fin: boolean): void;
  /** A part of the payload, unmasked; valid within the call. */
  payload(bytes: Buffer): void;
  end(): void;
}

export class FrameReader {
  private readonly sink: FrameSink;
  private head = Buffer.alloc(0);
  private left = -1;
  private mask: Buffer | null = null;
  private at = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  read(chunk: Buffer): void {
    let bytes = chunk;
    while (bytes.length > 0) {
      if (this.left < 0) {
        const all = this.head.length === 0 ? bytes : Buffer.concat([this.head, bytes]);
        const size = this.parseHead(all);
        if (size === 0) {
          this.head = Buffer.from(all);
          return;
        }
        this.head = Buffer.alloc(0);
        bytes = all.subarray(size);
      }
      const part = bytes.subarray(0, this.left);
      bytes = bytes.subarray(part.length);
      if (part.length > 0) this.sink.payload(this.unmask(part));
      this.left -= part.length;
      if (this.left > 0) continue;
      this.left = -1;
      this.sink.end();
    }
  }

  /** The size of a head that is whole; else 0. */
  private parseHead(all: Buffer): number {
    if (all.length < 2) return 0;
    const small = all[1]! & 0x7f;
    const masked = (all[1]! & 0x80) !== 0;
    const fields = 2 + (small === 126 ? 2 : small === 127 ? 8 : 0);
    const size = fields + (masked ? 4 : 0);
    if (all.length < size) return 0;
    this.left = small === 126 ? all.readUInt16BE(2) : small === 127 ? Number(all.readBigUInt64BE(2)) : small;
    this.mask = masked ? Buffer.from(all.subarray(fields, size)) : null;
    if (this.mask?.readUInt32LE(0) === 0) this.mask = null;
    this.at = 0;
    this.sink.begin(all[0]! & 0x0f, this.left, (all[0]! & 0x80) !== 0);
    return size;
  }

  /** In place, by words where they lie right. */
  private unmask(part: Buffer): Buffer {
    const { mask } = this;
    if (mask === null) return part;
    const turned = Buffer.from([0, 1, 2, 3].map((i) => mask[(this.at + i) & 3]!));
    const aligned = part.byteOffset % 4 === 0 ? part : Buffer.from(part);
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
    const word = new Uint32Array(new Uint8Array(turned).buffer)[0]!;
    for (let i = 0; i < words.length; i++) words[i]! ^= word;
    for (let i = words.length * 4; i < aligned.length; i++) aligned[i]! ^= turned[i & 3]!;
    this.at += part.length;
    return aligned;
  }
}
