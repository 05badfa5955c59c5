/**
 * The error log: httpd's line format, a level for each module, httpd's message numbers.
 * Source: httpd server/log.c, include/http_log.h
 */

/** Severity, most severe first; trace8 tells most. */
export const LEVELS = [
  "emerg",
  "alert",
  "crit",
  "error",
  "warn",
  "notice",
  "info",
  "debug",
  "trace1",
  "trace2",
  "trace3",
  "trace4",
  "trace5",
  "trace6",
  "trace7",
  "trace8",
] as const;

export type Level = (typeof LEVELS)[number];

const RANK = new Map<string, number>(LEVELS.map((level, rank) => [level, rank]));
const NOTICE = 5;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The rank of a level's name (0 is emerg), or undefined if there is no such level. */
export function levelRank(name: string): number | undefined {
  return RANK.get(name.toLowerCase());
}

/** What a message is about. */
export interface LogSubject {
  /** IP:PORT of the client. */
  readonly client?: string | undefined;
  /** IP:PORT of a backend. */
  readonly remote?: string | undefined;
  readonly referer?: string | undefined;
  /** The system's error, as "(111)Connection refused". */
  readonly error?: string | undefined;
}

/** Where lines go. The sink adds nothing. */
export interface LogSink {
  write(line: string): void;
  /** Opens the file anew, after it was rotated. */
  reopen?(): void;
  close?(): void;
}

export interface LogLevels {
  /** Rank of the level of modules that have none of their own. */
  readonly base: number;
  readonly modules: ReadonlyMap<string, number>;
}

/** @default warn for every module */
export const DEFAULT_LEVELS: LogLevels = { base: 4, modules: new Map() };

export class ErrorLog {
  private sink: LogSink;
  private levels: LogLevels;
  private readonly pid: number;
  private readonly wallUs: () => number;

  constructor(sink: LogSink, wallUs: () => number, pid: number, levels: LogLevels = DEFAULT_LEVELS) {
    this.sink = sink;
    this.wallUs = wallUs;
    this.pid = pid;
    this.levels = levels;
  }

  /** The same log at other levels, for a virtual host or a section. */
  at(levels: LogLevels): ErrorLog {
    return new ErrorLog(this.sink, this.wallUs, this.pid, levels);
  }

  /** Whether a message would be written. Ask before composing one that costs. */
  enabled(module: string, rank: number): boolean {
    return (
      rank <=
      (this.levels.modules.size === 0 ? this.levels.base : (this.levels.modules.get(module) ?? this.levels.base))
    );
  }

  /** Notices are written whatever the level, as httpd's are to a file. */
  notice(module: string, ah: string, message: string): void {
    this.put(NOTICE, module, ah, message, {});
  }

  error(module: string, ah: string, message: string, subject: LogSubject = {}): void {
    this.log(3, module, ah, message, subject);
  }

  crit(module: string, ah: string, message: string, subject: LogSubject = {}): void {
    this.log(2, module, ah, message, subject);
  }

  warn(module: string, ah: string, message: string, subject: LogSubject = {}): void {
    this.log(4, module, ah, message, subject);
  }

  info(module: string, ah: string, message: string, subject: LogSubject = {}): void {
    this.log(6, module, ah, message, subject);
  }

  debug(module: string, ah: string, message: string, subject: LogSubject = {}): void {
    this.log(7, module, ah, message, subject);
  }

  /** @param depth 1 to 8 */
  trace(depth: number, module: string, message: string, subject: LogSubject = {}): void {
    this.log(7 + depth, module, "", message, subject);
  }

  log(rank: number, module: string, ah: string, message: string, subject: LogSubject): void {
    if (this.enabled(module, rank)) this.put(rank, module, ah, message, subject);
  }

  reopen(): void {
    this.sink.reopen?.();
  }

  private put(rank: number, module: string, ah: string, message: string, subject: LogSubject): void {
    let line = `[${errorLogTime(this.wallUs())}] [${module}:${LEVELS[rank]}] [pid ${this.pid}:tid ${this.pid}] `;
    if (subject.error) line += `${subject.error}: `;
    if (subject.client) line += `[client ${subject.client}] `;
    if (subject.remote) line += `[remote ${subject.remote}] `;
    if (ah) line += `${ah}: `;
    line += escapeControls(message);
    if (subject.referer) line += `, referer: ${escapeControls(subject.referer)}`;
    this.sink.write(`${line}\n`);
  }
}

/** "Fri Nov 20 10:28:34.123456 2026", in UTC. */
export function errorLogTime(us: number): string {
  const date = new Date(us / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const fraction = String(us % 1_000_000).padStart(6, "0");
  return (
    `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())} ` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${fraction} ${date.getUTCFullYear()}`
  );
}

/** Control characters as \xhh, so that a client cannot write lines of its own into the log. */
function escapeControls(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
