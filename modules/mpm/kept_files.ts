/**
 * Secrets that root may read and User may not, such as private keys: as root's program read them they stay at hand for reloads, and
 * for children that start later. (The parent of httpd stays root and reads them again.)
 */
import { readFileSync, statSync } from "node:fs";
import process from "node:process";

/** A file that root read. */
export interface KeptFile {
  /** Another text once the file has changed; "": it could not be told. */
  readonly version: string;
  /** One character per byte. */
  readonly text: string;
}

const OTHERS_READ = 0o004;

export class KeptFiles {
  /**
   * Something is built that was read before: a child that takes the place of another one serves what the others do, whatever has
   * become of the files.
   */
  asRead = false;
  private readonly files = new Map<string, KeptFile>();

  /** For a thread that starts now. */
  all(): ReadonlyMap<string, KeptFile> {
    return this.files;
  }

  /** What others have read. */
  add(files: ReadonlyMap<string, KeptFile>): void {
    for (const [path, file] of files) this.files.set(path, file);
  }

  /**
   * What a file says, or said when root read it, unless it is another one by now. (In a folder that User may not enter nobody can
   * tell: it counts as the same.)
   * @throws Error of the system
   */
  read(path: string): string {
    try {
      const text = readFileSync(path, "latin1");
      if (process.geteuid?.() === 0 && (statSync(path).mode & OTHERS_READ) === 0)
        this.files.set(path, { version: versionNow(path), text });
      return text;
    } catch (error) {
      const kept = this.files.get(path);
      if (kept === undefined || (error as { code?: string }).code !== "EACCES") throw error;
      const version = versionNow(path);
      if (this.asRead || version === "" || version === kept.version) return kept.text;
      const text = "it has changed since root read it, and User may not: (13)Permission denied";
      throw Object.assign(new Error(text), { code: "EACCES", changed: true });
    }
  }
}

/** Those of this thread. */
export const keptFiles = new KeptFiles();

/** @throws Error of the system */
export function versionOf(path: string): string {
  const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

function versionNow(path: string): string {
  try {
    return versionOf(path);
  } catch {
    return "";
  }
}
