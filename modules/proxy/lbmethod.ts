/**
 * The provider group `lbmethod`: who is elected among those who may be.
 * Source: httpd modules/proxy/mod_proxy.h, struct proxy_balancer_method
 */
import { providerGroup } from "../core/providers.ts";
import type { RequestRec } from "../core/records.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { ProxyWorker } from "./worker.ts";

/** Never empty. */
export type Candidates = readonly [ProxyWorker, ...ProxyWorker[]];

export interface LbMethod {
  /**
   * Elects one of `candidates`, which may all serve `r`, in the order in which httpd offers them; null: none of them.
   * Nobody changes the array. It is the same one as long as the candidates and their parameters are: what is derived from
   * it may be kept until another comes. Synchronous, so atomic within a child.
   */
  finder(candidates: Candidates, r: RequestRec): ProxyWorker | null;
  /** A session route chose; account for it. Without it all usable members gain their lbfactor, and `elected` pays the sum. */
  updateLbStatus?(elected: ProxyWorker, candidates: Candidates): void;
  /** Start afresh: zero lbstatus, forget what was derived from the members. */
  reset?(): void;
  age?(): void;
  /**
   * A member answered: so long it took from its election to the head of the answer, or to the time-out.
   * @param nowMs on the clock's `now`
   */
  observe?(member: ProxyWorker, latencyMs: number, nowMs: number): void;
  /** The figure by which `finder` is about to judge a candidate, for the log at trace5. */
  figure?(candidate: ProxyWorker, r: RequestRec): string;
  /** The candidates are all usable members, whatever their lbset and role. @default false */
  readonly wholeBalancer?: boolean;
}

export type LbMethodFactory = (balancer: ProxyBalancer) => LbMethod;

export const lbmethod = providerGroup<LbMethodFactory>("lbmethod");
