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
}
