/**
 * ProxyPassReverse and the cookie directives, applied to a response.
 * Source: httpd modules/proxy/mod_proxy_http.c process_proxy_header; proxy_util.c
 */
import type { RequestRec } from "../core/records.ts";
import { CONTENT_LOCATION, DESTINATION, type HeaderTable, LOCATION, SET_COOKIE, URI } from "../core/table.ts";
import { serverOrigin } from "../server/server_name.ts";
import type { ProxyConfig } from "./config.ts";
import { interpolateEnv } from "./pass.ts";
import { mapCookie, type ReverseContext, reverseMap } from "./reverse_map.ts";
import { getProxyServerState } from "./server_state.ts";

const MAPPED = [LOCATION, CONTENT_LOCATION, URI, DESTINATION] as const;

/** Rewrites the addresses and cookies of a response of the backend to what the client must see. */
export function reverseMapHeaders(r: RequestRec, conf: ProxyConfig, headers: HeaderTable): void {
  if (conf.reverses.length > 0) {
    for (const id of MAPPED) if (headers.hasId(id)) mapField(r, conf, headers, id);
  }
  if ((conf.cookiePaths.length > 0 || conf.cookieDomains.length > 0) && headers.hasId(SET_COOKIE)) {
    const paths = expanded(r, conf, conf.cookiePaths, "internal", "public");
    const domains = expanded(r, conf, conf.cookieDomains, "internal", "public");
    for (let i = headers.indexOfId(SET_COOKIE); i >= 0; i = headers.indexOfId(SET_COOKIE, i + 1)) {
      headers.setValueAt(i, mapCookie(headers.valueAt(i), paths, domains));
    }
  }
}

function mapField(r: RequestRec, conf: ProxyConfig, headers: HeaderTable, id: number): void {
  const entries = expanded(r, conf, conf.reverses, "path", "url");
  const context: ReverseContext = {
    balancer: (name) => getProxyServerState(r.server)?.balancers.get(`balancer://${name}`)?.members,
    baseUrl: () => serverOrigin(r),
  };
  for (let i = headers.indexOfId(id); i >= 0; i = headers.indexOfId(id, i + 1)) {
    headers.setValueAt(i, reverseMap(headers.valueAt(i), entries, context));
  }
}

/** ${VAR} needs the word on the line and ProxyPassInterpolateEnv On. */
function expanded<K extends string, E extends Record<K, string> & { readonly interpolate: boolean }>(
  r: RequestRec,
  conf: ProxyConfig,
  entries: readonly E[],
  ...keys: readonly K[]
): readonly E[] {
  if (!conf.interpolateEnv || !entries.some((entry) => entry.interpolate)) return entries;
  return entries.map((entry) => {
    if (!entry.interpolate) return entry;
    const copy: Record<string, unknown> = { ...entry };
    for (const key of keys) copy[key] = interpolateEnv(entry[key], (name) => r.getEnv(name));
    return copy as E;
  });
}
