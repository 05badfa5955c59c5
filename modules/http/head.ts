/**
 * What the heads of requests and responses have in common: the bytes of tokens and values, and how a parser is resumed.
 *
 * One walk over the bytes with two tables, marks where each name and value begins and ends, then one latin1Slice from which
 * all strings are cut: the cheapest strict way on both runtimes (RUNTIMES.md 8.1). A head that comes in pieces is resumed at
 * the line it stopped in, so that all calls together stay linear in its size.
 */
import type { Bytes } from "../core/bytes.ts";
import { HeaderTable } from "../core/table.ts";

/** 1 for the bytes of a token (RFC 9110 5.6.2): methods and field names. */
export const TOKEN: Uint8Array = new Uint8Array(256);
/** 1 for the bytes of a field value: HTAB, SP, visible, obs-text. */
export const FIELD_VALUE: Uint8Array = new Uint8Array(256);

for (let c = 0; c < 256; c++) {
  if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(c))) TOKEN[c] = 1;
  if (c === 9 || (c >= 32 && c !== 127)) FIELD_VALUE[c] = 1;
}

/** Whether a text of ours may be sent as a field's value: no control byte but HTAB. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (FIELD_VALUE[text.charCodeAt(i) & 0xff] === 0) return false;
  return true;
}

/** HTTP/1.1 as httpd's proto_num: major × 1000 + minor. */
export const HTTP_09 = 9;
export const HTTP_10 = 1000;
export const HTTP_11 = 1001;

/** What a parser of heads leaves behind, and where it stopped. `reset` between heads. */
export class Head {
  headers: HeaderTable = new HeaderTable();
  /** Why the head was refused: a log line, with httpd's number where it has one ("AH02426"). */
  reason = "";
  ah = "";
  /** What the error page says besides its usual text: httpd's `error-notes`. */
  note = "";
  /** The start line was read. */
  started = false;
  /** Offset from the head's first byte of the line to go on with. */
  resume = 0;
  /** Offset up to which that line has no LF; 0 before anything was read. */
  scanned = 0;
  /** Field lines read. */
  lines = 0;
  /** The field a folded line goes on with, -1 if none, and the length of its lines so far. */
  lastField = -1;
  lastLength = 0;
  lastEmpty = false;

  /** Ready for the next head. The table is a new one: the last head's may still be in use. */
  reset(): void {
    this.headers = new HeaderTable();
    this.reason = this.ah = this.note = "";
    this.started = false;
    this.resume = this.scanned = this.lines = this.lastLength = 0;
    this.lastField = -1;
    this.lastEmpty = false;
  }
}

/** More heads that come in pieces at one time are not kept for the next. */
const MOST_SPARE = 64;

/**
 * Heads that are lent for as long as one comes in: a connection that is idle has none (600 bytes less of it on Bun), and the
 * one that is used is always the same, so that it is in the cache.
 */
export class HeadStore<T extends Head> {
  private readonly spare: T[] = [];
  private readonly make: () => T;

  constructor(make: () => T) {
    this.make = make;
  }

  lend(): T {
    return this.spare.pop() ?? this.make();
  }

  /** Its table of fields stays with who took it. */
  giveBack(head: T): void {
    head.reset();
    if (this.spare.length < MOST_SPARE) this.spare.push(head);
  }
}

/** Name and value, begin and end, of the fields of one batch. Only used within one call. */
export const BATCH = 64;
export const marks = new Int32Array(4 * BATCH);

/** Has the line that was incomplete ended by now? Looks at the new bytes only; every line ends, well or badly, with LF. */
export function lineEnded(b: Bytes, start: number, end: number, into: Head): boolean {
  let i = start + into.scanned;
  while (i < end && b[i] !== 10) i++;
  if (i < end) return true;
  into.scanned = end - start;
  return false;
}

/** The length of an incomplete line, its CR not counted. */
export function pieceLength(b: Bytes, p: number, end: number): number {
  return end > p && b[end - 1] === 13 ? end - 1 - p : end - p;
}

/** Where the line at `p` ends: its CRLF or LF, or what there is. */
export function lineStop(b: Bytes, p: number, end: number): number {
  let i = p;
  while (i < end && b[i] !== 10) i++;
  return i > p && b[i - 1] === 13 ? i - 1 : i;
}

/** `text` from `from` on without blanks at either end. String.trim would also take U+00A0, an obs-text byte here. */
export function trimOws(text: string, from: number): string {
  let a = from;
  let e = text.length;
  while (a < e && isBlank(text.charCodeAt(a))) a++;
  while (e > a && isBlank(text.charCodeAt(e - 1))) e--;
  return text.slice(a, e);
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}

export function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** Is it a token: something that may be a field name? */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** May it be sent as a field value: no control characters but HTAB, nothing above 0xff? */
export function isClean(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (FIELD_VALUE[text.charCodeAt(i)] !== 1) return false;
  return true;
}
