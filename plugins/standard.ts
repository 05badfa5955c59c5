/**
 * The modules that ship, in load order: those of any host, then those that need node: modules.
 */
import type { Module } from "../modules/mod.ts";
import authBasic from "./aaa/mod_auth_basic.ts";
import authnFile from "./aaa/mod_authn_file.ts";
import heartbeat from "./heartbeat/mod_heartbeat.ts";
import heartmonitor from "./heartbeat/mod_heartmonitor.ts";
import http2 from "./http2/mod_http2.ts";
import openTelemetry from "./opentelemetry/mod_opentelemetry.ts";
import { portablePlugins } from "./portable.ts";
import prometheus from "./prometheus/mod_prometheus.ts";
import ssl from "./ssl/mod_ssl.ts";

export const standardPlugins: readonly Module[] = [
  ...portablePlugins,
  ssl,
  http2,
  heartbeat,
  heartmonitor,
  authBasic,
  authnFile,
  prometheus,
  openTelemetry,
] as readonly Module[];
