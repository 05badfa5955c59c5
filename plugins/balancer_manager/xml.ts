/**
 * `?xml=1`: the manager's figures for programs.
 * Source: httpd modules/proxy/mod_proxy_balancer.c balancer_display_page
 */
import { escapeHtml, type ProxyBalancer, type ProxyWorker } from "../../modules/mod.ts";

export function managerXml(balancers: readonly ProxyBalancer[]): string {
  return [
    "<?xml version='1.0' encoding='UTF-8' ?>",
    "<httpd:manager xmlns:httpd='http://httpd.apache.org'>",
    "  <httpd:balancers>",
    ...balancers.map(balancerXml),
    "  </httpd:balancers>",
    "</httpd:manager>",
  ].join("\n");
}

/** Names and values in order; undefined: left out. */
type Elements = readonly (readonly [name: string, value: string | number | undefined])[];

function balancerXml(balancer: ProxyBalancer): string {
  const { params, members } = balancer;
  const sticky = params.stickySession !== "";
  return [
    "    <httpd:balancer>",
    ...lines(6, [
      ["name", balancer.name],
      ["nonce", balancer.nonce],
      ["stickysession", sticky ? params.stickySession : undefined],
      ["nofailover", sticky ? onOff(params.noFailover) : undefined],
      ["timeout", seconds(params.timeoutMs)],
      ["maxattempts", params.maxAttempts ?? (balancer.maxAttempts || undefined)],
      ["lbmethod", params.lbmethod],
      ["scolonpathdelim", sticky ? onOff(params.scolonPathDelim) : undefined],
    ]),
    "      <httpd:workers>",
    ...members.map(workerXml),
    "      </httpd:workers>",
    "    </httpd:balancer>",
  ].join("\n");
}

function workerXml(worker: ProxyWorker): string {
  const { params, s } = worker;
  const factor = (s.lbfactor / 100).toFixed(2);
  return [
    "        <httpd:worker>",
    ...lines(10, [
      ["name", worker.displayName],
      ["scheme", worker.scheme],
      ["hostname", worker.host],
      ["loadfactor", factor],
      ["port", worker.port],
      ["min", limit(params.min)],
      ["smax", limit(params.smax)],
      ["max", limit(params.max)],
      ["ttl", seconds(params.ttlMs ?? 0)],
      ["timeout", params.timeoutMs && seconds(params.timeoutMs)],
      ["acquire", params.acquireMs && params.acquireMs % 1000],
      ["recv_buffer_size", params.receiveBufferSize || undefined],
      ["io_buffer_size", params.ioBufferSize === 8192 ? undefined : params.ioBufferSize],
      ["keepalive", params.keepAlive ? "On" : undefined],
      ["status", worker.flags],
      ["error_time", s.errorTimeMs > 0 ? new Date(s.errorTimeMs).toUTCString() : undefined],
      ["retries", s.retries],
      ["lbstatus", s.lbstatus],
      ["loadfactor", factor],
      ["transferred", s.transferred],
      ["read", s.read],
      ["elected", s.elected],
      ["route", worker.route],
      ["redirect", worker.redirect],
      ["busy", s.busy],
      ["lbset", s.lbset],
      ["disablereuse", params.disableReuse === undefined ? undefined : onOff(params.disableReuse)],
      ["connectiontimeout", params.connectionTimeoutMs && params.connectionTimeoutMs % 1000],
      ["retry", params.retryMs === 60_000 ? undefined : seconds(params.retryMs)],
    ]),
    "        </httpd:worker>",
  ].join("\n");
}

function lines(indent: number, elements: Elements): string[] {
  return elements
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${" ".repeat(indent)}<httpd:${name}>${escapeHtml(String(value))}</httpd:${name}>`);
}

/** Of connections; httpd knows a number of threads where sluice knows no limit: 0. */
function limit(count: number): number {
  return Number.isFinite(count) ? count : 0;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function onOff(on: boolean): string {
  return on ? "On" : "Off";
}
