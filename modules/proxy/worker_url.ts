/**
 * A worker's URL → its name, and where to connect.
 * Source: httpd modules/proxy/proxy_util.c, ap_proxy_define_worker
 */
import { authorityOf, defaultPort, parseUrl, splitUnixUrl } from "../server/uri.ts";

/** What is wrong with unix:PATH|URL without a scheme behind the bar. */
export const INVALID_UNIX = 'uses an invalid "unix:" URL';

/** A worker's URL taken apart; `name` is the normalised form that identifies it. */
export interface WorkerUrl {
  readonly name: string;
  readonly displayName: string;
  readonly scheme: string;
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  /** The scheme's default resolved; 0 when it has none. */
  readonly port: number;
  /** Path and query as written, "" when there is none. */
  readonly path: string;
  readonly unixPath: string | null;
}

/**
 * Takes a worker's URL apart: SCHEME://HOST[:PORT][/PATH] or unix:PATH|SCHEME://[HOST][/PATH]. A string is an error, in
 * httpd's words but for the directive's name in front.
 * @param runtimeDir where a relative unix path starts
 * @param pattern the URL may have $1 in host and port
 */
export function parseWorkerUrl(text: string, runtimeDir = "", pattern = false): WorkerUrl | string {
  const unix = splitUnixUrl(text);
  if (unix !== null && "error" in unix) return INVALID_UNIX;
  const url = unix?.url ?? text;
  const parsed = parseUrl(url, pattern);
  if ("error" in parsed) return `${parsed.relative ? "URL must be absolute!" : "Unable to parse URL"}: ${url}`;
  const { scheme, host, path } = parsed;
  const name = `${scheme}://${userOf(url)}${authorityOf(parsed)}${path}`;
  const unixPath = unix === null ? null : inDirectory(runtimeDir, unix.socketPath);
  return {
    name,
    displayName: unixPath === null ? name : `unix:${unixPath}|${name}`,
    scheme,
    host,
    port: parsed.port ?? defaultPort(scheme) ?? 0,
    path,
    unixPath,
  };
}

/** "user:password@" of a URL, or "". */
function userOf(url: string): string {
  return /^[^:]+:\/\/([^/?#]*@)/.exec(url)?.[1] ?? "";
}

function inDirectory(dir: string, path: string): string {
  return path.startsWith("/") || dir === "" ? path : `${dir.replace(/\/$/, "")}/${path}`;
}
