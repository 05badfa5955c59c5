/**
 * A program that takes a log from its standard input, started anew when it ends before the server does.
 * Source: httpd server/log.c, piped_log_spawn, piped_log_maintenance
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { LogSink } from "../core/error_log.ts";
import { lines, QUEUE_CHARS, stderrSink } from "./log_file.ts";

/** A program that ends at once is not started in a loop. */
const RESTART_MS = 1000;

export class PipedLog implements LogSink {
  readonly stamps: boolean;
  private readonly command: readonly string[];
  private readonly target: string;
  private child: ChildProcess | null = null;
  private waiting: string[] = [];
  private waitingChars = 0;
  private dropped = 0;
  private startedMs = 0;
  private started = false;
  private closed: (() => void) | null = null;

  /** @param target "|program", or "syslog[:facility[:tag]]" */
  constructor(target: string) {
    this.target = target;
    this.stamps = !target.startsWith("|");
    this.command = this.stamps ? syslogCommand(target) : splitCommand(target);
  }

  write(text: string, rank = 6): void {
    this.start();
    const line = this.stamps ? `<${facilityOf(this.target) * 8 + Math.min(7, rank)}>${text}` : text;
    const stdin = this.child?.stdin;
    const held = this.waitingChars + (stdin?.writableLength ?? 0);
    if (held + line.length > QUEUE_CHARS) this.dropped += lines(line);
    else if (stdin != null && this.waiting.length === 0) stdin.write(line);
    else {
      this.waiting.push(line);
      this.waitingChars += line.length;
    }
  }

  takeDropped(): number {
    const { dropped } = this;
    this.dropped = 0;
    return dropped;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.closed = resolve;
      if (this.child === null) resolve();
      else this.child.stdin!.end();
    });
  }

  /** Starts the program, unless it was. */
  start(): void {
    if (this.started) return;
    this.started = true;
    this.spawn();
  }

  private spawn(): void {
    const [program, ...args] = this.command;
    this.startedMs = performance.now();
    const child = spawn(program ?? "", args, { stdio: ["pipe", "inherit", "inherit"] });
    this.child = child;
    // The lines that are on their way into a program that ends are lost with it, as in httpd.
    child.stdin!.on("error", () => {});
    let ended = false;
    const end = (why: string): void => {
      if (ended) return;
      ended = true;
      this.ended(why);
    };
    child.on("error", (error) => end(error.message));
    child.on("exit", (code, signal) => end(signal ?? `exit ${code}`));
    for (const text of this.waiting) child.stdin!.write(text);
    this.waiting = [];
    this.waitingChars = 0;
  }

  private ended(why: string): void {
    this.child = null;
    if (this.closed !== null) {
      this.closed();
      return;
    }
    stderrSink.write(`AH00106: piped log program '${this.target}' failed unexpectedly (${why})\n`);
    const sinceMs = performance.now() - this.startedMs;
    setTimeout(() => this.closed === null && this.spawn(), Math.max(0, RESTART_MS - sinceMs)).unref();
  }
}

/** The words of "|program args" and "||program args"; "|$command" is for a shell. */
export function splitCommand(target: string): string[] {
  if (target.startsWith("|$")) return ["/bin/sh", "-c", target.slice(2)];
  const words: string[] = [];
  for (const [, double, single, plain] of target
    .replace(/^\|\|?/, "")
    .matchAll(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|((?:[^\s"'\\]|\\.)+)/gs)) {
    words.push((double ?? single ?? plain)!.replace(/\\(.)/gs, "$1"));
  }
  return words;
}

const FACILITIES: Readonly<Record<string, number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};

/** Of "syslog[:facility[:tag]]"; a name that is none is local7, as in httpd. */
function facilityOf(target: string): number {
  return FACILITIES[target.split(":")[1]?.toLowerCase() ?? ""] ?? FACILITIES.local7!;
}

/** No runtime has datagram sockets of the unix domain, where syslog listens: logger(1) has. */
export function syslogCommand(target: string): string[] {
  const tag = target.split(":")[2] || "sluice";
  return ["logger", "--prio-prefix", "--tag", tag];
}
