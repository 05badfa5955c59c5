/**
 * A file that modules read while they serve, such as a password file: read again when it has changed.
 */
import type { HostFiles } from "./host.ts";

export class WatchedFile<T> {
  readonly path: string;
  private readonly parse: (text: string) => T;
  private version = "";
  private parsed: { readonly value: T } | null = null;

  /** @param parse understands the text, which has a character for each byte */
  constructor(path: string, parse: (text: string) => T) {
    this.path = path;
    this.parse = parse;
  }

  /** What the file says now. @throws Error if it cannot be read, which describeFileError() understands */
  current(files: HostFiles | null): T {
    if (files === null) throw new Error("this host has no files");
    const version = files.version(this.path);
    if (this.parsed === null || version !== this.version) {
      this.parsed = { value: this.parse(files.read(this.path)) };
      this.version = version;
    }
    return this.parsed.value;
  }
}

const ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "(2)No such file or directory",
  EACCES: "(13)Permission denied",
  EISDIR: "(21)Is a directory",
};

/** A file's error as httpd's log has it. */
export function describeFileError(error: unknown): string {
  const { code = "", message } = error as { code?: string; message: string };
  return ERRORS[code] ?? message;
}
