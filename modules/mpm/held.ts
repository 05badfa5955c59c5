/**
 * The listeners of a child, held open by who started it: the child that takes its place goes on with them, and no client that
 * waits in their queues is sent away. (The system resets those of a listener that is closed, even if others share its port.)
 */
import { rmSync } from "node:fs";
import type { ListenSpec } from "../server/mod_core.ts";
import type { Dup } from "./dup.ts";
import { means } from "./inherited.ts";
import { inodeOf, type ListeningSocket } from "./proc_net.ts";

/** A listener, by a descriptor that belongs to who gets this. */
export interface LentListener extends ListeningSocket {
  readonly fd: number;
}

export class HeldListeners {
  private readonly dup: Dup;
  private sockets: readonly LentListener[] = [];

  /** @param sockets belong to it from now on */
  constructor(dup: Dup, sockets: readonly LentListener[] = []) {
    this.dup = dup;
    this.sockets = sockets;
  }

  /** Holds one that is open. */
  hold(socket: LentListener): void {
    const fd = this.dup.dup(socket.fd);
    if (fd >= 0) this.sockets = [...this.sockets, { ...socket, fd }];
  }

  get isEmpty(): boolean {
    return this.sockets.length === 0;
  }

  /** All of them, for another child. @param except inodes of those that it has */
  lend(except: ReadonlySet<string> = new Set()): LentListener[] {
    return this.sockets
      .filter(({ fd }) => !except.has(inodeOf(fd) ?? ""))
      .map((socket) => ({ ...socket, fd: this.dup.dup(socket.fd) }))
      .filter(({ fd }) => fd >= 0);
  }

  /** The same sockets, held open once more. */
  share(): HeldListeners {
    return new HeldListeners(this.dup, this.lend());
  }

  /** Lets go of what no Listen means any more. */
  retain(listen: readonly ListenSpec[]): void {
    const kept = this.sockets.filter((socket) => listen.some((spec) => means(spec, socket)));
    for (const socket of this.sockets) if (!kept.includes(socket)) this.release(socket);
    this.sockets = kept;
  }

  private release({ fd, unix }: LentListener): void {
    this.dup.close(fd);
    if (unix === "") return;
    try {
      rmSync(unix, { force: true });
    } catch {
      // User may not write where root may: who listens there next finds that nobody does
    }
  }
}
