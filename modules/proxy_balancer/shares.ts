/**
 * Who would be elected, of members as they are or as they would be after a change: a forecast without side effects, while
 * `findCandidates` ends error states whose time has come.
 */
import type { MemberSettings } from "./settings.ts";

/** What decides of a member. */
export type Prospect = Pick<MemberSettings, "draining" | "spare" | "standby" | "lbset" | "loadFactor"> & {
  readonly usable: boolean;
};

/** For each member the part of the requests without session that it should get, by the load factors; the sum is 1 or 0. */
export function expectedShares(members: readonly Prospect[]): number[] {
  const serving = new Set(wouldServe(members));
  let total = 0;
  for (const { loadFactor } of serving) total += loadFactor;
  return members.map((member) => (serving.has(member) ? member.loadFactor / total : 0));
}

/** The candidates: those of the lowest lbset that has any. In the order of `findCandidates`. */
export function wouldServe<P extends Prospect>(members: readonly P[]): P[] {
  const sets = [...new Set(members.map(({ lbset }) => lbset))].sort((a, b) => a - b);
  for (const set of sets) {
    const ofSet = members.filter(({ lbset }) => lbset === set);
    const found = ofSet.filter((member) => member.usable && !member.draining && !isReserve(member));
    const missing = ofSet.filter((member) => (!member.usable || member.draining) && !isReserve(member)).length;
    const ready = ofSet.filter((member) => member.usable && !member.draining);
    found.push(...ready.filter(({ spare }) => spare).slice(0, missing));
    if (found.length === 0) found.push(...ready.filter(({ standby, spare }) => standby && !spare));
    if (found.length > 0) return found;
  }
  return [];
}

/** It serves only in the place of others. */
export function isReserve({ spare, standby }: Prospect): boolean {
  return spare || standby;
}
