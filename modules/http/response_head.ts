/**
 * The head of a backend's response: bytes → status line and fields, as lax as httpd is with origin servers.
 * Source: httpd modules/proxy/mod_proxy_http.c, ap_proxy_read_headers
 */
import type { Bytes } from "../core/bytes.ts";
import { hasReason, reasonPhrase } from "../core/status.ts";
import {
  BATCH,
  FIELD_VALUE,
  Head,
  HeadStore,
  HTTP_09,
  HTTP_10,
  HTTP_11,
  isClean,
  isDigit,
  isToken,
  lineEnded,
  marks,
  pieceLength,
  TOKEN,
  trimOws,
} from "./head.ts";

/** ProxyBadHeader: what to do with a line without colon. */
export type BadHeader = "IsError" | "Ignore" | "StartBody";

export class ResponseHead extends Head {
  /** HTTP_09 when the first line was no status line: status 200, no fields, and `line` begins the body. */
  protocol: number = HTTP_11;
  status = 0;
  /** The reason phrase as received, may be empty. */
  phrase = "";
  /** Length of the first line, without its end. */
  lineLength = 0;
  /** A bad line ended the head early (ProxyBadHeader StartBody). */
  startBody = false;
  /** Lines dropped, to be warned about (AH01108 or so); null when none. */
  ignored: string[] | null = null;
  /** A field that is longer than `fieldSize`, as far as it is known; null: none is. */
  tooLong: string | null = null;
  /** A name or value that cannot be sent on: the client gets 500. */
  illegal = false;
  skippedEmpty = false;
  private firstLine = "";

  /** The first line, without its end. */
  get line(): string {
    if (this.firstLine !== "" || this.lineLength === 0) return this.firstLine;
    return `HTTP/1.${this.protocol === HTTP_10 ? 0 : 1} ${this.status} ${this.phrase}`;
  }

  set line(line: string) {
    this.firstLine = line;
    this.lineLength = line.length;
  }

  override reset(): void {
    super.reset();
    this.protocol = HTTP_11;
    this.status = 0;
    this.phrase = this.firstLine = "";
    this.lineLength = 0;
    this.startBody = this.illegal = this.skippedEmpty = false;
    this.ignored = null;
    this.tooLong = null;
  }
}

export const responseHeads: HeadStore<ResponseHead> = new HeadStore(() => new ResponseHead());

/**
 * Parses the response head at `start`. Answers the bytes it takes (with `protocol` HTTP_09 the first line only); 0 when more
 * are needed, as parseRequestHead; -502 when it is refused: `reason` is for the page, "" means the plain page.
 * Lax as httpd is with origin servers: bare LF ends a line, repeated fields stay apart.
 * @param fieldSize responsefieldsize: the longest status or field line, its terminator counted
 */
export function parseResponseHead(
  b: Bytes,
  start: number,
  end: number,
  fieldSize: number,
  badHeader: BadHeader,
  into: ResponseHead,
): number {
  let p = start + into.resume;
  if (into.scanned > 0 && !lineEnded(b, start, end, into)) return responsePiece(b, p, end, fieldSize, into);

  if (!into.started) {
    let i = p;
    while (i < end && b[i] !== 10) i++;
    if (i < end && !into.skippedEmpty && (i === p || (i === p + 1 && b[p] === 13))) {
      into.skippedEmpty = true;
      p = i + 1;
      i = p;
      while (i < end && b[i] !== 10) i++;
    }
    if (i >= end) return responseLater(b, start, p, end, fieldSize, into);
    const stop = i > p && b[i - 1] === 13 ? i - 1 : i;
    if (stop === p) return refuseResponse(into, "Error reading from remote server");
    if (!usualStatusLine(b, p, stop, fieldSize, into)) {
      const read = statusLine(b.latin1Slice(p, stop), fieldSize, into);
      if (read <= 0) return read < 0 ? read : i + 1 - start;
    }
    p = i + 1;
    into.started = true;
  }

  const maxLength = fieldSize - 1;
  const base = p;
  let n = 0;
  let slow = false;
  for (;;) {
    let i = p;
    while (TOKEN[b[i]! | 0] === 1) i++;
    if (i === p || b[i] !== 58 || i >= end) {
      slow = true;
      break;
    }
    let v = i + 1;
    while (b[v] === 32 || b[v] === 9) v++;
    let e = v;
    while (FIELD_VALUE[b[e]! | 0] === 1) e++;
    if (e + 1 >= end || b[e] !== 13 || b[e + 1] !== 10 || e - p > maxLength) {
      slow = true;
      break;
    }
    into.lastLength = e - p;
    const next = e + 2;
    while (e > v && (b[e - 1] === 32 || b[e - 1] === 9)) e--;
    marks[n] = p;
    marks[n + 1] = i;
    marks[n + 2] = v;
    marks[n + 3] = e;
    n += 4;
    p = next;
    if (n === 4 * BATCH) break;
  }
  if (n > 0) {
    const s = b.latin1Slice(base, p);
    const { headers } = into;
    if (headers.size === 0) headers.fill(s, b, base, marks, n / 4);
    else {
      for (let k = 0; k < n; k += 4) {
        headers.add(
          s.slice(marks[k]! - base, marks[k + 1]! - base),
          s.slice(marks[k + 2]! - base, marks[k + 3]! - base),
        );
      }
    }
    into.lastField = headers.size - 1;
  }
  if (slow && p + 1 < end && b[p] === 13 && b[p + 1] === 10) return p + 2 - start;
  return slowResponseFields(b, start, p, end, fieldSize, badHeader, into);
}

/** Reads "HTTP/1.1 200 OK" and its like, a known status with its own reason, of which no string is made. False: it is another. */
function usualStatusLine(b: Bytes, p: number, stop: number, fieldSize: number, into: ResponseHead): boolean {
  const length = stop - p;
  if (length < 13 || length > fieldSize - 1) return false;
  if (b[p] !== 72 || b[p + 1] !== 84 || b[p + 2] !== 84 || b[p + 3] !== 80 || b[p + 4] !== 47) return false;
  if (b[p + 5] !== 49 || b[p + 6] !== 46 || b[p + 8] !== 32 || b[p + 12] !== 32) return false;
  const minor = b[p + 7]! - 48;
  if (minor !== 1 && minor !== 0) return false;
  const status = 100 * (b[p + 9]! - 48) + 10 * (b[p + 10]! - 48) + b[p + 11]! - 48;
  if (!hasReason(status) || !isDigit(b[p + 10]!) || !isDigit(b[p + 11]!)) return false;
  const reason = reasonPhrase(status);
  if (reason.length !== length - 13) return false;
  for (let i = 0; i < reason.length; i++) if (b[p + 13 + i] !== reason.charCodeAt(i)) return false;
  into.protocol = minor === 0 ? HTTP_10 : HTTP_11;
  into.status = status;
  into.phrase = reason;
  into.lineLength = length;
  return true;
}

/** 1 a status line was read, 0 it is HTTP/0.9, negative a refusal. */
function statusLine(s: string, fieldSize: number, into: ResponseHead): number {
  into.line = s;
  const code =
    s.length >= 12 &&
    s.startsWith("HTTP/") &&
    isDigit(s.charCodeAt(5)) &&
    s.charCodeAt(6) === 46 &&
    isDigit(s.charCodeAt(7)) &&
    s.charCodeAt(8) === 32
      ? threeDigits(s, 9)
      : -1;
  if (code < 0) {
    into.protocol = HTTP_09;
    into.status = 200;
    return 0;
  }
  // PR 43039: NUL within a line is an error of the read, for both kinds of line
  if (s.indexOf("\0") >= 0) return refuseResponse(into, "Error reading from remote server");
  // A status below 100 is an interim answer to one client, a final one to another.
  if (s.charCodeAt(5) !== 49 || s.length > fieldSize - 1 || code < 100) return corruptStatusLine(s, into);
  into.protocol = s.charCodeAt(7) === 48 ? HTTP_10 : HTTP_11;
  into.status = code;
  const phrase = s.slice(13);
  // A bare CR in it would end the line for some clients, and a fourth digit begins no reason.
  into.phrase = isClean(phrase) && (s.length === 12 || s.charCodeAt(12) === 32) ? phrase : reasonPhrase(code);
  return 1;
}

function corruptStatusLine(s: string, into: ResponseHead): number {
  return refuseResponse(into, `Corrupt status line returned by remote server: ${s}`);
}

function refuseResponse(into: ResponseHead, reason: string): number {
  into.reason = reason;
  return -502;
}

function refuseField(into: ResponseHead, field: string): number {
  into.tooLong = field;
  return refuseResponse(into, "");
}

/** Field lines that are not clean, one at a time: folds, bare LF, no colon, names with illegal characters. */
function slowResponseFields(
  b: Bytes,
  start: number,
  from: number,
  end: number,
  fieldSize: number,
  badHeader: BadHeader,
  into: ResponseHead,
): number {
  let p = from;
  for (;;) {
    let i = p;
    while (i < end && b[i] !== 10) i++;
    if (i >= end) return responseLater(b, start, p, end, fieldSize, into);
    const stop = i > p && b[i - 1] === 13 ? i - 1 : i;
    const next = i + 1;
    if (stop === p) return next - start;
    if (stop - p > fieldSize - 1) return refuseField(into, b.latin1Slice(p, stop));
    const s = b.latin1Slice(p, stop);
    if (s.indexOf("\0") >= 0) return refuseResponse(into, "");
    const folded = s.charCodeAt(0) === 32 || s.charCodeAt(0) === 9;
    if (folded && into.lastField >= 0) {
      // joined with its white space as received; only the end of each line is trimmed
      const headers = into.headers;
      into.lastLength += stop - p;
      if (into.lastLength > fieldSize - 1)
        return refuseField(into, `${headers.nameAt(into.lastField)}: ${headers.valueAt(into.lastField)}`);
      headers.setValueAt(into.lastField, trimOws(headers.valueAt(into.lastField) + s, 0));
      into.illegal ||= !isClean(s);
    } else {
      const colon = s.indexOf(":");
      if (colon >= 0) {
        const name = s.slice(0, colon);
        into.headers.add(name, trimOws(s, colon + 1));
        into.lastField = into.headers.size - 1;
        into.lastLength = stop - p;
        into.illegal ||= !isToken(name) || !isClean(s);
      } else {
        const second = s.startsWith("HTTP/") && /^HTTP\/\d\.\d \d\d\d/.test(s);
        if (!second && badHeader === "IsError") return refuseResponse(into, "");
        (into.ignored ??= []).push(s);
        into.lastField = -1;
        if (!second && badHeader === "StartBody") {
          into.startBody = true;
          return foldsEnd(b, next, end) - start;
        }
      }
    }
    p = next;
  }
}

/** What is folded belongs to the line before it. */
function foldsEnd(b: Bytes, from: number, end: number): number {
  let p = from;
  while (p < end && (b[p] === 32 || b[p] === 9)) {
    let i = p;
    while (i < end && b[i] !== 10) i++;
    if (i === end) return p;
    p = i + 1;
  }
  return p;
}

function responseLater(b: Bytes, start: number, p: number, end: number, fieldSize: number, into: ResponseHead): number {
  into.resume = p - start;
  into.scanned = end - start;
  return responsePiece(b, p, end, fieldSize, into);
}

/** An incomplete line: refused, or HTTP/0.9, once it cannot fit any more. */
function responsePiece(b: Bytes, p: number, end: number, fieldSize: number, into: ResponseHead): number {
  if (pieceLength(b, p, end) <= fieldSize - 1) return 0;
  if (into.started) return refuseField(into, b.latin1Slice(p, end));
  const read = statusLine(b.latin1Slice(p, end), fieldSize, into);
  return read < 0 ? read : into.resume + end - p;
}
function threeDigits(s: string, at: number): number {
  const a = s.charCodeAt(at) - 48;
  const b = s.charCodeAt(at + 1) - 48;
  const c = s.charCodeAt(at + 2) - 48;
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 && c >= 0 && c <= 9 ? 100 * a + 10 * b + c : -1;
}
