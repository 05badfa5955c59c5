/**
 * mod_proxy_fetch: http and https backends by the host's `fetch`, where there are no sockets; WebSockets by messages. What
 * that loses is in README.md, "Backends without sockets".
 */
import {
  DECLINED,
  defineModule,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  type RequestRec,
  type Status,
  schemeHandler,
  upgradeOf,
  z,
} from "../../modules/mod.ts";
import { FetchExchange } from "./exchange.ts";
import { WebSocketRelay } from "./web_socket.ts";

const proxyFetch = defineModule({
  name: "mod_proxy_fetch",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.hook(schemeHandler, webSocketHandler, { rank: "reallyFirst" });
    // On a host with sockets mod_proxy_http takes part, and leaves nothing for this.
    hooks.hook(schemeHandler, proxyFetchHandler, { rank: "last", after: ["mod_proxy_http"] });
  },
});
export default proxyFetch;

/** A front that has messages for a WebSocket has no bytes for mod_proxy_http. */
function webSocketHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  const offer = r.out.webSocket ?? null;
  if (offer === null || upgradeOf(r, worker, url) === "") return DECLINED;
  return new WebSocketRelay(r, worker, url, attempt, offer).run();
}

function proxyFetchHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  if (!/^(https?|wss?)$/.test(url.scheme)) return DECLINED;
  return new FetchExchange(r, worker, url, attempt).run();
}
