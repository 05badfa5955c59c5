/**
 * The header block at hand: from HEADERS over CONTINUATION to its fields.
 * Source: RFC 9113 sections 4.3, 6.10 and 10.5.1
 */
import type { Bytes } from "../../modules/mod.ts";
import { HEAD_BYTES } from "./frame.ts";
import { type FieldSink, HpackDecoder } from "./hpack_decoder.ts";

/** Frames that one block may come in. nghttp2 allows 8 with CONTINUATION in them. */
const MAX_FRAMES = 10;
/** Bytes that it may have: more is no header of anybody. */
const MAX_BYTES = 131_072;

/** A header block as it came. */
export interface RequestBlock {
  /** name, value, name, value... as far as the limit on their size allows. */
  readonly fields: readonly string[];
  /** There were more. */
  readonly cut: boolean;
  /** The bytes that it took. */
  readonly bytes: number;
}

export class HeaderBlock implements FieldSink {
  /** Whose it is; 0: none has begun. */
  stream = 0;
  /** The stream ends with it. */
  ended = false;
  /** Read for the table's sake only. */
  bad = false;
  private readonly decoder: HpackDecoder;
  private readonly maxListBytes: number;
  private readonly alloc: (size: number) => Bytes;
  private parts: Uint8Array[] = [];
  private bytes = 0;
  private frames = 0;
  private fields: string[] = [];

  constructor(maxListBytes: number, alloc: (size: number) => Bytes) {
    this.decoder = new HpackDecoder(maxListBytes);
    this.maxListBytes = maxListBytes;
    this.alloc = alloc;
  }

  begin(stream: number, ended: boolean, bad: boolean): void {
    this.stream = stream;
    this.ended = ended;
    this.bad = bad;
    this.bytes = this.frames = 0;
    this.parts = [];
  }

  /**
   * Adds the payload of a frame.
   * @param last nothing follows
   * @returns null: there is more to come; "endless": too much has
   * @throws CompressionError
   */
  add(bytes: Bytes, start: number, end: number, last: boolean): RequestBlock | "endless" | null {
    this.bytes += end - start;
    if (++this.frames > MAX_FRAMES || this.bytes > MAX_BYTES) return "endless";
    if (last && this.parts.length === 0) return this.read(bytes, start, end);
    this.parts.push(Uint8Array.from(bytes.subarray(start, end)));
    if (!last) return null;
    const joined = this.alloc(this.bytes);
    let at = 0;
    for (const part of this.parts) {
      joined.set(part, at);
      at += part.length;
    }
    return this.read(joined, 0, at);
  }

  onField(name: string, value: string): void {
    this.fields.push(name, value);
  }

  private read(bytes: Bytes, start: number, end: number): RequestBlock {
    this.stream = 0;
    this.parts = [];
    const fields: string[] = [];
    this.fields = fields;
    this.decoder.decode(bytes, start, end, this);
    return {
      fields,
      cut: this.decoder.listBytes > this.maxListBytes,
      bytes: this.bytes + HEAD_BYTES * this.frames,
    };
  }
}
