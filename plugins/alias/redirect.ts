/**
 * One line of Redirect or RedirectMatch: its arguments, and what it makes of a path.
 * Source: httpd modules/mappers/mod_alias.c add_redirect_internal, try_alias_list
 */
import {
  ArgumentError,
  aliasMatch,
  compileRegex,
  type Expr,
  escapeUri,
  expandGroups,
  matchGroups,
  parseStringExpr,
} from "../../modules/mod.ts";

/** What a request for a path, or a pattern, is answered with. */
export interface Redirect {
  /** The path; null: `regex`. */
  readonly fake: string;
  readonly regex: RegExp | null;
  /** Where to; null: `status` is no redirect. */
  readonly url: string | null;
  readonly status: number;
}

/** Redirect in a section without a path: for every request in it. */
export interface SectionRedirect {
  readonly url: Expr<string> | null;
  readonly status: number;
}

const NAMES: Readonly<Record<string, number>> = { permanent: 301, temp: 302, seeother: 303, gone: 410 };

/**
 * Answers an error in httpd's words for arguments that are none.
 * @param words one to three
 * @param status where the first is none
 */
export function parseRedirect(
  words: readonly string[],
  status: number,
  isMatch: boolean,
  inSection: boolean,
): { redirect: Redirect } | { section: SectionRedirect } | string {
  const [first, second, third] = words as [string, string?, string?];
  const given = statusOf(first);
  if (third !== undefined && given === null) return "Redirect: invalid first argument (of three)";
  const answer = given ?? status;
  if (inSection) {
    const bare =
      given === null ? second === undefined : isRedirect(answer) && second !== undefined && third === undefined;
    if (bare) {
      const text = given === null ? first : second!;
      const expr = parseStringExpr(text);
      if ("error" in expr) throw new ArgumentError(`Cannot parse redirect expression '${text}': ${expr.error}`, expr);
      return { section: { url: expr.expr, status: answer } };
    }
    if (given !== null && !isRedirect(answer) && second === undefined)
      return { section: { url: null, status: answer } };
  }
  const [fake, url] = given === null ? [first, second] : [second, third];
  // Without a path at all, as in `Redirect gone`; httpd ends here.
  if (fake === undefined) return "Redirect needs a path when not defined in a location";
  let regex: RegExp | null = null;
  if (isMatch) {
    try {
      regex = compileRegex(fake);
    } catch {
      return "Regular expression could not be compiled.";
    }
  }
  if (!isRedirect(answer)) {
    return url === undefined
      ? { redirect: { fake, regex, url: null, status: answer } }
      : "Redirect URL not valid for this status";
  }
  if (url === undefined) return "URL to redirect to is missing";
  if (!isMatch && !isUrl(url) && !url.startsWith("/")) return "Redirect to non-URL";
  return { redirect: { fake, regex, url, status: answer } };
}

/** null: the word is no status. */
function statusOf(word: string): number | null {
  const named = NAMES[word.toLowerCase()];
  if (named !== undefined) return named;
  return /^\d/.test(word) ? Number.parseInt(word, 10) : null;
}

export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

export function isUrl(text: string): boolean {
  return /^[A-Za-z0-9+.-]+:/.test(text);
}

/** Where a path is sent; "" where the answer is no redirect; null: it does not match. */
export function redirectTarget(redirect: Redirect, path: string): string | null {
  const { fake, regex, url } = redirect;
  if (regex === null) {
    const length = aliasMatch(path, fake);
    return length === 0 ? null : (url ?? "") + escapeUri(path.slice(length));
  }
  const groups = matchGroups(regex, path);
  if (groups === null) return null;
  return url === null ? "" : escapeTarget(expandGroups(url, groups));
}

/** A URL with all encoded but its query and fragment; the scheme's own port goes, and a password is made illegible. */
export function escapeTarget(url: string): string {
  const end = /[?#]/.exec(url)?.index ?? url.length;
  const target = url
    .slice(0, end)
    .replace(/^(http:\/\/[^/]*):80(?=\/|$)|^(https:\/\/[^/]*):443(?=\/|$)/i, "$1$2")
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/:@]*):[^/@]*@/i, "$1:XXXXXXXX@");
  return escapeUri(target) + url.slice(end);
}
