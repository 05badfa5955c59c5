/**
 * HPACK: the bytes of a header block → fields.
 * Source: RFC 7541
 */
import type { Bytes } from "../../modules/mod.ts";
import {
  CODE_LENGTHS,
  DEFAULT_TABLE_BYTES,
  DynamicTable,
  ENTRY_OVERHEAD,
  type Field,
  STATIC_TABLE,
} from "./hpack_table.ts";

/** The block cannot be read, so the two sides no longer have the same table: the connection must end. */
export class CompressionError extends Error {}

/** Gets the fields of a block in order. */
export interface FieldSink {
  onField(name: string, value: string): void;
}

/** An integer of more is none that means well. */
const MAX_INTEGER = 0x0fffffff;

export class HpackDecoder {
  private readonly table = new DynamicTable();
  private bytes!: Bytes;
  private at = 0;
  private end = 0;
  /** What fields of the block may take together, by the count of RFC 9113 section 6.5.2; more are read and not told. */
  private readonly maxListBytes: number;
  /** Of the block read last. */
  listBytes = 0;

  constructor(maxListBytes: number) {
    this.maxListBytes = maxListBytes;
  }

  /** @throws CompressionError */
  decode(bytes: Bytes, start: number, end: number, sink: FieldSink): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.listBytes = 0;
    let mayResize = true;
    while (this.at < this.end) {
      const first = bytes[this.at]!;
      if ((first & 0xe0) === 0x20) {
        if (!mayResize) throw new CompressionError("a table size behind a field");
        this.resize(this.integer(5));
        continue;
      }
      mayResize = false;
      const field = first & 0x80 ? this.indexed(this.integer(7)) : this.literal(first);
      this.listBytes += field.name.length + field.value.length + ENTRY_OVERHEAD;
      if (this.listBytes <= this.maxListBytes) sink.onField(field.name, field.value);
    }
  }

  private resize(bytes: number): void {
    if (bytes > DEFAULT_TABLE_BYTES) throw new CompressionError("a table larger than the settings allow");
    this.table.resize(bytes);
  }

  private indexed(index: number): Field {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.table.get(index - STATIC_TABLE.length - 1);
    if (field === undefined) throw new CompressionError(`no entry ${index}`);
    return field;
  }

  private literal(first: number): Field {
    const kept = (first & 0xc0) === 0x40;
    const index = this.integer(kept ? 6 : 4);
    const name = index === 0 ? this.text() : this.indexed(index).name;
    const field = { name, value: this.text() };
    if (kept) this.table.add(field);
    return field;
  }

  /** @param prefix the bits of it in the first byte */
  private integer(prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = this.byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      if (shift > 21) throw new CompressionError("an integer that is too large");
      value += (byte & 0x7f) << shift;
      if (value > MAX_INTEGER) throw new CompressionError("an integer that is too large");
      if (byte < 0x80) return value;
    }
  }

  private byte(): number {
    if (this.at >= this.end) throw new CompressionError("the block breaks off");
    return this.bytes[this.at++]!;
  }

  private text(): string {
    const huffman = this.at < this.end && this.bytes[this.at]! >= 0x80;
    const length = this.integer(7);
    const start = this.at;
    if (length > this.end - start) throw new CompressionError("the block breaks off");
    this.at += length;
    return huffman ? huffmanText(this.bytes, start, start + length) : this.bytes.latin1Slice(start, start + length);
  }
}

const END_MARK = 256;
/** Two numbers for each inner node: where a bit leads. Below 0: the symbol -1 - n. */
const TREE = makeTree();

function makeTree(): Int16Array {
  const tree: number[] = [0, 0];
  let code = 0;
  for (let length = 1; length <= 30; length++, code *= 2) {
    for (let symbol = 0; symbol <= END_MARK; symbol++) {
      if (Number.parseInt(CODE_LENGTHS[symbol]!, 36) !== length) continue;
      let node = 0;
      for (let bit = length - 1; bit > 0; bit--) {
        const at = node + ((code >> bit) & 1);
        if (tree[at] === 0) tree[at] = tree.push(0, 0) - 2;
        node = tree[at]!;
      }
      tree[node + (code & 1)] = -1 - symbol;
      code++;
    }
  }
  return Int16Array.from(tree);
}

const CHARACTERS = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));

function huffmanText(bytes: Bytes, start: number, end: number): string {
  let text = "";
  let node = 0;
  /** Bits since the last symbol, and whether all were ones. */
  let depth = 0;
  let ones = true;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >> bit) & 1;
      if (one === 0) ones = false;
      depth++;
      node = TREE[node + one]!;
      if (node >= 0) continue;
      const symbol = -1 - node;
      if (symbol === END_MARK) throw new CompressionError("the end mark in a text");
      text += CHARACTERS[symbol]!;
      node = depth = 0;
      ones = true;
    }
  }
  if (depth > 7 || !ones) throw new CompressionError("a text that does not end in ones");
  return text;
}
