/**
 * How many connections are served at one time. Those beyond it wait, accepted and not read, until one ends; kept-alive ones that
 * are idle make room. Who waited too long, or cannot wait, is told to come again: 503.
 * Source: httpd server/mpm/event/event.c listener_thread: workers_were_busy, close of keep-alive connections
 */
import type { Timeout } from "../core/clock.ts";
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { httpDate } from "../http/header_out.ts";
import { connectionCount, room } from "../http/open_connections.ts";
import type { Socket, SocketOwner } from "../net/socket.ts";
import { acceptConnection } from "../server/connection.ts";
import core from "../server/mod_core.ts";

const RETRY_AFTER_S = 5;
/** How long who is turned away may take to read why. Closed at once, what it has sent already would reset it. */
const LINGER_MS = 2000;
/** So many at one time; others are closed without a word. */
const MOST_LEAVING = 512;

export class Gate {
  /** 0: no limit. */
  limit = 0;
  /** How many may wait; more are turned away. */
  backlog = 511;
  /** Accepted so far. */
  accepted = 0;
  /** Called once, at so many; 0: never. */
  lifetime = 0;
  onFull: () => void = () => {};
  private serving = true;
  private readonly current: () => ProcessRec;
  private readonly waiting = new Set<Waiting>();
  private readonly leaving = new Set<TurnedAway>();
  private told = false;

  /** @param current the generation that connections belong to */
  constructor(current: () => ProcessRec) {
    this.current = current;
  }

  /** @param plain whether it speaks HTTP, not TLS */
  accept(socket: Socket, plain: boolean): void {
    if (++this.accepted === this.lifetime) this.onFull();
    if (!this.serving) {
      this.park(socket, plain);
      return;
    }
    if (this.limit === 0 || (this.waiting.size === 0 && connectionCount() < this.limit)) {
      acceptConnection(this.current(), socket);
      return;
    }
    this.park(socket, plain);
  }

  /** Who comes from now on waits, whatever the limit is, until `open`. */
  hold(): void {
    this.serving = false;
  }

  open(): void {
    this.serving = true;
    this.admit();
  }

  /** Who waits is sent away. */
  clear(): void {
    for (const { socket } of [...this.waiting, ...this.leaving]) socket.destroy();
    this.waiting.clear();
    room.wanted = 0;
  }

  private park(socket: Socket, plain: boolean): void {
    const process = this.current();
    if (this.serving && !this.told) {
      this.told = true;
      process.log.error(
        "mpm_event",
        "AH00484",
        "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
      );
    }
    if (this.waiting.size >= this.backlog) {
      this.turnAway(socket, plain);
      return;
    }
    const waiting = new Waiting(socket, plain, this);
    socket.owner = waiting;
    socket.pause();
    process.wheel.arm(waiting, getModuleConfig(process.servers[0]!.config, core).timeoutMs);
    this.waiting.add(waiting);
    room.freed = this.admit;
    room.wanted = this.waiting.size;
    room.make();
  }

  /** It waits no longer, for whatever reason. */
  left(waiting: Waiting): void {
    this.current().wheel.drop(waiting);
    this.waiting.delete(waiting);
    room.wanted = this.waiting.size;
  }

  turnAway(socket: Socket, plain: boolean): void {
    if (!plain || this.leaving.size >= MOST_LEAVING) {
      socket.owner = NOBODY;
      socket.destroy();
      return;
    }
    const { wheel, clock } = this.current();
    const leaving = new TurnedAway(socket, () => {
      wheel.drop(leaving);
      this.leaving.delete(leaving);
    });
    socket.owner = leaving;
    this.leaving.add(leaving);
    wheel.arm(leaving, LINGER_MS);
    socket.resume();
    socket.write(
      `HTTP/1.1 503 Service Unavailable\r\nDate: ${httpDate(clock.wallUs())}\r\n` +
        `Retry-After: ${RETRY_AFTER_S}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    socket.end();
  }

  private readonly admit = (): void => {
    for (const waiting of this.waiting) {
      if (this.limit !== 0 && connectionCount() >= this.limit) break;
      this.left(waiting);
      acceptConnection(this.current(), waiting.socket);
      waiting.socket.resume();
    }
  };
}

const NOBODY: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

/** A connection that waits, for `Timeout` at most. */
class Waiting implements SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  readonly socket: Socket;
  private readonly plain: boolean;
  private readonly gate: Gate;

  constructor(socket: Socket, plain: boolean, gate: Gate) {
    this.socket = socket;
    this.plain = plain;
    this.gate = gate;
  }

  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  onClose(): void {
    this.gate.left(this);
  }

  expire(): void {
    this.gate.left(this);
    this.gate.turnAway(this.socket, this.plain);
  }
}

/** A connection that was told to come again: what it sends is dropped until it closes. */
class TurnedAway implements SocketOwner, Timeout {
  deadline = 0;
  slot = 0;
  readonly socket: Socket;
  private readonly done: () => void;

  constructor(socket: Socket, done: () => void) {
    this.socket = socket;
    this.done = done;
  }

  onData(): void {}
  onDrain(): void {}

  onEnd(): void {
    this.socket.destroy();
  }

  onClose(): void {
    this.done();
  }

  expire(): void {
    this.socket.destroy();
  }
}
