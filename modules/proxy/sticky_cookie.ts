/**
 * The parameter stickycookie: the session cookie that the balancer itself issues, written as in Set-Cookie but without a
 * value: `stickycookie=SRV;Secure;HttpOnly;SameSite=Lax`.
 */

export interface StickyCookie {
  readonly name: string;
  /** What follows the value in Set-Cookie: "; Path=/; HttpOnly". */
  readonly attributes: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What an attribute's value may be; null: it has none. */
const ATTRIBUTES: Readonly<Record<string, readonly [title: string, value: RegExp | null]>> = {
  path: ["Path", /^\/[\x20-\x3a\x3c-\x7e]*$/],
  domain: ["Domain", /^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i],
  "max-age": ["Max-Age", /^[1-9][0-9]*$/],
  samesite: ["SameSite", /^(strict|lax|none)$/i],
  secure: ["Secure", null],
  httponly: ["HttpOnly", null],
  partitioned: ["Partitioned", null],
};

/** Reads the parameter's value; a string is an error. Path is "/" unless it says otherwise. */
export function parseStickyCookie(text: string): StickyCookie | string {
  const [name = "", ...words] = text.split(";").map((word) => word.trim());
  if (!TOKEN.test(name)) return "stickycookie must begin with the name of a cookie";
  const given = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const key = (equals < 0 ? word : word.slice(0, equals)).toLowerCase();
    if (!Object.hasOwn(ATTRIBUTES, key)) {
      return `stickycookie has no attribute '${key}': path, domain, max-age, samesite, secure, httponly and partitioned are known`;
    }
    const [title, pattern] = ATTRIBUTES[key]!;
    const value = equals < 0 ? null : word.slice(equals + 1);
    if (pattern === null ? value !== null : value === null || !pattern.test(value)) {
      return `stickycookie attribute '${word}' is not valid`;
    }
    given.set(title, value === null ? title : `${title}=${value}`);
  }
  if (/=none$/i.test(given.get("SameSite") ?? "") && !given.has("Secure")) {
    return "stickycookie with SameSite=None needs Secure: browsers drop it otherwise";
  }
  if (!given.has("Path")) given.set("Path", "Path=/");
  return { name, attributes: [...given.values()].map((attribute) => `; ${attribute}`).join("") };
}
