/**
 * The provider group `sticky`: which route a request's session asks for.
 */
import { providerGroup } from "../core/providers.ts";
import type { RequestRec } from "../core/records.ts";
import type { ProxyAttempt } from "./attempt.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { ProxyWorker } from "./worker.ts";

export interface SessionRoute {
  /** As the client sent it; "" (a separator with nothing behind) elects nobody, but is told in the environment. */
  readonly route: string;
  /** The cookie or path parameter that it came in. */
  readonly name: string;
}

export interface StickyProvider {
  /** @param attempt its URL is still the balancer's: balancer://name/path?query. Called only if the balancer has sessions. */
  findRoute(balancer: ProxyBalancer, r: RequestRec, attempt: ProxyAttempt): SessionRoute | null;
  /** Is told of the member of each attempt, by whatever it was elected. */
  elected?(balancer: ProxyBalancer, r: RequestRec, worker: ProxyWorker): void;
}

export const sticky = providerGroup<StickyProvider>("sticky");
