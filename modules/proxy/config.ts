/**
 * What mod_proxy's directives say about the requests that it proxies: the part that scheme handlers read.
 * Source: httpd modules/proxy/mod_proxy.h proxy_server_conf, proxy_dir_conf
 */

import { type ConfigVector, getModuleConfig, type Module } from "../core/module.ts";
import * as z from "../core/schema.ts";
import type { ProxyPassRule } from "./pass.ts";
import type { CookieEntry, ReverseEntry } from "./reverse_map.ts";

export const proxyConfigSchema = z.object({
  /** ProxyPreserveHost: the client's Host goes to the backend. */
  preserveHost: z.boolean().default(false),
  /** ProxyAddHeaders: X-Forwarded-For, -Host, -Server. */
  addHeaders: z.boolean().default(true),
  /** ProxyVia. */
  via: z.enum(["off", "on", "full", "block"]).default("off"),
  /** ProxyTimeout, milliseconds. Unset: Timeout. */
  timeoutMs: z.number().optional(),
  /** ProxyBadHeader. */
  badHeader: z.enum(["IsError", "Ignore", "StartBody"]).default("IsError"),
  /** ProxyErrorOverride. */
  errorOverride: z.boolean().default(false),
  /** The statuses it is limited to; none: all from 400 on. */
  errorOverrideCodes: z.array(z.number()).default([]),
  /** ProxyIOBufferSize, bytes. Accepted; reads are as large as the runtime makes them. */
  ioBufferSize: z.number().default(8192),
  /** ProxyReceiveBufferSize, bytes; 0: the system's. */
  receiveBufferSize: z.number().default(0),
  /** ProxyMaxForwards; negative: no field is added. */
  maxForwards: z.number().default(-1),
  /** Proxy100Continue: Expect: 100-continue is the backend's to answer. */
  proxy100Continue: z.boolean().default(true),
  /** ProxyPass and ProxyPassMatch of servers, in the order in which they are tried. */
  passes: z.array(z.custom<ProxyPassRule>()).default([]),
  /** The rule of a <Location>. */
  sectionPass: z.custom<ProxyPassRule>().optional(),
  /** ProxyPassReverse. */
  reverses: z.array(z.custom<ReverseEntry & Interpolated>()).default([]),
  /** ProxyPassReverseCookiePath, ProxyPassReverseCookieDomain. */
  cookiePaths: z.array(z.custom<CookieEntry & Interpolated>()).default([]),
  cookieDomains: z.array(z.custom<CookieEntry & Interpolated>()).default([]),
  /** ProxyPassInterpolateEnv. */
  interpolateEnv: z.boolean().default(false),
  passInherit: z.boolean().default(true),
  balancerInherit: z.boolean().default(true),
});

/** Whether ${VAR} in an entry is replaced by the request's environment. */
export interface Interpolated {
  readonly interpolate: boolean;
}

export type ProxyConfig = z.output<typeof proxyConfigSchema>;

/** mod_proxy's record, set by mod_proxy.ts: importing it from here would be a cycle. */
export const proxyModuleRef: { module: Module<ProxyConfig> | null } = { module: null };

const DEFAULTS: ProxyConfig = proxyConfigSchema.parse({});

/** mod_proxy's configuration out of a vector. */
export function getProxyConfig(vector: ConfigVector): ProxyConfig {
  const module = proxyModuleRef.module;
  return module === null ? DEFAULTS : (getModuleConfig(vector, module) ?? DEFAULTS);
}

/** Whether ProxyErrorOverride puts our page in the place of a response of this status. */
export function overridesError(conf: ProxyConfig, status: number): boolean {
  if (!conf.errorOverride || status < 400 || status > 599) return false;
  return conf.errorOverrideCodes.length === 0 || conf.errorOverrideCodes.includes(status);
}
