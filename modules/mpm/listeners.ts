/**
 * Deno leaves the sockets of a thread open that it ends in the middle of a loop (2.9.5), and the system goes on handing
 * connections to its listeners, which nobody accepts. Nothing but the system knows which sockets those are: a listener is told
 * by its inode, and closed by its descriptor, by way of a server that takes it over. Can go when the thread's end closes them.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { createServer } from "node:net";

const LISTEN = "0A";
const STATE = 3;
const INODE = 9;
const PIECE_BYTES = 4096;

/** The inodes of the machine's listening sockets; none where they cannot be told, or need not. */
export function listeningInodes(): Set<string> {
  const found = new Set<string>();
  if (!("Deno" in globalThis)) return found;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    try {
      readTable(table, found);
    } catch {
      // not Linux, or no IPv6
    }
  }
  return found;
}

/** Listening sockets come first: what follows may be tens of thousands of closed ones. */
function readTable(table: string, found: Set<string>): void {
  const fd = openSync(table, "r");
  const buffer = new Uint8Array(PIECE_BYTES);
  const decoder = new TextDecoder("latin1");
  try {
    let rest = "";
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read))).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const fields = line.trim().split(/\s+/);
        if (fields[STATE] === LISTEN) found.add(fields[INODE]!);
        else if (fields[0] !== "sl") return;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Closes those of these sockets that this program still has. */
export async function closeListeners(inodes: ReadonlySet<string>): Promise<void> {
  if (inodes.size === 0) return;
  for (const name of readdirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue; // closed meanwhile
    }
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode === undefined || !inodes.has(inode)) continue;
    await new Promise<void>((resolve) => {
      const server = createServer((socket) => socket.destroy());
      server.on("error", () => resolve());
      server.listen({ fd: Number(name) }, () => server.close(() => resolve()));
    });
  }
}
