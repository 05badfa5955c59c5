/**
 * Ranges of a short answer, cut out here where the backend has sent it whole.
 * Source: httpd modules/http/byterange_filter.c; http_protocol.c, ap_condition_if_range
 */
import { type Brigade, type Bucket, EOS } from "../core/brigade.ts";
import { type Bytes, latin1Bytes, OwnBytes } from "../core/bytes.ts";
import type { OutputFilter } from "../core/filter.ts";
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { bitsOf, CONTENT_TYPE, DATE, ETAG, LAST_MODIFIED, RANGE } from "../core/table.ts";
import core from "../server/mod_core.ts";
import { addCharset } from "./header_out.ts";

/** What httpd's reverse proxy reads at once, and so the longest body whose end it knows before its head leaves. */
const MOST_BYTES = 8192;
/** Of more ranges the answer leaves before its length is known. */
const MOST_WITH_LENGTH = 32;
const RANGE_BIT = bitsOf(RANGE);

/** First and last byte. */
type ByteRange = readonly [number, number];

/** Whether `cutRanges` has anything to do: nearly always not. @param length of the body; -1: unknown */
export function mayBeCut(r: RequestRec, length: number): boolean {
  return (
    length > 0 &&
    length <= MOST_BYTES &&
    r.headersIn.mayHave(RANGE_BIT) &&
    r.status === 200 &&
    r.proxyreq !== "none" &&
    !r.headerOnly
  );
}

/**
 * Makes the answer that of the ranges which the request asks for. Answers its new length, -1: it is not told; 416: there is none of
 * them; `length`: the answer stays whole.
 */
export function cutRanges(r: RequestRec, length: number): number | "unsatisfiable" {
  const field = r.headersIn.getId(RANGE);
  const out = r.headersOut;
  if (field === undefined || out.has("Content-Range") || !isMeant(r)) return length;
  if (r.filename.startsWith("proxy:ftp:")) return length; // its end comes on another connection
  if (/^multipart\/byteranges/i.test(out.getId(CONTENT_TYPE) ?? "")) return length;
  const ranges = parseRanges(field, length, getModuleConfig(r.perDirConfig, core));
  if (ranges === null) return length;
  if (ranges.length === 0) return "unsatisfiable";
  r.status = 206;
  r.statusLine = null;
  if (ranges.length === 1) {
    const [from, to] = ranges[0]!;
    out.set("Content-Range", `bytes ${from}-${to}/${length}`);
    r.outputFilters = [...(r.outputFilters ?? []), new RangeFilter(ranges, null, "")];
    return to - from + 1;
  }
  const { defaultCharset } = getModuleConfig(r.perDirConfig, core);
  if (defaultCharset !== "") addCharset(out, defaultCharset);
  const type = out.getId(CONTENT_TYPE);
  const boundary = (boundaryOf ??= makeBoundary(r));
  out.setId(CONTENT_TYPE, "Content-Type", `multipart/byteranges; boundary=${boundary}`);
  const head = `\r\n--${boundary}\r\n${type === undefined ? "" : `Content-type: ${type}\r\n`}Content-range: bytes `;
  const heads = ranges.map(([from, to]) => `${head}${from}-${to}/${length}\r\n\r\n`);
  const tail = `\r\n--${boundary}--\r\n`;
  r.outputFilters = [...(r.outputFilters ?? []), new RangeFilter(ranges, heads, tail)];
  if (ranges.length > MOST_WITH_LENGTH) return -1;
  return ranges.reduce((sum, [from, to], i) => sum + heads[i]!.length + to - from + 1, tail.length);
}

let boundaryOf: string | null = null;

/** The same for all answers of a program. */
function makeBoundary(r: RequestRec): string {
  let text = "";
  while (text.length < 16) text += Math.floor(r.conn.process.clock.random() * 16).toString(16);
  return text;
}

/** If-Range: whether the client's part is of this very answer. */
function isMeant(r: RequestRec): boolean {
  const condition = r.headersIn.get("If-Range");
  if (condition === undefined) return true;
  const out = r.headersOut;
  if (condition.startsWith('"')) return condition === out.getId(ETAG);
  const modified = seconds(out.getId(LAST_MODIFIED));
  if (modified === 0 || seconds(condition) !== modified) return false;
  // What was changed within the minute before may have been changed twice.
  return (seconds(out.getId(DATE)) || r.requestTimeUs / 1_000_000) >= modified + 60;
}

/** 0: no date. */
function seconds(date: string | undefined): number {
  return date !== undefined && /^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/.test(date) ? Date.parse(date) / 1000 || 0 : 0;
}

export interface RangeLimits {
  readonly maxRanges: number;
  readonly maxRangeOverlaps: number;
  readonly maxRangeReversals: number;
}

/** The ranges in the order of the request, those that touch joined; []: none is within; null: there is nothing to cut. */
export function parseRanges(field: string, length: number, limits: RangeLimits): ByteRange[] | null {
  if (!/^bytes=/i.test(field)) return null;
  const ranges: ByteRange[] = [];
  let overlaps = 0;
  let reversals = 0;
  let outside = false;
  /** That which is not in `ranges` yet: the next may join it. */
  let open: [number, number] | null = null;
  for (const spec of field.slice(6).split(/,+/)) {
    if (spec === "") break;
    const match = /^(\d{0,15})-(\d{0,15})$/.exec(spec);
    if (match === null || spec === "-") return null;
    const [, first, last] = match;
    if (first === "" && Number(last) === 0) return null;
    const from = first === "" ? Math.max(0, length - Number(last)) : Number(first);
    let to = first === "" || last === "" ? length - 1 : Number(last);
    if (first !== "" && last !== "" && from > to) return null;
    if (last === "" && from === 0) {
      ranges.length = 0; // all of it, whatever else is asked for
      open = [0, to];
      break;
    }
    if (from >= length) {
      outside = true;
      continue;
    }
    to = Math.min(to, length - 1);
    if (open === null) {
      open = [from, to];
      continue;
    }
    let joined = from >= open[0] && to <= open[1];
    if (from < open[0] && to >= open[0] - 1) {
      open[0] = from;
      reversals++;
      joined = true;
    }
    if (to >= open[1] && from <= open[1] + 1) {
      open[1] = to;
      joined = true;
    }
    if (joined) overlaps++;
    else {
      ranges.push(open);
      open = [from, to];
    }
  }
  if (open !== null) ranges.push(open);
  if (ranges.length === 0) return outside ? [] : null;
  if (ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) > length) return null;
  const { maxRanges, maxRangeOverlaps, maxRangeReversals } = limits;
  return ranges.length > maxRanges || overlaps > maxRangeOverlaps || reversals > maxRangeReversals ? null : ranges;
}

/** Holds the body until it is whole: it is short. */
class RangeFilter implements OutputFilter {
  readonly name = "byterange";
  readonly type = "protocol";
  readonly changesBody = false; // its length is told
  private readonly ranges: readonly ByteRange[];
  private readonly heads: readonly string[] | null;
  private readonly tail: string;
  private readonly held: Bytes[] = [];

  /** @param heads of the parts; null: there is one range, without a head */
  constructor(ranges: readonly ByteRange[], heads: readonly string[] | null, tail: string) {
    this.ranges = ranges;
    this.heads = heads;
    this.tail = tail;
  }

  filter(_r: RequestRec, brigade: Brigade): Brigade {
    const passed: Bucket[] = [];
    for (const bucket of brigade) {
      if (bucket.kind === "bytes") this.held.push(bucket.bytes);
      else if (bucket === EOS) passed.push({ kind: "bytes", bytes: this.parts() }, bucket);
      else passed.push(bucket);
    }
    return passed;
  }

  /** All of them in one piece, so that they leave in one write. */
  private parts(): Bytes {
    const whole = joined(this.held);
    const parts: Bytes[] = [];
    this.ranges.forEach(([from, to], i) => {
      if (this.heads !== null) parts.push(latin1Bytes(this.heads[i]!));
      parts.push(whole.subarray(from, to + 1) as OwnBytes);
    });
    parts.push(latin1Bytes(this.tail));
    return joined(parts);
  }
}

function joined(pieces: readonly Bytes[]): OwnBytes {
  const whole = new OwnBytes(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
