/**
 * The control connection: one command, one reply.
 * Source: RFC 959 section 4.2; httpd modules/proxy/mod_proxy_ftp.c proxy_ftp_command, ftp_getrc_msg
 */
import type { Backend, BackendUser, Bytes, RequestRec } from "../../modules/mod.ts";
import type { FtpReply } from "./reply.ts";

const MODULE = "proxy_ftp";
/** A reply that is longer is none. */
const MAX_REPLY_BYTES = 64 * 1024;
const TRACE2 = 9;

const LOST: FtpReply = { code: 0, text: "", lost: true };

export class FtpControl implements BackendUser {
  readonly backend: Backend;
  /** A reply did not come in time. */
  timedOut = false;
  private readonly r: RequestRec;
  private readonly timeoutMs: number;
  private input = "";
  private closed = false;
  private waiting: ((reply: FtpReply) => void) | null = null;

  constructor(r: RequestRec, backend: Backend, timeoutMs: number) {
    this.r = r;
    this.backend = backend;
    this.timeoutMs = timeoutMs;
    backend.attach(this);
    if (backend.closed) this.closed = true;
    else backend.socket.resume();
  }

  /** Sends a command and waits for its reply. Nothing in it may end a line. */
  command(verb: string, argument?: string): Promise<FtpReply> {
    const line = argument === undefined ? verb : `${verb} ${argument}`;
    if (this.r.log.enabled(MODULE, TRACE2)) {
      this.r.log.trace(2, MODULE, `>${verb === "PASS" ? "PASS ****" : line}`, this.r);
    }
    if (!this.closed) this.backend.socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** The next reply, one that came already included. */
  reply(): Promise<FtpReply> {
    const there = this.takeReply();
    if (there !== null) return Promise.resolve(there);
    if (this.closed) return Promise.resolve(LOST);
    this.backend.arm(this.timeoutMs);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  /** Closes at once. Whoever waits for a reply is told that there will be none. */
  close(): void {
    this.lose();
  }

  onData(bytes: Bytes, start: number, end: number): void {
    this.input += bytes.latin1Slice(start, end);
    if (this.waiting === null) {
      if (this.input.length > MAX_REPLY_BYTES) this.lose();
      return;
    }
    const reply = this.takeReply();
    if (reply !== null) this.answer(reply);
    else this.backend.arm(this.timeoutMs);
  }

  onDrain(): void {}

  onEnd(): void {
    this.lose();
  }

  onClose(): void {
    this.lose();
  }

  onTimeout(): void {
    this.timedOut = true;
    this.lose();
  }

  private answer(reply: FtpReply): void {
    const { waiting } = this;
    this.waiting = null;
    this.backend.disarm();
    waiting?.(reply);
  }

  private lose(): void {
    this.closed = true;
    this.backend.close();
    this.answer(LOST);
  }

  /** "123-first line", lines of any kind, "123 last line"; or the last line alone. null: it is not complete. */
  private takeReply(): FtpReply | null {
    const { input } = this;
    const firstEnd = input.indexOf("\n");
    if (firstEnd < 0) return this.tooLong();
    let end = firstEnd;
    const first = input.slice(0, firstEnd).replace(/\r$/, "");
    const match = /^(\d{3})(?:([ -])(.*))?$/s.exec(first);
    if (match?.[2] === "-") {
      const last = input.indexOf(`\n${match[1]} `, firstEnd);
      end = last < 0 ? -1 : input.indexOf("\n", last + 1);
      if (end < 0) return this.tooLong();
    }
    this.input = input.slice(end + 1);
    if (match === null) {
      this.r.log.info(MODULE, "AH10229", `Malformed FTP response '${first}'`, this.r);
      return { code: 0, text: first.slice(4), lost: false };
    }
    const code = Number(match[1]);
    const text = match[3] ?? "";
    if (this.r.log.enabled(MODULE, TRACE2)) this.r.log.trace(2, MODULE, `<${match[1]} ${text}`, this.r);
    return { code, text, lost: code === 421 };
  }

  private tooLong(): FtpReply | null {
    return this.input.length > MAX_REPLY_BYTES ? LOST : null;
  }
}
