/**
 * Message heads: bytes → start line and fields, for requests and responses, and fields → text.
 *
 * One walk over the bytes with two tables, marks where each name and value begins and ends, then one latin1Slice from which
 * all strings are cut: the cheapest strict way on both runtimes (RUNTIMES.md 8.1). A head that comes in pieces is resumed at
 * the line it stopped in, so that all calls together stay linear in its size.
 * Source: httpd server/protocol.c read_request_line, ap_get_mime_headers_core; modules/proxy/mod_proxy_http.c
 */
import type { Bytes } from "../core/bytes.ts";
import { CONTENT_LENGTH, HeaderTable, HOST, headerId, headerName, OTHER } from "../core/table.ts";

/** 1 for the bytes of a token (RFC 9110 5.6.2): methods and field names. */
export const TOKEN: Uint8Array = new Uint8Array(256);
/** 1 for the bytes of a field value: HTAB, SP, visible, obs-text. */
export const FIELD_VALUE: Uint8Array = new Uint8Array(256);
/** 1 for the bytes of a request target: visible and obs-text, without `#`. */
const TARGET = new Uint8Array(256);

for (let c = 0; c < 256; c++) {
  const text = String.fromCharCode(c);
  if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(text)) TOKEN[c] = 1;
  if (c === 9 || (c >= 32 && c !== 127)) FIELD_VALUE[c] = 1;
  if (c > 32 && c !== 127 && c !== 35) TARGET[c] = 1;
}

/** Empty lines accepted before a request line (observed on httpd 2.4.71). */
const MAX_EMPTY_LINES = 10;
/** httpd logs no more of a bad name or line. Source: server/protocol.c LOG_NAME_MAX_LEN */
const LOG_NAME_MAX = 80;

/** HTTP/1.1 as httpd's proto_num: major × 1000 + minor. */
export const HTTP_09 = 9;
export const HTTP_10 = 1000;
export const HTTP_11 = 1001;

const TOO_LONG_NOTE = "Size of a request header field exceeds server limit.";
const TOO_MANY_NOTE = "The number of request header fields exceeds this server's limit.";

export interface RequestLimits {
  /** LimitRequestLine. @default 8190 */
  requestLine: number;
  /** LimitRequestFieldSize. @default 8190 */
  fieldSize: number;
  /** LimitRequestFields; 0 is no limit. @default 100 */
  fields: number;
}

export const REQUEST_LIMITS: Readonly<RequestLimits> = { requestLine: 8190, fieldSize: 8190, fields: 100 };

/** What a parser of heads leaves behind, and where it stopped. One per connection; `reset` before each head. */
class Head {
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
    if (this.headers.size > 0) this.headers = new HeaderTable();
    this.reason = this.ah = this.note = "";
    this.started = false;
    this.resume = this.scanned = this.lines = this.lastLength = 0;
    this.lastField = -1;
    this.lastEmpty = false;
  }
}

export class RequestHead extends Head {
  method = "";
  /** The request target as received, each byte one char. */
  target = "";
  /** HTTP_09, HTTP_10 or HTTP_11: a later version is answered as 1.1. */
  protocol: number = HTTP_11;
  /** The request line as received, for the log; of a bad one what there was. */
  requestLine = "";
  emptyLines = 0;

  override reset(): void {
    super.reset();
    this.method = this.target = this.requestLine = "";
    this.protocol = HTTP_11;
    this.emptyLines = 0;
  }
}

/** Name and value, begin and end, of the fields of one batch. Only used within one call. */
const BATCH = 64;
const marks = new Int32Array(4 * BATCH);

/**
 * Parses the request head at `start`. Answers the bytes it takes; 0 when more bytes are needed: call again with the same
 * `into` once there are more, the buffer may have moved; -400 or -414 when it is refused, with `reason` and `note`.
 */
export function parseRequestHead(
  b: Bytes,
  start: number,
  end: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  let p = start + into.resume;
  if (into.scanned > 0 && !lineEnded(b, start, end, into)) {
    const limit = into.started ? limits.fieldSize : limits.requestLine;
    return pieceLength(b, p, end) > limit + 1 ? tooLong(b, p, end, limit, into) : 0;
  }
  let base = p;
  let methodEnd = 0;
  let targetEnd = 0;
  let lineEnd = 0;

  if (!into.started) {
    while (b[p] === 13 && b[p + 1] === 10 && p + 1 < end) {
      if (++into.emptyLines > MAX_EMPTY_LINES)
        return badLine(b, p, end, limits, into, "AH03446", "HTTP Request Line; Missing URI");
      p += 2;
    }
    base = p;
    // `| 0`: a read past the end of the array must not teach the JIT about undefined
    let i = p;
    while (TOKEN[b[i]! | 0] === 1) i++;
    if (i >= end || (b[i] === 13 && i === p && i + 1 >= end)) return requestLater(b, start, p, end, limits, into);
    if (b[i] !== 32 || i === p)
      return badLine(
        b,
        p,
        end,
        limits,
        into,
        "AH03445",
        `HTTP Request Line; Invalid method token: '${excerpt(b, p, end)}'`,
      );
    methodEnd = i++;
    const target = i;
    while (TARGET[b[i]! | 0] === 1) i++;
    if (i >= end) return requestLater(b, start, p, end, limits, into);
    targetEnd = i;
    if (i === target) {
      return b[i] === 32
        ? badLine(
            b,
            p,
            end,
            limits,
            into,
            "AH03448",
            "HTTP Request Line; Excess whitespace (disallowed by HttpProtocolOptions Strict)",
          )
        : badLine(b, p, end, limits, into, "AH03446", "HTTP Request Line; Missing URI");
    }
    if (b[i] === 32) {
      // "HTTP/" digit "." digit CR LF, and nothing else
      if (i + 11 > end) return requestShort(b, start, p, i, end, limits, into);
      const major = b[i + 6]! - 48;
      const minor = b[i + 8]! - 48;
      if (
        b[i + 1] !== 72 ||
        b[i + 2] !== 84 ||
        b[i + 3] !== 84 ||
        b[i + 4] !== 80 ||
        b[i + 5] !== 47 ||
        b[i + 7] !== 46 ||
        major < 1 ||
        major > 9 ||
        minor < 0 ||
        minor > 9 ||
        b[i + 9] !== 13 ||
        b[i + 10] !== 10
      ) {
        return badProtocol(b, p, i, end, limits, into);
      }
      into.protocol = major === 1 && minor === 0 ? HTTP_10 : HTTP_11;
      lineEnd = i + 9;
    } else if (b[i] === 13) {
      if (i + 1 >= end) return requestLater(b, start, p, end, limits, into);
      if (b[i + 1] !== 10) return badLine(b, p, end, limits, into, "AH03447", "HTTP Request Line; Invalid whitespace");
      into.protocol = HTTP_09;
      lineEnd = i;
    } else if (b[i] === 35) {
      return badLine(b, p, end, limits, into, "AH02421", "HTTP Request Line; URI must not contain a fragment");
    } else {
      return badLine(
        b,
        p,
        end,
        limits,
        into,
        "AH03454",
        `HTTP Request Line; URI incorrectly encoded: '${excerpt(b, target, end)}'`,
      );
    }
    if (lineEnd - p > limits.requestLine + 1) return tooLong(b, p, end, limits.requestLine, into);
    p = lineEnd + 2;
    into.started = true;
    if (into.protocol === HTTP_09) {
      cutRequestLine(b.latin1Slice(base, p), methodEnd - base, targetEnd - base, lineEnd - base, into);
      return into.method === "GET"
        ? p - start
        : refuse(
            into,
            400,
            "AH03444",
            `HTTP Request Line; Invalid method token: '${into.method}' (only GET is allowed for HTTP/0.9 requests)`,
          );
    }
  }

  const maxLength = limits.fieldSize + 1;
  const maxLines = limits.fields > 0 ? limits.fields : Infinity;
  let lines = into.lines;
  let n = 0;
  let status = 0;
  for (;;) {
    let i = p;
    while (TOKEN[b[i]! | 0] === 1) i++;
    if (i > p && b[i] === 58 && i < end) {
      let v = i + 1;
      while (b[v] === 32 || b[v] === 9) v++;
      let e = v;
      while (FIELD_VALUE[b[e]! | 0] === 1) e++;
      if (e + 1 >= end) {
        if (e < end && b[e] !== 13) status = 2;
        break;
      }
      if (e - p > maxLength) {
        status = 1;
        break;
      }
      if (b[e] !== 13 || b[e + 1] !== 10) {
        status = 2;
        break;
      }
      if (++lines > maxLines) {
        status = 3;
        break;
      }
      into.lastLength = e - p;
      const next = e + 2;
      // the blanks of an empty value were skipped already
      while (e > v && (b[e - 1] === 32 || b[e - 1] === 9)) e--;
      marks[n] = p;
      marks[n + 1] = i;
      marks[n + 2] = v;
      marks[n + 3] = e;
      n += 4;
      p = next;
      if (n < 4 * BATCH) continue;
    } else if (p < end && i < end && b[p] === 13) {
      if (p + 1 >= end) break;
      status = b[p + 1] === 10 ? 9 : 2;
      break;
    } else if (p < end && (b[p] === 32 || b[p] === 9)) {
      status = 8;
    } else {
      status = i < end ? 4 : 0;
      break;
    }

    // a full batch or a folded line, both rare
    const failed = cutBatch(b, base, p, methodEnd, targetEnd, lineEnd, n, limits, into);
    if (failed < 0) return failed;
    base = p;
    methodEnd = n = 0;
    if (status === 8) {
      status = 0;
      const next = foldRequestLine(b, p, end, limits, into);
      if (next < 0) return next;
      if (next === 0) break;
      p = base = next;
    }
  }

  into.lines = lines;
  const failed = cutBatch(b, base, p, methodEnd, targetEnd, lineEnd, n, limits, into);
  if (failed < 0) return failed;
  if (status === 9) return p + 2 - start;
  return status === 0 ? requestLater(b, start, p, end, limits, into) : badField(b, p, end, status, limits, into);
}

/** Cuts the marked fields, and the request line if it was read in this call, from one string. 0 or a refusal. */
function cutBatch(
  b: Bytes,
  base: number,
  end: number,
  methodEnd: number,
  targetEnd: number,
  lineEnd: number,
  n: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  if (end === base) return 0;
  const s = b.latin1Slice(base, end);
  if (methodEnd > 0) cutRequestLine(s, methodEnd - base, targetEnd - base, lineEnd - base, into);
  const headers = into.headers;
  const ids = headers.ids;
  let field = into.lastField;
  let k = 0;
  for (; k < n; k += 4) {
    let name = s.slice(marks[k]! - base, marks[k + 1]! - base);
    const value = s.slice(marks[k + 2]! - base, marks[k + 3]! - base);
    const id = headerId(name);
    if (id !== OTHER) {
      // the constant instead of the cut: the next comparisons are then of one and the same string
      if (name === headerName(id)) name = headerName(id);
      if (!headers.hasId(id)) {
        field = ids.length;
        headers.addId(id, name, value);
        continue;
      }
      // Merged they would be "a, b", which httpd refuses as a host name and as a length.
      if (id === HOST) return refuse(into, 400, "AH02415", "Client sent several Host header lines");
      if (id === CONTENT_LENGTH) return refuse(into, 400, "AH01587", "Client sent several Content-Length header lines");
    }
    // apr_table_compress(APR_OVERLAP_TABLES_MERGE): "old, new", Cookie too
    field = headers.mergeId(id, name, value);
    if (headers.valueAt(field).length > limits.fieldSize) {
      return refuse(
        into,
        400,
        "AH00560",
        `Request header exceeds LimitRequestFieldSize after merging: ${name}`,
        TOO_LONG_NOTE,
      );
    }
  }
  if (n > 0) {
    into.lastField = field;
    into.lastEmpty = marks[n - 1] === marks[n - 2];
  }
  return 0;
}

function cutRequestLine(s: string, methodEnd: number, targetEnd: number, lineEnd: number, into: RequestHead): void {
  into.method = s.slice(0, methodEnd);
  into.target = s.slice(methodEnd + 1, targetEnd);
  into.requestLine = s.slice(0, lineEnd);
}

/** A line that begins with a blank goes on with the field before, the fold becoming one space. The next line, 0 or a refusal. */
function foldRequestLine(b: Bytes, p: number, end: number, limits: Readonly<RequestLimits>, into: RequestHead): number {
  let e = p;
  while (FIELD_VALUE[b[e]! | 0] === 1) e++;
  if (e + 1 >= end) return e < end && b[e] !== 13 ? badField(b, p, end, 2, limits, into) : 0;
  if (e - p > limits.fieldSize + 1) return badField(b, p, end, 1, limits, into);
  if (b[e] !== 13 || b[e + 1] !== 10) return badField(b, p, end, 2, limits, into);
  if (into.lastField < 0) return refuse(into, 400, "AH03442", "Line folding encountered before first header line");
  const text = trimOws(b.latin1Slice(p, e), 0);
  if (text === "") return refuse(into, 400, "AH03443", "Empty folded line encountered");
  into.lastLength += 1 + text.length;
  const headers = into.headers;
  const name = headers.nameAt(into.lastField);
  if (into.lastLength + 1 >= limits.fieldSize) {
    return refuse(
      into,
      400,
      "AH00562",
      `Request header exceeds LimitRequestFieldSize after folding: ${name}`,
      TOO_LONG_NOTE,
    );
  }
  const value = headers.valueAt(into.lastField);
  headers.setValueAt(into.lastField, into.lastEmpty ? value + text : `${value} ${text}`);
  into.lastEmpty = false;
  if (headers.valueAt(into.lastField).length > limits.fieldSize) {
    return refuse(
      into,
      400,
      "AH00560",
      `Request header exceeds LimitRequestFieldSize after merging: ${name}`,
      TOO_LONG_NOTE,
    );
  }
  return e + 2;
}

/** More bytes are needed: notes where to go on, unless the piece of the line is too long already. */
function requestLater(
  b: Bytes,
  start: number,
  p: number,
  end: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  const limit = into.started ? limits.fieldSize : limits.requestLine;
  if (pieceLength(b, p, end) > limit + 1) return tooLong(b, p, end, limit, into);
  into.resume = p - start;
  into.scanned = end - start;
  return 0;
}

/** Fewer bytes behind the target than a protocol needs: wait, unless the line has ended. */
function requestShort(
  b: Bytes,
  start: number,
  p: number,
  i: number,
  end: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  for (let k = i; k < end; k++) if (b[k] === 10) return badProtocol(b, p, i, end, limits, into);
  return requestLater(b, start, p, end, limits, into);
}

function badProtocol(
  b: Bytes,
  p: number,
  i: number,
  end: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  const protocol = excerpt(b, i + 1, end);
  return protocol === "" || protocol.startsWith(" ")
    ? badLine(
        b,
        p,
        end,
        limits,
        into,
        "AH03448",
        "HTTP Request Line; Excess whitespace (disallowed by HttpProtocolOptions Strict)",
      )
    : badLine(
        b,
        p,
        end,
        limits,
        into,
        "AH02418",
        `HTTP Request Line; Unrecognized protocol '${protocol}' (perhaps whitespace was injected?)`,
      );
}

/** Refuses a request line; one that is also too long is a 414, as httpd reads the whole line first. */
function badLine(
  b: Bytes,
  p: number,
  end: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
  ah: string,
  reason: string,
): number {
  const stop = lineStop(b, p, end);
  if (stop - p > limits.requestLine + 1) return tooLong(b, p, end, limits.requestLine, into);
  into.requestLine = b.latin1Slice(p, stop);
  into.protocol = HTTP_10;
  return refuse(into, 400, ah, reason);
}

function tooLong(b: Bytes, p: number, end: number, limit: number, into: RequestHead): number {
  if (into.started) {
    return refuse(
      into,
      400,
      "AH00561",
      `Request header exceeds LimitRequestFieldSize: ${excerpt(b, p, end)}`,
      TOO_LONG_NOTE,
    );
  }
  into.requestLine = b.latin1Slice(p, Math.min(lineStop(b, p, end), p + limit));
  into.protocol = HTTP_10;
  return refuse(
    into,
    414,
    "AH00565",
    `request failed: client's request-line exceeds LimitRequestLine (longer than ${limit})`,
  );
}

function badField(
  b: Bytes,
  p: number,
  end: number,
  status: number,
  limits: Readonly<RequestLimits>,
  into: RequestHead,
): number {
  if (status === 1 || lineStop(b, p, end) - p > limits.fieldSize + 1) return tooLong(b, p, end, limits.fieldSize, into);
  if (status === 3)
    return refuse(into, 400, "AH00563", "Number of request headers exceeds LimitRequestFields", TOO_MANY_NOTE);
  if (status === 4)
    return refuse(into, 400, "AH02426", `Request header field name is malformed: ${excerpt(b, p, end)}`);
  return refuse(into, 400, "AH02427", `Request header value is malformed: ${excerpt(b, p, end)}`);
}

function refuse(into: RequestHead, status: number, ah: string, reason: string, note = ""): number {
  into.ah = ah;
  into.reason = reason;
  into.note = note;
  return -status;
}

/** Has the line that was incomplete ended by now? Looks at the new bytes only; every line ends, well or badly, with LF. */
function lineEnded(b: Bytes, start: number, end: number, into: Head): boolean {
  let i = start + into.scanned;
  while (i < end && b[i] !== 10) i++;
  if (i < end) return true;
  into.scanned = end - start;
  return false;
}

/** The length of an incomplete line, its CR not counted. */
function pieceLength(b: Bytes, p: number, end: number): number {
  return end > p && b[end - 1] === 13 ? end - 1 - p : end - p;
}

/** Where the line at `p` ends: its CRLF or LF, or what there is. */
function lineStop(b: Bytes, p: number, end: number): number {
  let i = p;
  while (i < end && b[i] !== 10) i++;
  return i > p && b[i - 1] === 13 ? i - 1 : i;
}

function excerpt(b: Bytes, p: number, end: number): string {
  return b.latin1Slice(p, Math.min(lineStop(b, p, end), p + LOG_NAME_MAX));
}

// ---- responses

export interface ResponseLimits {
  /** responsefieldsize: the longest status or field line, its terminator counted. @default 8192 */
  fieldSize: number;
}

export const RESPONSE_LIMITS: Readonly<ResponseLimits> = { fieldSize: 8192 };

/** ProxyBadHeader: what to do with a line without colon. */
export type BadHeader = "IsError" | "Ignore" | "StartBody";

export class ResponseHead extends Head {
  /** HTTP_09 when the first line was no status line: status 200, no fields, and `line` begins the body. */
  protocol: number = HTTP_11;
  status = 0;
  /** The reason phrase as received, may be empty. */
  phrase = "";
  /** The first line, without its end. */
  line = "";
  /** A bad line ended the head early (ProxyBadHeader StartBody). */
  startBody = false;
  /** Lines dropped, to be warned about (AH01108 or so); null when none. */
  ignored: string[] | null = null;
  /** A name or value that cannot be sent on: the client gets 500. */
  illegal = false;
  skippedEmpty = false;

  override reset(): void {
    super.reset();
    this.protocol = HTTP_11;
    this.status = 0;
    this.phrase = this.line = "";
    this.startBody = this.illegal = this.skippedEmpty = false;
    this.ignored = null;
  }
}

/**
 * Parses the response head at `start`. Answers the bytes it takes (with `protocol` HTTP_09 the first line only); 0 when more
 * are needed, as parseRequestHead; -502 when it is refused: `reason` is for the page, "" means the plain page.
 * Lax as httpd is with origin servers: bare LF ends a line, repeated fields stay apart.
 */
export function parseResponseHead(
  b: Bytes,
  start: number,
  end: number,
  limits: Readonly<ResponseLimits>,
  badHeader: BadHeader,
  into: ResponseHead,
): number {
  let p = start + into.resume;
  if (into.scanned > 0 && !lineEnded(b, start, end, into)) return responsePiece(b, p, end, limits, into);

  if (!into.started) {
    let i = p;
    while (i < end && b[i] !== 10) i++;
    if (i < end && !into.skippedEmpty && (i === p || (i === p + 1 && b[p] === 13))) {
      into.skippedEmpty = true;
      p = i + 1;
      i = p;
      while (i < end && b[i] !== 10) i++;
    }
    if (i >= end) return responseLater(b, start, p, end, limits, into);
    const stop = i > p && b[i - 1] === 13 ? i - 1 : i;
    const s = b.latin1Slice(p, stop);
    const read = statusLine(s, limits, into);
    if (read <= 0) return read < 0 ? read : i + 1 - start;
    p = i + 1;
    into.started = true;
  }

  const maxLength = limits.fieldSize - 1;
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
    const headers = into.headers;
    for (let k = 0; k < n; k += 4) {
      const name = s.slice(marks[k]! - base, marks[k + 1]! - base);
      const id = headerId(name);
      const title = id === OTHER ? name : headerName(id);
      headers.addId(id, name === title ? title : name, s.slice(marks[k + 2]! - base, marks[k + 3]! - base));
    }
    into.lastField = headers.size - 1;
  }
  if (slow && p + 1 < end && b[p] === 13 && b[p + 1] === 10) return p + 2 - start;
  return slowResponseFields(b, start, p, end, limits, badHeader, into);
}

/** 1 a status line was read, 0 it is HTTP/0.9, negative a refusal. */
function statusLine(s: string, limits: Readonly<ResponseLimits>, into: ResponseHead): number {
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
  if (s.charCodeAt(5) !== 49 || s.length > limits.fieldSize - 1) return corruptStatusLine(s, into);
  into.protocol = s.charCodeAt(7) === 48 ? HTTP_10 : HTTP_11;
  into.status = code;
  into.phrase = s.charCodeAt(12) === 32 ? s.slice(13) : s.slice(12);
  return 1;
}

function corruptStatusLine(s: string, into: ResponseHead): number {
  return refuseResponse(into, `Corrupt status line returned by remote server: ${s}`);
}

function refuseResponse(into: ResponseHead, reason: string): number {
  into.reason = reason;
  return -502;
}

/** Field lines that are not clean, one at a time: folds, bare LF, no colon, names with illegal characters. */
function slowResponseFields(
  b: Bytes,
  start: number,
  from: number,
  end: number,
  limits: Readonly<ResponseLimits>,
  badHeader: BadHeader,
  into: ResponseHead,
): number {
  let p = from;
  for (;;) {
    let i = p;
    while (i < end && b[i] !== 10) i++;
    if (i >= end) return responseLater(b, start, p, end, limits, into);
    const stop = i > p && b[i - 1] === 13 ? i - 1 : i;
    const next = i + 1;
    if (stop === p) return next - start;
    if (stop - p > limits.fieldSize - 1) return refuseResponse(into, "");
    const s = b.latin1Slice(p, stop);
    if (s.indexOf("\0") >= 0) return refuseResponse(into, "");
    const folded = s.charCodeAt(0) === 32 || s.charCodeAt(0) === 9;
    if (folded && into.lastField >= 0) {
      // joined with its white space as received; only the end of each line is trimmed
      const headers = into.headers;
      into.lastLength += stop - p;
      if (into.lastLength > limits.fieldSize - 1) return refuseResponse(into, "");
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
          return next - start;
        }
      }
    }
    p = next;
  }
}

function responseLater(
  b: Bytes,
  start: number,
  p: number,
  end: number,
  limits: Readonly<ResponseLimits>,
  into: ResponseHead,
): number {
  into.resume = p - start;
  into.scanned = end - start;
  return responsePiece(b, p, end, limits, into);
}

/** An incomplete line: refused, or HTTP/0.9, once it cannot fit any more. */
function responsePiece(b: Bytes, p: number, end: number, limits: Readonly<ResponseLimits>, into: ResponseHead): number {
  if (pieceLength(b, p, end) <= limits.fieldSize - 1) return 0;
  if (into.started) return refuseResponse(into, "");
  const read = statusLine(b.latin1Slice(p, end), limits, into);
  return read < 0 ? read : into.resume + end - p;
}

// ---- values

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

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

function threeDigits(s: string, at: number): number {
  const a = s.charCodeAt(at) - 48;
  const b = s.charCodeAt(at + 1) - 48;
  const c = s.charCodeAt(at + 2) - 48;
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 && c >= 0 && c <= 9 ? 100 * a + 10 * b + c : -1;
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

/** Content-Length: digits alone and not above 2^53 - 1, else -1. */
export function parseContentLength(value: string): number {
  const length = value.length;
  if (length === 0) return -1;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
    if (n > Number.MAX_SAFE_INTEGER) return -1;
  }
  return n;
}

/** Is the transfer coding exactly `chunked`? Anything else is not understood (AH01093). */
export function isChunked(value: string): boolean {
  return value === "chunked" || (value.length === 7 && value.toLowerCase() === "chunked");
}

/** The elements of a comma list such as Connection, trimmed, empty ones left out. */
export function connectionTokens(value: string, each: (token: string) => void): void {
  let from = 0;
  while (from <= value.length) {
    let comma = value.indexOf(",", from);
    if (comma < 0) comma = value.length;
    const token = trimOws(value.slice(from, comma), 0);
    if (token !== "") each(token);
    from = comma + 1;
  }
}

/** `name: value` lines for all fields, behind `head`. Plain concatenation: 90-140 ns for ten fields on both runtimes. */
export function appendFields(head: string, headers: HeaderTable): string {
  const fields = headers.fields;
  let out = head;
  for (let i = 0; i < fields.length; i += 2) out += `${fields[i]!}: ${fields[i + 1]!}\r\n`;
  return out;
}

// ---- Host

/** Where the host of a Host value ends: before `:port`, else its length. -1 when the port is not 1..65535. */
function hostEnd(value: string): number {
  const length = value.length;
  let i = length - 1;
  while (i >= 0 && isDigit(value.charCodeAt(i))) i--;
  if (i < 0 || i === length - 1 || value.charCodeAt(i) !== 58) return length;
  let port = 0;
  for (let k = i + 1; k < length && port <= 65535; k++) port = port * 10 + value.charCodeAt(k) - 48;
  return port >= 1 && port <= 65535 ? i : -1;
}

/** May this be a Host value under HttpProtocolOptions Strict? Source: server/vhost.c strict_hostname_check */
export function checkHost(value: string): boolean {
  const end = hostEnd(value);
  if (end <= 0) return false;
  if (value.charCodeAt(0) === 91) return value.charCodeAt(end - 1) === 93 && isIpv6(value, 1, end - 1);
  let numeric = true;
  let leadingZero = false;
  let dots = 0;
  let label = 0; // where the last label that has characters begins
  for (let i = 0; i < end; i++) {
    const c = value.charCodeAt(i);
    if (isDigit(c)) {
      if (c === 48 && (i === 0 || value.charCodeAt(i - 1) === 46) && i + 1 < end && isDigit(value.charCodeAt(i + 1)))
        leadingZero = true;
    } else if (c === 46) {
      if (i + 1 < end && value.charCodeAt(i + 1) === 46) return false;
      dots++;
      label = i + 1;
    } else if (isLetter(c) || c === 45 || c === 95) {
      numeric = false;
    } else {
      return false;
    }
  }
  if (numeric) return dots === 3 && !leadingZero && value.charCodeAt(0) !== 46 && value.charCodeAt(end - 1) !== 46;
  return label === 0 || label === end || isLetter(value.charCodeAt(label));
}

function isLetter(c: number): boolean {
  const low = c | 32;
  return low >= 97 && low <= 122;
}

/** Source: server/vhost.c fix_hostname_v6_literal; unlike it at least two colons are asked for. */
function isIpv6(value: string, from: number, end: number): boolean {
  let double = false;
  let colons = 0;
  for (let i = from; i < end; i++) {
    const c = value.charCodeAt(i);
    const next = i + 1 < end ? value.charCodeAt(i + 1) : 0;
    const low = c | 32;
    if (c === 58) {
      colons++;
      if (next === 46) return false;
      if (next === 58) {
        if (double) return false;
        double = true;
      }
    } else if (c === 46) {
      if (next === 58 || next === 46) return false;
    } else if (!isDigit(c) && !(low >= 97 && low <= 102)) {
      return false;
    }
  }
  return colons >= 2;
}

/** The name in a Host value that passed checkHost: lower case, without port and one trailing dot; IPv6 keeps its brackets. */
export function hostName(value: string): string {
  let end = hostEnd(value);
  if (end < 0) end = value.length;
  if (end > 1 && value.charCodeAt(end - 1) === 46) end--;
  return (end === value.length ? value : value.slice(0, end)).toLowerCase();
}

/** The port in a Host value, 0 when it has none. */
export function hostPort(value: string): number {
  const end = hostEnd(value);
  return end < 0 || end === value.length ? 0 : Number(value.slice(end + 1));
}
