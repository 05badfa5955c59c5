/**
 * The three ways in which text is percent-encoded on its way into a URL. All strings are binary, one character per byte.
 * Source: httpd server/util.c ap_os_escape_path, ap_unescape_url; modules/mappers/mod_rewrite.c escape_backref
 */
import { escapeUri } from "../../modules/mod.ts";
import { absoluteScheme } from "./scheme.ts";

/** How [B] and its relatives encode what `$1` and `%1` stand for. */
export interface BackrefEscape {
  /** B=...: these alone. null: all but letters, digits and "_". */
  readonly only: string | null;
  /** BNE=...: never these. */
  readonly never: string;
  /** BNP: a blank becomes %20, not "+". */
  readonly noPlus: boolean;
  /** BCTLS: control bytes and blanks (and those of `only`). */
  readonly controls: boolean;
}

export function escapeBackref(text: string, how: BackrefEscape): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    const code = text.charCodeAt(i);
    const chosen =
      (how.controls ? code <= 0x20 || code === 0x7f : how.only === null) || (how.only?.includes(c) ?? false);
    if (!chosen || how.never.includes(c) || /\w/.test(c)) out += c;
    else if (c === " " && !how.noPlus) out += "+";
    else out += `%${(code < 16 ? "0" : "") + code.toString(16)}`;
  }
  return out;
}

/** An absolute URL with its path encoded; the authority stays as it is. */
export function escapeAbsoluteUri(url: string): string {
  const scheme = absoluteScheme(url);
  let start = scheme.length;
  if (url[start - 1] === "/") {
    const slash = url.indexOf("/", start);
    if (slash < 0 || slash + 1 === url.length) return url;
    start = slash + 1;
    if (/^ldap/i.test(url)) return url.slice(0, start) + escapeLdap(url.slice(start));
  }
  return url.slice(0, start) + escapeUri(url.slice(start));
}

/** dn?attributes?scope?filter?extensions: the marks between the parts stay. Source: RFC 2255 */
function escapeLdap(rest: string): string {
  const parts = rest.split("?");
  return [...parts.slice(0, 4), ...(parts.length > 4 ? [parts.slice(4).join("?")] : [])].map(escapeUri).join("?");
}

/** Every %XX decoded; what is no escape stays, and what follows a %00 goes. */
export function unescapeUrl(text: string): string {
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const end = decoded.indexOf("\0");
  return end < 0 ? decoded : decoded.slice(0, end);
}
