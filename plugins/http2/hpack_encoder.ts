/**
 * HPACK: fields → the bytes of a header block. Texts go as they are: a Huffman code costs more time than its bytes are worth.
 * Source: RFC 7541
 */
import { DEFAULT_TABLE_BYTES, DynamicTable, STATIC_TABLE } from "./hpack_table.ts";

/** Values that differ from response to response, or are nobody's business: they would push the others out of the table. */
const NOT_KEPT = new Set([
  "content-length",
  "etag",
  "last-modified",
  "location",
  "content-range",
  "age",
  "x-request-id",
]);
/** Not even what stands between may keep them. Source: RFC 7541 section 7.1.3 */
const SECRET = new Set(["set-cookie", "authorization", "proxy-authorization"]);
/** A longer value is not kept. */
const KEPT_LENGTH = 256;

const STATIC_NAMES = new Map<string, number>();
const STATIC_FIELDS = new Map<string, number>();
STATIC_TABLE.forEach(({ name, value }, i) => {
  if (!STATIC_NAMES.has(name)) STATIC_NAMES.set(name, i + 1);
  if (value !== "") STATIC_FIELDS.set(`${name}\n${value}`, i + 1);
});

export class HpackEncoder {
  private readonly table = new DynamicTable();
  /** "name\nvalue" → the count of the entry. */
  private readonly known = new Map<string, number>();
  private out = new Uint8Array(512);
  private size = 0;
  /** The peer has asked for another size: the next block says so. The smaller one counts first. */
  private resizeTo = -1;

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. */
  limitTable(bytes: number): void {
    const most = Math.min(bytes, DEFAULT_TABLE_BYTES);
    if (most === this.table.maxBytes && this.resizeTo < 0) return;
    this.resizeTo = this.resizeTo < 0 ? most : Math.min(this.resizeTo, most);
  }

  /** Begins a block. */
  begin(): void {
    this.size = 0;
    if (this.resizeTo < 0) return;
    this.table.resize(this.resizeTo);
    this.integer(0x20, 5, this.resizeTo);
    this.resizeTo = -1;
  }

  /** @param name in lower case */
  add(name: string, value: string): void {
    const field = `${name}\n${value}`;
    const same = STATIC_FIELDS.get(field) ?? this.indexOf(field);
    if (same > 0) {
      this.integer(0x80, 7, same);
      return;
    }
    const index = STATIC_NAMES.get(name) ?? 0;
    const secret = SECRET.has(name);
    const kept = !secret && value.length <= KEPT_LENGTH && !NOT_KEPT.has(name);
    if (kept) this.integer(0x40, 6, index);
    else this.integer(secret ? 0x10 : 0, 4, index);
    if (index === 0) this.text(name);
    this.text(value);
    if (kept) this.keep(field, name, value);
  }

  /** The block. Good until the next one begins. */
  end(): Uint8Array {
    return this.out.subarray(0, this.size);
  }

  private indexOf(field: string): number {
    const count = this.known.get(field);
    if (count === undefined) return 0;
    if (count > this.table.dropped) return STATIC_TABLE.length + 1 + this.table.added - count;
    this.known.delete(field);
    return 0;
  }

  private keep(field: string, name: string, value: string): void {
    const { table, known } = this;
    if (!table.add({ name, value })) return;
    known.set(field, table.added);
    if (known.size < 4 * table.length + 64) return;
    for (const [text, count] of known) if (count <= table.dropped) known.delete(text);
  }

  private integer(pattern: number, prefix: number, value: number): void {
    this.room(6);
    const most = (1 << prefix) - 1;
    if (value < most) {
      this.out[this.size++] = pattern | value;
      return;
    }
    this.out[this.size++] = pattern | most;
    let rest = value - most;
    for (; rest >= 0x80; rest >>>= 7) this.out[this.size++] = (rest & 0x7f) | 0x80;
    this.out[this.size++] = rest;
  }

  private text(text: string): void {
    this.integer(0, 7, text.length);
    this.room(text.length);
    const { out } = this;
    let at = this.size;
    for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
    this.size = at;
  }

  private room(more: number): void {
    if (this.size + more <= this.out.length) return;
    const larger = new Uint8Array(Math.max(2 * this.out.length, this.size + more));
    larger.set(this.out.subarray(0, this.size));
    this.out = larger;
  }
}
