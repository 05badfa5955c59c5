/**
 * Files, for the configuration and the logs.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LogSink } from "../core/error_log.ts";

/** The part of a ConfigHost that reads files. */
export const configFiles = {
  readFile: (path: string): string => readFileSync(path, "utf8"),
  readDir: (path: string): readonly string[] => readdirSync(path),
  kind(path: string): "file" | "dir" | "none" {
    try {
      return statSync(path).isDirectory() ? "dir" : "file";
    } catch {
      return "none";
    }
  },
};

/** A log that is appended to. Lines are written at once: what a crash leaves in the log is what happened. */
export class LogFile implements LogSink {
  private readonly path: string;
  private fd: number;

  /** @throws Error with `code` if the file cannot be opened */
  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, "a");
  }

  write(line: string): void {
    put(this.fd, line);
  }

  reopen(): void {
    const fd = openSync(this.path, "a");
    closeSync(this.fd);
    this.fd = fd;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Standard error. */
export const stderrSink: LogSink = { write: (line) => put(2, line) };

/** A full pipe or disk must not end the server: the line is lost. */
function put(fd: number, line: string): void {
  try {
    writeSync(fd, line);
  } catch {
    // nowhere to say so
  }
}

/** Creates the folder of a file. */
export function makeFolderOf(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
}
