/**
 * The file of HeartbeatStorage: a line for each backend, as httpd writes and reads it.
 * Source: httpd modules/cluster/mod_heartmonitor.c hm_file_update_stats; mod_lbmethod_heartbeat.c readfile_heartbeats
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { HeartbeatEntry } from "../../modules/mod.ts";
import { count, DEFAULT_PORT, parsePairs } from "./message.ts";

/** What a line says of a backend. */
export interface StoredEntry extends HeartbeatEntry {
  readonly port: number;
}

/** Readers see the file before or after, never half of it. @throws Error of the system */
export function writeStorage(path: string, entries: Iterable<readonly [ip: string, entry: StoredEntry]>): void {
  let text = "";
  for (const [ip, { ready, busy, lastSeen, port }] of entries) {
    text += `${ip} &ready=${ready}&busy=${busy}&lastseen=${Math.floor(lastSeen)}&port=${port}\n`;
  }
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: 0o444 });
  renameSync(temporary, path);
}

export function parseStorage(text: string): Map<string, StoredEntry> {
  const entries = new Map<string, StoredEntry>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (line.startsWith("#") || space < 0) continue;
    const pairs = parsePairs(line.slice(space + 1).trim());
    entries.set(line.slice(0, space), {
      ready: count(pairs.get("ready") ?? ""),
      busy: count(pairs.get("busy") ?? ""),
      lastSeen: count(pairs.get("lastseen") ?? ""),
      port: count(pairs.get("port") ?? "") || DEFAULT_PORT,
    });
  }
  return entries;
}

/** A file that is read again when it has changed. */
export class StorageFile {
  private readonly path: string;
  private stamp = "";
  private entries = new Map<string, StoredEntry>();

  constructor(path: string) {
    this.path = path;
  }

  /** Null: it cannot be read. */
  read(): ReadonlyMap<string, StoredEntry> | null {
    try {
      const { mtimeMs, size, ino } = statSync(this.path);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      if (stamp !== this.stamp) {
        this.entries = parseStorage(readFileSync(this.path, "latin1"));
        this.stamp = stamp;
      }
      return this.entries;
    } catch {
      this.stamp = "";
      return null;
    }
  }
}
