/**
 * What decisions ask of the machine they run on, besides time and sockets.
 */

/** What a path names. */
export interface FileInfo {
  readonly kind: "file" | "dir" | "link" | "other";
  /** Bytes. */
  readonly size: number;
  /** When its content changed last: milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Owner, group or others may execute it. */
  readonly executable: boolean;
}

export interface HostFiles {
  /** Null: there is none, or it may not be seen. @param follow a link's target instead of the link */
  stat(path: string, follow: boolean): FileInfo | null;
  /** One character per byte. @throws Error; with `changed` if it was read before, is another one now, and may not be read any more */
  read(path: string): string;
  /** A text that is another one once the file has changed. @throws Error */
  version(path: string): string;
}

/** For what must outlive a restart. */
export interface HostWriter {
  /** A new file takes the place of what there is: who reads sees the old text or the new one. @throws Error */
  write(path: string, text: string): void;
  /** @throws Error */
  rename(from: string, to: string): void;
}

export interface Host {
  /** A variable of the process environment. */
  env(name: string): string | undefined;
  /** Of a text with one character per byte; in hexadecimal. */
  digest(algorithm: "md5" | "sha1", text: string): string;
  /** Of two texts with one character per byte: 32 bytes. */
  hmacSha256(key: string, text: string): Uint8Array;
  /** Bytes that nobody can foresee. */
  randomBytes(size: number): Uint8Array;
  /** How many processes wanted to run, on average over 1, 5 and 15 minutes. */
  loadAverage(): readonly number[];
  /** Processor time that the program has used, in microseconds. */
  cpuTimeUs(): number;
  /** The same, apart: what the program computed, and what the system did for it. */
  cpuUsageUs(): { readonly user: number; readonly system: number };
  /** Number of the process. */
  readonly pid: number;
  /** Null: the host has no files. */
  readonly files: HostFiles | null;
  /** Null: nothing can be kept. */
  readonly writer: HostWriter | null;
}
