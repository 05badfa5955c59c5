/**
 * dup(2): a second descriptor of an open socket, which stays open when the first one is closed. Bun 1.4.4 and Deno 2.9.5 have it
 * through their foreign function interfaces alone.
 */
import process from "node:process";

/** fcntl(2), Linux: another descriptor, closed in programs that are started. */
const F_DUPFD_CLOEXEC = 1030;

export interface Dup {
  /** Another descriptor of the same; below 0: there is none left. */
  dup(fd: number): number;
  close(fd: number): void;
}

type Fcntl = (fd: number, command: number, least: number) => number;
type Close = (fd: number) => number;

let loaded: Promise<Dup | null> | undefined;

/** null where it is not allowed (Deno without --allow-ffi), or this is no Linux. */
export function loadDup(): Promise<Dup | null> {
  return (loaded ??= load());
}

async function load(): Promise<Dup | null> {
  if (process.platform !== "linux") return null;
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const library of ["libc.so.6", `libc.musl-${arch}.so.1`]) {
    try {
      const { fcntl, close } = "Bun" in globalThis ? await openInBun(library) : openInDeno(library);
      return { dup: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0), close: (fd) => void close(fd) };
    } catch {
      // another C library, or none of our business
    }
  }
  return null;
}

async function openInBun(library: string): Promise<{ fcntl: Fcntl; close: Close }> {
  const { dlopen } = await import("bun:ffi");
  const { symbols } = dlopen(library, {
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
  return symbols;
}

function openInDeno(library: string): { fcntl: Fcntl; close: Close } {
  // Asked for, it would be asked of whoever sits at the terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") throw new Error("no --allow-ffi");
  const { symbols } = Deno.dlopen(library, {
    fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  return symbols;
}
