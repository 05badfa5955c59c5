/**
 * Wildcards of sections, after fnmatch.
 * Source: APR strings/apr_fnmatch.c
 */

/**
 * A pattern that the whole text must match: `*` any run, `?` one character, `[...]` a set.
 * @param pathname "*" and "?" stop at a slash, as in <Location>; in <Proxy> they do not
 */
export function compileGlob(glob: string, pathname: boolean, ignoreCase = false): RegExp {
  const any = pathname ? "[^/]" : "[^]";
  let source = "";
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    if (c === "*") source += `${any}*`;
    else if (c === "?") source += any;
    else if (c === "[") {
      const end = glob.indexOf("]", i + 2);
      if (end < 0) {
        source += "\\[";
        continue;
      }
      const set = glob
        .slice(i + 1, end)
        .replace(/[\\\]^]/g, "\\$&")
        .replace(/^(?:!|\\\^)/, "^");
      source += `[${set}]`;
      i = end;
    } else if (c === "\\" && i + 1 < glob.length) {
      source += escapeRegex(glob[++i]!);
    } else {
      source += escapeRegex(c);
    }
  }
  return new RegExp(`^${source}$`, ignoreCase ? "i" : "");
}

function escapeRegex(c: string): string {
  return c.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
