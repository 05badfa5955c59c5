/**
 * Names of fields that the server itself asks for: each has a small integer, so that a lookup compares integers. All other
 * names have the number 0 and are compared as text.
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
export const RANGE = 87; // with Proxy-Authorization: few requests have either

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
  [RANGE, "Range"],
];

const TITLE: string[] = Array.from({ length: 128 }, () => "");
const LOWER: string[] = Array.from({ length: 128 }, () => "");
/** `slotOf` a name → the only known name it can be. Small: it is looked into for every field of every head. */
const CANDIDATE = new Uint8Array(1 << 10);
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

/** Of length, first and last letter, whatever their case. The factors are such that no two known names have the same. */
function slotOf(length: number, first: number, last: number): number {
  return (length + 9 * (first & 31) + 95 * (last & 31)) & 1023;
}

/** The number of a header name, whatever its case; 0 when it has none. */
export function headerId(name: string): number {
  const length = name.length;
  const id = CANDIDATE[slotOf(length, name.charCodeAt(0), name.charCodeAt(length - 1))]!;
  if (id === 0 || name === TITLE[id] || name === LOWER[id]) return id;
  return sameName(name, LOWER[id]!) ? id : 0;
}

/** `headerId` of the bytes [start, end), of which no string is made; below 0 where the name is not in its usual spelling. */
export function spelledId(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const id = CANDIDATE[slotOf(length, bytes[start]!, bytes[end - 1]!)]!;
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

export function sameLetter(x: number, y: number): boolean {
  const low = x | 32;
  return x === y || (low === (y | 32) && low >= 97 && low <= 122);
}
