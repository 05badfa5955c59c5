/**
 * Replies of an FTP server, and what stands in them.
 * Source: RFC 959, 2428, 3659; httpd modules/proxy/mod_proxy_ftp.c
 */

export interface FtpReply {
  /** 0: what came is no reply. */
  readonly code: number;
  /** The text of its first line. */
  readonly text: string;
  /** There is no connection any more: closed, silent for too long, or the server said that it closes (421). */
  readonly lost: boolean;
}

/** Where a server is to be found. */
export interface DataAddress {
  readonly address: string;
  readonly port: number;
}

/** The port in a reply to EPSV, "... (|||port|)" with any character for "|"; 0: there is none. */
export function parseEpsv(text: string): number {
  const match = /\(([!-~])\1\1(\d{1,5})\1\)/.exec(text);
  const port = Number(match?.[2] ?? 0);
  return port <= 65535 ? port : 0;
}

/** The address in a reply to PASV, "... h1,h2,h3,h4,p1,p2 ..."; null: there is none. Source: RFC 1123 section 4.1.2.6 */
export function parsePasv(text: string): DataAddress | null {
  const match = /(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})/.exec(text);
  if (match === null) return null;
  const [h1, h2, h3, h4, p1, p2] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  if (Math.max(h1, h2, h3, h4, p1, p2) > 255) return null;
  return { address: `${h1}.${h2}.${h3}.${h4}`, port: p1 * 256 + p2 };
}

/** The directory in a reply to PWD: `"/a ""b""" is current`. */
export function parsePwd(text: string): string {
  const quoted = /^\s*"((?:[^"\\]|""|\\.)*)"/.exec(text);
  if (quoted === null) return text.trim().split(" ", 1)[0]!;
  return quoted[1]!.replace(/""/g, '"').replace(/\\(["\\])/g, "$1");
}

/** "20260102030405.678" as a date of HTTP; "": it is no time. */
export function parseMdtm(text: string): string {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text);
  if (match === null) return "";
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
  const ms = Date.UTC(year, month! - 1, day, hour, minute, second);
  return ms === 0 ? "" : new Date(ms).toUTCString();
}
