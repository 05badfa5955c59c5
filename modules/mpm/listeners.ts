/**
 * Deno leaves the sockets of a thread open that it ends in the middle of a loop (2.9.5), and the system goes on handing
 * connections to its listeners, which nobody accepts. A listener is told by its inode, and closed by its descriptor, by way
 * of a server that takes it over. Can go when the thread's end closes them.
 */
import { createServer } from "node:net";
import { inodeOf } from "./proc_net.ts";

/** Closes what a thread that was ended may have left. @param listeners descriptor → inode */
export async function closeListeners(listeners: ReadonlyMap<number, string>): Promise<void> {
  if (!("Deno" in globalThis)) return;
  for (const [fd, inode] of listeners) {
    if (inodeOf(fd) !== inode) continue; // closed, and another's now
    await new Promise<void>((resolve) => {
      const server = createServer((socket) => socket.destroy());
      server.on("error", () => resolve());
      server.listen({ fd }, () => server.close(() => resolve()));
    });
  }
}
