/**
 * Log files: the error log's, written at once, and the others', written in the background.
 */
import { closeSync, fstatSync, openSync, write, writeSync } from "node:fs";
import type { LogSink } from "../core/error_log.ts";
import type { LogLine, LogOrder, SharedLog } from "./log_order.ts";

/** How much may wait for a disk or a program; what comes beyond it is dropped, and counted. */
export const QUEUE_CHARS = 4 * 1024 * 1024;
/** Between looks at a pipe that is full. */
const AGAIN_MS = 50;
/** A disk that takes longer for one write is not waited for. */
const SLOW_MS = 20;

/** Standard error. */
export const stderrSink: LogSink = { write: (line) => put(2, line) };

/** The error log's file. What a crash leaves in it is what happened. */
export class ErrorFile implements LogSink {
  private readonly path: string;
  private fd: number;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, "a");
  }

  write(line: string): void {
    put(this.fd, line);
  }

  reopen(): void {
    this.fd = openAnew(this.path, this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Answers the descriptor to go on with: that of the file of this name now, or the one at hand if it cannot be opened. */
function openAnew(path: string, fd: number): number {
  try {
    const fresh = openSync(path, "a");
    closeSync(fd);
    return fresh;
  } catch (error) {
    put(2, `cannot open ${path} anew: ${(error as Error).message}\n`);
    return fd;
  }
}

/** A full pipe or disk must not end the server: the line is lost. */
function put(fd: number, line: string): void {
  try {
    writeSync(fd, line);
  } catch {
    // nowhere to say so
  }
}

/**
 * A file that is written in the background, one write at a time, so that a slow disk holds up no request.
 *
 * One that several children write to is written at once when it is this child's turn. (That costs 1 us, a write in the background 4
 * on Deno 2.9.5 and 14 on Bun 1.4.4.) While its disk is slow, that one is written in the background, too.
 */
export class LogFile implements LogSink, SharedLog {
  readonly gathers: boolean;
  private readonly order: LogOrder | null;
  private readonly path: string;
  private fd: number;
  private readonly standard: boolean;
  /** Not so a pipe, which may be full. */
  private regular: boolean;
  private slow = false;
  private queue: string[] = [];
  private queued = 0;
  private dropped = 0;
  private writing = false;
  private reopening = false;
  private done: (() => void) | null = null;

  /** @param order several children write to it */
  constructor(path: string, fd: number, order: LogOrder | null) {
    this.gathers = order !== null;
    this.order = order;
    this.path = path;
    this.fd = fd;
    this.standard = fd <= 2;
    this.regular = fstatSync(fd).isFile();
  }

  write(text: string): void {
    if (this.order === null) this.take(text);
    else this.order.write(this, text);
  }

  put(lines: readonly LogLine[]): void {
    this.take(lines.length === 1 ? lines[0]![0] : lines.map(([line]) => line).join(""));
  }

  private take(text: string): void {
    if (this.queued + text.length > QUEUE_CHARS) {
      this.dropped += lines(text);
      return;
    }
    this.queue.push(text);
    this.queued += text.length;
    this.next();
  }

  takeDropped(): number {
    const { dropped } = this;
    this.dropped = 0;
    return dropped;
  }

  reopen(): void {
    if (this.standard) return;
    this.reopening = true;
    this.next();
  }

  close(): Promise<void> {
    this.order?.flush();
    return new Promise((resolve) => {
      this.done = resolve;
      this.next();
    });
  }

  private next(): void {
    if (this.writing) return;
    if (this.queue.length > 0) {
      const bytes = Buffer.from(this.queue.join(""));
      this.queue = [];
      this.queued = 0;
      const written = this.order !== null && this.regular && !this.slow ? this.writeNow(bytes) : 0;
      if (written < bytes.length) {
        this.writing = true;
        this.writeLater(bytes, written);
        return;
      }
    }
    if (this.reopening) {
      this.reopening = false;
      this.fd = openAnew(this.path, this.fd);
      this.regular = fstatSync(this.fd).isFile();
    }
    if (this.done !== null) {
      if (!this.standard) closeSync(this.fd);
      this.done();
      this.done = null;
    }
  }

  /** Answers how much of it is written: if not all, the rest is for the background, which also counts what is lost. */
  private writeNow(bytes: Buffer): number {
    const began = performance.now();
    try {
      return writeSync(this.fd, bytes);
    } catch {
      return 0;
    } finally {
      this.slow = performance.now() - began > SLOW_MS;
    }
  }

  private writeLater(bytes: Buffer, from: number): void {
    const began = performance.now();
    write(this.fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === "EAGAIN") {
        // Standard output may be a pipe that is full.
        setTimeout(() => this.writeLater(bytes, from), AGAIN_MS);
        return;
      }
      if (error !== null) this.dropped += lines(bytes.toString("latin1", from));
      else if (from + written < bytes.length) {
        this.writeLater(bytes, from + written);
        return;
      }
      this.slow = performance.now() - began > SLOW_MS;
      this.writing = false;
      this.next();
    });
  }
}

/** How many lines a text ends. */
export function lines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
