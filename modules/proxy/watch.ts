/**
 * Elections as they happen, for who looks at them. Nobody looking costs an election one comparison.
 */
import type { RequestRec } from "../core/records.ts";
import type { ProxyBalancer } from "./balancer.ts";
import type { ProxyWorker } from "./worker.ts";

/** One free election: not of a member that a session named. */
export interface Election {
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  readonly balancer: string;
  readonly lbmethod: string;
  /** null: nobody could be elected. */
  readonly elected: string | null;
  /** With the figures by which the method judged them. */
  readonly candidates: readonly { readonly member: string; readonly figure: string }[];
  /** Members that were no candidates, and why. */
  readonly leftOut: readonly { readonly member: string; readonly why: string }[];
}

export type ElectionWatcher = (election: Election) => void;

/** Answers what ends it. */
export function watchElections(balancer: ProxyBalancer, watcher: ElectionWatcher): () => void {
  const watchers = (balancer.electionWatchers ??= new Set());
  watchers.add(watcher);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0) balancer.electionWatchers = null;
  };
}

/** Of a thousand members nobody reads all. */
export const SHOWN_MEMBERS = 20;

export function tellWatchers(
  balancer: ProxyBalancer,
  elected: ProxyWorker | null,
  { candidates, leftOut }: Pick<Election, "candidates" | "leftOut">,
  r: RequestRec,
): void {
  const election: Election = {
    atMs: r.conn.process.clock.wallUs() / 1000,
    balancer: balancer.name,
    lbmethod: balancer.params.lbmethod,
    elected: elected?.displayName ?? null,
    candidates,
    leftOut,
  };
  for (const watcher of balancer.electionWatchers ?? []) watcher(election);
}
