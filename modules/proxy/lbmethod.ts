/**
 * The provider group `lbmethod`: who is elected among those who may be.
 * Source: httpd modules/proxy/mod_proxy.h, struct proxy_balancer_method
 */
import { providerGroup } from "../core/providers.ts";
import type { RequestRec } from "../core/records.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { ProxyWorker } from "./worker.ts";

export interface LbMethod {
  /** `candidates` may serve `r`, in the order in which httpd offers them; the list is reused after the call. Synchronous, so atomic within a child. */
  finder(candidates: readonly [ProxyWorker, ...ProxyWorker[]], r: RequestRec): ProxyWorker;
  /** A session route chose; account for it. Without it all usable members gain their lbfactor, and `elected` pays the sum. */
  updateLbStatus?(elected: ProxyWorker, candidates: readonly ProxyWorker[]): void;
  /** Start afresh: zero lbstatus, forget what was derived from the members. */
  reset?(): void;
  age?(): void;
}

export type LbMethodFactory = (balancer: ProxyBalancer) => LbMethod;

export const lbmethod = providerGroup<LbMethodFactory>("lbmethod");
