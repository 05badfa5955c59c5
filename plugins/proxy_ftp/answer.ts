/**
 * The answer to the client: its head, and what the data connection brings.
 * Source: httpd modules/proxy/mod_proxy_ftp.c proxy_ftp_handler
 */
import {
  type Bytes,
  type ClientWatch,
  DONE,
  HeaderTable,
  latin1Bytes,
  OK,
  type ProxyAttempt,
  type ProxyWorker,
  type RequestRec,
  type Socket,
  type Status,
} from "../../modules/mod.ts";
import type { FtpControl } from "./control.ts";
import type { DataConnection, DataSink } from "./data.ts";
import type { Listing } from "./listing.ts";

const MODULE = "proxy_ftp";

export class FtpAnswer implements DataSink {
  private readonly r: RequestRec;
  private readonly worker: ProxyWorker;
  private readonly attempt: ProxyAttempt;
  private readonly client: ClientWatch;
  private readonly control: FtpControl;
  private readonly size: number;
  private readonly listing: Listing | null;
  /** The server will say how the transfer ended. */
  finalDue: boolean;
  private received = 0;
  private readonly done = Promise.withResolvers<Status>();

  /** @param size in bytes; -1: not known */
  constructor(
    r: RequestRec,
    worker: ProxyWorker,
    attempt: ProxyAttempt,
    client: ClientWatch,
    control: FtpControl,
    size: number,
    listing: Listing | null,
    finalDue: boolean,
  ) {
    this.r = r;
    this.worker = worker;
    this.attempt = attempt;
    this.client = client;
    this.control = control;
    this.size = size;
    this.listing = listing;
    this.finalDue = finalDue;
  }

  begin(charset: string, lastModified: string): void {
    const { r } = this;
    r.status = 200;
    r.statusLine = r.errorNotes = null; // of an attempt before
    r.headersOut = new HeaderTable();
    if (this.listing !== null) {
      r.headersOut.set("Content-Type", `text/html;charset=${charset}`);
      // What the extension of a name says is not said of the page.
      r.filename = r.filename.replace(/[^/]*(?:\?.*)?$/s, "");
    }
    if (lastModified !== "") r.headersOut.set("Last-Modified", lastModified);
    r.out.begin(this.size);
  }

  /** Passes on what comes. DONE: the answer had to be cut short, or the client left. */
  transfer(data: DataConnection): Promise<Status> {
    const { client, done, r } = this;
    const leave = client.onLeave;
    client.onLeave = () => {
      leave?.();
      done.resolve(DONE);
    };
    client.onRoom = () => data.resume();
    r.out.flush();
    data.read(this);
    return done.promise;
  }

  write(text: string): boolean {
    if (text === "") return true;
    const bytes = latin1Bytes(text);
    return this.r.out.write(bytes, 0, bytes.length);
  }

  end(): Status {
    this.r.out.end();
    this.done.resolve(OK);
    return OK;
  }

  onBytes(bytes: Bytes, start: number, end: number, from: Socket): boolean {
    this.worker.s.read += end - start;
    if (this.listing !== null) return this.write(this.listing.lines(bytes, start, end));
    // More than was announced would begin the next response.
    const taken = this.size < 0 ? end - start : Math.min(end - start, this.size - this.received);
    this.received += taken;
    return this.r.out.write(bytes, start, start + taken, from);
  }

  onDataEnd(cause: string | null): void {
    this.r.log.debug(MODULE, "AH01058", "data connection closed", this.r);
    if (cause !== null) this.truncated(cause);
    else if (this.received < this.size) this.truncated(`${this.size - this.received} bytes are missing`);
    else if (this.listing !== null) {
      this.write(this.listing.foot());
      this.end();
    } else if (this.size >= 0 || !this.finalDue) this.end();
    else void this.endAsTold();
  }

  /** Only the server knows whether what came is the whole file. One that has gone does not say that it is not. */
  private async endAsTold(): Promise<void> {
    const reply = await this.control.reply();
    this.finalDue = false;
    if (reply.code >= 400 && !reply.lost) this.truncated(`${reply.code} ${reply.text}`);
    else this.end();
  }

  private truncated(cause: string): void {
    if (this.client.gone) return;
    this.r.log.error(MODULE, "", `error reading data from ${this.worker.hostPort}: ${cause}`, this.r);
    this.attempt.failure = { stage: "read-body", source: "backend", retry: "never", cause, timedOut: false };
    this.r.out.abort();
    this.done.resolve(DONE);
  }
}
