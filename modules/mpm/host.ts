/**
 * The machine as Bun and Deno show it: environment, digests, load, files.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, lstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { loadavg } from "node:os";
import { threadId } from "node:worker_threads";
import type { FileInfo, Host } from "../core/host.ts";
import { keptFiles, versionOf } from "./kept_files.ts";

export const nodeHost: Host = {
  env: (name) => process.env[name],
  digest: (algorithm, text) => createHash(algorithm).update(text, "latin1").digest("hex"),
  hmacSha256: (key, text) => createHmac("sha256", Buffer.from(key, "latin1")).update(text, "latin1").digest(),
  randomBytes,
  loadAverage: loadavg,
  cpuTimeUs() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  cpuUsageUs: () => process.cpuUsage(),
  pid: process.pid,
  files: {
    stat(path: string, follow: boolean): FileInfo | null {
      try {
        const info = follow ? statSync(path) : lstatSync(path);
        const kind = info.isFile() ? "file" : info.isDirectory() ? "dir" : info.isSymbolicLink() ? "link" : "other";
        const executable = (info.mode & 0o111) !== 0;
        return { kind, size: info.size, executable, modifiedMs: info.mtimeMs };
      } catch {
        return null;
      }
    },
    read: (path) => keptFiles.read(path),
    version: versionOf,
  },
  writer: {
    write(path, text) {
      const fresh = `${path}.new${threadId}`; // children may write at the same time
      const fd = openSync(fresh, "w", 0o600);
      try {
        writeSync(fd, text, null, "latin1");
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(fresh, path);
    },
    rename: renameSync,
  },
};
