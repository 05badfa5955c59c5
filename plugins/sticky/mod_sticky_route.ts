/**
 * mod_sticky_route: the route that a session's path parameter or cookie carries, `stickysession=COOKIE|PATHPARAM`.
 * Source: httpd modules/proxy/mod_proxy_balancer.c find_session_route, get_path_param, get_cookie_param
 */
import { z } from "zod";
import {
  COOKIE,
  defineModule,
  type ProxyAttempt,
  type ProxyBalancer,
  type RequestRec,
  type SessionRoute,
  sticky,
} from "../../modules/mod.ts";

export default defineModule({
  name: "mod_sticky_route",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(sticky, "route", { findRoute });
  },
});

/** A path parameter wins, even one whose value has no route in it. */
function findRoute(balancer: ProxyBalancer, r: RequestRec, attempt: ProxyAttempt): SessionRoute | null {
  const { stickySession, stickyPath, stickySeparator, scolonPathDelim } = balancer.params;
  const log = r.log;
  let name = stickyPath;
  let value = pathParam(attempt, name, scolonPathDelim ? "?&;" : "?&");
  let ah = "AH01159";
  if (value === null) {
    name = stickySession;
    value = cookieParam(r, name);
    ah = "AH01160";
    if (value === null) return null;
  }
  if (log.enabled("proxy_balancer", 7)) {
    log.debug("proxy_balancer", ah, `Found value ${value} for stickysession ${name}`);
  }
  if (stickySeparator === "") return { route: value, name };
  const at = value.indexOf(stickySeparator);
  return at < 0 ? null : { route: value.slice(at + 1), name };
}

/**
 * Value of the first `name=` anywhere in the URL that something follows; no check of what stands before the name. It ends at a
 * delimiter, and delimiters before it are skipped.
 */
function pathParam(attempt: ProxyAttempt, name: string, delimiters: string): string | null {
  if (name === "") return null;
  // In neither half, as in most requests: the URL is not put together.
  const { origin, target } = attempt;
  if (!target.includes(name) && !origin.text.includes(name) && !name.includes("/")) return null;
  const { url } = attempt;
  let at = url.indexOf(name);
  while (at >= 0) {
    const after = at + name.length;
    if (url[after] === "=") {
      let start = after + 1;
      if (start >= url.length) return null;
      while (start < url.length && delimiters.includes(url[start]!)) start++;
      let end = start;
      while (end < url.length && !delimiters.includes(url[end]!)) end++;
      return end > start ? url.slice(start, end) : null;
    }
    at = url.indexOf(name, after + 1);
  }
  return null;
}

/** Value of the first cookie of that name that something follows, be it only the ";" that ends it. Quotes are kept. */
function cookieParam(r: RequestRec, name: string): string | null {
  const first = r.headersIn.indexOfId(COOKIE);
  if (first < 0) return null;
  let cookies = r.headersIn.valueAt(first);
  // httpd has one Cookie field at this point: it joins repeated fields when it reads the head.
  for (let i = r.headersIn.indexOfId(COOKIE, first + 1); i >= 0; i = r.headersIn.indexOfId(COOKIE, i + 1)) {
    cookies += `, ${r.headersIn.valueAt(i)}`;
  }
  return findCookie(cookies, name);
}

function findCookie(cookies: string, name: string): string | null {
  if (name === "") return null;
  let at = cookies.indexOf(name);
  while (at >= 0) {
    let next = at + 1;
    if (at === 0 || isSeparator(cookies.charCodeAt(at - 1)) || isSpace(cookies.charCodeAt(at - 1))) {
      next = at + name.length;
      while (next < cookies.length && isSpace(cookies.charCodeAt(next))) next++;
      const equals = cookies.charCodeAt(next) === EQUALS;
      next++;
      if (equals && next < cookies.length) {
        let end = next;
        while (end < cookies.length && !isSeparator(cookies.charCodeAt(end))) end++;
        return cookies.slice(next, end);
      }
      next++;
    }
    at = cookies.indexOf(name, next);
  }
  return null;
}

const EQUALS = 0x3d;

/** ";" or ",". */
function isSeparator(c: number): boolean {
  return c === 0x3b || c === 0x2c;
}

/** As apr_isspace. */
function isSpace(c: number): boolean {
  return c === 0x20 || (c >= 0x09 && c <= 0x0d);
}
