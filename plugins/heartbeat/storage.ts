/**
 * The file of HeartbeatStorage: a line for each backend, as httpd writes and reads it.
 * Source: httpd modules/cluster/mod_heartmonitor.c hm_file_update_stats
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import type { HeartbeatTable } from "./table.ts";

/** Readers see the file before or after, never half of it. @throws Error of the system */
export function writeStorage(path: string, table: HeartbeatTable): void {
  let text = "";
  for (const { ip, said, age } of table.known()) {
    text += `${ip} &ready=${said.ready}&busy=${said.busy}&lastseen=${age}&port=${said.port}\n`;
  }
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: 0o444 });
  renameSync(temporary, path);
}
