/**
 * One proxied request over its attempts: what was tried, and what it left behind.
 */
import type { Bytes } from "../core/bytes.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { Failure } from "./failure.ts";
import type { ProxyWorker } from "./worker.ts";

export class ProxyAttempt {
  /** The URL to ask for. `pre_request` replaces that of a balancer by the member's. */
  url: string;
  worker: ProxyWorker | null = null;
  balancer: ProxyBalancer | null = null;
  /** 0 for the first. */
  number = 0;
  /** Members elected so far: their `busy` counts this request until it ends. */
  readonly elected: ProxyWorker[] = [];
  /** On the clock's `now`, if the lbmethod wants to know how long an answer takes; -1: it does not. */
  electedAtMs = -1;
  /** How the last attempt failed. */
  failure: Failure | null = null;
  /** Body bytes read from the client before a backend was tried; sent again to the next one. */
  prefetched: Bytes[] | null = null;
  prefetchedBytes = 0;
  /** The prefetched bytes are the whole body. */
  prefetchedAll = false;

  constructor(url: string) {
    this.url = url;
  }

  /** The head of the answer is there, or will not come. Told once for each election. */
  answered(nowMs: number): void {
    if (this.electedAtMs < 0 || this.worker === null) return;
    this.balancer?.lbmethod?.observe?.(this.worker, nowMs - this.electedAtMs, nowMs);
    this.electedAtMs = -1;
  }
}
