/**
 * What logs are written to: files, programs, syslog. A target is opened once, however many logs and generations use it.
 * Source: httpd server/log.c, ap_open_logs, ap_open_piped_log
 */
import { openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { LogSink } from "../core/error_log.ts";
import { ErrorFile, LogFile, stderrSink } from "./log_file.ts";
import type { LogOrder } from "./log_order.ts";
import { PipedLog } from "./piped_log.ts";

/** A program that does not take the last lines must not keep the server from ending. */
const CLOSE_MS = 3000;

interface Open {
  readonly sink: LogSink;
  /** Generations that write to it. */
  users: number;
}

const open = new Map<string, Open>();
/** Closed, with lines that are still on their way. */
const closing = new Set<Promise<void>>();

/** A log that a program takes, or syslog. */
export interface ProgramLog extends LogSink {
  /** Starts the program, unless it was. */
  start(): void;
}

/** What a child in a thread has of who started it. */
export interface LogParent {
  /** Who keeps lines in order that other children write, too. */
  order(): LogOrder;
  /** What takes the lines for "|program" and syslog. */
  program(target: string): ProgramLog;
  /** What takes the lines for a file that User may not open; it was opened when the program was root's. */
  file(target: string, error: boolean): LogSink;
}

/** The logs of one generation. */
export class LogSet {
  private readonly resolvePath: (path: string) => string;
  private readonly parent: LogParent | null;
  private readonly keys = new Set<string>();

  /**
   * @param resolvePath makes a path absolute
   * @param parent null: programs are started and files opened here
   */
  constructor(resolvePath: (path: string) => string, parent: LogParent | null = null) {
    this.resolvePath = resolvePath;
    this.parent = parent;
  }

  /**
   * The sink of an ErrorLog: a file's name, "|program", "syslog[:facility[:tag]]"; "" is standard error. A program is
   * started when the generation opens its logs, or by a line that comes before that.
   * @throws Error with `code` if a file cannot be opened
   */
  openErrorLog(target: string): LogSink {
    if (target === "" || target === "/dev/stderr") return stderrSink;
    if (!isLogFile(target)) return this.program(target);
    const path = this.resolvePath(target);
    return this.once(`ErrorLog ${path}`, () => this.file(target, true, () => new ErrorFile(path)));
  }

  /**
   * The sink of any other log: a file's name, "|program", "||program", "|$shell command".
   * @throws Error with `code` if a file cannot be opened
   */
  openLog(target: string): LogSink {
    if (target.startsWith("|")) {
      const program = this.program(target);
      program.start();
      return program;
    }
    const order = this.parent?.order() ?? null;
    if (target === "/dev/stdout") return this.once(target, () => new LogFile(target, 1, order));
    if (target === "/dev/stderr") return this.once(target, () => new LogFile(target, 2, order));
    const path = this.resolvePath(target);
    return this.once(path, () => this.file(target, false, () => new LogFile(path, openSync(path, "a"), order)));
  }

  /** The folder that a log's file is to be in, if it is not there; null for any other target, too. */
  missingFolder(target: string): string | null {
    if (!isLogFile(target)) return null;
    const folder = dirname(this.resolvePath(target));
    return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? null : `${folder}/`;
  }

  /** The generation has ended: closes what no other one uses. */
  release(): void {
    for (const key of this.keys) {
      const entry = open.get(key)!;
      if (--entry.users > 0) continue;
      open.delete(key);
      close(entry.sink);
    }
    this.keys.clear();
  }

  private program(target: string): ProgramLog {
    return this.once(target, () => this.parent?.program(target) ?? new PipedLog(target)) as ProgramLog;
  }

  private file(target: string, error: boolean, open: () => LogSink): LogSink {
    try {
      return open();
    } catch (failure) {
      if (this.parent === null || (failure as { code?: string }).code !== "EACCES") throw failure;
      return this.parent.file(target, error);
    }
  }

  private once(key: string, make: () => LogSink): LogSink {
    let entry = open.get(key);
    if (entry === undefined) {
      entry = { sink: make(), users: 0 };
      open.set(key, entry);
    }
    if (!this.keys.has(key)) {
      this.keys.add(key);
      entry.users++;
    }
    return entry.sink;
  }
}

/** The same log for one who is silent while others say the same. */
export function silenced(sink: LogSink, silent: () => boolean): LogSink {
  return {
    stamps: sink.stamps ?? false,
    start: () => sink.start?.(),
    write(line, rank) {
      if (!silent()) sink.write(line, rank);
    },
  };
}

/** Whether an ErrorLog, or another log, is a file: no program, no syslog, no standard error. */
export function isLogFile(target: string): boolean {
  return target !== "" && target !== "/dev/stderr" && !target.startsWith("|") && !isSyslog(target);
}

export function isSyslog(target: string): boolean {
  return /^syslog(:|$)/i.test(target);
}

/** Opens all log files anew, after they were rotated. What User may not open goes on into the file at hand. */
export function reopenLogs(): void {
  for (const { sink } of open.values()) sink.reopen?.();
}

function close(sink: LogSink): void {
  const closed = Promise.resolve(sink.close?.()).then(() => void closing.delete(closed));
  closing.add(closed);
}

/** Resolves when every log has all its lines, or does not take them. */
export async function closeLogs(): Promise<void> {
  for (const { sink } of open.values()) close(sink);
  open.clear();
  const closed = Promise.all(closing);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS);
  });
  await Promise.race([closed, patience]);
  clearTimeout(timer);
}
