/**
 * The operators and functions of expressions whose result depends on their arguments alone.
 * Source: httpd server/util_expr_eval.c; server/util.c ap_os_escape_path, ap_unescape_url_keep2f; APR apr_fnmatch, apr_escape
 */
import { compileGlob } from "./glob.ts";

/** Asked of the subject: only it knows whether there are files, and what is served. */
export const SUBJECT_TESTS: ReadonlySet<string> = new Set(["d", "e", "f", "s", "L", "h", "x", "U", "A"]);

/** By lower-case name; made for a right side, the test of a left one. */
export const BINARY: ReadonlyMap<string, (right: string) => (left: string) => boolean> = new Map([
  ["fnmatch", (glob: string) => globTest(glob, true, false)],
  ["strmatch", (glob: string) => globTest(glob, false, false)],
  ["strcmatch", (glob: string) => globTest(glob, false, true)],
]);

function globTest(glob: string, pathname: boolean, ignoreCase: boolean): (text: string) => boolean {
  const pattern = compileGlob(glob, pathname, ignoreCase);
  return (text) => pattern.test(text);
}

/** By lower-case name. */
export const PURE_FUNCTIONS: ReadonlyMap<string, (text: string) => string> = new Map([
  ["tolower", (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())],
  ["toupper", (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())],
  ["escape", escapePath],
  ["unescape", unescapePath],
  ["base64", (text: string) => btoa(text)],
  ["unbase64", unbase64],
  ["ldap", escapeLdap],
]);

/** -eq and its like: both sides as whole numbers of 64 bits; what is no number is 0. */
export function compareNumbers(a: string, b: string): number {
  const x = wholeNumber(a);
  const y = wholeNumber(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

const MOST = (1n << 63n) - 1n;

function wholeNumber(text: string): number | bigint {
  const digits = /^[ \t-\r]*([+-]?\d+)/.exec(text)?.[1];
  if (digits === undefined) return 0;
  if (digits.length <= 15) return Number(digits);
  const value = BigInt(digits.replace("+", ""));
  return value > MOST ? MOST : value < -MOST - 1n ? -MOST - 1n : value;
}

/** -T */
export function isTrueText(text: string): boolean {
  return !/^(?:|0|off|no|false)$/i.test(text);
}

function escapePath(text: string): string {
  return text.replace(/[^A-Za-z0-9$\-_.+!*'(),:;@&=/~]/g, (c) => `%${hex(c)}`);
}

/** An encoded slash stays encoded. Malformed escapes and NUL: "". */
function unescapePath(text: string): string {
  if (/%(?![0-9a-f]{2})|%00/i.test(text)) return "";
  return text.replace(/%(?!2f)([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Up to the first character that is none of base64's; up to a NUL. */
export function unbase64(text: string): string {
  const digits = /^[A-Za-z0-9+/]*/.exec(text)![0];
  const usable = digits.length % 4 === 1 ? digits.slice(0, -1) : digits;
  return atob(usable).split("\0", 1)[0]!;
}

/** For distinguished names and filters alike. */
function escapeLdap(text: string): string {
  return text.replace(/[^ -~]|[*()\\,+"<>;]/g, (c) => `\\${hex(c)}`);
}

function hex(c: string): string {
  return c.charCodeAt(0).toString(16).padStart(2, "0");
}
