/**
 * The error log: httpd's line format, a level for each module, httpd's message numbers.
 * Source: httpd server/log.c, include/http_log.h
 */
import { type ConnRec, clientAddress, type RequestRec } from "./records.ts";
import { pad, strftime } from "./strftime.ts";

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

/** The rank of a level's name (0 is emerg), or undefined if there is no such level. */
export function levelRank(name: string): number | undefined {
  return RANK.get(name.toLowerCase());
}

/** What a message is about, where it is not simply about a request or a connection. */
export interface LogSubject {
  readonly request?: RequestRec | undefined;
  /** IP:PORT of the client. */
  readonly client?: string | undefined;
  /** IP:PORT of a backend. */
  readonly remote?: string | undefined;
  /** The system's error, as "(111)Connection refused". */
  readonly error?: string | undefined;
}

/** A message on its way into the log: what a format is given. */
export interface LogMessage {
  readonly timeUs: number;
  readonly rank: number;
  readonly module: string;
  /** Escaped, with its AH number in front. */
  readonly text: string;
  readonly pid: number;
  readonly request: RequestRec | null;
  readonly conn: ConnRec | null;
  /** IP:PORT of the client; "" if there is none. */
  readonly client: string;
  readonly remote: string;
  readonly error: string;
}

/** Makes a line of a message, without its end; "" for no line. */
export type LineFormat = (message: LogMessage) => string;

/** ErrorLogFormat. */
export interface ErrorLogFormats {
  /** null: the usual line. */
  readonly main: LineFormat | null;
  /** Written once, before the first message about a request or a connection. */
  readonly request: readonly LineFormat[];
  readonly connection: readonly LineFormat[];
}

const USUAL: ErrorLogFormats = { main: null, request: [], connection: [] };

/** Where lines go. The sink adds nothing, save for one that `stamps`. */
export interface LogSink {
  /** @param rank the severity of the line, for a sink that tells it on */
  write(line: string, rank?: number): void;
  /** It adds time and severity of its own, as syslog does. */
  readonly stamps?: boolean;
  /** It gathers lines itself, for a turn of the event loop: other children write there, too, and lines stay in order. */
  readonly gathers?: boolean;
  /** The logs are opened: starts the program that takes the lines, while it can be started by root. */
  start?(): void;
  /** Lines that were given up since the last call, because the other side did not keep up. */
  takeDropped?(): number;
  /** Opens the file anew, after it was rotated. */
  reopen?(): void;
  /** Resolves when all was written, or nothing more can be. */
  close?(): void | Promise<void>;
}

export interface LogLevels {
  /** Rank of the level of modules that have none of their own. */
  readonly base: number;
  readonly modules: ReadonlyMap<string, number>;
}

/** What a message is about. */
type About = LogSubject | RequestRec | ConnRec;

const NOTHING: LogSubject = {};

/** @default warn for every module */
export const DEFAULT_LEVELS: LogLevels = { base: 4, modules: new Map() };

export class ErrorLog {
  private readonly sink: LogSink;
  private readonly levels: LogLevels;
  private readonly formats: ErrorLogFormats;
  private readonly pid: number;
  private readonly wallUs: () => number;

  constructor(
    sink: LogSink,
    wallUs: () => number,
    pid: number,
    levels: LogLevels = DEFAULT_LEVELS,
    formats: ErrorLogFormats = USUAL,
  ) {
    this.sink = sink;
    this.wallUs = wallUs;
    this.pid = pid;
    this.levels = levels;
    this.formats = formats;
  }

  /** The same log at other levels, for a virtual host or a section. */
  at(levels: LogLevels): ErrorLog {
    return new ErrorLog(this.sink, this.wallUs, this.pid, levels, this.formats);
  }

  /** Makes ready what takes the lines. */
  open(): void {
    this.sink.start?.();
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
    this.put(NOTICE, module, ah, message, NOTHING);
  }

  error(module: string, ah: string, message: string, subject: About = NOTHING): void {
    this.log(3, module, ah, message, subject);
  }

  crit(module: string, ah: string, message: string, subject: About = NOTHING): void {
    this.log(2, module, ah, message, subject);
  }

  warn(module: string, ah: string, message: string, subject: About = NOTHING): void {
    this.log(4, module, ah, message, subject);
  }

  info(module: string, ah: string, message: string, subject: About = NOTHING): void {
    this.log(6, module, ah, message, subject);
  }

  debug(module: string, ah: string, message: string, subject: About = NOTHING): void {
    this.log(7, module, ah, message, subject);
  }

  /** @param depth 1 to 8 */
  trace(depth: number, module: string, message: string, subject: About = NOTHING): void {
    this.log(7 + depth, module, "", message, subject);
  }

  log(rank: number, module: string, ah: string, message: string, subject: About): void {
    if (this.enabled(module, rank)) this.put(rank, module, ah, message, subject);
  }

  private put(rank: number, module: string, ah: string, message: string, subject: About): void {
    const r = "headersIn" in subject ? subject : "keepalives" in subject ? null : (subject.request ?? null);
    const conn = "keepalives" in subject ? subject : (r?.conn ?? null);
    const more: LogSubject = "headersIn" in subject || "keepalives" in subject ? NOTHING : subject;
    const text = escapeErrorLog(message);
    const line: LogMessage = {
      timeUs: this.wallUs(),
      rank,
      module,
      text: ah === "" ? text : `${ah}: ${text}`,
      pid: this.pid,
      request: r,
      conn,
      client: more.client ?? (r !== null ? requestAddress(r) : conn !== null ? clientAddress(conn) : ""),
      remote: more.remote ?? "",
      error: more.error ?? "",
    };
    if (conn !== null && conn.logId === "") {
      conn.logId = logId(line.timeUs, conn.id, 0);
      for (const format of this.formats.connection) this.write(format(line), rank);
    }
    if (r !== null && r.logId === "") {
      r.logId = logId(r.requestTimeUs, r.conn.id, r.conn.keepalives);
      for (const format of this.formats.request) this.write(format(line), rank);
    }
    this.write(this.formats.main === null ? usualLine(line, this.sink.stamps === true) : this.formats.main(line), rank);
  }

  private write(line: string, rank: number): void {
    if (line !== "") this.sink.write(`${line}\n`, rank);
  }
}

/** The line that ErrorLogFormat describes unless it is set. */
function usualLine(m: LogMessage, stamped: boolean): string {
  let line = stamped ? "" : `[${errorLogTime(m.timeUs)}] `;
  line += `[${m.module}:${LEVELS[m.rank]}] [pid ${m.pid}:tid ${m.pid}] `;
  if (m.error !== "") line += `${m.error}: `;
  if (m.client !== "") line += `[client ${m.client}] `;
  if (m.remote !== "") line += `[remote ${m.remote}] `;
  line += m.text;
  const referer = m.request?.headersIn.get("Referer");
  return referer ? `${line}, referer: ${escapeErrorLog(referer)}` : line;
}

function requestAddress(r: RequestRec): string {
  return r.useragentIp === "" ? "unix" : `${r.useragentIp}:${r.useragentPort}`;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Eleven characters that name a request or connection: time, connection and count of its requests. */
function logId(us: number, connection: number, count: number): string {
  let id = "";
  let rest = us % 2 ** 36;
  for (let i = 0; i < 6; i++, rest = Math.floor(rest / 64)) id += BASE64[rest % 64];
  rest = (connection % 2 ** 18) * 4096 + (count % 4096);
  for (let i = 0; i < 5; i++, rest = Math.floor(rest / 64)) id += BASE64[rest % 64];
  return id;
}

let second = -1;
let secondText = "";

/** "Fri Nov 20 10:28:34.123456 2026", in local time. */
export function errorLogTime(us: number): string {
  const at = Math.floor(us / 1_000_000);
  if (at !== second) {
    second = at;
    secondText = strftime("%a %b %d %H:%M:%S.%% %Y", new Date(at * 1000));
  }
  return secondText.replace("%", pad(us % 1_000_000, 6));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

/** Control characters, backslashes and bytes beyond ASCII escaped, so that a client cannot write lines of its own. */
export function escapeErrorLog(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\xff\\]/g, (c) => ESCAPES[c] ?? hexEscape(c));
}

/** 1 for the characters that `escapeLogItem` leaves alone. */
export const PLAIN_IN_LOGS: Uint8Array = new Uint8Array(256);
for (let c = 0x20; c < 0x7f; c++) if (c !== 0x22 && c !== 0x5c) PLAIN_IN_LOGS[c] = 1;

/** The same for a part of an access log's line that a client chose: quotes, too. Source: httpd ap_escape_logitem */
export function escapeLogItem(text: string): string {
  return /[^\x20\x21\x23-\x5b\x5d-\x7e]/.test(text)
    ? text.replace(/[\x00-\x1f\x7f-\xff"\\]/g, (c) => (c === '"' ? '\\"' : (ESCAPES[c] ?? hexEscape(c))))
    : text;
}

function hexEscape(c: string): string {
  return `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
