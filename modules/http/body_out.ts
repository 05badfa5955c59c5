/**
 * The way of a response to the client: head and body framed, filtered if there are filters, joined into few writes.
 * Source: httpd modules/http/http_filters.c, chunk_filter.c; server/core_filters.c
 */
import { type Brigade, EOS, FLUSH } from "../core/brigade.ts";
import type { Bytes } from "../core/bytes.ts";
import { passThroughFilters } from "../core/filter.ts";
import type { RequestRec, ResponseOut, ResponseWatcher, UpgradedClient } from "../core/records.ts";
import { hasNoBody, type Status } from "../core/status.ts";
import { HeaderTable, TRANSFER_ENCODING } from "../core/table.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { insertErrorFilter, insertFilter } from "../server/hooks.ts";
import { chunkHeader, LAST_CHUNK } from "./chunked.ts";
import { sendErrorResponse } from "./error_response.ts";
import { HTTP_11 } from "./head.ts";
import { type Framing, type ResponseProtocol, renderHead, renderInterim, responseProtocol } from "./header_out.ts";

/** Up to so many body bytes leave as one string with the head; more are cheaper as bytes. */
const JOIN_BYTES = 16_384;

/** What a response asks of its connection. */
export interface ResponseSink {
  readonly socket: Socket;
  /** Decides on keep-alive, once, and answers the connection fields. @param delimited the body's end is told */
  connectionFields(r: RequestRec, protocol: ResponseProtocol, delimited: boolean): string;
  /** `write` answered false: the client must take it within Timeout. */
  blocked(): void;
  /** The last byte was written, or the response was given up. */
  responseEnded(cutShort: boolean): void;
  /** What follows on the connection is no HTTP. */
  upgrade(owner: SocketOwner): UpgradedClient;
}

export class BodyOut implements ResponseOut {
  started = false;
  ended = false;
  watcher: ResponseWatcher | null = null;
  private readonly sink: ResponseSink;
  private r: RequestRec;
  private framing: Framing = "none";
  private length = -1;
  /** The fields about the connection, each line complete. */
  private connection = "";
  /** The head, until it leaves. */
  private head = "";
  private hasBody = false;

  constructor(sink: ResponseSink, r: RequestRec) {
    this.sink = sink;
    this.r = r;
  }

  serve(r: RequestRec): void {
    this.r = r;
  }

  sentField(name: string): string | undefined {
    const lower = name.toLowerCase();
    if (lower === "content-length") return this.framing === "length" ? String(this.length) : undefined;
    if (lower === "transfer-encoding") return this.framing === "chunked" ? "chunked" : undefined;
    const line = this.connection.split("\r\n").find((field) => field.toLowerCase().startsWith(`${lower}: `));
    return line?.slice(name.length + 2);
  }

  interim(status: Status, reason: string, headers: HeaderTable): void {
    if (this.started || this.ended || this.r.protoNum < HTTP_11) return;
    if (status === 100) this.r.expecting100 = false;
    const text = renderInterim(status, reason, headers);
    this.r.wireOut += text.length;
    this.sink.socket.write(text);
  }

  begin(length: number): void {
    if (this.started || this.ended) return;
    const { r } = this;
    this.started = true;
    const { hooks } = r.server.process;
    if (r.errorPage) insertErrorFilter.run(hooks, r);
    else insertFilter.run(hooks, r);
    if (r.illegalHeader) {
      this.refuse();
      return;
    }
    this.compose(r.outputFilters?.some((filter) => filter.changesBody) ? -1 : length);
  }

  /**
   * A module set a field that must not be sent: the client gets a page instead, or a bare 500 if the page has such a field.
   * Source: httpd modules/http/http_filters.c, check_headers_recursion
   */
  private refuse(): void {
    const { r } = this;
    r.illegalHeader = false;
    r.headersOut = new HeaderTable();
    r.errHeadersOut = null;
    if (!r.errorPage) {
      this.started = false;
      sendErrorResponse(r, 500);
      return;
    }
    r.status = 500;
    r.statusLine = null;
    this.compose(0);
    this.hasBody = false;
  }

  /** Makes the head. @param known the length of the body; -1: unknown */
  private compose(known: number): void {
    const { r } = this;
    const protocol = responseProtocol(r);
    this.hasBody = !hasNoBody(r.status) && !r.headerOnly;
    if (hasNoBody(r.status)) this.framing = "none";
    else if (known < 0 && r.headerOnly && !r.headersOut.hasId(TRANSFER_ENCODING)) this.framing = "none";
    else if (known >= 0) this.framing = "length";
    else this.framing = protocol.number >= HTTP_11 ? "chunked" : "close";
    const delimited = this.framing !== "close" || !this.hasBody;
    this.length = known;
    this.connection = this.sink.connectionFields(r, protocol, delimited);
    this.head = renderHead(r, protocol, this.framing, known, this.connection);
  }

  write(bytes: Bytes, start: number, end: number, from?: Socket): boolean {
    if (this.ended) return true;
    if (!this.started) this.begin(-1);
    if (this.r.outputFilters === null) return this.writeFramed(bytes, start, end, from);
    const kept = from === undefined ? (bytes.subarray(start, end) as Bytes) : from.keep(bytes, start, end);
    return this.pass([{ kind: "bytes", bytes: kept }]);
  }

  writeText(text: string): boolean {
    if (this.ended) return true;
    if (!this.started) this.begin(-1);
    if (!this.hasBody || text === "") return true;
    this.r.bytesSent += text.length;
    const before = this.takeHead();
    if (this.framing !== "chunked") return this.send(before + text);
    return this.send(`${before}${chunkHeader(text.length)}${text}\r\n`);
  }

  flush(): void {
    if (this.ended || !this.started) return;
    if (this.r.outputFilters !== null) this.pass([FLUSH]);
    if (this.head !== "") this.send(this.takeHead());
  }

  end(): void {
    if (this.ended) return;
    if (!this.started) this.begin(0);
    if (this.r.outputFilters !== null) this.pass([EOS]);
    const tail = this.hasBody && this.framing === "chunked" ? LAST_CHUNK : "";
    if (this.head !== "" || tail !== "") this.send(this.takeHead() + tail);
    this.finish(false);
  }

  abort(): void {
    if (this.ended) return;
    if (this.started && this.head !== "" && this.r.bytesSent === 0) this.send(this.takeHead());
    this.finish(true);
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    this.started = this.ended = true;
    this.watcher = null;
    return this.sink.upgrade(owner);
  }

  /** The client left. */
  gone(): void {
    if (this.ended) return;
    this.ended = true;
    const { watcher } = this;
    this.watcher = null;
    watcher?.onClientGone();
  }

  private finish(cutShort: boolean): void {
    this.ended = true;
    this.watcher = null;
    this.sink.responseEnded(cutShort);
  }

  private pass(brigade: Brigade): boolean {
    let room = true;
    for (const bucket of passThroughFilters(this.r, brigade)) {
      if (bucket.kind === "bytes") room = this.writeFramed(bucket.bytes, 0, bucket.bytes.length, undefined);
      else if (bucket.kind === "flush" && this.head !== "") room = this.send(this.takeHead());
      else if (bucket.kind === "error") this.finish(true);
    }
    return room;
  }

  private writeFramed(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean {
    const size = end - start;
    if (!this.hasBody || size === 0) return true;
    this.r.bytesSent += size;
    const chunked = this.framing === "chunked";
    let before = this.takeHead();
    if (chunked) before += chunkHeader(size);
    if (size <= JOIN_BYTES) {
      const text = before + bytes.latin1Slice(start, end);
      return this.send(chunked ? `${text}\r\n` : text);
    }
    const kept = from === undefined ? (bytes.subarray(start, end) as Bytes) : from.keep(bytes, start, end);
    if (before === "") return this.send(kept);
    return this.sendv(chunked ? [before, kept, "\r\n"] : [before, kept]);
  }

  private takeHead(): string {
    const { head } = this;
    if (head !== "") {
      this.head = "";
      const generation = this.r.server.process;
      if (generation.takesTimes) this.r.firstByteUs = generation.clock.wallUs();
    }
    return head;
  }

  private send(data: string | Uint8Array): boolean {
    this.r.wireOut += data.length;
    const room = this.sink.socket.write(data);
    if (!room) this.sink.blocked();
    return room;
  }

  private sendv(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) this.r.wireOut += part.length;
    const room = this.sink.socket.writev(parts);
    if (!room) this.sink.blocked();
    return room;
  }
}
