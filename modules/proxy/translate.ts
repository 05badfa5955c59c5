/**
 * Request path → backend URL, in two passes: rules with mapping= see the path as it was sent, the others decoded.
 * Source: httpd modules/proxy/mod_proxy.c proxy_trans, proxy_walk; mod_proxy_http.c proxy_http_canon
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import core from "../server/mod_core.ts";
import {
  authorityEnd,
  authorityOf,
  canonicalizePath,
  hasControlOrSpace,
  parseUrl,
  splitUnixUrl,
} from "../server/uri.ts";
import { sectionWalk } from "../server/walk.ts";
import { getProxyConfig, proxyModuleRef } from "./config.ts";
import { checkTrans } from "./hooks.ts";
import { findPass, type MappedUrl, type PassMatch } from "./pass.ts";
import { proxyError } from "./proxy_error.ts";
import { SOCKET_PATH } from "./server_state.ts";

export function preTranslate(r: RequestRec): Status {
  return match(r, true);
}

export function translate(r: RequestRec): Status {
  return match(r, false);
}

function match(r: RequestRec, early: boolean): Status {
  const rules = getProxyConfig(r.server.config).passes;
  const conf = getProxyConfig(r.perDirConfig);
  const section = conf.sectionPass ?? null;
  if (rules.length === 0 && section === null) return DECLINED;
  if (r.getEnv("no-proxy") !== undefined) return DECLINED;
  const found = findPass(section, rules, early, {
    path: early ? r.encodedUri : r.uri,
    rawTarget: rawTarget(r),
    env: conf.interpolateEnv ? envOf(r) : null,
    accept: isAccepted,
    r,
  });
  if (found === null || found === "declined") return DECLINED;
  if (found.unsafeNocanon) {
    r.log.warn("proxy", "AH01136", `Unescaped URL path matched ProxyPass; ignoring unsafe nocanon: ${found.rule.fake}`);
  }
  if (found.servletPath !== null) r.uri = found.servletPath;
  mapTo(r, found);
  return OK;
}

/**
 * Has the proxy serve a request, as a ProxyPass rule would.
 * @param target the backend's URL, not canonical yet; or unix:PATH|URL
 * @param raw path and query are sent as they stand in the URL; else the path is encoded and `r.args` added
 */
export function proxyTo(r: RequestRec, target: string, raw: boolean): void {
  let url = target;
  const unix = splitUnixUrl(target);
  if (unix !== null && "url" in unix) {
    url = unix.url;
    r.setNote(SOCKET_PATH, unix.socketPath);
  }
  mapTo(r, { url, pathStart: authorityEnd(url, url.indexOf("://") + 3), raw, encoded: false });
}

function mapTo(r: RequestRec, mapped: MappedUrl): void {
  r.filename = `proxy:${mapped.url}`;
  r.handler = "proxy-server";
  r.proxyreq = "reverse";
  r.setState(proxyModuleRef.module as never, mapped);
}

function envOf(r: RequestRec): (name: string) => string | undefined {
  return (name) => r.getEnv(name);
}

function isAccepted(found: PassMatch, r: RequestRec): boolean {
  const answer = checkTrans.run(r.server.process.hooks, r, found.url);
  return answer === OK || answer === DECLINED;
}

/** The path and query as sent, without the host of an absolute target. */
function rawTarget(r: RequestRec): string {
  const target = r.unparsedUri;
  if (target.charCodeAt(0) === 0x2f) return target;
  let end = target.indexOf("://") + 3;
  // A host may end in its query: a slash in there begins no path, which nobody would have checked.
  while (end < target.length && target.charCodeAt(end) !== 0x2f && target.charCodeAt(end) !== 0x3f) end++;
  const rest = target.slice(end);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** map_to_storage: for a proxied request <Proxy> sections stand in the place of files. */
export function walkProxySections(r: RequestRec): Status {
  if (r.proxyreq === "none") return DECLINED;
  if (r.server.proxies.length > 0 || r.server.conditional) sectionWalk(r, r.filename.slice(6));
  return OK;
}

/** Origins seen in rules, normalised. What rules can make is bounded only if no request has a say in it. */
const origins = new Map<string, string>();
const MAX_ORIGINS = 1000;

/** fixups: the URL as it goes to the backend. Answers OK or 400, 403. */
export function canonicalize(r: RequestRec): Status {
  const found = r.getState<MappedUrl>(proxyModuleRef.module as never);
  if (found === undefined) return OK;
  const origin = normalOrigin(found.url.slice(0, found.pathStart));
  if (origin === 500) {
    // ProxyPass /a/ http://h:80 glues what follows /a/ to the port: httpd looks a host of that name up.
    const authority = found.url.slice(found.url.indexOf("://") + 3, found.pathStart);
    return proxyError(r, 500, `DNS lookup failure for: ${authority}`);
  }
  if (typeof origin === "number") return origin;
  let path = found.url.slice(found.pathStart);
  if (path === "") path = "/";
  else if (path.charCodeAt(0) !== 0x2f) return 400;
  if (found.raw || found.encoded) {
    if (hasControlOrSpace(path)) return 403;
  } else {
    const keep = getModuleConfig(r.server.config, core).encodedSlashes === "nodecode";
    const canonical = canonicalizePath(path, keep);
    if (typeof canonical === "number") return canonical;
    path = canonical;
  }
  if (!found.raw && r.args !== null) {
    if (hasControlOrSpace(r.args)) return 403;
    path += `?${r.args}`;
  }
  r.filename = `proxy:${origin}${path}`;
  return OK;
}

/** Or 400; 500 for a port that is none: httpd takes it for a part of the name, which is then unknown. */
function normalOrigin(origin: string): string | Status {
  const known = origins.get(origin);
  if (known !== undefined) return known;
  let normal: string;
  if (/^balancer:\/\//i.test(origin)) {
    normal = origin.toLowerCase();
  } else {
    const url = parseUrl(origin.replace(/^unix:[^|]*\|/i, ""));
    if ("error" in url) return url.error === "no host" ? 400 : 500;
    normal = `${url.scheme}://${authorityOf(url)}`;
  }
  if (origins.size < MAX_ORIGINS) origins.set(origin, normal);
  return normal;
}
