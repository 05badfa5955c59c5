/**
 * A child: one event loop that serves. Its listeners, the generation that new requests belong to, and those that end.
 * Source: httpd server/mpm/event/event.c, child_main
 */
import type { FailedReloads, ProcessRec } from "../core/records.ts";
import { type ListenFailure, type ListenWays, listenName, NetFront } from "../front/net.ts";
import { closeAllConnections, closeIdleConnections, connectionCount, whenDrained } from "../http/open_connections.ts";
import { nodeSockets } from "../net/node.ts";
import { endGeneration, startGeneration } from "../server/lifecycle.ts";
import type { Loaded } from "../server/load.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import { closeLogs, reopenLogs } from "./logs.ts";
import { planOf } from "./mpm.ts";

export class Child {
  private loaded: Loaded;
  private readonly front: NetFront;
  /** It shares ports and limits with others. */
  private readonly oneOfMany: boolean;
  private readonly onEnded: (generation: number) => void;
  private readonly ending = new Set<ProcessRec>();
  private begun = false;
  private drained: (() => void) | null = null;
  private ended: Promise<void> | null = null;

  /**
   * @param onEnded a generation has no connection any more, or came to nothing
   * @param onFull as many connections were accepted as one child may; once
   */
  constructor(first: Loaded, ways: ListenWays, onEnded: (generation: number) => void, onFull = () => {}) {
    this.loaded = first;
    this.onEnded = onEnded;
    this.oneOfMany = ways.reusePort ?? false;
    this.front = new NetFront(nodeSockets, () => this.loaded.process, ways);
    this.front.gate.onFull = onFull;
    // A listener may be open before the first generation serves.
    this.front.gate.hold();
    this.limitConnections();
  }

  /** Opens the listeners that a configuration wants, beside those that are open. Answers what could not be. */
  async open(loaded = this.loaded): Promise<string[]> {
    const failures = await this.front.open(loaded.process);
    return failures.map(bindMessage);
  }

  /** Accepts from one more listener. @param spec the Listen that means it */
  adopt(spec: ListenSpec, fd: number): Promise<void> {
    return this.front.adopt(spec, fd);
  }

  /** The first generation serves. @param first the one that was given when it was made, or one that came since */
  begin(first = this.loaded): void {
    this.begun = true;
    this.loaded = first;
    this.limitConnections();
    this.front.retain(first.process);
    startGeneration(this.loaded.process, null);
    this.front.gate.open();
  }

  /** New requests belong to `next`, whose listeners are open; those that run end on what they began with. */
  exchange(next: Loaded): void {
    const { process: previous, logs } = this.loaded;
    startGeneration(next.process, previous);
    next.process.failedReloads = { ...previous.failedReloads, reason: null };
    this.loaded = next;
    this.limitConnections();
    previous.stopping = true;
    this.front.retain(next.process);
    closeIdleConnections();
    this.ending.add(previous);
    whenDrained(previous, () => {
      endGeneration(previous);
      logs.release();
      this.ending.delete(previous);
      this.onEnded(previous.generation);
      this.checkEnd();
    });
    reopenLogs();
  }

  /** A reload came to nothing: for those who ask the generation that serves. */
  reloadFailed(failed: FailedReloads): void {
    this.loaded.process.failedReloads = failed;
  }

  /** What was opened for a configuration is not wanted after all. */
  abandon(next: Loaded): void {
    this.front.retain(this.loaded.process);
    this.forget(next);
  }

  /** A configuration that was built came to nothing. */
  forget(next: Loaded): void {
    next.logs.release();
    this.onEnded(next.process.generation);
  }

  /** Ends all connections, now. */
  stop(): void {
    this.front.close();
    this.front.gate.clear();
    closeAllConnections();
  }

  /**
   * Takes no new connections. Resolves when all have ended: true, or when GracefulShutdownTimeout is over: false; they are cut.
   */
  drain(): Promise<boolean> {
    const { process } = this.loaded;
    this.front.close();
    process.stopping = true;
    closeIdleConnections();
    return new Promise((resolve) => {
      let limit: unknown = null;
      if (process.drainLimitMs > 0) {
        limit = process.clock.setTimer(() => {
          const left = connectionCount();
          this.drained = null;
          process.log.warn("mpm_event", "", `GracefulShutdownTimeout has passed, ${left} connections are cut`);
          this.stop();
          resolve(false);
        }, process.drainLimitMs);
      }
      this.drained = () => {
        if (limit !== null) process.clock.clearTimer(limit);
        resolve(true);
      };
      this.ending.add(process);
      whenDrained(process, () => {
        this.ending.delete(process);
        this.checkEnd();
      });
    });
  }

  /** The last call: lets go of everything. Resolves when the logs have their lines. */
  end(): Promise<void> {
    if (this.begun) endGeneration(this.loaded.process);
    this.begun = false;
    return (this.ended ??= closeLogs());
  }

  private checkEnd(): void {
    if (this.ending.size > 0 || this.drained === null) return;
    const done = this.drained;
    this.drained = null;
    done();
  }

  private limitConnections(): void {
    const { gate } = this.front;
    const { children, connections, backlog, lifetime } = planOf(this.loaded.process);
    gate.limit = this.oneOfMany ? Math.floor(connections / children) : connections;
    gate.backlog = backlog;
    gate.lifetime = lifetime;
  }
}

const ERRNO: Readonly<Record<string, string>> = {
  EADDRINUSE: "(98)Address already in use",
  EACCES: "(13)Permission denied",
  EADDRNOTAVAIL: "(99)Cannot assign requested address",
  EINVAL: "(99)Cannot assign requested address",
};

export function bindMessage({ spec, error }: ListenFailure): string {
  const reason = ERRNO[error.code] ?? error.message;
  return `${reason}: AH00072: make_sock: could not bind to address ${listenName(spec)}`;
}
