/**
 * The way of a response on a stream: a header block, DATA, an end.
 * Source: RFC 9113 section 8.3.2; httpd modules/http2/h2_headers.c, h2_c2_filter.c
 */
import {
  type Bytes,
  CONNECTION,
  CONTENT_LENGTH,
  DATE,
  dateOf,
  FilteredOut,
  type HeaderTable,
  hasNoBody,
  KEEP_ALIVE,
  latin1Bytes,
  PROXY_CONNECTION,
  prepareFields,
  type RequestRec,
  SERVER,
  type Socket,
  type SocketOwner,
  type Status,
  serverOf,
  TRANSFER_ENCODING,
  trimOws,
  UPGRADE,
  type UpgradedClient,
} from "../../modules/mod.ts";
import { HEAD_BYTES, INTERNAL_ERROR } from "./frame.ts";
import type { Http2Stream } from "./stream.ts";

/** Who has asked for the response. */
export interface StreamSink {
  /** Interim answers other than 100 go to the client. */
  readonly earlyHints: boolean;
  /** The client wants a WebSocket on the stream. */
  readonly tunnel: boolean;
  /** The last byte waits for the client, or the response was given up. */
  responseEnded(cutShort: boolean): void;
  /** What follows on the stream is no HTTP. */
  upgrade(owner: SocketOwner): UpgradedClient;
}

export class StreamOut extends FilteredOut {
  private readonly sink: StreamSink;
  private readonly stream: Http2Stream;
  private head: string[] | null = null;
  private length = -1;

  constructor(sink: StreamSink, stream: Http2Stream, r: RequestRec) {
    super(r);
    this.sink = sink;
    this.stream = stream;
  }

  sentField(name: string): string | undefined {
    return name.toLowerCase() === "content-length" && this.length >= 0 ? String(this.length) : undefined;
  }

  /** RFC 8441: the answer is a HEADERS frame. */
  readonly needs101 = true;

  interim(status: Status, _reason: string, headers: HeaderTable): void {
    if (this.started || this.ended) return;
    if (status === 101) this.switchToTunnel(headers);
    else if (status === 100 ? this.r.expecting100 : this.sink.earlyHints) {
      if (status === 100) this.r.expecting100 = false;
      this.sendFields(status, headers);
    }
  }

  /** Sends 100 Continue. */
  sendContinue(): void {
    this.r.wireOut += this.stream.sendHead([":status", "100"], false);
  }

  private sendFields(status: Status, headers: HeaderTable): void {
    const fields = [":status", String(status)];
    append(fields, headers);
    this.r.wireOut += this.stream.sendHead(fields, false);
  }

  /** What HTTP/1.1 calls 101 is 200 here, without the fields of its handshake. Source: RFC 8441 section 5 */
  private switchToTunnel(headers: HeaderTable): void {
    const kept = headers.clone();
    kept.unset("Sec-WebSocket-Accept");
    this.sendFields(200, kept);
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    this.started = this.ended = true;
    this.watcher = null;
    return this.sink.upgrade(owner);
  }

  protected compose(known: number): void {
    const { r } = this;
    const bodiless = hasNoBody(r.status);
    this.hasBody = !bodiless && !r.headerOnly;
    prepareFields(r);
    const fields = [":status", String(r.status)];
    if (r.errHeadersOut !== null) append(fields, r.errHeadersOut);
    const length = bodiless || known < 0 ? "" : String(known);
    if (length !== "" && !r.headersOut.hasId(CONTENT_LENGTH)) fields.push("content-length", length);
    append(fields, r.headersOut, length);
    this.length = bodiless ? -1 : known;
    fields.push("date", dateOf(r), "server", serverOf(r));
    this.head = fields;
  }

  protected sendHead(): boolean {
    this.letHeadGo(false);
    return true;
  }

  protected sendBytes(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean {
    return this.send(from === undefined ? bytes.subarray(start, end) : from.keep(bytes, start, end));
  }

  protected sendText(text: string): boolean {
    return this.send(latin1Bytes(text));
  }

  protected sendEnd(): void {
    const { trailers } = this;
    if (trailers !== null && this.hasBody) {
      this.letHeadGo(false);
      const fields: string[] = [];
      append(fields, trailers);
      this.stream.end(fields.length === 0 ? null : fields);
    } else if (this.head !== null) this.letHeadGo(true);
    else this.stream.end();
  }

  protected sendCut(): void {}

  protected closed(cutShort: boolean): void {
    if (cutShort) this.stream.reset(INTERNAL_ERROR);
    this.sink.responseEnded(cutShort);
  }

  private send(bytes: Uint8Array): boolean {
    this.letHeadGo(false);
    this.r.wireOut += bytes.length + HEAD_BYTES;
    return this.stream.send(bytes);
  }

  private letHeadGo(end: boolean): void {
    const { head } = this;
    if (head === null) return;
    this.head = null;
    const { process } = this.r.server;
    if (process.takesTimes) this.r.firstByteUs = process.clock.wallUs();
    this.stream.responded = true;
    this.r.wireOut += this.stream.sendHead(head, end);
  }
}

const lowerNames = new Map<string, string>();
const MAX_NAMES = 1000;

function lower(name: string): string {
  const known = lowerNames.get(name);
  if (known !== undefined) return known;
  const made = name.toLowerCase();
  if (lowerNames.size < MAX_NAMES && name.length <= 64) lowerNames.set(name, made);
  return made;
}

/** The fields but those of the connection, and those that are added behind. @param length for Content-Length; "": none */
function append(fields: string[], table: HeaderTable, length = ""): void {
  const { ids } = table;
  let rest = length;
  for (let i = 0; i < ids.length; i++) {
    switch (ids[i]) {
      case DATE:
      case SERVER:
      case TRANSFER_ENCODING:
      case CONNECTION:
      case KEEP_ALIVE:
      case PROXY_CONNECTION:
      case UPGRADE:
        break;
      case CONTENT_LENGTH:
        if (rest !== "") fields.push("content-length", rest);
        rest = "";
        break;
      default:
        // A blank at either end makes a field, and with it the response, malformed for HTTP/2.
        fields.push(lower(table.nameAt(i)), trimOws(table.valueAt(i), 0));
    }
  }
}
