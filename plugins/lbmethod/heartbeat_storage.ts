/**
 * The file in which a heart monitor leaves what it heard: a line `HOST busy=B&ready=R&lastseen=S&port=P` for each host.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_heartbeat.c readfile_heartbeats
 */
import type { HostFiles, HostLoad, LoadTable } from "../../modules/mod.ts";

/** What is written within the grain of a file's time may leave that time as it was. */
const GRAIN_MS = 100;

export class HeartbeatStorage implements LoadTable {
  private readonly path: string;
  private readonly files: HostFiles | null;
  /** Of the file that was read; "": read it again. */
  private version = "";
  private table: ReadonlyMap<string, HostLoad> = new Map();

  constructor(path: string, files: HostFiles | null) {
    this.path = path;
    this.files = files;
  }

  /** The same map as long as the file is the same. httpd reads it for each request, and does not add its age. */
  hosts(nowMs: number): ReadonlyMap<string, HostLoad> | null {
    const { files } = this;
    const info = files?.stat(this.path, true) ?? null;
    if (files === null || info === null) return null;
    let version: string;
    try {
      version = files.version(this.path);
      if (version === this.version) return this.table;
      this.table = parseStorage(files.read(this.path));
    } catch {
      return null;
    }
    this.version = nowMs - info.modifiedMs < GRAIN_MS ? "" : version;
    return this.table;
  }
}

/** What several lines say of one host adds up, the last of a key wins; a line without a blank, or that starts with #, says nothing. */
export function parseStorage(text: string): Map<string, HostLoad> {
  const table = new Map<string, HostLoad>();
  for (const line of text.split("\n")) {
    const blank = line.search(/\s/);
    if (blank <= 0 || line.startsWith("#")) continue;
    const host = line.slice(0, blank);
    let { busy, ready, lastSeen } = table.get(host) ?? { busy: 0, ready: 0, lastSeen: -1 };
    for (const pair of line.slice(blank).trim().split("&")) {
      const equals = pair.indexOf("=");
      const key = decode(equals < 0 ? pair : pair.slice(0, equals));
      const value = Number.parseInt(equals < 0 ? "1" : decode(pair.slice(equals + 1)), 10) || 0;
      if (key === "busy") busy = value;
      else if (key === "ready") ready = value;
      else if (key === "lastseen") lastSeen = value;
    }
    // One that has just started has all places ready: it must not get all requests at once.
    if (busy === 0 && ready !== 0) ready = Math.trunc(ready / 4);
    table.set(host, { busy, ready, lastSeen });
  }
  return table;
}

function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
