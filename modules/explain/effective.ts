/**
 * What of a configuration applies to one request: its tree without what is overridden, or is about others.
 */
import type { Directive } from "../config/directive.ts";
import type { ConfigWatch, Write } from "../config/watch.ts";
import type { SectionRec, ServerRec } from "../core/records.ts";

/** The scopes of a request. */
export interface Applies {
  readonly server: ServerRec;
  /** In the order in which they are merged. */
  readonly sections: readonly SectionRec[];
}

/** Sections whose directives belong to the scope around them. */
const TRANSPARENT = /^(limit|limitexcept)$/i;
/** Sections that are one directive of many lines. */
const WHOLE = /^require(all|any|none)$/i;

/** The same tree with nothing but what applies. A section keeps its place; one with nothing left in it is gone. */
export function effectiveTree(tree: readonly Directive[], applies: Applies, watch: ConfigWatch): readonly Directive[] {
  const scopes = scopesOf(tree, applies);
  const last = lastWrites(scopes, watch);
  const joins = ({ value, joined }: Write, at: number) => joined && !replacesRequire(value, scopes.slice(at + 1));
  const alive = new Set<Directive>();
  scopes.forEach((scope, at) => {
    const outer = at === 0 && applies.server.isVirtual;
    for (const d of scope) {
      if (outer && staysOutside(d, scopes)) continue;
      const writes = writesOf(d, watch);
      // What wrote nothing into its scope made something of the server, such as a member: that does not go away.
      const counts = (write: Write) => joins(write, at) || last.get(write.value)!.by.has(d);
      if (writes.length === 0 || writes.some(counts)) alive.add(d);
    }
  });
  return prune(tree, alive);
}

/** The directives of each scope, the outermost first: main server, virtual host, sections. */
function scopesOf(tree: readonly Directive[], { server, sections }: Applies): Directive[][] {
  const byPlace = new Map<string, Directive>();
  const index = (body: readonly Directive[]): void => {
    for (const d of body) {
      if (d.body === undefined) continue;
      byPlace.set(`${d.file}:${d.line}`, d);
      index(d.body);
    }
  };
  index(tree);
  const bodies = [tree];
  for (const { file, line } of [...(server.isVirtual ? [server] : []), ...sections]) {
    bodies.push(byPlace.get(`${file}:${line}`)?.body ?? []);
  }
  return bodies.map(leaves);
}

function leaves(body: readonly Directive[]): Directive[] {
  return body.flatMap((d) => {
    if (d.body === undefined || WHOLE.test(d.name)) return [d];
    return TRANSPARENT.test(d.name) ? leaves(d.body) : [];
  });
}

/** Of a virtual host the main server's ServerName is not, nor are its rewrite rules unless RewriteOptions says so. */
function staysOutside(d: Directive, [main = [], own = []]: readonly (readonly Directive[])[]): boolean {
  if (/^servername$/i.test(d.name)) return own.some(({ name }) => /^servername$/i.test(name));
  if (!/^rewrite/i.test(d.name)) return false;
  return ![...main, ...own].some(({ name, args }) => /^rewriteoptions$/i.test(name) && /inherit/i.test(args));
}

/** mod_authz_core joins scopes itself: what is required further in replaces it, unless AuthMerging is set there. */
function replacesRequire(value: string, inner: readonly (readonly Directive[])[]): boolean {
  if (!value.startsWith("mod_authz_core ")) return false;
  return inner.some(
    (scope) =>
      scope.some(({ name }) => /^require/i.test(name)) &&
      !scope.some(({ name, args }) => /^authmerging$/i.test(name) && !/^off$/i.test(args)),
  );
}

function writesOf(d: Directive, watch: ConfigWatch): readonly Write[] {
  return [...watch.writesOf(d), ...(d.body ?? []).flatMap((inner) => writesOf(inner, watch))];
}

/** Value → who made it what it is in the innermost scope that has it. */
function lastWrites(scopes: readonly (readonly Directive[])[], watch: ConfigWatch) {
  const last = new Map<string, { readonly scope: number; readonly by: Set<Directive> }>();
  scopes.forEach((scope, at) => {
    for (const d of scope) {
      for (const { value, adds } of writesOf(d, watch)) {
        const known = last.get(value);
        if (adds && known?.scope === at) known.by.add(d);
        else last.set(value, { scope: at, by: new Set([d]) });
      }
    }
  });
  return last;
}

function prune(body: readonly Directive[], alive: ReadonlySet<Directive>): Directive[] {
  const kept: Directive[] = [];
  // Conditions that did not hold: what follows as <Else> needs them.
  let conditions: Directive[] = [];
  for (const d of body) {
    if (!/^else/i.test(d.name)) conditions = [];
    if (d.body === undefined || WHOLE.test(d.name)) {
      if (alive.has(d)) kept.push(d);
      continue;
    }
    const inner = prune(d.body, alive);
    if (inner.length > 0) kept.push(...conditions.splice(0), { ...d, body: inner });
    else if (/^(else)?if$/i.test(d.name)) conditions.push({ ...d, body: [] });
  }
  return kept;
}
