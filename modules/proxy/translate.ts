/**
 * Request path → backend URL, in two passes: rules with mapping= see the path as it was sent, the others decoded.
 * Source: httpd modules/proxy/mod_proxy.c proxy_trans, proxy_walk; mod_proxy_http.c proxy_http_canon
 */
import type { RequestRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import { authorityOf, canonicalizePath, hasControlOrSpace, parseUrl, splitUnixUrl } from "../server/uri.ts";
import { keepsEncodedSlashes, sectionWalk } from "../server/walk.ts";
import { getProxyConfig } from "./config.ts";
import { checkTrans } from "./hooks.ts";
import {
  findPass,
  Mapping,
  matchPass,
  PASS_DECLINED,
  type PassMatch,
  type PassRequest,
  type PassResult,
  type ProxyPassRule,
  splitUrl,
} from "./pass.ts";
import { proxyError } from "./proxy_error.ts";
import { SOCKET_PATH } from "./server_state.ts";
import { type Origin, originOf, ProxyUrl } from "./url.ts";

const TRACE1 = 8;
const TRACE2 = 9;

export function preTranslate(r: RequestRec): Status {
  return match(r, true);
}

export function translate(r: RequestRec): Status {
  return r.proxyreq === "none" ? match(r, false) : OK;
}

/** Which rules were looked at, and what came of it. */
function traceMatch(
  r: RequestRec,
  section: ProxyPassRule | null,
  rules: readonly ProxyPassRule[],
  early: boolean,
  found: PassResult,
): void {
  const { path } = asked;
  if (path.charCodeAt(0) !== 0x2f) return;
  for (const rule of section === null ? rules : [section, ...rules]) {
    if ((rule.mapping !== "none") !== early) continue;
    const kind = rule.regex === null ? "prefix" : "pattern";
    const text = `attempting to match URI path '${path}' against ${kind} '${rule.fake}' for proxying`;
    r.log.log(TRACE2, "proxy", "AH03461", text, r);
    if (found === PASS_DECLINED && matchPass(rule, asked) === PASS_DECLINED) {
      const ah = rule.regex === null ? "AH03463" : "AH03462";
      r.log.log(TRACE1, "proxy", ah, `proxying is explicitly disabled for URI path '${path}'; declining`, r);
      return;
    }
    if (found !== null && found !== PASS_DECLINED && found.rule === rule) {
      const text = `URI path '${path}' matches proxy handler 'proxy:${found.origin}${found.path}'`;
      r.log.log(TRACE1, "proxy", "AH03464", text, r);
      return;
    }
  }
}

/** One object: it is read before the next call. */
const asked: PassRequest & { r: RequestRec | null } = {
  path: "",
  get rawTarget() {
    return rawTarget(this.r!);
  },
  env: null,
  accept: isAccepted,
  r: null,
};

function match(r: RequestRec, early: boolean): Status {
  const rules = getProxyConfig(r.server.config).passes;
  const conf = getProxyConfig(r.perDirConfig);
  const section = conf.sectionPass ?? null;
  if (rules.length === 0 && section === null) return DECLINED;
  if (r.getEnv("no-proxy") !== undefined) return DECLINED;
  asked.path = early ? r.encodedUri : r.uri;
  asked.env = conf.interpolateEnv ? envOf(r) : null;
  asked.r = r;
  const found = findPass(section, rules, early, asked);
  if (r.log.enabled("proxy", TRACE1)) traceMatch(r, section, rules, early, found);
  if (found === null || found === PASS_DECLINED) return DECLINED;
  if (found.unsafeNocanon) {
    r.log.warn("proxy", "AH01136", `Unescaped URL path matched ProxyPass; ignoring unsafe nocanon: ${found.rule.fake}`);
  }
  if (found.servletPath !== null) r.uri = found.servletPath;
  mapTo(r, found);
  return OK;
}

/**
 * Has the proxy serve a request, as a ProxyPass rule would. What a rule that mapped it before has said of its path holds on: it
 * is nocanon, or encoded already.
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
  const [origin, path] = splitUrl(url);
  const before = r.mapped;
  mapTo(r, new Mapping(origin, path, raw || before?.raw === true, before?.encoded === true));
}

function mapTo(r: RequestRec, mapping: Mapping): void {
  r.mapped = mapping;
  r.filenameSource = mapping;
  r.handler = "proxy-server";
  r.proxyreq = "reverse";
}

function envOf(r: RequestRec): (name: string) => string | undefined {
  return (name) => r.getEnv(name);
}

function isAccepted(found: PassMatch, r: RequestRec): boolean {
  const { hooks } = r.server.process;
  if (checkTrans.isEmpty(hooks)) return true;
  const answer = checkTrans.run(hooks, r, found);
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
  if (r.server.proxies.length === 0 && !r.server.conditional) return OK;
  const { mapped } = r;
  if (mapped !== null && r.filenameSource === mapped) sectionWalk(r, mapped.origin, mapped.path);
  else sectionWalk(r, ...splitUrl(r.filename.slice(6)));
  return OK;
}

/** Origins seen in rules, canonical. What rules can make is bounded only if no request has a say in it. */
const origins = new Map<string, Origin>();
const MAX_ORIGINS = 1000;

/** fixups: the URL as it goes to the backend. Answers OK or 400, 403; 500 for a port that is none. */
export function canonicalize(r: RequestRec): Status {
  const { mapped } = r;
  if (mapped === null) return OK;
  const origin = canonicalOrigin(mapped.origin);
  if (origin === 500) {
    // ProxyPass /a/ http://h:80 glues what follows /a/ to the port: httpd looks a host of that name up.
    const authority = mapped.origin.slice(mapped.origin.indexOf("://") + 3);
    return proxyError(r, 500, `DNS lookup failure for: ${authority}`);
  }
  if (typeof origin === "number") return origin;
  let { path } = mapped;
  if (path === "") path = "/";
  else if (path.charCodeAt(0) !== 0x2f) return 400;
  if (mapped.raw || mapped.encoded) {
    if (hasControlOrSpace(path)) return 403;
  } else {
    const canonical = canonicalizePath(path, keepsEncodedSlashes(r));
    if (typeof canonical === "number") return canonical;
    path = canonical;
  }
  if (!mapped.raw && r.args !== null) {
    if (hasControlOrSpace(r.args)) return 403;
    path += `?${r.args}`;
  }
  r.filenameSource = new ProxyUrl(origin, path);
  return OK;
}

/** Or 400; 500 for a port that is none: httpd takes it for a part of the name, which is then unknown. */
function canonicalOrigin(text: string): Origin | Status {
  const known = origins.get(text);
  if (known !== undefined) return known;
  let origin: Origin;
  if (/^balancer:\/\//i.test(text)) {
    if (text.length === "balancer://".length) return 400; // an interpolated name may be empty
    origin = originOf(text.toLowerCase());
  } else {
    const url = parseUrl(text.replace(/^unix:[^|]*\|/i, ""));
    if ("error" in url) return url.error === "no host" ? 400 : 500;
    origin = originOf(`${url.scheme}://${authorityOf(url)}`);
  }
  if (origins.size < MAX_ORIGINS) origins.set(text, origin);
  return origin;
}
