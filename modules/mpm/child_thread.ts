/**
 * A thread as who started it sees it: messages to and fro, and its end.
 */
import { Worker } from "node:worker_threads";
import type { HeldListeners, LentListener } from "./held.ts";
import type { ChildStart, FromChild, ToChild } from "./messages.ts";

/** Who was told to stop and does not is ended. */
const STOP_MS = 5000;

export class ChildThread {
  readonly seat: number;
  readonly startedMs = performance.now();
  /** It was told to serve. */
  serving = false;
  /** It was told to open its listeners: clients may wait in them. */
  listens = false;
  /** It takes no new connections, and ends. */
  retiring = false;
  /** It has accepted as many connections as one child may: another one is to take its place. */
  full = false;
  /** Another one is about to take its place. */
  succeeded = false;
  leads = false;
  /** What it counted when it was last looked at, and for how many looks it has not counted. */
  beat = 0;
  missed = 0;
  /** Names of the shared memory that it has. */
  readonly memories = new Set<string>();
  /** Its listening sockets: descriptor → inode. */
  readonly listeners = new Map<number, string>();
  /** The same, for who takes its place; null: it has to open them anew. */
  held: HeldListeners | null = null;
  /** Listeners that it was given and has not opened yet. */
  lent: readonly LentListener[] = [];
  /** Generations that it has connections of. */
  readonly generations = new Set<number>();
  private readonly worker: Worker;
  private readonly told: (message: FromChild) => void;
  private readonly left: (reason: string) => void;
  private whole = true;
  private reason = "ended by itself";
  /** It is being ended, whatever it does. */
  private terminated = false;
  private ended = false;
  private onReady: ((failures: readonly string[]) => void) | null = null;
  private readyBefore: readonly string[] | null = null;
  private onCommitted: (() => void) | null = null;
  private readonly onGone: ((whole: boolean) => void)[] = [];

  /**
   * @param program a file that becomes a child when it runs in a thread
   * @param left the thread is over; "" if it was told to
   */
  constructor(program: string, start: ChildStart, told: (message: FromChild) => void, left: (reason: string) => void) {
    this.seat = start.sluiceChild;
    this.told = told;
    this.left = left;
    this.worker = new Worker(new URL(program), { workerData: start });
    this.worker.on("message", (message: FromChild) => this.hear(message));
    this.worker.on("error", (error: Error) => {
      this.reason = `failed: ${error.stack ?? error.message}`;
    });
    this.worker.on("exit", () => this.exited());
  }

  send(message: ToChild): void {
    if (!this.ended && !this.terminated) this.worker.postMessage(message);
  }

  /** Resolves with why it could not do what it was told to prepare; nothing: it could. */
  ready(): Promise<readonly string[]> {
    if (this.ended) return Promise.resolve([`child ${this.seat} ${this.reason}`]);
    const before = this.readyBefore;
    this.readyBefore = null;
    if (before !== null) return Promise.resolve(before);
    return new Promise((resolve) => {
      this.onReady = resolve;
    });
  }

  /** Resolves when it serves what it was told to, or has ended. Asked right after it was told. */
  committed(): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.onCommitted = resolve;
    });
  }

  /** Resolves once it has ended, with whether all its connections had by themselves. @param soon it must not take long */
  gone(soon: boolean): Promise<boolean> {
    if (this.ended) return Promise.resolve(this.whole);
    const limit = soon ? setTimeout(() => this.kill("did not stop"), STOP_MS) : undefined;
    return new Promise((resolve) => {
      this.onGone.push((whole) => {
        clearTimeout(limit);
        resolve(whole);
      });
    });
  }

  kill(reason: string): void {
    this.reason = reason;
    this.whole = false;
    this.terminate();
  }

  /** It is not needed, and has nothing that could be lost. */
  end(): void {
    this.reason = "";
    this.terminate();
  }

  private terminate(): void {
    this.terminated = true;
    void this.worker.terminate();
  }

  private hear(message: FromChild): void {
    if (message.kind === "ready") {
      const { onReady } = this;
      this.onReady = null;
      if (onReady === null) this.readyBefore = message.failures;
      else onReady(message.failures);
    } else if (message.kind === "committed") {
      this.onCommitted?.();
      this.onCommitted = null;
    } else if (message.kind === "gone") {
      this.whole = message.whole;
      // What is still open in it, such as a request to a name server, must not keep it.
      this.end();
    } else this.told(message);
  }

  private exited(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.reason !== "") this.whole = false;
    this.onReady?.([`child ${this.seat} ${this.reason}`]);
    this.onReady = null;
    this.onCommitted?.();
    for (const gone of this.onGone) gone(this.whole);
    this.left(this.reason);
  }
}
