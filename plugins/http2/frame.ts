/**
 * Frames: bytes → frames, and the fixed ones → bytes.
 * Source: RFC 9113 sections 4 and 6
 */
import type { Bytes } from "../../modules/mod.ts";

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const WITH_PRIORITY = 32;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;
export const INADEQUATE_SECURITY = 12;

export const SETTINGS_HEADER_TABLE_SIZE = 1;
export const SETTINGS_ENABLE_PUSH = 2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
export const SETTINGS_INITIAL_WINDOW_SIZE = 4;
export const SETTINGS_MAX_FRAME_SIZE = 5;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 6;
export const SETTINGS_ENABLE_CONNECT_PROTOCOL = 8;

/** What a client sends first. */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const HEAD_BYTES = 9;
/** The largest payload that we take: the default, which we do not raise. */
export const MAX_PAYLOAD = 16_384;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fffffff;

/** Gets frames. */
export interface FrameSink {
  /**
   * A whole frame: its payload is [start, end) of `bytes`.
   * @param own the buffer is the frame's own and stays as it is
   */
  onFrame(type: number, flags: number, stream: number, bytes: Bytes, start: number, end: number, own: boolean): void;
  /** A frame is larger than allowed: nothing can be read behind it. */
  onTooLarge(): void;
  /** False: what follows is not wanted. */
  readonly reading: boolean;
}

/** Cuts what comes in into frames. */
export class FrameReader {
  /** The frame that is not whole: its head, later head and payload. */
  private part: Bytes | null = null;
  private have = 0;
  private readonly alloc: (size: number) => Bytes;

  /** @param alloc makes a buffer whose contents are written before they are read */
  constructor(alloc: (size: number) => Bytes) {
    this.alloc = alloc;
  }

  /** Bytes of a frame that is not whole. */
  get pending(): number {
    return this.have;
  }

  read(bytes: Bytes, start: number, end: number, sink: FrameSink): void {
    let at = start;
    while (at < end && sink.reading) {
      if (this.part !== null) {
        at += this.complete(bytes, at, end, sink);
        continue;
      }
      const left = end - at;
      const size = left < HEAD_BYTES ? 0 : HEAD_BYTES + number24(bytes, at);
      if (size > HEAD_BYTES + MAX_PAYLOAD) {
        sink.onTooLarge();
        return;
      }
      if (size === 0 || left < size) {
        this.part = this.alloc(size || HEAD_BYTES);
        continue;
      }
      emit(sink, bytes, at, size, false);
      at += size;
    }
  }

  /** Adds to the part; answers how many bytes it took. */
  private complete(bytes: Bytes, at: number, end: number, sink: FrameSink): number {
    const part = this.part!;
    const take = Math.min(part.length - this.have, end - at);
    part.set(bytes.subarray(at, at + take), this.have);
    this.have += take;
    if (this.have < part.length) return take;
    const size = HEAD_BYTES + number24(part, 0);
    if (size > HEAD_BYTES + MAX_PAYLOAD) {
      sink.onTooLarge();
      return end - at;
    }
    if (part.length < size) {
      this.part = this.alloc(size);
      this.part.set(part);
      return take;
    }
    this.part = null;
    this.have = 0;
    emit(sink, part, 0, size, true);
    return take;
  }
}

function emit(sink: FrameSink, bytes: Bytes, at: number, size: number, own: boolean): void {
  sink.onFrame(bytes[at + 3]!, bytes[at + 4]!, number31(bytes, at + 5), bytes, at + HEAD_BYTES, at + size, own);
}

function number24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

export function number16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** The first bit is reserved. */
export function number31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function number32(bytes: Uint8Array, at: number): number {
  return number31(bytes, at) + (bytes[at]! >= 0x80 ? 0x80000000 : 0);
}

/** The head of a frame, with `more` bytes of room behind it. */
export function frameHead(length: number, type: number, flags: number, stream: number, more = 0): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES + more);
  head[0] = length >> 16;
  head[1] = length >> 8;
  head[2] = length;
  head[3] = type;
  head[4] = flags;
  put32(head, 5, stream);
  return head;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** RST_STREAM, or WINDOW_UPDATE: a frame of one number. */
export function numberFrame(type: number, stream: number, value: number): Uint8Array {
  const frame = frameHead(4, type, 0, stream, 4);
  put32(frame, HEAD_BYTES, value);
  return frame;
}

export function goawayFrame(last: number, code: number): Uint8Array {
  const frame = frameHead(8, GOAWAY, 0, 0, 8);
  put32(frame, HEAD_BYTES, last);
  put32(frame, HEAD_BYTES + 4, code);
  return frame;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const frame = frameHead(6 * settings.length, SETTINGS, 0, 0, 6 * settings.length);
  settings.forEach(([id, value], i) => {
    frame[HEAD_BYTES + 6 * i + 1] = id;
    put32(frame, HEAD_BYTES + 6 * i + 2, value);
  });
  return frame;
}
