/**
 * [CO=NAME:VALUE:DOMAIN:lifetime:path:secure:httponly:samesite]
 * Source: httpd modules/mappers/mod_rewrite.c add_cookie
 */
import { HeaderTable, isFieldValue } from "../../modules/mod.ts";
import type { RewriteContext } from "./context.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * The first cookie of a name stands; a text without name, value and domain is none. Lifetime: minutes; 0: the session.
 * Answers whether it may be sent: a control byte from the request must not begin a field of its own.
 */
export function setCookie(text: string, ctx: RewriteContext): boolean {
  const { r } = ctx;
  // A semicolon in front makes it the separator, for values with a colon in them. Empty parts do not count.
  const parts = (text.startsWith(";") ? text.slice(1).split(";") : text.split(":")).filter((part) => part !== "");
  const [name, value, domain, lifetime, path, secure, httpOnly, sameSite] = parts;
  if (name === undefined || value === undefined || domain === undefined) return true;
  const note = `${name}_rewrite`;
  if (r.getNote(note) !== undefined) {
    if (ctx.traceDepth >= 5) ctx.trace(5, `skipping already set cookie '${name}'`);
    return true;
  }
  let cookie = `${name}=${value}; path=${path ?? "/"}; domain=${domain}`;
  const minutes = Number.parseInt(lifetime ?? "", 10) || 0;
  if (minutes !== 0) cookie += `; expires=${expiry(r.requestTimeUs / 1000 + minutes * 60_000)}`;
  if (says(secure, "secure")) cookie += "; secure";
  if (says(httpOnly, "httponly")) cookie += "; HttpOnly";
  if (sameSite !== undefined && sameSite !== "0" && sameSite.toLowerCase() !== "false")
    cookie += `; SameSite=${sameSite}`;
  if (!isFieldValue(cookie)) return false;
  r.errHeadersOut ??= new HeaderTable();
  r.errHeadersOut.add("Set-Cookie", cookie);
  r.setNote(note, "set");
  if (ctx.traceDepth >= 5) ctx.trace(5, `setting cookie '${cookie}'`);
  return true;
}

function says(text: string | undefined, word: string): boolean {
  const lower = text?.toLowerCase();
  return lower === "true" || lower === "1" || lower === word;
}

/** "Sat, 21-Nov-2026 16:00:00 GMT" */
function expiry(ms: number): string {
  const t = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${DAYS[t.getUTCDay()]}, ${two(t.getUTCDate())}-${MONTHS[t.getUTCMonth()]}-${t.getUTCFullYear()}`;
  return `${day} ${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())} GMT`;
}
