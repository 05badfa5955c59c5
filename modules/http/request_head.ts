/**
 * The head of a request: bytes → request line and fields, strictly.
 * Long because the walk over the bytes stands beside what tells why it stopped: the two are one grammar, and change together.
 * Source: httpd server/protocol.c read_request_line, ap_get_mime_headers_core
 */
import type { Bytes } from "../core/bytes.ts";
import { CONTENT_LENGTH, HOST, headerId, OTHER } from "../core/table.ts";
import {
  BATCH,
  FIELD_VALUE,
  Head,
  HeadStore,
  HTTP_09,
  HTTP_10,
  HTTP_11,
  lineEnded,
  lineStop,
  marks,
  pieceLength,
  TOKEN,
  trimOws,
} from "./head.ts";

/** 1 for the bytes of a request target: visible and obs-text, without `#`. */
const TARGET = new Uint8Array(256);
for (let c = 33; c < 256; c++) if (c !== 127 && c !== 35) TARGET[c] = 1;

/** Empty lines accepted before a request line (observed on httpd 2.4.71). */
const MAX_EMPTY_LINES = 10;
/** httpd logs no more of a bad name or line. Source: server/protocol.c LOG_NAME_MAX_LEN */
const LOG_NAME_MAX = 80;

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

export class RequestHead extends Head {
  method = "";
  /** The request target as received, each byte one char. */
  target = "";
  /**
   * Path and query of a target that begins with a slash; "" and null: not known. Strings of their own: all that follows looks
   * into them, and to make a whole string of a piece of another one costs JavaScriptCore 110 ns, to make it of bytes 25.
   */
  path = "";
  query: string | null = null;
  /** HTTP_09, HTTP_10 or HTTP_11: a later version is answered as 1.1. */
  protocol: number = HTTP_11;
  /** What begins with the request line as received, and its length; of a bad one what there was. */
  lineText = "";
  lineLength = 0;
  emptyLines = 0;

  get requestLine(): string {
    return this.lineText.slice(0, this.lineLength);
  }

  set requestLine(line: string) {
    this.lineText = line;
    this.lineLength = line.length;
  }

  override reset(): void {
    super.reset();
    this.method = this.target = this.path = this.lineText = "";
    this.query = null;
    this.lineLength = 0;
    this.protocol = HTTP_11;
    this.emptyLines = 0;
  }
}

export const requestHeads: HeadStore<RequestHead> = new HeadStore(() => new RequestHead());

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
      cutRequestLine(b, base, b.latin1Slice(base, p), methodEnd, targetEnd, lineEnd, into);
      if (into.method === "GET") return p - start;
      into.protocol = HTTP_10; // whoever sends this may well understand a head
      return refuse(
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
  if (methodEnd > 0) cutRequestLine(b, base, s, methodEnd, targetEnd, lineEnd, into);
  if (n > 0 && into.headers.size === 0) {
    into.headers.fill(s, b, base, marks, n / 4);
    into.lastField = n / 4 - 1;
    into.lastEmpty = marks[n - 1] === marks[n - 2];
    if (!into.headers.repeats()) return 0;
    into.headers.clear();
  }
  return mergeFields(s, base, n, limits, into);
}

/** Adds the marked fields one by one: those of a name that was there join it. 0 or a refusal. */
function mergeFields(s: string, base: number, n: number, limits: Readonly<RequestLimits>, into: RequestHead): number {
  const { headers } = into;
  let field = into.lastField;
  for (let k = 0; k < n; k += 4) {
    const name = s.slice(marks[k]! - base, marks[k + 1]! - base);
    const value = s.slice(marks[k + 2]! - base, marks[k + 3]! - base);
    const id = headerId(name);
    if (id !== OTHER) {
      if (!headers.hasId(id)) {
        field = headers.size;
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

/** @param s what begins at `base`; the other positions are in the bytes, too */
function cutRequestLine(
  b: Bytes,
  base: number,
  s: string,
  methodEnd: number,
  targetEnd: number,
  lineEnd: number,
  into: RequestHead,
): void {
  // The constant where it is one: no object, and comparisons with it are of one and the same.
  into.method = s.startsWith("GET ") ? "GET" : s.startsWith("POST ") ? "POST" : s.slice(0, methodEnd - base);
  into.target = s.slice(methodEnd + 1 - base, targetEnd - base);
  into.lineText = s;
  into.lineLength = lineEnd - base;
  const path = methodEnd + 1;
  if (b[path] !== 0x2f) return;
  let mark = path;
  while (mark < targetEnd && b[mark] !== 0x3f) mark++;
  into.path = mark === path + 1 ? "/" : b.latin1Slice(path, mark);
  if (mark < targetEnd) into.query = b.latin1Slice(mark + 1, targetEnd);
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
function excerpt(b: Bytes, p: number, end: number): string {
  return b.latin1Slice(p, Math.min(lineStop(b, p, end), p + LOG_NAME_MAX));
}
