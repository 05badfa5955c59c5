/**
 * The header table: ordered, repeated, case-blind fields, after apr_table_t.
 *
 * Names that the server itself asks for have a small integer, given once when the field is added, so that a lookup compares
 * integers and the usual answer, "not there", is one bit test. All other names have the number 0 and are compared as text.
 *
 * A table that a parser filled keeps the text of the head and where in it each name and value stands. Strings are cut when they
 * are asked for, and fields that nobody touched go on as one piece of that text: most are sent on and never looked at, and on
 * Bun 1.4.4 strings were most of what a request allocates.
 */

/** A name's number. 0 is any other name; numbers 32 apart share a bit of `seen`, so the ones often asked for come first. */
export const OTHER = 0;
export const HOST = 1;
export const CONNECTION = 2;
export const CONTENT_LENGTH = 3;
export const TRANSFER_ENCODING = 4;
export const EXPECT = 5;
export const UPGRADE = 6;
export const TE = 7;
export const TRAILER = 8;
export const KEEP_ALIVE = 9;
export const PROXY_CONNECTION = 10;
export const VIA = 11;
export const X_FORWARDED_FOR = 12;
export const X_FORWARDED_HOST = 13;
export const X_FORWARDED_SERVER = 14;
export const MAX_FORWARDS = 15;
export const COOKIE = 16;
export const SET_COOKIE = 17;
export const DATE = 18;
export const SERVER = 19;
export const LOCATION = 20;
export const CONTENT_LOCATION = 21;
export const CONTENT_TYPE = 22;
export const PROXY_AUTHORIZATION = 23;
export const PROXY_AUTHENTICATE = 24;
export const WARNING = 25;
export const EXPIRES = 26;
export const LAST_MODIFIED = 27;
export const URI = 28;
export const DESTINATION = 29;
export const AUTHORIZATION = 30;
export const WWW_AUTHENTICATE = 31;
// From here on 32 apart from a number above: names that come often and are asked for seldom.
export const ACCEPT = 33; // with Host, which is always there
export const ACCEPT_ENCODING = 34; // with Connection
export const ACCEPT_LANGUAGE = 48; // with Cookie, as the rest of a browser's names
export const USER_AGENT = 65;
export const REFERER = 80;
export const ORIGIN = 97;
export const CACHE_CONTROL = 54; // with Content-Type, as the rest of a response's names
export const ETAG = 86;
export const VARY = 118;
export const CONTENT_ENCODING = 67; // with Content-Length
export const ACCEPT_RANGES = 99;

const KNOWN: readonly (readonly [number, string])[] = [
  [HOST, "Host"],
  [CONNECTION, "Connection"],
  [CONTENT_LENGTH, "Content-Length"],
  [TRANSFER_ENCODING, "Transfer-Encoding"],
  [EXPECT, "Expect"],
  [UPGRADE, "Upgrade"],
  [TE, "TE"],
  [TRAILER, "Trailer"],
  [KEEP_ALIVE, "Keep-Alive"],
  [PROXY_CONNECTION, "Proxy-Connection"],
  [VIA, "Via"],
  [X_FORWARDED_FOR, "X-Forwarded-For"],
  [X_FORWARDED_HOST, "X-Forwarded-Host"],
  [X_FORWARDED_SERVER, "X-Forwarded-Server"],
  [MAX_FORWARDS, "Max-Forwards"],
  [COOKIE, "Cookie"],
  [SET_COOKIE, "Set-Cookie"],
  [DATE, "Date"],
  [SERVER, "Server"],
  [LOCATION, "Location"],
  [CONTENT_LOCATION, "Content-Location"],
  [CONTENT_TYPE, "Content-Type"],
  [PROXY_AUTHORIZATION, "Proxy-Authorization"],
  [PROXY_AUTHENTICATE, "Proxy-Authenticate"],
  [WARNING, "Warning"],
  [EXPIRES, "Expires"],
  [LAST_MODIFIED, "Last-Modified"],
  [URI, "URI"],
  [DESTINATION, "Destination"],
  [AUTHORIZATION, "Authorization"],
  [WWW_AUTHENTICATE, "WWW-Authenticate"],
  [ACCEPT, "Accept"],
  [ACCEPT_ENCODING, "Accept-Encoding"],
  [ACCEPT_LANGUAGE, "Accept-Language"],
  [USER_AGENT, "User-Agent"],
  [REFERER, "Referer"],
  [ORIGIN, "Origin"],
  [CACHE_CONTROL, "Cache-Control"],
  [ETAG, "ETag"],
  [VARY, "Vary"],
  [CONTENT_ENCODING, "Content-Encoding"],
  [ACCEPT_RANGES, "Accept-Ranges"],
];

const TITLE: string[] = Array.from({ length: 128 }, () => "");
const LOWER: string[] = Array.from({ length: 128 }, () => "");
/** Length, first and last letter → the only known name it can be. */
const CANDIDATE = new Uint8Array(1 << 15);
/** The letters of the known names: so many bytes are for each. */
const LONGEST = 32;
const LETTERS = new Uint8Array(128 * LONGEST);
const LENGTHS = new Uint8Array(128);

for (const [id, title] of KNOWN) {
  const slot = slotOf(title.length, title.charCodeAt(0), title.charCodeAt(title.length - 1));
  if (CANDIDATE[slot] !== 0 || TITLE[id] !== "") throw new Error(`known header ${title}: number or slot taken`);
  CANDIDATE[slot] = id;
  TITLE[id] = title;
  LOWER[id] = title.toLowerCase();
  LENGTHS[id] = title.length;
  for (let i = 0; i < title.length; i++) LETTERS[LONGEST * id + i] = title.charCodeAt(i);
}

function slotOf(length: number, first: number, last: number): number {
  return ((length & 31) << 10) | ((first & 31) << 5) | (last & 31);
}

/** The number of a header name, whatever its case; 0 when it has none. */
export function headerId(name: string): number {
  const length = name.length;
  const id = CANDIDATE[((length & 31) << 10) | ((name.charCodeAt(0) & 31) << 5) | (name.charCodeAt(length - 1) & 31)]!;
  if (id === 0 || name === TITLE[id] || name === LOWER[id]) return id;
  return sameName(name, LOWER[id]!) ? id : 0;
}

/** `headerId` of the bytes [start, end), of which no string is made; below 0 where the name is not in its usual spelling. */
export function spelledId(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const id = CANDIDATE[((length & 31) << 10) | ((bytes[start]! & 31) << 5) | (bytes[end - 1]! & 31)]!;
  if (id === 0 || LENGTHS[id] !== length) return 0;
  const letters = LONGEST * id - start;
  let i = start;
  while (i < end && bytes[i] === LETTERS[letters + i]) i++;
  if (i === end) return id;
  for (; i < end; i++) if (!sameLetter(bytes[i]!, LETTERS[letters + i]!)) return 0;
  return -id;
}

/** The usual spelling of a known name. */
export function headerName(id: number): string {
  return TITLE[id]!;
}

/** What `HeaderTable.mayHave` is asked for: names that have a number. */
export function bitsOf(...ids: readonly number[]): number {
  let bits = 0;
  for (const id of ids) bits |= 1 << (id & 31);
  return bits;
}

/** Are two field names the same, case aside? Only letters fold: `^` and `~` are both token characters and 32 apart. */
export function sameName(a: string, b: string): boolean {
  const length = a.length;
  if (length !== b.length) return false;
  if (a === b) return true;
  for (let i = 0; i < length; i++) if (!sameLetter(a.charCodeAt(i), b.charCodeAt(i))) return false;
  return true;
}

function sameLetter(x: number, y: number): boolean {
  const low = x | 32;
  return x === y || (low === (y | 32) && low >= 97 && low <= 122);
}

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
/** Numbers a field has in `at`: begin and end of its name, begin and end of its value. */
const STRIDE = 4;

export class HeaderTable {
  /** The number of each field's name. To be read only. */
  ids: readonly number[] = NONE;
  /** Where each field stands in `source`; -1 for one that stands in `own`. */
  private at: number[] = NONE;
  private source = "";
  /** name, value, name, value …: of fields that were not in the head, or were changed. */
  private own: (string | undefined)[] | null = null;
  /** Bit `id & 31` is set when such a name was ever added: a clear bit proves absence, a set one proves nothing. */
  private seen = 0;
  /** Every line of `source` is as it would be written here: "Name: value\r\n". */
  private plain = false;
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
    if (this.isUsual(i)) return TITLE[this.ids[i]!]!;
    return this.source.slice(start, this.at[STRIDE * i + 1]!);
  }

  valueAt(i: number): string {
    const start = this.at[STRIDE * i + 2]!;
    // Not kept: most values are asked for once at most, and a place for them costs more than another cut.
    return start < 0 ? this.own![2 * i + 1]! : this.source.slice(start, this.at[STRIDE * i + 3]!);
  }

  /** Whether the value is `text`, to the letter. No string is made of it. */
  valueIs(i: number, text: string): boolean {
    const start = this.at[STRIDE * i + 2]!;
    if (start < 0) return this.own![2 * i + 1] === text;
    return this.at[STRIDE * i + 3]! - start === text.length && this.source.startsWith(text, start);
  }

  valueLength(i: number): number {
    const start = this.at[STRIDE * i + 2]!;
    return start < 0 ? this.own![2 * i + 1]!.length : this.at[STRIDE * i + 3]! - start;
  }

  valueCharCode(i: number, at: number): number {
    const start = this.at[STRIDE * i + 2]!;
    return start < 0 ? this.own![2 * i + 1]!.charCodeAt(at) : this.source.charCodeAt(start + at);
  }

  /** Where in the value `text` stands, at or after `from`, which is no further than its end; -1: nowhere. */
  valueIndexOf(i: number, text: string, from: number): number {
    const start = this.at[STRIDE * i + 2]!;
    if (start < 0) return this.own![2 * i + 1]!.indexOf(text, from);
    const found = this.source.indexOf(text, start + from);
    return found < 0 || found + text.length > this.at[STRIDE * i + 3]! ? -1 : found - start;
  }

  /** Whether the value goes on with `text` at `from`. No string is made of it. */
  valueStartsWith(i: number, text: string, from: number): boolean {
    const start = this.at[STRIDE * i + 2]!;
    if (start < 0) return this.own![2 * i + 1]!.startsWith(text, from);
    return start + from + text.length <= this.at[STRIDE * i + 3]! && this.source.startsWith(text, start + from);
  }

  /** Whether all characters of the value are 1 in `chars`. No string is made of it. */
  valueIsOf(i: number, chars: Uint8Array): boolean {
    const start = this.at[STRIDE * i + 2]!;
    if (start >= 0) return isOf(this.source, start, this.at[STRIDE * i + 3]!, chars);
    const value = this.own![2 * i + 1]!;
    return isOf(value, 0, value.length, chars);
  }

  /** [from, to) of the value, which is at least as long. */
  valueSlice(i: number, from: number, to: number): string {
    const start = this.at[STRIDE * i + 2]!;
    return start < 0 ? this.own![2 * i + 1]!.slice(from, to) : this.source.slice(start + from, start + to);
  }

  /** The value as `decimal` reads it. No string is made of it. */
  numberAt(i: number): number {
    const start = this.at[STRIDE * i + 2]!;
    if (start >= 0) return decimal(this.source, start, this.at[STRIDE * i + 3]!);
    const value = this.own![2 * i + 1]!;
    return decimal(value, 0, value.length);
  }

  setValueAt(i: number, value: string): void {
    this.keep(i, this.nameAt(i), value);
  }

  /**
   * The fields [from, to) as lines, "Name: value\r\n". Fields as they came are one piece, those of one that came in another
   * form, or from here, are made.
   */
  lines(from: number, to: number): string {
    const { at, source } = this;
    let out = "";
    let i = from;
    while (i < to) {
      const first = i;
      while (i < to && this.isPlain(i) && (i === first || at[STRIDE * i] === at[STRIDE * i - 1]! + 2)) i++;
      if (i > first) out += source.slice(at[STRIDE * first]!, at[STRIDE * i - 1]! + 2);
      else {
        out += `${this.nameAt(i)}: ${this.valueAt(i)}\r\n`;
        i++;
      }
    }
    return out;
  }

  /** One field as a line, its name in the usual spelling. */
  usualLine(i: number): string {
    if (!this.isPlain(i) || !this.isUsual(i)) return `${TITLE[this.ids[i]!]!}: ${this.valueAt(i)}\r\n`;
    return this.source.slice(this.at[STRIDE * i]!, this.at[STRIDE * i + 3]! + 2);
  }

  /** Whether the field stands in `source`, by a known name in its usual spelling. */
  private isUsual(i: number): boolean {
    const start = this.at[STRIDE * i]!;
    const id = this.ids[i]!;
    return start >= 0 && id !== OTHER && (this.usual || this.source.startsWith(TITLE[id]!, start));
  }

  /** Whether the field stands in `source` as it would be written. */
  private isPlain(i: number): boolean {
    const { at, source } = this;
    const value = at[STRIDE * i + 2]!;
    if (value < 0 || this.plain) return value >= 0;
    return (
      value === at[STRIDE * i + 1]! + 2 &&
      source.charCodeAt(value - 1) === 0x20 &&
      source.charCodeAt(at[STRIDE * i + 3]!) === 0x0d
    );
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
    let plain = true;
    let usual = true;
    for (let i = 0, k = 0; i < count; i++, k += STRIDE) {
      const name = marks[k]!;
      const nameEnd = marks[k + 1]!;
      const value = marks[k + 2]!;
      const valueEnd = marks[k + 3]!;
      let id = spelledId(bytes, name, nameEnd);
      if (id < 0) {
        id = -id;
        usual = false;
      }
      if (value !== nameEnd + 2 || bytes[nameEnd + 1] !== 0x20 || bytes[valueEnd] !== 0x0d) plain = false;
      ids[i] = id;
      seen |= 1 << (id & 31);
      at[k] = name - base;
      at[k + 1] = nameEnd - base;
      at[k + 2] = value - base;
      at[k + 3] = valueEnd - base;
    }
    this.plain = plain;
    this.usual = usual;
    this.source = source;
    this.ids = ids;
    this.at = at;
    this.seen = seen;
  }

  /** Whether a name comes more than once. Of a table that `fill` has filled. */
  repeats(): boolean {
    const { ids, at } = this;
    let seen = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (id !== OTHER) {
        const bit = 1 << (id & 31);
        if ((seen & bit) !== 0 && ids.indexOf(id) < i) return true;
        seen |= bit;
        continue;
      }
      const start = at[STRIDE * i]!;
      const length = at[STRIDE * i + 1]! - start;
      for (let k = 0; k < i; k++) {
        const other = at[STRIDE * k]!;
        if (ids[k] === OTHER && at[STRIDE * k + 1]! - other === length && this.sameText(start, other, length))
          return true;
      }
    }
    return false;
  }

  private sameText(a: number, b: number, length: number): boolean {
    const { source } = this;
    // From the end: Sec-Fetch-Mode, Sec-Fetch-Site
    for (let i = length - 1; i >= 0; i--) {
      if (!sameLetter(source.charCodeAt(a + i), source.charCodeAt(b + i))) return false;
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
    this.at.push(-1, -1, -1, -1);
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
    const title = TITLE[id]!;
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
    copy.plain = this.plain;
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
