/**
 * One run of a list of rules over one request: what the rules read and change.
 * Source: httpd modules/mappers/mod_rewrite.c rewrite_ctx, do_rewritelog
 */
import { type Host, type RequestRec, serverNameForUrl } from "../../modules/mod.ts";
import type { RewriteMap } from "./map.ts";
import type { RewriteRule } from "./rule.ts";

const TRACE1 = 8;

export class RewriteContext {
  readonly r: RequestRec;
  readonly host: Host;
  readonly maps: ReadonlyMap<string, RewriteMap>;
  /** The section's path with a slash at its end; null: rules of a server. */
  readonly directory: string | null;
  /** What the request is mapped to so far. */
  filename: string;
  /** What of the path no file is there for; rules in sections see it behind `filename`. */
  pathInfo: string;
  /** What the pattern of the rule at hand saw. */
  subject = "";
  /** $0 to $9; empty after a rule that was to not match. */
  ruleGroups: readonly string[] = NO_GROUPS;
  /** %0 to %9. */
  condGroups: readonly string[] = NO_GROUPS;
  /** The status of a redirect, or the one to end with; 0: none. */
  status = 0;
  /** The last rule that changed `filename`. */
  lastRule: RewriteRule | null = null;
  /** `filename` was a URL of this server. */
  reduced = false;
  /** The deepest trace level that is written, 1 to 8; 0: none. */
  readonly traceDepth: number;

  constructor(
    r: RequestRec,
    maps: ReadonlyMap<string, RewriteMap>,
    directory: string | null,
    filename: string,
    pathInfo = "",
  ) {
    this.r = r;
    this.host = r.server.process.host;
    this.maps = maps;
    this.directory = directory;
    this.filename = filename;
    this.pathInfo = pathInfo;
    const { log } = r;
    let depth = 0;
    while (depth < 8 && log.enabled("rewrite", TRACE1 + depth)) depth++;
    this.traceDepth = depth;
  }

  /** Ask `traceDepth` before composing the text. */
  trace(depth: number, text: string): void {
    const { r } = this;
    const { process } = r.server;
    const redirects = r.prev === null ? "" : `/redir#${redirectCount(r)}`;
    const perDir = this.directory === null ? "" : `[perdir ${this.directory}] `;
    r.log.trace(
      depth,
      "rewrite",
      `${r.useragentIp || "UNKNOWN-HOST"} - ${r.user ?? "-"} ` +
        `[${serverNameForUrl(r)}/sid#${process.servers.indexOf(r.server)}][rid#${r.conn.id}/initial${redirects}] ${perDir}${text}`,
      r,
    );
  }
}

function redirectCount(r: RequestRec): number {
  let count = 0;
  for (let prev = r.prev; prev !== null; prev = prev.prev) count++;
  return count;
}

export const NO_GROUPS: readonly string[] = [];
