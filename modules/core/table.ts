/**
 * The header table: ordered, repeated, case-blind fields, after apr_table_t.
 *
 * Names that the server itself asks for have a small integer, given once when the field is added, so that a lookup compares
 * integers and the usual answer, "not there", is one bit test. All other names have the number 0 and are compared as text.
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

for (const [id, title] of KNOWN) {
  const slot = slotOf(title.length, title.charCodeAt(0), title.charCodeAt(title.length - 1));
  if (CANDIDATE[slot] !== 0 || TITLE[id] !== "") throw new Error(`known header ${title}: number or slot taken`);
  CANDIDATE[slot] = id;
  TITLE[id] = title;
  LOWER[id] = title.toLowerCase();
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

/** The usual spelling of a known name. */
export function headerName(id: number): string {
  return TITLE[id]!;
}

/** Are two field names the same, case aside? Only letters fold: `^` and `~` are both token characters and 32 apart. */
export function sameName(a: string, b: string): boolean {
  const length = a.length;
  if (length !== b.length) return false;
  if (a === b) return true;
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const low = x | 32;
    if (low !== (y | 32) || low < 97 || low > 122) return false;
  }
  return true;
}

export class HeaderTable {
  /** name, value, name, value … For loops that only read: change the table through its methods, which keep `ids` in step. */
  fields: string[] = [];
  /** The number of each field's name. */
  ids: number[] = [];
  /** Bit `id & 31` is set when such a name was ever added: a clear bit proves absence, a set one proves nothing. */
  private seen = 0;

  get size(): number {
    return this.ids.length;
  }

  nameAt(i: number): string {
    return this.fields[2 * i]!;
  }

  valueAt(i: number): string {
    return this.fields[2 * i + 1]!;
  }

  setValueAt(i: number, value: string): void {
    this.fields[2 * i + 1] = value;
  }

  /** Position of the first field of that name at or after `from`, or -1. */
  indexOf(name: string, from = 0): number {
    return this.find(headerId(name), name, from);
  }

  indexOfId(id: number, from = 0): number {
    if ((this.seen & (1 << (id & 31))) === 0) return -1;
    const ids = this.ids;
    for (let i = from; i < ids.length; i++) if (ids[i] === id) return i;
    return -1;
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const i = this.indexOf(name);
    return i < 0 ? undefined : this.fields[2 * i + 1];
  }

  getId(id: number): string | undefined {
    if ((this.seen & (1 << (id & 31))) === 0) return undefined;
    const i = this.indexOfId(id);
    return i < 0 ? undefined : this.fields[2 * i + 1];
  }

  getAll(name: string): string[] {
    const id = headerId(name);
    const all: string[] = [];
    for (let i = this.find(id, name, 0); i >= 0; i = this.find(id, name, i + 1)) all.push(this.fields[2 * i + 1]!);
    return all;
  }

  has(name: string): boolean {
    return this.indexOf(name) >= 0;
  }

  hasId(id: number): boolean {
    return this.indexOfId(id) >= 0;
  }

  add(name: string, value: string): void {
    this.addId(headerId(name), name, value);
  }

  /** `add` for a caller that knows the number of `name`. */
  addId(id: number, name: string, value: string): void {
    this.fields.push(name, value);
    this.ids.push(id);
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
    this.fields[2 * first] = name;
    this.fields[2 * first + 1] = value;
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
    this.fields[2 * first + 1] += `, ${value}`;
    return first;
  }

  /** Drops every field of that name. */
  unset(name: string): void {
    this.drop(headerId(name), name, 0);
  }

  unsetId(id: number): void {
    if ((this.seen & (1 << (id & 31))) !== 0) this.drop(id, "", 0);
  }

  clear(): void {
    this.fields = [];
    this.ids = [];
    this.seen = 0;
  }

  clone(): HeaderTable {
    const copy = new HeaderTable();
    copy.fields = this.fields.slice();
    copy.ids = this.ids.slice();
    copy.seen = this.seen;
    return copy;
  }

  *entries(): Generator<[name: string, value: string]> {
    for (let i = 0; i < this.ids.length; i++) yield [this.fields[2 * i]!, this.fields[2 * i + 1]!];
  }

  [Symbol.iterator](): Generator<[name: string, value: string]> {
    return this.entries();
  }

  private find(id: number, name: string, from: number): number {
    if (id !== OTHER) return this.indexOfId(id, from);
    if ((this.seen & 1) === 0) return -1;
    const { ids, fields } = this;
    for (let i = from; i < ids.length; i++) if (ids[i] === OTHER && sameName(fields[2 * i]!, name)) return i;
    return -1;
  }

  private drop(id: number, name: string, from: number): void {
    let i = this.find(id, name, from);
    if (i < 0) return;
    const { ids, fields } = this;
    let keep = i;
    for (i++; i < ids.length; i++) {
      if (ids[i] === id && (id !== OTHER || sameName(fields[2 * i]!, name))) continue;
      ids[keep] = ids[i]!;
      fields[2 * keep] = fields[2 * i]!;
      fields[2 * keep + 1] = fields[2 * i + 1]!;
      keep++;
    }
    ids.length = keep;
    fields.length = 2 * keep;
  }
}
