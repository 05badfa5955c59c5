/**
 * What the responses of both fronts have in common: the hooks before the head, the filters, the order of the calls. How head
 * and body leave is the front's.
 * Source: httpd modules/http/http_filters.c, ap_http_header_filter
 */
import { type Brigade, EOS, FLUSH } from "../core/brigade.ts";
import type { Bytes } from "../core/bytes.ts";
import { passThroughFilters } from "../core/filter.ts";
import type { RequestRec, ResponseOut, ResponseWatcher, UpgradedClient } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import { HeaderTable } from "../core/table.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { insertErrorFilter, insertFilter } from "../server/hooks.ts";
import { cutRanges, mayBeCut } from "./byte_range.ts";
import { sendErrorResponse } from "./error_response.ts";

export abstract class FilteredOut implements ResponseOut {
  started = false;
  ended = false;
  watcher: ResponseWatcher | null = null;
  trailers: HeaderTable | null = null;
  protected r: RequestRec;
  /** Set by `compose`. */
  protected hasBody = false;

  constructor(r: RequestRec) {
    this.r = r;
  }

  serve(r: RequestRec): void {
    this.r = r;
  }

  abstract sentField(name: string): string | undefined;
  abstract upgrade(owner: SocketOwner): UpgradedClient;
  abstract interim(status: Status, reason: string, headers: HeaderTable): void;

  /** Makes the head and decides `hasBody`. @param known the length of the body; -1: unknown */
  protected abstract compose(known: number): void;
  /** Sends the head, if it waits. */
  protected abstract sendHead(): boolean;
  protected abstract sendBytes(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean;
  protected abstract sendText(text: string): boolean;
  /** Sends what is left, and what tells the end. */
  protected abstract sendEnd(): void;
  /** Sends a head that waits, if that says more than nothing would. */
  protected abstract sendCut(): void;
  /** The last call: it is all sent, or given up. */
  protected abstract closed(cutShort: boolean): void;

  begin(length: number): void {
    if (this.started || this.ended) return;
    const { r } = this;
    this.started = true;
    const { hooks } = r.server.process;
    if (r.errorPage) insertErrorFilter.run(hooks, r);
    else if (!r.unfiltered) insertFilter.run(hooks, r);
    if (r.illegalHeader) {
      this.refuse();
      return;
    }
    let known = length;
    if (r.outputFilters?.some((filter) => filter.changesBody)) {
      known = -1;
      r.headersOut.unset("Content-Length");
    }
    if (mayBeCut(r, known)) this.composeRanges(known);
    else this.compose(known);
  }

  private composeRanges(length: number): void {
    const cut = cutRanges(this.r, length);
    if (cut !== "unsatisfiable") {
      this.compose(cut);
      return;
    }
    this.started = false;
    sendErrorResponse(this.r, 416);
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

  write(bytes: Bytes, start: number, end: number, from?: Socket): boolean {
    if (this.ended) return true;
    if (!this.started) this.begin(-1);
    if (this.r.outputFilters === null) return this.put(bytes, start, end, from);
    const kept = from === undefined ? (bytes.subarray(start, end) as Bytes) : from.keep(bytes, start, end);
    return this.pass([{ kind: "bytes", bytes: kept }]);
  }

  writeText(text: string): boolean {
    if (this.ended) return true;
    if (!this.started) this.begin(-1);
    if (!this.hasBody || text === "") return true;
    this.r.bytesSent += text.length;
    return this.sendText(text);
  }

  flush(): void {
    if (this.ended || !this.started) return;
    if (this.r.outputFilters !== null) this.pass([FLUSH]);
    this.sendHead();
  }

  end(): void {
    if (this.ended) return;
    if (!this.started) this.begin(0);
    if (this.r.outputFilters !== null) this.pass([EOS]);
    if (this.ended) return;
    this.sendEnd();
    this.finish(false);
  }

  abort(): void {
    if (this.ended) return;
    this.sendCut();
    this.finish(true);
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
    this.closed(cutShort);
  }

  private pass(brigade: Brigade): boolean {
    let room = true;
    for (const bucket of passThroughFilters(this.r, brigade)) {
      if (bucket.kind === "bytes") room = this.put(bucket.bytes, 0, bucket.bytes.length, undefined);
      else if (bucket.kind === "flush") room = this.sendHead();
      else if (bucket.kind === "error") this.finish(true);
    }
    return room;
  }

  private put(bytes: Bytes, start: number, end: number, from: Socket | undefined): boolean {
    if (!this.hasBody || end === start) return true;
    this.r.bytesSent += end - start;
    return this.sendBytes(bytes, start, end, from);
  }
}
