/**
 * mod_proxy_http: backends that speak HTTP/1.1, on our own sockets and pools.
 * Source: httpd modules/proxy/mod_proxy_http.c
 */
import {
  DECLINED,
  defineModule,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  type RequestRec,
  type Status,
  schemeHandler,
  sslBindOutgoing,
  z,
} from "../../modules/mod.ts";
import { Exchange } from "./exchange.ts";

const proxyHttp = defineModule({
  name: "mod_proxy_http",
  config: z.object({}),
  needs: ["sockets"],
  registerHooks(hooks) {
    hooks.hook(schemeHandler, proxyHttpHandler, { rank: "first" });
  },
});
export default proxyHttp;

function proxyHttpHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  const { scheme } = url;
  if (scheme === "http" || scheme === "ws") return new Exchange(r, worker, url, attempt).run();
  if (scheme !== "https" && scheme !== "wss") return DECLINED;
  const bound = sslBindOutgoing.run(r.server.process.hooks, r, url, attempt);
  if (bound === OK) return new Exchange(r, worker, url, attempt).run();
  r.log.error("proxy", "AH00961", `${scheme}: failed to enable ssl support for ${worker.hostPort} (${worker.host})`);
  attempt.failure = { stage: "tls", source: "proxy", retry: "never", cause: "no TLS to backends", timedOut: false };
  return 500;
}
