/**
 * How many connections are served at one time. Those beyond it wait, accepted and not read, until one ends; kept-alive ones that
 * are idle make room.
 * Source: httpd server/mpm/event/event.c listener_thread: workers_were_busy, close of keep-alive connections
 */
import type { ProcessRec } from "../core/records.ts";
import { connectionCount, room } from "../http/connection.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { acceptConnection } from "../server/connection.ts";

export class Gate {
  /** 0: no limit. */
  limit = 0;
  /** How many may wait; more are closed. */
  backlog = 511;
  /** Accepted so far. */
  accepted = 0;
  /** Called once, at so many; 0: never. */
  lifetime = 0;
  onFull: () => void = () => {};
  private readonly current: () => ProcessRec;
  private readonly waiting = new Set<Socket>();
  private told = false;

  /** @param current the generation that connections belong to */
  constructor(current: () => ProcessRec) {
    this.current = current;
  }

  accept(socket: Socket): void {
    if (++this.accepted === this.lifetime) this.onFull();
    if (this.limit === 0 || (this.waiting.size === 0 && connectionCount() < this.limit)) {
      acceptConnection(this.current(), socket);
      return;
    }
    this.park(socket);
  }

  /** Who waits is sent away. */
  clear(): void {
    for (const socket of this.waiting) socket.destroy();
    this.waiting.clear();
    room.wanted = 0;
  }

  private park(socket: Socket): void {
    if (this.waiting.size >= this.backlog) {
      socket.owner = NOBODY;
      socket.destroy();
      return;
    }
    if (!this.told) {
      this.told = true;
      this.current().log.error(
        "mpm_event",
        "AH00484",
        "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
      );
    }
    socket.owner = { ...NOBODY, onClose: () => this.left(socket) };
    socket.pause();
    this.waiting.add(socket);
    room.freed = this.admit;
    room.wanted = this.waiting.size;
    room.make();
  }

  private left(socket: Socket): void {
    this.waiting.delete(socket);
    room.wanted = this.waiting.size;
  }

  private readonly admit = (): void => {
    for (const socket of this.waiting) {
      if (this.limit !== 0 && connectionCount() >= this.limit) break;
      this.left(socket);
      acceptConnection(this.current(), socket);
      socket.resume();
    }
  };
}

const NOBODY: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };
