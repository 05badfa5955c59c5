/**
 * The way of a response on the fetch front: a web Response, made when the first bytes of the body are there, so that a body
 * that comes whole goes out whole and with its length.
 */
import { type Bytes, latin1Bytes } from "../core/bytes.ts";
import type { RequestRec, UpgradedClient } from "../core/records.ts";
import { hasNoBody, type Status } from "../core/status.ts";
import { CONNECTION, CONTENT_LENGTH, DATE, HeaderTable, KEEP_ALIVE, SERVER, TRANSFER_ENCODING } from "../core/table.ts";
import type { WebSocketOffer } from "../core/web_socket.ts";
import { FilteredOut } from "../http/filtered_out.ts";
import { dateOf, prepareFields, renderInterim, serverOf } from "../http/header_out.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { MOST_101_FIELDS } from "./tunnel_host.ts";

/** Body bytes that wait for the client, before the backend is told to wait. */
const QUEUE_BYTES = 65_536;

/** Who has asked for the response. */
export interface FetchSink {
  respond(response: Response): void;
  /** The client must take what waits within Timeout. */
  blocked(): void;
  unblocked(): void;
  clientLeft(): void;
  responseEnded(): void;
  /** What follows on the connection is no HTTP. @param head of the 101 */
  upgrade(owner: SocketOwner, head: string): UpgradedClient;
}

export class FetchOut extends FilteredOut {
  webSocket: WebSocketOffer | null = null;
  /** There is a connection to be had for it. */
  needs101 = false;
  /** The head of a 101. */
  private switching = "";
  private readonly sink: FetchSink;
  private headers: Headers | null = null;
  /** Body bytes until the response is handed over. */
  private waiting: Uint8Array[] = [];
  private responded = false;
  private stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  private full = false;

  constructor(sink: FetchSink, r: RequestRec) {
    super(r);
    this.sink = sink;
  }

  /** The connection is the runtime's. */
  sentField(name: string): string | undefined {
    return name.toLowerCase() === "content-length" ? (this.headers?.get("Content-Length") ?? undefined) : undefined;
  }

  upgrade(owner: SocketOwner): UpgradedClient {
    return this.sink.upgrade(owner, this.switching);
  }

  /** A web Response has none before it. */
  interim(status: Status, reason: string, headers: HeaderTable): void {
    if (status !== 101) return;
    if (headers.size > MOST_101_FIELDS) {
      const left = headers.size - MOST_101_FIELDS;
      this.r.log.warn(
        "http",
        "",
        `the fetch front leaves ${left} fields of a 101 out: it has room for ${MOST_101_FIELDS}`,
        this.r,
      );
    }
    this.switching = renderInterim(101, reason, mostImportant(headers));
  }

  /** The response is that of a handshake; what follows is no response. */
  switched(response: Response | undefined): void {
    this.started = this.ended = this.responded = true;
    this.watcher = null;
    this.sink.respond(response as Response);
  }

  protected compose(known: number): void {
    const { r } = this;
    if (r.status > 599) {
      r.log.error("http", "", `the fetch front cannot send status ${r.status}`, r);
      r.status = 502;
      r.statusLine = null;
    }
    this.hasBody = !hasNoBody(r.status) && !r.headerOnly && r.status !== 205;
    this.headers = responseFields(r);
    if (known >= (r.headerOnly ? 1 : 0) && !hasNoBody(r.status)) this.headers.set("Content-Length", String(known));
    queueMicrotask(this.leave);
  }

  protected sendHead(): boolean {
    if (!this.responded && !this.ended) this.respond();
    return !this.full;
  }

  protected sendBytes(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean {
    return this.send(from === undefined ? bytes.subarray(start, end) : from.keep(bytes, start, end));
  }

  protected sendText(text: string): boolean {
    return this.send(latin1Bytes(text));
  }

  protected sendEnd(): void {}

  protected sendCut(): void {}

  protected closed(cutShort: boolean): void {
    if (!this.responded) this.respondWhole(cutShort);
    else if (cutShort) this.stream?.error(new Error("the response broke off"));
    else this.stream?.close();
    this.stream = null;
    this.sink.unblocked();
    this.sink.responseEnded();
  }

  override gone(): void {
    super.gone();
    if (!this.responded) {
      this.responded = true;
      this.sink.respond(new Response(null, { status: 499 })); // to nobody
    }
    this.stream = null;
  }

  /** Gives the client up: it has taken nothing for too long, or the server stops. */
  destroy(): void {
    this.stream?.error(new Error("the response was given up"));
    this.gone();
  }

  private readonly leave = (): void => {
    if (!this.responded) this.respond();
  };

  private send(bytes: Uint8Array): boolean {
    this.r.wireOut += bytes.length;
    if (this.stream === null) {
      this.waiting.push(bytes);
      return true;
    }
    this.stream.enqueue(bytes);
    this.full = (this.stream.desiredSize ?? 1) <= 0;
    if (this.full) this.sink.blocked();
    return !this.full;
  }

  /** Hands the response over; more of its body will follow. */
  private respond(): void {
    this.responded = true;
    this.sink.respond(this.response(this.hasBody ? this.makeStream() : null));
  }

  private respondWhole(cutShort: boolean): void {
    this.responded = true;
    if (this.headers === null) this.sink.respond(new Response(null, { status: 502 }));
    else if (!this.hasBody) this.sink.respond(this.response(null));
    // Bun 1.4.4 gives bytes without a type one of its own, a stream none.
    else if (cutShort || !this.headers.has("Content-Type")) {
      const body = this.makeStream();
      if (cutShort) this.stream!.error(new Error("the response broke off"));
      else this.stream!.close();
      this.sink.respond(this.response(body));
    } else this.sink.respond(this.response(joined(this.waiting)));
  }

  private response(body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null): Response {
    const generation = this.r.server.process;
    if (generation.takesTimes) this.r.firstByteUs = generation.clock.wallUs();
    const { status, statusLine } = this.r;
    const statusText = statusLine === null ? "" : statusLine.slice(4);
    return new Response(body, { status, statusText, headers: this.headers! });
  }

  private makeStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const stream = controller as ReadableStreamDefaultController<Uint8Array>;
          this.stream = stream;
          for (const bytes of this.waiting) stream.enqueue(bytes);
          this.waiting = [];
        },
        pull: () => {
          if (!this.full) return;
          this.full = false;
          this.sink.unblocked();
          this.watcher?.onClientDrain();
        },
        cancel: () => {
          this.stream = null;
          this.sink.clientLeft();
        },
      },
      { highWaterMark: QUEUE_BYTES, size: byteLength },
    );
  }
}

/** The handshake's own fields first. */
function mostImportant(headers: HeaderTable): HeaderTable {
  if (headers.size <= MOST_101_FIELDS) return headers;
  const all = [...headers];
  const own = all.filter(([name]) => HANDSHAKE.test(name));
  const table = new HeaderTable();
  for (const [name, value] of [...own, ...all.filter(([name]) => !HANDSHAKE.test(name))].slice(0, MOST_101_FIELDS)) {
    table.add(name, value);
  }
  return table;
}

const HANDSHAKE = /^(upgrade|connection|sec-websocket-.*)$/i;

function byteLength(bytes: Uint8Array | undefined): number {
  return bytes?.byteLength ?? 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The fields but those of the connection, which is the runtime's. */
function responseFields(r: RequestRec): Headers {
  prepareFields(r);
  const fields = new Headers();
  fields.set("Date", dateOf(r));
  fields.set("Server", serverOf(r));
  if (r.errHeadersOut !== null) append(fields, r.errHeadersOut);
  append(fields, r.headersOut);
  return fields;
}

function append(fields: Headers, table: HeaderTable): void {
  const { ids } = table;
  for (let i = 0; i < ids.length; i++) {
    switch (ids[i]) {
      case DATE:
      case SERVER:
      case CONTENT_LENGTH:
      case TRANSFER_ENCODING:
      case CONNECTION:
      case KEEP_ALIVE:
        break;
      default:
        fields.append(table.nameAt(i), table.valueAt(i));
    }
  }
}
