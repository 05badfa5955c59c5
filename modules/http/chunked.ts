/**
 * The chunked transfer coding: a decoder that hands out ranges of the caller's buffer, and the line before a chunk.
 * Strict, because where two parsers disagree about a chunk one request hides another: CRLF only, hex digits only.
 * Source: httpd modules/http/http_filters.c parse_chunk_size, RFC 9112 section 7.1
 */
import type { Bytes } from "../core/bytes.ts";
import { HeaderTable } from "../core/table.ts";
import { FIELD_VALUE, TOKEN, trimOws } from "./head.ts";

/** More digits than this are refused even when they are zeros. Source: 64 bits in hex, as httpd's chunkbits */
const MAX_SIZE_DIGITS = 16;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILERS = 6;
const TRAILER_LF = 7;
const DONE = 8;

export interface ChunkLimits {
  /** Longest chunk-size line and longest trailer line, in bytes without CRLF. */
  fieldSize: number;
  /** Most trailer fields; 0 is no limit. */
  fields: number;
}

/** Takes the data of chunks, piece by piece. */
export interface ChunkConsumer {
  onChunkData(buf: Bytes, start: number, end: number): void;
}

export class ChunkDecoder {
  /** The last chunk and the empty line behind its trailers were read. */
  done = false;
  /** What was wrong; the decoder reads nothing more then. */
  error: string | null = null;
  /** It was a size, or the line of one, beyond what is taken: 413 in httpd. */
  tooLarge = false;
  /** The trailer fields; null when there were none. */
  trailers: HeaderTable | null = null;
  private readonly limits: ChunkLimits;
  private state = SIZE;
  private left = 0;
  private digits = 0;
  private line = 0;
  private text = "";

  constructor(limits: ChunkLimits) {
    this.limits = limits;
  }

  /** Ready for the next body. */
  reset(): void {
    this.done = false;
    this.error = null;
    this.tooLarge = false;
    this.trailers = null;
    this.state = SIZE;
    this.left = this.digits = this.line = 0;
    this.text = "";
  }

  /** In the middle of a chunk, how many of its bytes are still to come. */
  get remaining(): number {
    return this.state === DATA ? this.left : 0;
  }

  /**
   * Reads `buf` from `start` to `end`, passes each piece of data to `consumer` and answers how many bytes it took: all of them,
   * unless the body ended (`done`) or is wrong (`error`).
   */
  decode(buf: Bytes, start: number, end: number, consumer: ChunkConsumer): number {
    let p = start;
    while (p < end) {
      if (this.state === DATA) {
        const stop = end - p < this.left ? end : p + this.left;
        this.left -= stop - p;
        if (this.left === 0) this.state = DATA_CR;
        const from = p;
        p = stop;
        consumer.onChunkData(buf, from, stop);
        continue;
      }
      if (this.state === TRAILERS) {
        p = this.trailerBytes(buf, p, end);
        if (this.error !== null) return p - start;
        continue;
      }
      const c = buf[p]!;
      switch (this.state) {
        case SIZE: {
          const digit = hexDigit(c);
          if (digit >= 0) {
            if (++this.digits > MAX_SIZE_DIGITS) return this.failLarge("chunk size has too many digits", p - start);
            this.left = this.left * 16 + digit;
            if (this.left > Number.MAX_SAFE_INTEGER) return this.failLarge("chunk size is too large", p - start);
            break;
          }
          if (this.digits === 0) return this.fail("chunk size is missing", p - start);
          if (c === 13) this.state = SIZE_LF;
          else if (c === 59 || c === 32 || c === 9) this.state = EXTENSION;
          else return this.fail("chunk size is not hexadecimal", p - start);
          this.line = this.digits + 1;
          // "5 5": after white space only an extension may follow
          this.text = c === 59 ? ";" : "";
          break;
        }
        case EXTENSION:
          if (c === 13) this.state = SIZE_LF;
          else if (++this.line > this.limits.fieldSize) return this.failLarge("chunk extension is too long", p - start);
          else if (this.text === "" && c !== 32 && c !== 9) {
            if (c !== 59) return this.fail("chunk size is not hexadecimal", p - start);
            this.text = ";";
          } else if (FIELD_VALUE[c] !== 1) return this.fail("chunk extension has a control character", p - start);
          break;
        case SIZE_LF:
          if (c !== 10) return this.fail("chunk size line does not end in CRLF", p - start);
          this.state = this.left === 0 ? TRAILERS : DATA;
          this.digits = this.line = 0;
          this.text = "";
          break;
        case DATA_CR:
          if (c !== 13) return this.fail("chunk data is longer than its size", p - start);
          this.state = DATA_LF;
          break;
        case DATA_LF:
          if (c !== 10) return this.fail("chunk data does not end in CRLF", p - start);
          this.state = SIZE;
          break;
        case TRAILER_LF:
          if (c !== 10) return this.fail("trailer line does not end in CRLF", p - start);
          if (this.text === "") {
            this.state = DONE;
            this.done = true;
            return p + 1 - start;
          }
          if (!this.addTrailer()) return p - start;
          this.state = TRAILERS;
          break;
        default: // DONE, or an error before
          return p - start;
      }
      p++;
    }
    return p - start;
  }

  private fail(error: string, consumed: number): number {
    this.error = error;
    this.state = DONE;
    return consumed;
  }

  private failLarge(error: string, consumed: number): number {
    this.tooLarge = true;
    return this.fail(error, consumed);
  }

  private trailerBytes(buf: Bytes, start: number, end: number): number {
    let p = start;
    while (p < end && FIELD_VALUE[buf[p]!] === 1) p++;
    // Checked before the text is kept, so that a trailer without end costs no more than one read.
    if (this.text.length + p - start > this.limits.fieldSize + 1) this.fail("trailer field is too long", 0);
    else {
      if (p > start) this.text += buf.latin1Slice(start, p);
      if (p < end) {
        if (buf[p] === 13) {
          this.state = TRAILER_LF;
          p++;
        } else this.fail("trailer field has a control character", 0);
      }
    }
    return p;
  }

  private addTrailer(): boolean {
    const text = this.text;
    this.text = "";
    let colon = 0;
    while (colon < text.length && TOKEN[text.charCodeAt(colon)] === 1) colon++;
    if (colon === 0 || text.charCodeAt(colon) !== 58) {
      this.fail("trailer field name is malformed", 0);
      return false;
    }
    const trailers = (this.trailers ??= new HeaderTable());
    if (this.limits.fields > 0 && trailers.size >= this.limits.fields) {
      this.fail("too many trailer fields", 0);
      return false;
    }
    trailers.add(text.slice(0, colon), trimOws(text, colon + 1));
    return true;
  }
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const low = c | 32;
  return low >= 97 && low <= 102 ? low - 87 : -1;
}

/** The line before a chunk of `length` bytes. 0 would end the body: that is `LAST_CHUNK`. */
export function chunkHeader(length: number): string {
  return `${length.toString(16)}\r\n`;
}

export const LAST_CHUNK = "0\r\n\r\n";
