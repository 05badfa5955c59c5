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

/** Of a thousand candidates nobody reads all. */
const SHOWN_CANDIDATES = 20;

/** Before the method elects: its figures change by electing. */
export function figuresOf(
  { lbmethod }: ProxyBalancer,
  candidates: readonly ProxyWorker[],
  r: RequestRec,
): Election["candidates"] {
  return candidates
    .slice(0, SHOWN_CANDIDATES)
    .map((one) => ({ member: one.displayName, figure: lbmethod?.figure?.(one, r) ?? "" }));
}

export function tellWatchers(
  balancer: ProxyBalancer,
  elected: ProxyWorker | null,
  candidates: Election["candidates"],
  r: RequestRec,
): void {
  const election: Election = {
    atMs: r.conn.process.clock.wallUs() / 1000,
    balancer: balancer.name,
    lbmethod: balancer.params.lbmethod,
    elected: elected?.displayName ?? null,
    candidates,
  };
  for (const watcher of balancer.electionWatchers ?? []) watcher(election);
}
