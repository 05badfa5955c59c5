/**
 * mod_sticky_route: the route that a session's path parameter or cookie carries, `stickysession=COOKIE|PATHPARAM`.
 * Source: httpd modules/proxy/mod_proxy_balancer.c find_session_route, get_path_param, get_cookie_param
 */
import {
  COOKIE,
  defineModule,
  type HeaderTable,
  type ProxyAttempt,
  type ProxyBalancer,
  type RequestRec,
  type SessionRoute,
  sticky,
  z,
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
  const value = pathParam(attempt, stickyPath, scolonPathDelim ? "?&;" : "?&");
  if (value === null) return cookieRoute(balancer, r, stickySession, stickySeparator);
  if (r.log.enabled("proxy_balancer", 7)) tell(r, "AH01159", value, stickyPath);
  if (stickySeparator === "") return { route: value, name: stickyPath };
  const at = value.indexOf(stickySeparator);
  return at < 0 ? null : { route: value.slice(at + 1), name: stickyPath };
}

function tell(r: RequestRec, ah: string, value: string, name: string): void {
  r.log.debug("proxy_balancer", ah, `Found value ${value} for stickysession ${name}`, r);
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

/** The route in the first cookie of that name. The fields are looked into where they stand: no string is made but the route. */
function cookieRoute(balancer: ProxyBalancer, r: RequestRec, name: string, separator: string): SessionRoute | null {
  const { headersIn } = r;
  let field = headersIn.indexOfId(COOKIE);
  while (field >= 0 && !findCookie(headersIn, field, name)) field = headersIn.indexOfId(COOKIE, field + 1);
  if (field < 0) return null;
  const { from, to } = found;
  if (r.log.enabled("proxy_balancer", 7)) tell(r, "AH01160", headersIn.valueSlice(field, from, to), name);
  if (separator === "") return { route: routeAt(balancer, headersIn, field, from, to), name };
  const at = headersIn.valueIndexOf(field, separator, from);
  return at < 0 || at >= to ? null : { route: routeAt(balancer, headersIn, field, at + 1, to), name };
}

/** Members whose route is compared with what a cookie says, before a string is made of it to look it up. */
const COMPARED = 16;

function routeAt({ members }: ProxyBalancer, headers: HeaderTable, field: number, from: number, to: number): string {
  for (let i = 0; i < members.length && i < COMPARED; i++) {
    const { route } = members[i]!;
    if (route.length === to - from && headers.valueStartsWith(field, route, from)) return route;
  }
  return headers.valueSlice(field, from, to);
}

/** Where `findCookie` found the value. One object: it is read before the next call. */
const found = { from: 0, to: 0 };

/** Finds the first cookie of that name that something follows, be it only the ";" that ends it. Quotes are kept. */
function findCookie(headers: HeaderTable, field: number, name: string): boolean {
  if (name === "") return false;
  const length = headers.valueLength(field);
  let at = headers.valueIndexOf(field, name, 0);
  while (at >= 0) {
    let next = at + 1;
    if (
      at === 0 ||
      isSeparator(headers.valueCharCode(field, at - 1)) ||
      isSpace(headers.valueCharCode(field, at - 1))
    ) {
      next = at + name.length;
      while (next < length && isSpace(headers.valueCharCode(field, next))) next++;
      const equals = next < length && headers.valueCharCode(field, next) === EQUALS;
      next++;
      if (equals && next < length) {
        let end = next;
        while (end < length && !isSeparator(headers.valueCharCode(field, end))) end++;
        found.from = next;
        found.to = end;
        return true;
      }
      next++;
    }
    at = headers.valueIndexOf(field, name, next);
  }
  return false;
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
