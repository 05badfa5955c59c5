/**
 * What a reload changes of the configuration, for the log: directives that came and went. mod_proxy tells of members and
 * balancers, with the requests that are touched.
 */
import { type Directive, takeWord } from "../config/directive.ts";

/** More are summed up. */
const MOST_LINES = 20;
/** Their first argument says which one it is, and is no secret. */
const NAMED = /^(Listen|ProxyPass\w*|LoadModule|ServerName)$/i;

/** One line for each directive that came or went. */
export function treeChanges(before: readonly Directive[], now: readonly Directive[]): string[] {
  const olds = flat(before);
  const lines: string[] = [];
  for (const [key, places] of flat(now)) {
    const missing = places.length - (olds.get(key)?.length ?? 0);
    for (const place of missing > 0 ? places.slice(-missing) : []) lines.push(`added: ${place}`);
  }
  const news = flat(now);
  for (const [key, places] of olds) {
    const missing = places.length - (news.get(key)?.length ?? 0);
    for (const place of missing > 0 ? places.slice(-missing) : []) lines.push(`removed: ${place}`);
  }
  if (lines.length <= MOST_LINES) return lines;
  return [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} other directives added or removed`];
}

/** Sections and text of each directive → where it stands. */
function flat(tree: readonly Directive[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const walk = (directives: readonly Directive[], path: string): void => {
    for (const directive of directives) {
      const { name, args, named, body, file, line } = directive;
      const key = `${path}${name.toLowerCase()} ${args}${named === undefined ? "" : JSON.stringify(named.map((n) => [n.key, n.value]))}`;
      const shown = body !== undefined ? `<${name} ${args}>` : NAMED.test(name) ? `${name} ${firstWord(args)}` : name;
      const places = found.get(key);
      if (places === undefined) found.set(key, [`${shown} (${file}:${line})`]);
      else places.push(`${shown} (${file}:${line})`);
      if (body !== undefined) walk(body, `${key}\n`);
    }
  };
  walk(tree, "");
  return found;
}

function firstWord(args: string): string {
  return takeWord(args, 0)?.word.text ?? args;
}
