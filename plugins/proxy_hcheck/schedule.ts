/**
 * The schedule: who is due, and how many are asked at once.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c hc_watchdog_callback
 */
import {
  type CheckResult,
  getProxyServerState,
  type HealthCheck,
  type ProcessRec,
  type ProxyBalancer,
  type ProxyWorker,
  STOPPED,
} from "../../modules/mod.ts";
import { Panic } from "./panic.ts";
import { type Probe, startProbe } from "./probe.ts";
import { tally } from "./tally.ts";

const LOG = "proxy_hcheck";
/** An interval is up to so much longer, by chance: members that start together do not stay together. */
const JITTER = 0.1;

interface Entry {
  /** When the last check ended, or the first was planned; on the monotonic clock. */
  fromMs: number;
  /** In [0, 1). */
  chance: number;
  probe: Probe | null;
}

export class Schedule {
  private readonly process: ProcessRec;
  private readonly limit: number;
  private readonly balancers: readonly ProxyBalancer[];
  private readonly entries = new Map<ProxyWorker, Entry>();
  private readonly panic: Panic;
  private running = 0;
  private stopped = false;

  /** @param limit probes at once */
  constructor(process: ProcessRec, limit: number) {
    this.process = process;
    this.limit = limit;
    this.balancers = balancersOf(process);
    this.panic = new Panic(process);
  }

  /** Starts the checks that are due, the longest overdue first. Members added or changed meanwhile are seen. */
  tick(): void {
    const now = this.process.clock.now();
    const due: { worker: ProxyWorker; check: HealthCheck; entry: Entry; balancer: string; atMs: number }[] = [];
    for (const balancer of this.balancers) {
      this.panic.watch(balancer);
      for (const worker of balancer.members) {
        const { check } = worker;
        if (check === null || check.params.method === "NONE" || worker.has(STOPPED)) continue;
        const entry = this.entryOf(worker, now);
        if (entry.probe !== null) continue;
        const atMs = entry.fromMs + check.params.intervalMs * (1 + JITTER * entry.chance);
        if ((check.wanted || now > atMs) && !due.some((other) => other.worker === worker))
          due.push({ worker, check, entry, balancer: balancer.name, atMs });
      }
    }
    due.sort((a, b) => a.atMs - b.atMs);
    for (const { worker, check, entry, balancer } of due) {
      if (this.running >= this.limit) break;
      void this.ask(worker, check, entry, balancer);
    }
  }

  /** Ends what runs; nothing of it counts. */
  stop(): void {
    this.stopped = true;
    for (const { probe } of this.entries.values()) probe?.cancel();
  }

  private entryOf(worker: ProxyWorker, now: number): Entry {
    let entry = this.entries.get(worker);
    if (entry === undefined) {
      entry = { fromMs: now, chance: this.process.clock.random(), probe: null };
      this.entries.set(worker, entry);
    }
    return entry;
  }

  private async ask(worker: ProxyWorker, check: HealthCheck, entry: Entry, balancer: string): Promise<void> {
    const { clock } = this.process;
    const { log } = check.context.server;
    const startMs = clock.now();
    log.debug(LOG, "AH03256", `Health check ${check.params.method} of ${worker.displayName} starts`);
    this.running++;
    check.wanted = false;
    entry.probe = startProbe(worker, check, balancer, this.process);
    const { passed, reason, ours } = await entry.probe.done;
    this.running--;
    entry.probe = null;
    entry.fromMs = clock.now();
    entry.chance = clock.random();
    if (this.stopped) return;
    if (ours) {
      const text = `Health check ${check.params.method} of ${worker.displayName} could not be made: ${reason}`;
      log.error(LOG, "", text);
      return;
    }
    const result: CheckResult = { atMs: clock.wallUs() / 1000, tookMs: entry.fromMs - startMs, passed, reason };
    const text = `Health check ${check.params.method} of ${worker.displayName} ${passed ? "passed" : "failed"}: ${reason}`;
    log.debug(LOG, "AH03251", text);
    const change = tally(worker, result);
    if (change === "enabled") log.info(LOG, "AH03302", `Health check ENABLING ${worker.displayName}: ${reason}`);
    else if (change === "disabled") log.info(LOG, "AH03303", `Health check DISABLING ${worker.displayName}: ${reason}`);
  }
}

/** Each once: virtual hosts share what they inherit. */
export function balancersOf(process: ProcessRec): ProxyBalancer[] {
  return [
    ...new Set(process.servers.flatMap((server) => [...(getProxyServerState(server)?.balancers.values() ?? [])])),
  ];
}
