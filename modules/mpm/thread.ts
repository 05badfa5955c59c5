/**
 * A child in a thread: does what it is told, and says how it went. Its memory, its number and its logs to programs it has from
 * who started it.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { LogSink } from "../core/error_log.ts";
import { KnownPlaces } from "../core/places.ts";
import type { Shipped } from "../core/shipped.ts";
import { MOST_CHILDREN, type Places, type Siblings } from "../core/siblings.ts";
import { limitSockets } from "../net/node.ts";
import type { Loaded } from "../server/load.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import { leadership } from "../watchdog/hooks.ts";
import { Child } from "./child.ts";
import type { LentListener } from "./held.ts";
import { means } from "./inherited.ts";
import { loadConfig, nodeMachine } from "./load.ts";
import { isSyslog, type ProgramLog } from "./logs.ts";
import type { ChildConfig, ChildStart, FromChild, LogLine, SharedMemory, ToChild } from "./messages.ts";
import { type Plan, planOf } from "./mpm.ts";

export const BEAT_MS = 1000;
/** Lines for a program are sent together. */
const LOG_MS = 50;
/** Descriptors that the runtime needs for each thread, rounded up: Bun 1.4.4 and Deno 2.9.5. */
const OF_A_THREAD = 16;
/** A client, and who serves it. */
const LEAST_SOCKETS = 4;

/** Whether this is a thread that was started to become a child. */
export function isChildThread(): boolean {
  return !isMainThread && (workerData as Partial<ChildStart> | null)?.sluiceChild !== undefined;
}

/** Becomes the child. Resolves when it is told to end, and has. */
export async function runChildThread(modules: Shipped): Promise<void> {
  await new ThreadChild(workerData as ChildStart, modules).run();
}

function send(message: FromChild): void {
  parentPort!.postMessage(message);
}

/** The others, as a child in a thread sees them. */
class ThreadSiblings implements Siblings {
  readonly index: number;
  /** Others may come with a reload: it never counts as alone. */
  readonly count = MOST_CHILDREN;
  readonly secret: Uint8Array;
  private readonly buffers = new Map<string, SharedArrayBuffer>();
  private memories = new Map<string, SharedMemory>();
  private readonly listeners = new Map<string, (message: unknown) => void>();
  private readonly answerers = new Map<string, (question: unknown) => unknown>();
  private readonly asked = new Map<number, (values: readonly unknown[]) => void>();
  private lastAsked = 0;

  constructor(index: number, secret: Uint8Array) {
    this.index = index;
    this.secret = secret;
  }

  give(memories: readonly SharedMemory[]): void {
    this.memories = new Map(memories.map((memory) => [memory.name, memory]));
    for (const { name, buffer } of memories) if (buffer !== undefined) this.buffers.set(name, buffer);
  }

  memory(name: string): Places {
    return new KnownPlaces(this.buffers.get(name)!, this.memories.get(name)!.places);
  }

  tell(topic: string, message: unknown, keep = false): void {
    send({ kind: "tell", topic, message, keep });
  }

  hear(topic: string, listener: (message: unknown) => void): void {
    this.listeners.set(topic, listener);
  }

  told(topic: string, message: unknown): void {
    this.listeners.get(topic)?.(message);
  }

  ask(topic: string, question: unknown): Promise<readonly unknown[]> {
    const id = ++this.lastAsked;
    send({ kind: "ask", id, topic, question });
    return new Promise((resolve) => this.asked.set(id, resolve));
  }

  answer(topic: string, answerer: (question: unknown) => unknown): void {
    this.answerers.set(topic, answerer);
  }

  /** Answers another child. */
  reply(id: number, topic: string, question: unknown): void {
    send({ kind: "answer", id, value: this.answerers.get(topic)?.(question) });
  }

  /** The others have answered. */
  answered(id: number, values: readonly unknown[]): void {
    this.asked.get(id)?.(values.filter((value) => value !== undefined));
    this.asked.delete(id);
  }
}

class ThreadChild {
  private readonly start: ChildStart;
  private readonly modules: Shipped;
  private readonly siblings: ThreadSiblings;
  private child: Child | null = null;
  private begun = false;
  private ending = false;
  private next: Loaded | null = null;
  /** What this child logs another one logs, too: while all of them build the same. */
  private silent = true;
  private leads = false;
  private readonly lent: LentListener[];
  private readonly campaigns = new Set<() => void>();
  private readonly sentLogs = new Map<string, SentLog>();
  private queue: Promise<void> = Promise.resolve();
  private done!: () => void;

  constructor(start: ChildStart, modules: Shipped) {
    this.start = start;
    this.modules = modules;
    this.lent = [...start.listeners];
    this.siblings = new ThreadSiblings(start.sluiceChild, start.secret);
  }

  async run(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.done = resolve;
    });
    const { beats, sluiceChild } = this.start;
    const beat = setInterval(() => Atomics.add(beats, sluiceChild, 1), BEAT_MS);
    parentPort!.on("message", (message: ToChild) => {
      // Questions do not wait for what takes its time.
      if (message.kind === "asked") this.siblings.reply(message.id, message.topic, message.question);
      else if (message.kind === "answers") this.siblings.answered(message.id, message.values);
      else this.queue = this.queue.then(() => this.obey(message));
    });
    await this.prepare(this.start.config);
    await ended;
    clearInterval(beat);
  }

  private async obey(message: Exclude<ToChild, { kind: "asked" | "answers" }>): Promise<void> {
    switch (message.kind) {
      case "prepare":
        await this.prepare(message.config);
        break;
      case "listen":
        send({ kind: "ready", failures: await this.child!.open(this.next!) });
        break;
      case "commit":
        this.commit(message.first);
        break;
      case "abandon":
        if (this.next !== null) this.child?.abandon(this.next);
        this.next = null;
        break;
      case "reloadFailed":
        this.child?.reloadFailed(message.failed);
        break;
      case "lead":
        this.leads = true;
        for (const lead of this.campaigns) lead();
        this.campaigns.clear();
        break;
      case "told":
        this.siblings.told(message.topic, message.message);
        break;
      case "stop":
        this.child?.stop();
        await this.end(true);
        break;
      case "drain":
        // A stop may come meanwhile.
        void this.child!.drain().then((whole) => this.end(whole));
    }
  }

  private async prepare(config: ChildConfig): Promise<void> {
    this.siblings.give(config.memory);
    this.silent = true;
    try {
      const { options } = this.start;
      const machine = nodeMachine(options.startLog, {
        siblings: this.siblings,
        logs: {
          program: (target) => this.sent(target, isSyslog(target)),
          file: (target, error) => this.sent(target, error),
        },
        wrapErrorLog: (sink) => this.silenced(sink),
      });
      const loaded = await loadConfig(
        { ...options, modules: this.modules, read: config.read },
        config.generation,
        machine,
      );
      loaded.process.providers.register(leadership, "children", {
        campaign: (_process, _name, lead) => this.campaign(lead),
      });
      shareSockets(this.start, planOf(loaded.process));
      this.next = loaded;
      if (this.child === null) {
        const ended = (generation: number) => send({ kind: "ended", generation });
        const ways = { reusePort: true, fdOf: (spec: ListenSpec) => this.takeLent(spec) };
        this.child = new Child(loaded, ways, ended, () => send({ kind: "full" }));
      }
      send({ kind: "ready", failures: [] });
    } catch (error) {
      send({ kind: "ready", failures: [String((error as Error).stack ?? error)] });
    }
    this.silent = false;
  }

  /** Once: what is closed later has to be opened anew. */
  private takeLent(spec: ListenSpec): number | undefined {
    const at = this.lent.findIndex((socket) => means(spec, socket));
    return at < 0 ? undefined : this.lent.splice(at, 1)[0]!.fd;
  }

  private commit(first: boolean): void {
    this.silent = !first;
    const { next } = this;
    this.next = null;
    if (this.begun) this.child!.exchange(next!);
    else this.child!.begin();
    this.begun = true;
    this.silent = false;
    send({ kind: "committed" });
  }

  private async end(whole: boolean): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    await this.child?.end();
    for (const log of this.sentLogs.values()) log.flush();
    send({ kind: "gone", whole });
    this.done();
  }

  private campaign(lead: () => void): () => void {
    if (this.leads) lead();
    else this.campaigns.add(lead);
    return () => void this.campaigns.delete(lead);
  }

  private silenced(sink: LogSink): LogSink {
    return {
      stamps: sink.stamps ?? false,
      write: (line, rank) => {
        if (!this.silent) sink.write(line, rank);
      },
    };
  }

  private sent(target: string, error: boolean): SentLog {
    const key = `${error} ${target}`;
    let log = this.sentLogs.get(key);
    if (log === undefined) this.sentLogs.set(key, (log = new SentLog(target, error)));
    return log;
  }
}

/** Each child may have its share; where they are replaced regularly, so may one that is replaced and still has clients. */
function shareSockets({ socketRoom, nearRoom }: ChildStart, { children, lifetime }: Plan): void {
  const shares = children + (lifetime > 0 ? 1 : 0);
  limitSockets(Math.max(LEAST_SOCKETS, Math.floor(socketRoom / shares) - OF_A_THREAD), nearRoom);
}

/** A log that the parent writes: of a program, of which there is one for all children, or of a file that only root may open. */
class SentLog implements ProgramLog {
  readonly stamps: boolean;
  private readonly target: string;
  private readonly error: boolean;
  private lines: LogLine[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(target: string, error: boolean) {
    this.target = target;
    this.error = error;
    this.stamps = isSyslog(target);
  }

  start(): void {
    send({ kind: "log", target: this.target, error: this.error, lines: [] });
  }

  write(line: string, rank?: number): void {
    this.lines.push([line, rank]);
    this.timer ??= setTimeout(() => this.flush(), LOG_MS);
  }

  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.lines.length > 0) send({ kind: "log", target: this.target, error: this.error, lines: this.lines });
    this.lines = [];
  }

  close(): void {
    this.flush();
  }
}
