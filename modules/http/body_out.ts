/**
 * The way of a response on the net front: head and body framed, joined into few writes.
 * Source: httpd modules/http/http_filters.c, chunk_filter.c; server/core_filters.c
 */
import type { Bytes } from "../core/bytes.ts";
import type { RequestRec, UpgradedClient } from "../core/records.ts";
import { hasNoBody, type Status } from "../core/status.ts";
import { CONTENT_LENGTH, type HeaderTable, TRANSFER_ENCODING } from "../core/table.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { chunkHeader, LAST_CHUNK } from "./chunked.ts";
import { FilteredOut } from "./filtered_out.ts";
import { HTTP_11 } from "./head.ts";
import { type Framing, type ResponseProtocol, renderHead, renderInterim, responseProtocol } from "./header_out.ts";

/** Up to so many body bytes leave as one string with the head; more are cheaper as bytes. */
const JOIN_BYTES = 16_384;

/** Is told before bytes of a response leave; null: nobody is. See mpm/log_order.ts. */
export const departure = { watch: null as (() => void) | null };

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

export class BodyOut extends FilteredOut {
  private readonly sink: ResponseSink;
  private framing: Framing = "none";
  private length = -1;
  /** The fields about the connection, each line complete. */
  private connection = "";
  /** The head, until it leaves. */
  private head = "";

  constructor(sink: ResponseSink, r: RequestRec) {
    super(r);
    this.sink = sink;
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

  protected compose(known: number): void {
    const { r } = this;
    const protocol = responseProtocol(r);
    this.hasBody = !hasNoBody(r.status) && !r.headerOnly;
    if (hasNoBody(r.status)) this.framing = "none";
    else if (r.headerOnly) this.framing = headFraming(r, known);
    else if (known >= 0) this.framing = "length";
    else this.framing = protocol.number >= HTTP_11 ? "chunked" : "close";
    const delimited = this.framing !== "close" || !this.hasBody;
    this.length = known;
    this.connection = this.sink.connectionFields(r, protocol, delimited);
    this.head = renderHead(r, protocol, this.framing, known, this.connection);
  }

  protected sendText(text: string): boolean {
    const before = this.takeHead();
    if (this.framing !== "chunked") return this.send(before + text);
    return this.send(`${before}${chunkHeader(text.length)}${text}\r\n`);
  }

  protected sendHead(): boolean {
    return this.head === "" || this.send(this.takeHead());
  }

  protected sendEnd(): void {
    const tail = this.hasBody && this.framing === "chunked" ? LAST_CHUNK : "";
    if (this.head !== "" || tail !== "") this.send(this.takeHead() + tail);
  }

  protected sendCut(): void {
    if (this.started && this.head !== "" && this.r.bytesSent === 0) this.send(this.takeHead());
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    this.started = this.ended = true;
    this.watcher = null;
    return this.sink.upgrade(owner);
  }

  protected closed(cutShort: boolean): void {
    this.sink.responseEnded(cutShort);
  }

  protected sendBytes(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean {
    const size = end - start;
    const chunked = this.framing === "chunked";
    let before = this.takeHead();
    if (!chunked && from?.pass !== undefined) {
      if (departure.watch !== null) departure.watch();
      const room = from.pass(this.sink.socket, before, bytes, start, end);
      if (room !== null) {
        this.r.wireOut += before.length + size;
        return this.sent(room);
      }
    }
    if (chunked) before += chunkHeader(size);
    if (size <= JOIN_BYTES) {
      const text = before + bytes.latin1Slice(start, end);
      return this.send(chunked ? `${text}\r\n` : text);
    }
    const part =
      from === undefined ? (bytes.subarray(start, end) as Bytes) : from.lend(bytes, start, end, this.sink.socket);
    if (before === "") return this.send(part);
    return this.sendv(chunked ? [before, part, "\r\n"] : [before, part]);
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
    if (departure.watch !== null) departure.watch();
    this.r.wireOut += data.length;
    return this.sent(this.sink.socket.write(data));
  }

  private sent(room: boolean): boolean {
    if (!room) this.sink.blocked();
    return room;
  }

  private sendv(parts: readonly (string | Uint8Array)[]): boolean {
    if (departure.watch !== null) departure.watch();
    for (const part of parts) this.r.wireOut += part.length;
    return this.sent(this.sink.socket.writev(parts));
  }
}

/**
 * Of HEAD: what a backend says of the body that it did not send is its own business, but that a length of 0 would be that of no
 * answer at all, not of GET's. Source: httpd ap_http_header_filter
 */
function headFraming(r: RequestRec, known: number): Framing {
  const { headersOut } = r;
  if (headersOut.hasId(CONTENT_LENGTH) || headersOut.hasId(TRANSFER_ENCODING)) return "came";
  return known > 0 ? "length" : "none";
}
