/**
 * What the rules ask of the machine: files, for maps and for tests such as -f, and environment variables.
 */
import { lstatSync, readFileSync, statSync } from "node:fs";

export interface FileFacts {
  readonly kind: "file" | "dir" | "link" | "other";
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Somebody may execute it. */
  readonly executable: boolean;
}

export interface RewriteHost {
  /** Follows symbolic links. null: there is no such file, or it cannot be reached. */
  stat(path: string): FileFacts | null;
  /** The same of the link itself. */
  lstat(path: string): FileFacts | null;
  /** The bytes of a file, one character each. @throws Error if it cannot be read */
  read(path: string): string;
  /** A variable of the process's environment. */
  env(name: string): string | undefined;
}

export const systemHost: RewriteHost = {
  stat: (path) => facts(() => statSync(path)),
  lstat: (path) => facts(() => lstatSync(path)),
  read: (path) => readFileSync(path, "latin1"),
  env: (name) => process.env[name],
};

interface Stats {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  readonly size: number;
  readonly mtimeMs: number;
  readonly mode: number;
}

function facts(ask: () => Stats): FileFacts | null {
  let found: Stats;
  try {
    found = ask();
  } catch {
    return null;
  }
  const kind = found.isFile() ? "file" : found.isDirectory() ? "dir" : found.isSymbolicLink() ? "link" : "other";
  return { kind, sizeBytes: found.size, modifiedMs: found.mtimeMs, executable: (found.mode & 0o111) !== 0 };
}
