/**
 * The header table: ordered, repeated, case-blind fields, after apr_table_t.
 *
 * The number of a name is found once, when the field is added: a lookup compares integers, and the usual answer, "not there",
 * is one bit test.
 *
 * A table that a parser filled keeps the text of the head and where in it each name and value stands. Strings are cut when they
 * are asked for, and fields that nobody touched go on as one piece of that text: most are sent on and never looked at, and on
 * Bun 1.4.4 strings were most of what a request allocates.
 */
import { headerId, headerName, OTHER, sameLetter, sameName, spelledId } from "./field_names.ts";

export * from "./field_names.ts";

/** Whether all characters in [from, to) of a text with one byte each are 1 in `chars`. */
export function isOf(text: string, from: number, to: number, chars: Uint8Array): boolean {
  let i = from;
  while (i < to && chars[text.charCodeAt(i)] === 1) i++;
  return i === to;
}

/** Digits alone, [from, to) of `text`, and not above 2^53 - 1: the number, else -1. */
export function decimal(text: string, from: number, to: number): number {
  if (from === to) return -1;
  let n = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
    if (n > Number.MAX_SAFE_INTEGER) return -1;
  }
  return n;
}

/** No field yet: shared by all empty tables, replaced by the first field. */
const NONE: number[] = [];
/** Numbers a field has in `at`: begin and end of its name, end of its value. */
const STRIDE = 3;
/** Between name and value: ": ". */
const COLON = 2;

export class HeaderTable {
  /** The number of each field's name. To be read only. */
  ids: readonly number[] = NONE;
  /** Where each field stands in `source`, always as "Name: value\r\n"; -1 for one that stands in `own`. */
  private at: number[] = NONE;
  private source = "";
  /** name, value, name, value …: of fields that were not in the head, not in that form, or were changed. */
  private own: (string | undefined)[] | null = null;
  /** Bit `id & 31` is set when such a name was ever added: a clear bit proves absence, a set one proves nothing. */
  private seen = 0;
  /** Every known name in `source` is in its usual spelling. */
  private usual = false;

  get size(): number {
    return this.ids.length;
  }

  /** name, value, name, value … */
  get fields(): string[] {
    const all: string[] = [];
    for (let i = 0; i < this.ids.length; i++) all.push(this.nameAt(i), this.valueAt(i));
    return all;
  }

  nameAt(i: number): string {
    const start = this.at[STRIDE * i]!;
    if (start < 0) return this.own![2 * i]!;
    // The constant instead of the cut where they are the same: no object, and comparisons with it are of one and the same.
    if (this.isUsual(i)) return headerName(this.ids[i]!);
    return this.source.slice(start, this.at[STRIDE * i + 1]!);
  }

  /** Where the value begins in `source`; -1: it is in `own`. */
  private valueStart(i: number): number {
    const nameEnd = this.at[STRIDE * i + 1]!;
    return nameEnd < 0 ? -1 : nameEnd + COLON;
  }

  valueAt(i: number): string {
    const start = this.valueStart(i);
    // Not kept: most values are asked for once at most, and a place for them costs more than another cut.
    return start < 0 ? this.own![2 * i + 1]! : this.source.slice(start, this.at[STRIDE * i + 2]!);
  }

  /** Whether the value is `text`, to the letter. No string is made of it. */
  valueIs(i: number, text: string): boolean {
    const start = this.valueStart(i);
    if (start < 0) return this.own![2 * i + 1] === text;
    return this.at[STRIDE * i + 2]! - start === text.length && this.source.startsWith(text, start);
  }

  valueLength(i: number): number {
    const start = this.valueStart(i);
    return start < 0 ? this.own![2 * i + 1]!.length : this.at[STRIDE * i + 2]! - start;
  }

  valueCharCode(i: number, at: number): number {
    const start = this.valueStart(i);
    return start < 0 ? this.own![2 * i + 1]!.charCodeAt(at) : this.source.charCodeAt(start + at);
  }

  /** Where in the value `text` stands, at or after `from`, which is no further than its end; -1: nowhere. */
  valueIndexOf(i: number, text: string, from: number): number {
    const start = this.valueStart(i);
    if (start < 0) return this.own![2 * i + 1]!.indexOf(text, from);
    const found = this.source.indexOf(text, start + from);
    return found < 0 || found + text.length > this.at[STRIDE * i + 2]! ? -1 : found - start;
  }

  /** Whether the value goes on with `text` at `from`. No string is made of it. */
  valueStartsWith(i: number, text: string, from: number): boolean {
    const start = this.valueStart(i);
    if (start < 0) return this.own![2 * i + 1]!.startsWith(text, from);
    return start + from + text.length <= this.at[STRIDE * i + 2]! && this.source.startsWith(text, start + from);
  }

  /** Whether all characters of the value are 1 in `chars`. No string is made of it. */
  valueIsOf(i: number, chars: Uint8Array): boolean {
    const start = this.valueStart(i);
    if (start >= 0) return isOf(this.source, start, this.at[STRIDE * i + 2]!, chars);
    const value = this.own![2 * i + 1]!;
    return isOf(value, 0, value.length, chars);
  }

  /** [from, to) of the value, which is at least as long. */
  valueSlice(i: number, from: number, to: number): string {
    const start = this.valueStart(i);
    return start < 0 ? this.own![2 * i + 1]!.slice(from, to) : this.source.slice(start + from, start + to);
  }

  /** The value as `decimal` reads it. No string is made of it. */
  numberAt(i: number): number {
    const start = this.valueStart(i);
    if (start >= 0) return decimal(this.source, start, this.at[STRIDE * i + 2]!);
    const value = this.own![2 * i + 1]!;
    return decimal(value, 0, value.length);
  }

  setValueAt(i: number, value: string): void {
    this.keep(i, this.nameAt(i), value);
  }

  /** The fields [from, to) as lines, "Name: value\r\n". Fields as they came are one piece. */
  lines(from: number, to: number): string {
    const { at, source } = this;
    let out = "";
    let i = from;
    while (i < to) {
      const start = at[STRIDE * i]!;
      if (start < 0) {
        out += `${this.own![2 * i]}: ${this.own![2 * i + 1]}\r\n`;
        i++;
        continue;
      }
      let end = start;
      while (i < to && at[STRIDE * i] === end) end = at[STRIDE * i++ + 2]! + 2;
      out += source.slice(start, end);
    }
    return out;
  }

  /** One field as a line, its name in the usual spelling. */
  usualLine(i: number): string {
    if (!this.isUsual(i)) return `${headerName(this.ids[i]!)}: ${this.valueAt(i)}\r\n`;
    return this.source.slice(this.at[STRIDE * i]!, this.at[STRIDE * i + 2]! + 2);
  }

  /** Whether the field stands in `source`, by a known name in its usual spelling. */
  private isUsual(i: number): boolean {
    const start = this.at[STRIDE * i]!;
    const id = this.ids[i]!;
    return start >= 0 && id !== OTHER && (this.usual || this.source.startsWith(headerName(id), start));
  }

  /** Position of the first field of that name at or after `from`, or -1. */
  indexOf(name: string, from = 0): number {
    return this.find(headerId(name), name, from);
  }

  indexOfId(id: number, from = 0): number {
    if ((this.seen & (1 << (id & 31))) === 0) return -1;
    const ids = this.ids;
    // `| 0`: a parameter with a default is no integer for JavaScriptCore, and the loop 8 times slower (17 ns, not 2)
    for (let i = from | 0; i < ids.length; i++) if (ids[i] === id) return i;
    return -1;
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const i = this.indexOf(name);
    return i < 0 ? undefined : this.valueAt(i);
  }

  getId(id: number): string | undefined {
    const i = this.indexOfId(id);
    return i < 0 ? undefined : this.valueAt(i);
  }

  getAll(name: string): string[] {
    const id = headerId(name);
    const all: string[] = [];
    for (let i = this.find(id, name, 0); i >= 0; i = this.find(id, name, i + 1)) all.push(this.valueAt(i));
    return all;
  }

  has(name: string): boolean {
    return this.indexOf(name) >= 0;
  }

  hasId(id: number): boolean {
    return this.indexOfId(id) >= 0;
  }

  /** False: there is none of the names of `bits`, which `bitsOf` has made. True proves nothing. */
  mayHave(bits: number): boolean {
    return (this.seen & bits) !== 0;
  }

  /**
   * Fills an empty table from a head.
   * @param source the lines of the fields, each with its end
   * @param marks begin and end of name and value, four numbers for each field, in the bytes
   * @param base where in the bytes `source` begins
   */
  fill(source: string, bytes: Uint8Array, base: number, marks: Int32Array, count: number): void {
    const ids = new Array<number>(count);
    const at = new Array<number>(STRIDE * count);
    let seen = 0;
    let usual = true;
    let odd = -1;
    for (let i = 0; i < count; i++) {
      const name = marks[4 * i]!;
      const nameEnd = marks[4 * i + 1]!;
      const valueEnd = marks[4 * i + 3]!;
      let id = spelledId(bytes, name, nameEnd);
      if (id < 0) {
        id = -id;
        usual = false;
      }
      if (marks[4 * i + 2] !== nameEnd + COLON || bytes[nameEnd + 1] !== 0x20 || bytes[valueEnd] !== 0x0d) odd = i;
      ids[i] = id;
      seen |= 1 << (id & 31);
      at[STRIDE * i] = name - base;
      at[STRIDE * i + 1] = nameEnd - base;
      at[STRIDE * i + 2] = valueEnd - base;
    }
    this.usual = usual;
    this.source = source;
    this.ids = ids;
    this.at = at;
    this.seen = seen;
    if (odd >= 0) this.takeOut(bytes, base, marks, odd);
  }

  /** Fields [0, last] that do not stand in the head as they would be written are strings of their own. */
  private takeOut(bytes: Uint8Array, base: number, marks: Int32Array, last: number): void {
    for (let i = 0; i <= last; i++) {
      const nameEnd = marks[4 * i + 1]!;
      const value = marks[4 * i + 2]!;
      const valueEnd = marks[4 * i + 3]!;
      if (value === nameEnd + COLON && bytes[nameEnd + 1] === 0x20 && bytes[valueEnd] === 0x0d) continue;
      this.keep(
        i,
        this.source.slice(marks[4 * i]! - base, nameEnd - base),
        this.source.slice(value - base, valueEnd - base),
      );
    }
  }

  /** Whether a name comes more than once. Of a table that `fill` has filled. */
  repeats(): boolean {
    const { ids } = this;
    let seen = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (id !== OTHER) {
        const bit = 1 << (id & 31);
        if ((seen & bit) !== 0 && ids.indexOf(id) < i) return true;
        seen |= bit;
        continue;
      }
      for (let k = 0; k < i; k++) if (ids[k] === OTHER && this.haveOneName(i, k)) return true;
    }
    return false;
  }

  /** Of two fields whose names have no number. */
  private haveOneName(i: number, k: number): boolean {
    const { at, source } = this;
    const a = at[STRIDE * i]!;
    const b = at[STRIDE * k]!;
    if (a < 0 || b < 0) return sameName(this.nameAt(i), this.nameAt(k));
    const length = at[STRIDE * i + 1]! - a;
    if (at[STRIDE * k + 1]! - b !== length) return false;
    // From the end: Sec-Fetch-Mode, Sec-Fetch-Site
    for (let c = length - 1; c >= 0; c--) {
      if (!sameLetter(source.charCodeAt(a + c), source.charCodeAt(b + c))) return false;
    }
    return true;
  }

  add(name: string, value: string): void {
    this.addId(headerId(name), name, value);
  }

  /** `add` for a caller that knows the number of `name`. */
  addId(id: number, name: string, value: string): void {
    if (this.ids === NONE) {
      this.ids = [];
      this.at = [];
    }
    const i = this.ids.length;
    (this.ids as number[]).push(id);
    this.at.push(-1, -1, -1);
    this.keep(i, name, value);
    this.seen |= 1 << (id & 31);
  }

  /** One field of that name, in the place of the first, else at the end. The name takes the new spelling. */
  set(name: string, value: string): void {
    this.setId(headerId(name), name, value);
  }

  setId(id: number, name: string, value: string): void {
    const first = this.find(id, name, 0);
    if (first < 0) {
      this.addId(id, name, value);
      return;
    }
    this.keep(first, name, value);
    this.drop(id, name, first + 1);
  }

  /** "old, new" in the place of the first such field, else a new field. Answers its position. Source: apr_table_mergen */
  merge(name: string, value: string): number {
    return this.mergeId(headerId(name), name, value);
  }

  mergeId(id: number, name: string, value: string): number {
    const first = this.find(id, name, 0);
    if (first < 0) {
      this.addId(id, name, value);
      return this.ids.length - 1;
    }
    this.setValueAt(first, `${this.valueAt(first)}, ${value}`);
    return first;
  }

  /** Drops every field of that name. */
  unset(name: string): void {
    this.drop(headerId(name), name, 0);
  }

  unsetId(id: number): void {
    if ((this.seen & (1 << (id & 31))) !== 0) this.drop(id, "", 0);
  }

  /** Brings the fields of that name behind all others, with the usual spelling. */
  moveToEnd(id: number): void {
    const { ids } = this;
    let i = this.indexOfId(id);
    if (i < 0) return;
    while (i < ids.length && ids[i] === id && this.isUsual(i)) i++;
    if (i === ids.length) return; // as in most answers: they were the last
    const title = headerName(id);
    const values = this.getAll(title);
    this.unsetId(id);
    for (const value of values) this.addId(id, title, value);
  }

  clear(): void {
    this.ids = this.at = NONE;
    this.own = null;
    this.source = "";
    this.seen = 0;
  }

  clone(): HeaderTable {
    const copy = new HeaderTable();
    if (this.ids !== NONE) {
      copy.ids = this.ids.slice();
      copy.at = this.at.slice();
    }
    copy.source = this.source;
    copy.own = this.own === null ? null : this.own.slice();
    copy.seen = this.seen;
    copy.usual = this.usual;
    return copy;
  }

  *entries(): Generator<[name: string, value: string]> {
    for (let i = 0; i < this.ids.length; i++) yield [this.nameAt(i), this.valueAt(i)];
  }

  [Symbol.iterator](): Generator<[name: string, value: string]> {
    return this.entries();
  }

  private keep(i: number, name: string, value: string): void {
    const own = (this.own ??= []);
    while (own.length < 2 * i) own.push(undefined);
    own[2 * i] = name;
    own[2 * i + 1] = value;
    for (let k = 0; k < STRIDE; k++) this.at[STRIDE * i + k] = -1;
  }

  private find(id: number, name: string, from: number): number {
    if (id !== OTHER) return this.indexOfId(id, from);
    if ((this.seen & 1) === 0) return -1;
    const { ids } = this;
    for (let i = from; i < ids.length; i++) if (ids[i] === OTHER && this.isNamed(i, name)) return i;
    return -1;
  }

  private isNamed(i: number, name: string): boolean {
    const start = this.at[STRIDE * i]!;
    if (start < 0) return sameName(this.own![2 * i]!, name);
    const { length } = name;
    if (this.at[STRIDE * i + 1]! - start !== length) return false;
    for (let k = 0; k < length; k++)
      if (!sameLetter(this.source.charCodeAt(start + k), name.charCodeAt(k))) return false;
    return true;
  }

  private drop(id: number, name: string, from: number): void {
    let i = this.find(id, name, from);
    if (i < 0) return;
    const ids = this.ids as number[];
    const { at, own } = this;
    let keep = i;
    for (i++; i < ids.length; i++) {
      if (ids[i] === id && (id !== OTHER || this.isNamed(i, name))) continue;
      ids[keep] = ids[i]!;
      for (let k = 0; k < STRIDE; k++) at[STRIDE * keep + k] = at[STRIDE * i + k]!;
      if (own !== null) {
        own[2 * keep] = own[2 * i];
        own[2 * keep + 1] = own[2 * i + 1];
      }
      keep++;
    }
    ids.length = keep;
    at.length = STRIDE * keep;
    if (own !== null && own.length > 2 * keep) own.length = 2 * keep;
  }
}
