/**
 * TLS for a probe: as for the traffic of the balancer's <Proxy> section. Its directives are found by a request that nobody
 * sent, as httpd makes one for each check.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c create_request_rec, hc_check_http
 */
import {
  type BackendTls,
  ConnRec,
  HeaderTable,
  type HealthCheck,
  OK,
  type ProcessRec,
  ProxyAttempt,
  type ProxyWorker,
  RequestRec,
  sectionWalk,
  splitProxyUrl,
  sslBindOutgoing,
} from "../../modules/mod.ts";

/** null: plain; a text: why TLS is not possible. @param balancer its name, for <Proxy> */
export function tlsOf(
  worker: ProxyWorker,
  check: HealthCheck,
  balancer: string,
  process: ProcessRec,
): BackendTls | string | null {
  if (worker.scheme !== "https" && worker.scheme !== "wss") return null;
  const { server } = check.context;
  const address = { peerIp: "", peerPort: 0, localIp: "", localPort: 0 };
  const conn = new ConnRec({ id: 0, process, ...address, vhosts: [server], secure: false });
  const head = { method: "GET", target: "/", protoNum: 1000, requestLine: "", headers: new HeaderTable() };
  const r = new RequestRec(conn, server, head, process.clock.wallUs());
  sectionWalk(r, `${balancer}/`);
  const url = splitProxyUrl(worker.name);
  const attempt = new ProxyAttempt(url);
  const bound = sslBindOutgoing.run(process.hooks, r, url, attempt);
  return bound === OK ? attempt.tls : "TLS to backends is not enabled (SSLProxyEngine)";
}
