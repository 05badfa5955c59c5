/**
 * What HPACK's two sides have in common: the static table, the dynamic one, the Huffman code.
 * Source: RFC 7541, appendices A and B, section 4
 */

/** A field as HPACK knows it. Names are in lower case; each character is a byte. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** What an entry takes of a table, besides its characters. Source: RFC 7541 section 4.1 */
export const ENTRY_OVERHEAD = 32;
/** The size of a table until somebody says otherwise. */
export const DEFAULT_TABLE_BYTES = 4096;

/** The entries 1 to 61. */
export const STATIC_TABLE: readonly Field[] = [
  ":authority",
  ":method: GET",
  ":method: POST",
  ":path: /",
  ":path: /index.html",
  ":scheme: http",
  ":scheme: https",
  ":status: 200",
  ":status: 204",
  ":status: 206",
  ":status: 304",
  ":status: 400",
  ":status: 404",
  ":status: 500",
  "accept-charset",
  "accept-encoding: gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
].map((line) => {
  const at = line.indexOf(": ", 1);
  return at < 0 ? { name: line, value: "" } : { name: line.slice(0, at), value: line.slice(at + 2) };
});

/** The length in bits of the code of each byte, then of the end mark, in base 36. The code is canonical: lengths say it all. */
export const CODE_LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad677777777777777777777" +
  "77878djde6f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmo" +
  "lmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";

/** The entries that the two sides of a connection have added, the newest first. */
export class DynamicTable {
  private entries: (Field | undefined)[] = [];
  /** Entries that were ever added. */
  added = 0;
  /** Of those the ones that left again. */
  dropped = 0;
  /** Of those the ones that are in `entries` no more. */
  private base = 0;
  private size = 0;
  private most: number;

  constructor(maxBytes = DEFAULT_TABLE_BYTES) {
    this.most = maxBytes;
  }

  get maxBytes(): number {
    return this.most;
  }

  get length(): number {
    return this.added - this.dropped;
  }

  resize(maxBytes: number): void {
    this.most = maxBytes;
    this.shrinkTo(maxBytes);
  }

  /** @param index from 0, the newest */
  get(index: number): Field | undefined {
    return index < this.length ? this.entries[this.added - 1 - index - this.base] : undefined;
  }

  /** False: it is larger than the table, which is empty then. */
  add(field: Field): boolean {
    const bytes = entryBytes(field);
    this.shrinkTo(Math.max(0, this.most - bytes));
    if (bytes > this.most) return false;
    this.entries.push(field);
    this.added++;
    this.size += bytes;
    return true;
  }

  private shrinkTo(bytes: number): void {
    while (this.size > bytes) {
      const at = this.dropped - this.base;
      this.size -= entryBytes(this.entries[at]!);
      this.entries[at] = undefined;
      this.dropped++;
    }
    const gone = this.dropped - this.base;
    if (gone < 64 || gone < this.length) return;
    this.entries = this.entries.slice(gone);
    this.base = this.dropped;
  }
}

export function entryBytes({ name, value }: Field): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}
