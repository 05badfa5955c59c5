/**
 * Log files: the error log's, written at once, and the others', written in the background.
 */
import { closeSync, openSync, write, writeSync } from "node:fs";
import type { LogSink } from "../core/error_log.ts";

/** How much may wait for a disk or a program; what comes beyond it is dropped, and counted. */
export const QUEUE_CHARS = 4 * 1024 * 1024;
/** Between looks at a pipe that is full. */
const AGAIN_MS = 50;

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

/** A file that is written in the background, one write at a time, so that a slow disk holds up no request. */
export class LogFile implements LogSink {
  private readonly path: string;
  private fd: number;
  private readonly standard: boolean;
  private queue: string[] = [];
  private queued = 0;
  private dropped = 0;
  private writing = false;
  private reopening = false;
  private done: (() => void) | null = null;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
    this.standard = fd <= 2;
  }

  write(text: string): void {
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
      this.writing = true;
      this.put(bytes, 0);
      return;
    }
    if (this.reopening) {
      this.reopening = false;
      this.fd = openAnew(this.path, this.fd);
    }
    if (this.done !== null) {
      if (!this.standard) closeSync(this.fd);
      this.done();
      this.done = null;
    }
  }

  private put(bytes: Buffer, from: number): void {
    write(this.fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error?.code === "EAGAIN") {
        // Standard output may be a pipe that is full.
        setTimeout(() => this.put(bytes, from), AGAIN_MS);
        return;
      }
      if (error !== null) this.dropped += lines(bytes.toString("latin1", from));
      else if (from + written < bytes.length) {
        this.put(bytes, from + written);
        return;
      }
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
