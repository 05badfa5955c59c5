/**
 * mod_proxy_wstunnel: ws:// and wss:// without looking at the backend's answer, for `ProxyWebsocketFallbackToProxyHttp Off`.
 * With On, the default, mod_proxy_http makes the upgrade.
 * Source: httpd modules/proxy/mod_proxy_wstunnel.c
 */
import {
  canUpgrade,
  checkTrans,
  clientAddress,
  DECLINED,
  defineModule,
  getModuleConfig,
  HeaderTable,
  type MappedUrl,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  type RequestRec,
  type Status,
  schemeHandler,
  sslBindOutgoing,
  UPGRADE,
  z,
} from "../../modules/mod.ts";
import { tunnelTo } from "./ws_tunnel.ts";

const wstunnel = defineModule({
  name: "mod_proxy_wstunnel",
  config: z.object({
    /** ProxyWebsocketFallbackToProxyHttp. */
    fallback: z.boolean().default(true),
  }),
  needs: ["sockets"],
  commands: ({ flag }) => [
    flag(
      "ProxyWebsocketFallbackToProxyHttp",
      "any",
      "fallback",
      "whether to let mod_proxy_http handle the upgrade and tunneling, On by default",
    ),
  ],
  registerHooks(hooks) {
    hooks.hook(checkTrans, wantsUpgrade, { directivesOf: ["mod_proxy_wstunnel"] });
    hooks.hook(schemeHandler, wstunnelHandler, {
      rank: "first",
      before: ["mod_proxy_http"],
      directivesOf: ["mod_proxy_wstunnel"],
    });
  },
});
export default wstunnel;

/** The protocol of workers that name none. */
const WEBSOCKET = "WebSocket";

/** check_trans: a rule for ws:// is none for a request without Upgrade. */
function wantsUpgrade(r: RequestRec, { origin }: MappedUrl): Status {
  if (!/^wss?:/i.test(origin) || getModuleConfig(r.perDirConfig, wstunnel).fallback) return DECLINED;
  return r.headersIn.hasId(UPGRADE) ? DECLINED : 426;
}

function wstunnelHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  if ((url.scheme !== "ws" && url.scheme !== "wss") || getModuleConfig(r.perDirConfig, wstunnel).fallback) {
    return DECLINED;
  }
  const protocol = worker.params.upgrade || WEBSOCKET;
  const wanted = r.headersIn.getId(UPGRADE);
  if (wanted !== undefined && canUpgrade(worker, wanted, protocol)) {
    if (r.out.needs101) return DECLINED; // mod_proxy_http reads the backend's answer
    const bound = url.scheme === "ws" ? OK : sslBindOutgoing.run(r.server.process.hooks, r, url, attempt);
    return bound === OK ? tunnelTo(r, worker, url, attempt) : 500;
  }
  r.log.info(
    "proxy_wstunnel",
    "AH02900",
    `require upgrade for URL ${url.target} (Upgrade header is ${wanted ?? "missing"}, expecting ${protocol})`,
    { client: clientAddress(r.conn) },
  );
  r.errHeadersOut ??= new HeaderTable();
  r.errHeadersOut.set("Connection", "Upgrade");
  r.errHeadersOut.set("Upgrade", protocol);
  return 426;
}
