/**
 * mod_proxy_fetch: http and https backends by the host's `fetch`, where there are no sockets. What that loses is in README.md,
 * "Backends without sockets".
 */
import { z } from "zod";
import {
  DECLINED,
  defineModule,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  type RequestRec,
  type Status,
  schemeHandler,
} from "../../modules/mod.ts";
import { FetchExchange } from "./exchange.ts";

const proxyFetch = defineModule({
  name: "mod_proxy_fetch",
  config: z.object({}),
  registerHooks(hooks) {
    // On a host with sockets mod_proxy_http takes part, and leaves nothing for this.
    hooks.hook(schemeHandler, proxyFetchHandler, { rank: "last", after: ["mod_proxy_http"] });
  },
});
export default proxyFetch;

function proxyFetchHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  if (!/^(https?|wss?)$/.test(url.scheme)) return DECLINED;
  return new FetchExchange(r, worker, url, attempt).run();
}
