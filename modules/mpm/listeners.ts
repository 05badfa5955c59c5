/**
 * Deno leaves the sockets of a thread open that it ends in the middle of a loop (2.9.5), and the system goes on handing
 * connections to its listeners, which nobody accepts. Nothing but the system knows which sockets those are: a listener is told
 * by its inode, and closed by its descriptor, by way of a server that takes it over. Can go when the thread's end closes them.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

const LISTEN = "0A";
const STATE = 3;
const INODE = 9;

/** The inodes of the machine's listening sockets; none where they cannot be told, or need not. */
export function listeningInodes(): Set<string> {
  const found = new Set<string>();
  if (!("Deno" in globalThis)) return found;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    let text: string;
    try {
      text = readFileSync(table, "utf8");
    } catch {
      continue; // not Linux, or no IPv6
    }
    for (const line of text.split("\n")) {
      const fields = line.trim().split(/\s+/);
      if (fields[STATE] === LISTEN) found.add(fields[INODE]!);
    }
  }
  return found;
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
