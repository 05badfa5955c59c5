/**
 * The modules that ship, in load order: those of any host, then those that need node: modules.
 */
import { later, type Shipped } from "../modules/mod.ts";
import { portablePlugins } from "./portable.ts";

export const standardPlugins: Shipped = [
  ...portablePlugins,
  later("mod_ssl", /ssl|https|wss|tls|%\{\w+\}[sx]/i, () => import("./ssl/mod_ssl.ts")),
  later("mod_http2", /^(H2|Protocols)|http2/i, () => import("./http2/mod_http2.ts")),
  later("mod_heartbeat", /heartbeat/i, () => import("./heartbeat/mod_heartbeat.ts")),
  later("mod_heartmonitor", /heartbeat/i, () => import("./heartbeat/mod_heartmonitor.ts")),
  later("mod_auth_basic", /^Auth/i, () => import("./aaa/mod_auth_basic.ts")),
  later("mod_authn_file", /^Auth/i, () => import("./aaa/mod_authn_file.ts")),
  later("mod_prometheus", /prometheus/i, () => import("./prometheus/mod_prometheus.ts")),
  later("mod_opentelemetry", /^OpenTelemetry/i, () => import("./opentelemetry/mod_opentelemetry.ts")),
];
