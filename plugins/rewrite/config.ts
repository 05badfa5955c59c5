/**
 * What the directives of each scope say, and how scopes are put together: rules are replaced by those of an inner scope, unless
 * RewriteOptions of one of the two say that they are inherited.
 * Source: httpd modules/mappers/mod_rewrite.c config_server_merge, config_perdir_merge
 */
import { type DirectiveSource, type ServerRec, z } from "../../modules/mod.ts";
import type { RewriteCond } from "./cond.ts";
import type { RewriteMap } from "./map.ts";
import type { RewriteRule } from "./rule.ts";

/** RewriteOptions that mean something here. */
export interface RewriteOptions {
  readonly inherit: boolean;
  readonly inheritBefore: boolean;
  readonly inheritDown: boolean;
  readonly inheritDownBefore: boolean;
  readonly ignoreInherit: boolean;
  readonly allowNoSlash: boolean;
  readonly allowAnyUri: boolean;
  readonly mergeBase: boolean;
  readonly legacyPrefixDocRoot: boolean;
  readonly unsafePrefixStat: boolean;
}

export const NO_OPTIONS: RewriteOptions = {
  inherit: false,
  inheritBefore: false,
  inheritDown: false,
  inheritDownBefore: false,
  ignoreInherit: false,
  allowNoSlash: false,
  allowAnyUri: false,
  mergeBase: false,
  legacyPrefixDocRoot: false,
  unsafePrefixStat: false,
};

/** The directives of one server, virtual host or section. */
export interface RewriteScope {
  readonly server: ServerRec;
  /** The section's argument with a slash at its end; null: outside of sections. */
  readonly directory: string | null;
  engine: boolean | null;
  options: RewriteOptions | null;
  base: string | null;
  /** Conditions that wait for their rule. */
  conds: RewriteCond[];
  readonly rules: RewriteRule[];
  readonly maps: Map<string, RewriteMap>;
  /** The lines that define the maps. */
  readonly mapLines: { readonly at: DirectiveSource; readonly name: string; readonly path: string }[];
}

export const rewriteSchema = z.object({
  /** Outermost first. */
  scopes: z.array(z.custom<RewriteScope>()).default([]),
});

export type RewriteConfig = z.output<typeof rewriteSchema>;

/** What holds for a request whose sections are these. */
export interface MergedRewrite {
  /** Of the server and the sections: what is off here is off for the server's rules, too. */
  readonly enabled: boolean;
  readonly options: RewriteOptions;
  readonly base: string | null;
  /** Of the innermost section with a Rewrite directive; null: there is none. */
  readonly directory: string | null;
  readonly sectionRules: readonly RewriteRule[];
  /** Whose rules these are; null: nobody's. */
  readonly server: ServerRec | null;
  readonly serverOptions: RewriteOptions;
  readonly serverRules: readonly RewriteRule[];
  readonly maps: ReadonlyMap<string, RewriteMap>;
}

const merged = new WeakMap<RewriteConfig, MergedRewrite>();

/** The scopes of a configuration as one; made once for each. */
export function mergedRewrite(config: RewriteConfig): MergedRewrite {
  const known = merged.get(config);
  if (known !== undefined) return known;
  const made = merge(config.scopes);
  merged.set(config, made);
  return made;
}

function merge(scopes: readonly RewriteScope[]): MergedRewrite {
  let enabled = false;
  let options = NO_OPTIONS;
  let serverOptions = NO_OPTIONS;
  let base: string | null = null;
  let directory: string | null = null;
  let sectionRules: readonly RewriteRule[] = [];
  let server: ServerRec | null = null;
  let serverRules: readonly RewriteRule[] = [];
  let maps: ReadonlyMap<string, RewriteMap> = new Map();
  for (const scope of scopes) {
    const outer = options;
    enabled = scope.engine ?? enabled;
    options = scope.options ?? options;
    const keepsBase = options.mergeBase && scope.base === null;
    if (!keepsBase) base = scope.base;
    directory = scope.directory;
    sectionRules = inherited(outer, options, sectionRules, scope.directory === null ? [] : scope.rules);
    if (scope.directory !== null) continue;
    const outerOptions = serverOptions;
    serverOptions = scope.options ?? serverOptions;
    const inherits = order(outerOptions, serverOptions);
    maps =
      inherits === "none"
        ? scope.maps
        : inherits === "after"
          ? new Map([...maps, ...scope.maps])
          : new Map([...scope.maps, ...maps]);
    serverRules = inherited(outerOptions, serverOptions, serverRules, scope.rules);
    server = scope.server;
  }
  return { enabled, options, base, directory, sectionRules, server, serverOptions, serverRules, maps };
}

function inherited(
  outer: RewriteOptions,
  options: RewriteOptions,
  before: readonly RewriteRule[],
  own: readonly RewriteRule[],
): readonly RewriteRule[] {
  switch (order(outer, options)) {
    case "after":
      return [...own, ...before];
    case "before":
      return [...before, ...own];
    default:
      return own;
  }
}

/** Where the rules of the outer scope go. */
function order(outer: RewriteOptions, options: RewriteOptions): "none" | "after" | "before" {
  if (options.inherit || (outer.inheritDown && !options.ignoreInherit)) return "after";
  if (options.inheritBefore || (outer.inheritDownBefore && !options.ignoreInherit)) return "before";
  return "none";
}
