/**
 * What goes out on a connection: frames are gathered and written in one piece; streams with DATA take turns, as far as the
 * client's windows and the socket allow.
 * Source: RFC 9113 sections 5.2 and 6.9
 */
import type { Bytes } from "../../modules/mod.ts";
import * as f from "./frame.ts";
import { HpackEncoder } from "./hpack_encoder.ts";
import type { Http2Stream } from "./stream.ts";

/** What is gathered before it is given to the socket. */
const WRITE_BYTES = 65_536;
/** Less of a body is a drip: it earns its client nothing. */
const DRIP_BYTES = 256;

/** Whose outbox it is. */
export interface OutboxUser {
  alloc(size: number): Bytes;
  /** Sends bytes that stay as they are. False: no more before `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** DATA of some size went out. */
  sentData(): void;
  /** The end of a stream went out. */
  sent(stream: Http2Stream): void;
}

export class Outbox {
  /** Of the connection, by the client. */
  window = f.DEFAULT_WINDOW;
  /** The largest payload that the client takes. */
  maxFrame = f.MAX_PAYLOAD;
  /** The socket has taken as much as it can. */
  blocked = false;
  /** Nothing is written yet: more is about to come. */
  held = false;
  readonly encoder = new HpackEncoder();
  private readonly user: OutboxUser;
  private readonly maxDataBytes: number;
  private frames: Uint8Array[] = [];
  private bytes = 0;
  private flushing = false;
  private readonly ready = new Set<Http2Stream>();

  constructor(user: OutboxUser, maxDataBytes: number) {
    this.user = user;
    this.maxDataBytes = maxDataBytes;
  }

  put(frame: Uint8Array): void {
    this.frames.push(frame);
    this.bytes += frame.length;
    this.flushLater();
  }

  /** A header block. Answers the bytes that it takes. */
  writeHead(id: number, fields: readonly string[], end: boolean): number {
    const { encoder } = this;
    encoder.begin();
    for (let i = 0; i < fields.length; i += 2) encoder.add(fields[i]!, fields[i + 1]!);
    const block = encoder.end();
    const most = this.maxFrame;
    let size = 0;
    for (let at = 0; at === 0 || at < block.length; at += most) {
      const part = block.subarray(at, at + most);
      const flags = (at + most >= block.length ? f.END_HEADERS : 0) | (at === 0 && end ? f.END_STREAM : 0);
      const frame = f.frameHead(part.length, at === 0 ? f.HEADERS : f.CONTINUATION, flags, id, part.length);
      frame.set(part, f.HEAD_BYTES);
      this.put(frame);
      size += frame.length;
    }
    return size;
  }

  /** Something waits on the stream. @param now it is so much that its owner would be held up */
  add(stream: Http2Stream, now: boolean): void {
    this.ready.add(stream);
    if (now && !this.held && !this.blocked) this.pump();
    else this.flushLater();
  }

  remove(stream: Http2Stream): void {
    this.ready.delete(stream);
  }

  clear(): void {
    this.ready.clear();
  }

  onDrain(): void {
    this.blocked = false;
    this.pump();
  }

  private flushLater(): void {
    if (this.flushing || this.held) return;
    this.flushing = true;
    queueMicrotask(this.flushNow);
  }

  private readonly flushNow = (): void => {
    this.flushing = false;
    this.pump();
  };

  pump(): void {
    if (this.held) return;
    while (!this.blocked && this.ready.size > 0 && this.turn());
    this.flush();
  }

  /** A frame of each stream. False: nobody could send. */
  private turn(): boolean {
    let any = false;
    for (const stream of this.ready) {
      if (this.blocked) break;
      if (this.sendFrom(stream)) any = true;
      if (this.bytes >= WRITE_BYTES) this.flush();
    }
    return any;
  }

  private sendFrom(stream: Http2Stream): boolean {
    const window = Math.min(stream.sendWindow, this.window);
    if (!stream.pending || (stream.queued > 0 && window <= 0)) {
      // One that waits for the connection's window waits here for its turn.
      if (!stream.pending || stream.sendWindow <= 0) this.ready.delete(stream);
      return false;
    }
    const piece = stream.take(Math.min(this.maxFrame, this.maxDataBytes, Math.max(0, window)));
    stream.sendWindow -= piece.size;
    this.window -= piece.size;
    if (piece.size > 0 || piece.trailers === null) {
      const flags = piece.last && piece.trailers === null ? f.END_STREAM : 0;
      this.frames.push(f.frameHead(piece.size, f.DATA, flags, stream.id), ...piece.parts);
      this.bytes += f.HEAD_BYTES + piece.size;
    }
    if (piece.trailers !== null) this.writeHead(stream.id, piece.trailers, true);
    if (piece.size >= DRIP_BYTES) this.user.sentData();
    if (piece.last) this.user.sent(stream);
    else stream.drained();
    return true;
  }

  flush(): void {
    const { frames } = this;
    if (frames.length === 0) return;
    const size = this.bytes;
    this.frames = [];
    this.bytes = 0;
    let bytes = frames[0]!;
    if (frames.length > 1) {
      bytes = this.user.alloc(size);
      let at = 0;
      for (const frame of frames) {
        bytes.set(frame, at);
        at += frame.length;
      }
    }
    if (!this.user.write(bytes)) this.blocked = true;
  }
}
