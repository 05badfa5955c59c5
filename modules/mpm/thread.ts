/**
 * A child in a thread: does what it is told, and says how it went. Its memory, its number and its logs to programs it has from
 * who started it.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { ConfigError, formatConfigError } from "../config/directive.ts";
import { getModuleConfig } from "../core/module.ts";
import type { Shipped } from "../core/shipped.ts";
import { departure } from "../http/body_out.ts";
import { limitSockets } from "../net/node.ts";
import type { Loaded } from "../server/load.ts";
import core, { type ListenSpec } from "../server/mod_core.ts";
import { leadership } from "../watchdog/hooks.ts";
import { Child } from "./child.ts";
import type { LentListener } from "./held.ts";
import { means } from "./inherited.ts";
import { keptFiles } from "./kept_files.ts";
import { loadConfig, nodeMachine } from "./load.ts";
import { LogOrder } from "./log_order.ts";
import { isSyslog, silenced } from "./logs.ts";
import { type ChildConfig, type ChildStart, send, type ToChild } from "./messages.ts";
import { type Plan, planOf } from "./mpm.ts";
import { SentLog } from "./sent_log.ts";
import { ThreadSiblings } from "./thread_siblings.ts";

export const BEAT_MS = 1000;
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

class ThreadChild {
  private readonly start: ChildStart;
  private readonly modules: Shipped;
  private readonly siblings: ThreadSiblings;
  private child: Child | null = null;
  private begun = false;
  private ending = false;
  private next: Loaded | null = null;
  private loaded: Loaded | null = null;
  /** What this child logs another one logs, too: while all of them build the same. */
  private silent = true;
  private leads = false;
  private readonly lent: LentListener[];
  private readonly campaigns = new Set<() => void>();
  private readonly order: LogOrder;
  private readonly sentLogs = new Map<string, SentLog>();
  private queue: Promise<void> = Promise.resolve();
  private done!: () => void;

  constructor(start: ChildStart, modules: Shipped) {
    this.start = start;
    this.modules = modules;
    this.lent = [...start.listeners];
    keptFiles.add(start.keptFiles);
    this.siblings = new ThreadSiblings(start.sluiceChild, start.secret);
    this.order = new LogOrder(start.logOrder, start.sluiceChild);
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
    this.queue = this.prepare(this.start.config);
    await ended;
    clearInterval(beat);
  }

  private async obey(message: Exclude<ToChild, { kind: "asked" | "answers" }>): Promise<void> {
    switch (message.kind) {
      case "prepare":
        await this.prepare(message.config);
        break;
      case "listen":
        send({ kind: "ready", failures: await this.open() });
        break;
      case "adopt":
        this.lent.push(...message.listeners);
        await this.adopt();
        send({ kind: "adopted" });
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
    this.silent = keptFiles.asRead = true;
    try {
      const { options } = this.start;
      const machine = nodeMachine(options.startLog, {
        siblings: this.siblings,
        logs: {
          order: () => this.keepOrder(),
          program: (target) => this.sent(target, isSyslog(target)),
          file: (target, error) => this.sent(target, error),
        },
        wrapErrorLog: (sink) => silenced(sink, () => this.silent),
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
      // A reload, before it had begun to serve.
      if (this.next !== null) this.child!.forget(this.next);
      this.next = loaded;
      if (this.child === null) {
        const ended = (generation: number) => send({ kind: "ended", generation });
        const ways = {
          reusePort: true,
          keepPaths: this.start.keepsPaths,
          fdOf: (spec: ListenSpec) => this.takeLent(spec),
        };
        this.child = new Child(loaded, ways, ended, () => send({ kind: "full" }));
      }
      send({ kind: "ready", failures: [] });
    } catch (error) {
      const { stack } = error as Error;
      const text = error instanceof ConfigError ? formatConfigError(error, "sluice") : String(stack ?? error);
      send({ kind: "ready", failures: [text] });
    }
    this.silent = keptFiles.asRead = false;
  }

  private async open(): Promise<string[]> {
    const failures = await this.child!.open(this.next!);
    await this.adopt();
    return failures;
  }

  /** Accepts from whatever it was lent beside its own. */
  private async adopt(): Promise<void> {
    const { process } = this.next ?? this.loaded!;
    const { listen } = getModuleConfig(process.servers[0]!.config, core);
    for (const socket of this.lent.splice(0)) {
      const spec = listen.find((wanted) => means(wanted, socket));
      if (spec === undefined) continue;
      try {
        await this.child!.adopt(spec, socket.fd);
      } catch (error) {
        process.log.error("mpm_event", "", `cannot accept from another child's listener: ${(error as Error).message}`);
      }
    }
  }

  /** Once: what is closed later has to be opened anew. */
  private takeLent(spec: ListenSpec): number | undefined {
    const at = this.lent.findIndex((socket) => means(spec, socket));
    return at < 0 ? undefined : this.lent.splice(at, 1)[0]!.fd;
  }

  private commit(first: boolean): void {
    this.silent = !first;
    const next = this.next!;
    this.next = null;
    this.loaded = next;
    if (this.begun) this.child!.exchange(next);
    else this.child!.begin(next);
    this.begun = true;
    this.silent = false;
    send({ kind: "committed" });
  }

  private async end(whole: boolean): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    await this.child?.end();
    this.order.flush();
    send({ kind: "gone", whole });
    this.done();
  }

  private campaign(lead: () => void): () => void {
    if (this.leads) lead();
    else this.campaigns.add(lead);
    return () => void this.campaigns.delete(lead);
  }

  private sent(target: string, error: boolean): SentLog {
    const key = `${error} ${target}`;
    let log = this.sentLogs.get(key);
    if (log === undefined) this.sentLogs.set(key, (log = new SentLog(target, error, this.keepOrder())));
    return log;
  }

  /** From the first log on that all children write. */
  private keepOrder(): LogOrder {
    departure.watch = this.order.draw;
    return this.order;
  }
}

/** Each child may have its share; where they are replaced regularly, so may one that is replaced and still has clients. */
function shareSockets({ socketRoom, nearRoom }: ChildStart, { children, lifetime }: Plan): void {
  const shares = children + (lifetime > 0 ? 1 : 0);
  limitSockets(Math.max(LEAST_SOCKETS, Math.floor(socketRoom / shares) - OF_A_THREAD), nearRoom);
}
