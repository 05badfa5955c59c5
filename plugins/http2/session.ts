/**
 * A session: the frames of one connection. It knows streams and windows, and nothing of what is asked on them.
 * Long, and one class: the rule of every frame is about the same streams and windows. Bytes, header blocks, floods and what waits to
 * be sent have files of their own.
 * Source: RFC 9113
 */
import type { Bytes, Clock } from "../../modules/mod.ts";
import { FloodGuard, type FloodKind } from "./flood.ts";
import * as f from "./frame.ts";
import { HeaderBlock, type RequestBlock } from "./header_block.ts";
import { CompressionError } from "./hpack_decoder.ts";
import { Outbox, type OutboxUser } from "./outbox.ts";
import { Http2Stream } from "./stream.ts";

export interface SessionOptions {
  /** Streams that a client may have open. */
  readonly maxStreams: number;
  /** What a client may send on a stream before it is told that there is room again. */
  readonly windowBytes: number;
  /** What fields of a head may take together, by the count of RFC 9113 section 6.5.2. */
  readonly maxListBytes: number;
  /** The largest payload of DATA. */
  readonly maxDataBytes: number;
  /** Bytes that wait on a stream before its owner is held up. */
  readonly streamMemory: number;
  /** What the header block of a response may take, as nghttp2 reckons before it is encoded. */
  readonly maxBlockBytes: number;
  /** Errors of a client on single streams before it must go; 0: any number. */
  readonly maxStreamErrors: number;
  /** Whether a stream may become a tunnel. Source: RFC 8441 */
  readonly connectProtocol: boolean;
}

/** Who has the session. */
export interface SessionUser {
  readonly clock: Clock;
  alloc(size: number): Bytes;
  /** Valid for good. Only while `receive` runs. */
  keep(bytes: Bytes, start: number, end: number): Bytes;
  /** Sends bytes that stay as they are. False: no more before `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** A client asks; the stream's owner must be set, or the stream be reset, before it returns. */
  onRequest(stream: Http2Stream, head: RequestBlock): void;
  /** The last stream has ended. */
  onIdle(): void;
  /** The session is over: GOAWAY was sent; nothing is read any more. Streams were reset. */
  onFailed(code: number, why: string): void;
  /** The client goes: it opens no more streams. */
  onGoaway(code: number): void;
}

/** The connection's window: bodies that wait for backends may take that much memory of one client. */
const CONNECTION_WINDOW = 524_288;
/** Streams that we have reset, whose frames may still be on their way. */
const REMEMBERED = 256;
/** GOAWAY for a client that may still have streams on the way. Source: RFC 9113 section 6.8 */
const ANY_STREAM = f.MAX_WINDOW;

export class Http2Session implements f.FrameSink, OutboxUser {
  readonly options: SessionOptions;
  readonly streams = new Map<number, Http2Stream>();
  /** False: nothing more is taken from the client. */
  reading = true;
  /** The highest stream that a client has opened. */
  lastStream = 0;
  private readonly user: SessionUser;
  private readonly reader: f.FrameReader;
  private readonly block: HeaderBlock;
  private readonly out: Outbox;
  private readonly flood: FloodGuard;
  private preface = 0;
  private settingsSeen = false;
  // Windows
  private streamSendWindow = f.DEFAULT_WINDOW;
  private receiveWindow = CONNECTION_WINDOW;
  private unacknowledged = 0;
  // Ends
  private readonly ownResets = new Set<number>();
  private streamErrors = 0;
  private goawaySent = false;
  private lastAccepted = ANY_STREAM;

  constructor(user: SessionUser, options: SessionOptions) {
    this.user = user;
    this.options = options;
    this.reader = new f.FrameReader((size) => user.alloc(size));
    this.block = new HeaderBlock(options.maxListBytes, (size) => user.alloc(size));
    this.out = new Outbox(this, options.maxDataBytes);
    this.flood = new FloodGuard(user.clock);
  }

  /** Our settings are the first that a client reads. */
  start(): void {
    const settings: [number, number][] = [
      [f.SETTINGS_MAX_CONCURRENT_STREAMS, this.options.maxStreams],
      [f.SETTINGS_INITIAL_WINDOW_SIZE, this.options.windowBytes],
      [f.SETTINGS_MAX_HEADER_LIST_SIZE, this.options.maxListBytes],
    ];
    if (this.options.connectProtocol) settings.push([f.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]);
    this.out.put(f.settingsFrame(settings));
    this.out.put(f.numberFrame(f.WINDOW_UPDATE, 0, CONNECTION_WINDOW - f.DEFAULT_WINDOW));
  }

  /** A header block has begun and not ended. */
  get midHead(): boolean {
    return this.block.stream !== 0;
  }

  /** The socket has taken as much as it can. */
  get stalled(): boolean {
    return this.out.blocked;
  }

  /** The first stream is a request that came before, by HTTP/1.1. @param settings the payload that came with it */
  upgraded(settings: Bytes, fields: readonly string[]): void {
    for (let at = 0; at < settings.length; at += 6)
      this.setting(f.number16(settings, at), f.number32(settings, at + 2));
    if (!this.reading) return;
    this.open(1, true, { fields, cut: false, bytes: 0 });
  }

  receive(bytes: Bytes, start: number, end: number): void {
    this.out.held = true;
    const from = this.preface < f.PREFACE.length ? this.readPreface(bytes, start, end) : start;
    if (from < end) this.reader.read(bytes, from, end, this);
    this.out.held = false;
    this.out.pump();
  }

  private readPreface(bytes: Bytes, start: number, end: number): number {
    let at = start;
    while (at < end && this.preface < f.PREFACE.length) {
      if (bytes[at++] === f.PREFACE.charCodeAt(this.preface++)) continue;
      this.fail(f.PROTOCOL_ERROR, "no preface");
      return end;
    }
    return at;
  }

  // Frames of the client

  onTooLarge(): void {
    this.fail(f.FRAME_SIZE_ERROR, "a frame that is too large");
  }

  onFrame(type: number, flags: number, id: number, bytes: Bytes, start: number, end: number, own: boolean): void {
    const { block } = this;
    if (block.stream !== 0 && (type !== f.CONTINUATION || id !== block.stream)) {
      this.fail(f.PROTOCOL_ERROR, "a frame in the middle of a header block");
      return;
    }
    if (!this.settingsSeen && (type !== f.SETTINGS || (flags & f.ACK) !== 0)) {
      this.fail(f.PROTOCOL_ERROR, "the first frame is not SETTINGS");
      return;
    }
    switch (type) {
      case f.DATA:
        this.onDataFrame(flags, id, bytes, start, end, own);
        break;
      case f.HEADERS:
        this.onHeaders(flags, id, bytes, start, end);
        break;
      case f.CONTINUATION:
        this.onContinuation(flags, bytes, start, end);
        break;
      case f.PRIORITY:
        this.onPriority(id, bytes, start, end);
        break;
      case f.RST_STREAM:
        this.onReset(id, bytes, start, end);
        break;
      case f.SETTINGS:
        this.onSettings(flags, id, bytes, start, end);
        break;
      case f.PING:
        this.onPing(flags, id, bytes, start, end);
        break;
      case f.GOAWAY:
        if (id !== 0) this.fail(f.PROTOCOL_ERROR, "GOAWAY on a stream");
        else if (end - start < 8) this.fail(f.FRAME_SIZE_ERROR, "GOAWAY of a wrong size");
        else this.user.onGoaway(f.number32(bytes, start + 4));
        break;
      case f.WINDOW_UPDATE:
        this.onWindowUpdate(id, bytes, start, end);
        break;
      case f.PUSH_PROMISE:
        this.fail(f.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
        break;
      default:
        this.spend("control");
    }
  }

  /** False: the client has sent too many of these, and the session is over. */
  private spend(kind: FloodKind): boolean {
    if (this.flood.allows(kind)) return true;
    this.fail(f.ENHANCE_YOUR_CALM, `too many frames (${kind})`);
    return false;
  }

  private onDataFrame(flags: number, id: number, bytes: Bytes, start: number, end: number, own: boolean): void {
    if (id === 0 || this.isIdle(id)) {
      this.fail(f.PROTOCOL_ERROR, "DATA without a stream");
      return;
    }
    const payload = end - start;
    const padding = flags & f.PADDED ? bytes[start]! + 1 : 0;
    if (padding > payload) {
      this.fail(f.PROTOCOL_ERROR, "padding that is longer than its frame");
      return;
    }
    const size = payload - padding;
    const ended = (flags & f.END_STREAM) !== 0;
    if (size === 0 && !ended && !this.spend("empty")) return;
    this.receiveWindow -= payload;
    if (this.receiveWindow < 0) {
      this.fail(f.FLOW_CONTROL_ERROR, "more than the connection's window allows");
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined || stream.remoteEnded) {
      this.consumed(payload);
      if (!this.ownResets.has(id)) this.streamError(id, f.STREAM_CLOSED);
      return;
    }
    stream.receiveWindow -= payload;
    if (stream.receiveWindow < 0) {
      this.consumed(payload);
      this.streamError(id, f.FLOW_CONTROL_ERROR);
      return;
    }
    if (padding > 0) stream.consumed(padding);
    if (ended) stream.remoteEnded = true;
    stream.received += size;
    if (size > 0) {
      const from = start + (padding > 0 ? 1 : 0);
      const kept = own ? (bytes.subarray(from, from + size) as Bytes) : this.user.keep(bytes, from, from + size);
      stream.owner?.onData(kept);
    }
    if (ended) this.remoteEnd(stream);
  }

  private remoteEnd(stream: Http2Stream): void {
    stream.owner?.onEnd();
    if (stream.localEnded) this.remove(stream);
  }

  private onHeaders(flags: number, id: number, bytes: Bytes, start: number, end: number): void {
    if (id === 0 || (id & 1) === 0) {
      this.fail(f.PROTOCOL_ERROR, "HEADERS on a stream that is not the client's");
      return;
    }
    let from = start;
    let bad = false;
    const padding = flags & f.PADDED ? bytes[from++]! : 0;
    if (flags & f.WITH_PRIORITY) {
      bad = end - from >= 5 && f.number31(bytes, from) === id;
      from += 5;
    }
    if (from + padding > end) {
      this.fail(f.PROTOCOL_ERROR, "padding that is longer than its frame");
      return;
    }
    this.block.begin(id, (flags & f.END_STREAM) !== 0, bad);
    this.addBlock(id, flags, bytes, from, end - padding);
  }

  private onContinuation(flags: number, bytes: Bytes, start: number, end: number): void {
    const id = this.block.stream;
    if (id === 0) this.fail(f.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    else this.addBlock(id, flags, bytes, start, end);
  }

  private addBlock(id: number, flags: number, bytes: Bytes, start: number, end: number): void {
    try {
      const found = this.block.add(bytes, start, end, (flags & f.END_HEADERS) !== 0);
      if (found === "endless") this.fail(f.ENHANCE_YOUR_CALM, "a header block that does not end");
      else if (found !== null) this.onBlock(id, found);
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      this.fail(f.COMPRESSION_ERROR, error.message);
    }
  }

  private onBlock(id: number, found: RequestBlock): void {
    const { ended, bad } = this.block;
    const stream = this.streams.get(id);
    if (bad) {
      this.lastStream = Math.max(this.lastStream, id);
      this.streamError(id, f.PROTOCOL_ERROR);
    } else if (stream !== undefined) this.onTrailers(stream, ended, found.fields);
    else if (this.isIdle(id)) this.open(id, ended, found);
    else if (!this.ownResets.has(id)) this.fail(f.STREAM_CLOSED, "HEADERS on a stream that has ended");
  }

  /** Read, checked, and thrown away: what is behind does not get them either. */
  private onTrailers(stream: Http2Stream, ended: boolean, fields: readonly string[]): void {
    if (stream.remoteEnded) this.streamError(stream.id, f.STREAM_CLOSED);
    else if (!ended || fields.some((name, i) => i % 2 === 0 && (name.startsWith(":") || /[A-Z]/.test(name))))
      this.streamError(stream.id, f.PROTOCOL_ERROR);
    else {
      stream.remoteEnded = true;
      this.remoteEnd(stream);
    }
  }

  private open(id: number, ended: boolean, block: RequestBlock): void {
    const { options } = this;
    this.lastStream = id;
    if (id > this.lastAccepted) {
      // Behind our GOAWAY: the client knows that nothing was done.
      this.refuse(id);
      return;
    }
    if (this.streams.size >= options.maxStreams) {
      this.refuse(id);
      return;
    }
    const stream = new Http2Stream(this, id, ended, this.streamSendWindow, options.windowBytes);
    this.streams.set(id, stream);
    this.user.onRequest(stream, block);
  }

  private refuse(id: number): void {
    this.remember(id);
    this.out.put(f.numberFrame(f.RST_STREAM, id, f.REFUSED_STREAM));
  }

  private onPriority(id: number, bytes: Bytes, start: number, end: number): void {
    if (id === 0) this.fail(f.PROTOCOL_ERROR, "PRIORITY without a stream");
    else if (end - start !== 5) this.streamError(id, f.FRAME_SIZE_ERROR);
    else if (f.number31(bytes, start) === id) this.streamError(id, f.PROTOCOL_ERROR);
    else this.spend("control");
  }

  private onReset(id: number, bytes: Bytes, start: number, end: number): void {
    if (id === 0 || this.isIdle(id)) this.fail(f.PROTOCOL_ERROR, "RST_STREAM without a stream");
    else if (end - start !== 4) this.fail(f.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size");
    else if (this.spend("reset")) {
      const stream = this.streams.get(id);
      if (stream !== undefined) this.remove(stream, f.number32(bytes, start), "reset by the client");
    }
  }

  private onSettings(flags: number, id: number, bytes: Bytes, start: number, end: number): void {
    if (id !== 0) {
      this.fail(f.PROTOCOL_ERROR, "SETTINGS on a stream");
      return;
    }
    const size = end - start;
    if (flags & f.ACK) {
      if (size !== 0) this.fail(f.FRAME_SIZE_ERROR, "SETTINGS of a wrong size");
      return;
    }
    if (size % 6 !== 0) {
      this.fail(f.FRAME_SIZE_ERROR, "SETTINGS of a wrong size");
      return;
    }
    if (!this.spend("control")) return;
    this.settingsSeen = true;
    for (let at = start; at < end && this.reading; at += 6)
      this.setting(f.number16(bytes, at), f.number32(bytes, at + 2));
    if (this.reading) this.out.put(f.frameHead(0, f.SETTINGS, f.ACK, 0));
  }

  private setting(id: number, value: number): void {
    switch (id) {
      case f.SETTINGS_HEADER_TABLE_SIZE:
        this.out.encoder.limitTable(value);
        break;
      case f.SETTINGS_ENABLE_PUSH:
        if (value > 1) this.fail(f.PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is 0 or 1");
        break;
      case f.SETTINGS_INITIAL_WINDOW_SIZE:
        this.setInitialWindow(value);
        break;
      case f.SETTINGS_MAX_FRAME_SIZE:
        if (value < f.MAX_PAYLOAD || value > 0xffffff)
          this.fail(f.PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range");
        else this.out.maxFrame = value;
        break;
      default: // of no matter here, or unknown
    }
  }

  private setInitialWindow(bytes: number): void {
    if (bytes > f.MAX_WINDOW) {
      this.fail(f.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE out of range");
      return;
    }
    const more = bytes - this.streamSendWindow;
    this.streamSendWindow = bytes;
    for (const stream of this.streams.values()) {
      stream.sendWindow += more;
      if (stream.sendWindow > f.MAX_WINDOW) {
        this.fail(f.FLOW_CONTROL_ERROR, "a window that is too large");
        return;
      }
      if (more > 0 && stream.pending) this.out.add(stream, false);
    }
  }

  private onPing(flags: number, id: number, bytes: Bytes, start: number, end: number): void {
    if (id !== 0) this.fail(f.PROTOCOL_ERROR, "PING on a stream");
    else if (end - start !== 8) this.fail(f.FRAME_SIZE_ERROR, "PING of a wrong size");
    else if (flags & f.ACK) this.onPong();
    else if (this.spend("control")) {
      const pong = f.frameHead(8, f.PING, f.ACK, 0, 8);
      pong.set(bytes.subarray(start, end), f.HEAD_BYTES);
      this.out.put(pong);
    }
  }

  private onWindowUpdate(id: number, bytes: Bytes, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(f.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size");
      return;
    }
    if (!this.spend("window")) return;
    const more = f.number31(bytes, start);
    if (id === 0) {
      this.out.window += more;
      if (more === 0) this.fail(f.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      else if (this.out.window > f.MAX_WINDOW) this.fail(f.FLOW_CONTROL_ERROR, "a window that is too large");
      return;
    }
    if (this.isIdle(id)) {
      this.fail(f.PROTOCOL_ERROR, "WINDOW_UPDATE without a stream");
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return; // it has just ended
    stream.sendWindow += more;
    if (more === 0) this.streamError(id, f.PROTOCOL_ERROR);
    else if (stream.sendWindow > f.MAX_WINDOW) this.streamError(id, f.FLOW_CONTROL_ERROR);
    else if (stream.pending) this.out.add(stream, false);
  }

  private isIdle(id: number): boolean {
    return id > this.lastStream || (id & 1) === 0;
  }

  // What streams ask

  /** Answers the bytes that it takes. */
  writeHead(id: number, fields: readonly string[], end: boolean): number {
    return this.out.writeHead(id, fields, end);
  }

  writeWindow(id: number, bytes: number): void {
    this.out.put(f.numberFrame(f.WINDOW_UPDATE, id, bytes));
  }

  wantsToSend(stream: Http2Stream): void {
    this.out.add(stream, stream.queued >= this.options.streamMemory);
  }

  /** Sends what waits as far as it can go. */
  flush(): void {
    this.out.pump();
  }

  /** Bytes that came in are out of the way. */
  consumed(bytes: number): void {
    this.unacknowledged += bytes;
    if (2 * this.unacknowledged < CONNECTION_WINDOW || !this.reading) return;
    this.receiveWindow += this.unacknowledged;
    this.writeWindow(0, this.unacknowledged);
    this.unacknowledged = 0;
  }

  /** All of the stream's response is on its way. */
  sent(stream: Http2Stream): void {
    this.out.remove(stream);
    stream.owner?.onSent();
    if (stream.remoteEnded) this.remove(stream);
  }

  resetStream(stream: Http2Stream, code: number): void {
    this.remember(stream.id);
    this.out.put(f.numberFrame(f.RST_STREAM, stream.id, code));
    this.remove(stream, null);
  }

  /** We give the stream up, and its owner does not know yet. */
  abandon(stream: Http2Stream, code: number, why: string): void {
    this.remember(stream.id);
    this.out.put(f.numberFrame(f.RST_STREAM, stream.id, code));
    this.remove(stream, code, why);
  }

  /** The client broke a rule of a stream. */
  streamError(id: number, code: number): void {
    this.remember(id);
    this.out.put(f.numberFrame(f.RST_STREAM, id, code));
    const stream = this.streams.get(id);
    if (stream !== undefined) this.remove(stream, code, "an error of the client");
    this.countError();
  }

  private countError(): void {
    const { maxStreamErrors } = this.options;
    if (maxStreamErrors > 0 && ++this.streamErrors > maxStreamErrors)
      this.fail(f.PROTOCOL_ERROR, `more than ${maxStreamErrors} errors on streams`);
  }

  private remember(id: number): void {
    this.ownResets.add(id);
    if (this.ownResets.size <= REMEMBERED) return;
    for (const oldest of this.ownResets) {
      this.ownResets.delete(oldest);
      break;
    }
  }

  /** @param code why its owner is told that it is over; null: it knows */
  private remove(stream: Http2Stream, code: number | null = null, why = ""): void {
    if (stream.closed) return;
    this.streams.delete(stream.id);
    this.out.remove(stream);
    stream.close(code, why);
    if (this.streams.size === 0 && this.reading) this.user.onIdle();
  }

  // Writing

  onDrain(): void {
    this.out.onDrain();
  }

  alloc(size: number): Bytes {
    return this.user.alloc(size);
  }

  write(bytes: Uint8Array): boolean {
    return this.user.write(bytes);
  }

  sentData(): void {
    this.flood.sentData();
  }

  // Ends

  /** Asks the client to open no more streams, and goes on with those that are open or on their way. */
  shutDown(): void {
    if (this.goawaySent || !this.reading) return;
    this.goawaySent = true;
    this.out.put(f.goawayFrame(ANY_STREAM, f.NO_ERROR));
    this.out.put(f.frameHead(8, f.PING, 0, 0, 8));
  }

  /** The client has read our GOAWAY: what it sends from here on it sends knowing. */
  onPong(): void {
    if (!this.goawaySent || this.lastAccepted !== ANY_STREAM) return;
    this.lastAccepted = this.lastStream;
    this.out.put(f.goawayFrame(this.lastStream, f.NO_ERROR));
  }

  /** Ends the session: the client is told, and its streams are given up. */
  fail(code: number, why: string): void {
    if (!this.reading) return;
    this.out.put(f.goawayFrame(this.lastStream, code));
    this.stop(code, why);
    this.out.held = false;
    this.out.flush();
    this.user.onFailed(code, why);
  }

  /** Nothing is read or sent any more. */
  stop(code: number, why: string): void {
    this.reading = false;
    this.out.clear();
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) stream.close(code, why);
  }
}
