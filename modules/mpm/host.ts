/**
 * The machine, for expressions: environment, digests, files.
 */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, statSync } from "node:fs";
import type { FileInfo, Host } from "../core/host.ts";

export const nodeHost: Host = {
  env: (name) => process.env[name],
  digest: (algorithm, text) => createHash(algorithm).update(text, "latin1").digest("hex"),
  files: {
    stat(path: string, follow: boolean): FileInfo | null {
      try {
        const info = follow ? statSync(path) : lstatSync(path);
        const kind = info.isFile() ? "file" : info.isDirectory() ? "dir" : info.isSymbolicLink() ? "link" : "other";
        return { kind, size: info.size, modifiedMs: info.mtimeMs, executable: (info.mode & 0o111) !== 0 };
      } catch {
        return null;
      }
    },
    read: (path) => readFileSync(path, "latin1"),
  },
};
