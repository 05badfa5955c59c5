/**
 * What a change would do, before it is done.
 */
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { HC_IGNORED, IN_ERROR, IN_SHUTDOWN, INITIALIZED, type ProxyWorker } from "../proxy/worker.ts";
import type { Change } from "./audit.ts";
import { type MemberChange, type MemberSettings, memberSettings } from "./settings.ts";
import { expectedShares } from "./shares.ts";

export interface Preview {
  readonly changes: readonly Change[];
  /** The parts of the next requests without session, 0 to 1; of those members where it is another one. */
  readonly shares: readonly { readonly member: string; readonly before: number; readonly after: number }[];
}

export function previewMember(balancer: ProxyBalancer, member: ProxyWorker, change: MemberChange): Preview {
  const { members } = balancer;
  const before = members.map(memberSettings);
  const at = members.indexOf(member);
  const after = before.map((settings, i) => (i === at ? ({ ...settings, ...change } as MemberSettings) : settings));
  const sharesOf = (all: readonly MemberSettings[]) =>
    expectedShares(all.map((settings, i) => ({ ...settings, usable: wouldBeUsable(members[i]!, settings) })));
  const [sharesBefore, sharesAfter] = [sharesOf(before), sharesOf(after)];
  const keys = (Object.keys(change) as (keyof MemberSettings)[]).filter((key) => before[at]![key] !== after[at]![key]);
  return {
    changes: keys.map((name) => ({ name, before: before[at]![name], after: after[at]![name] })),
    shares: members
      .map(({ displayName }, i) => ({ member: displayName, before: sharesBefore[i]!, after: sharesAfter[i]! }))
      .filter((share) => share.before !== share.after),
  };
}

/** As `isUsable`, with other settings. */
function wouldBeUsable(member: ProxyWorker, { disabled, stopped, checkFailed }: MemberSettings): boolean {
  if (disabled || stopped || member.has(IN_ERROR | IN_SHUTDOWN) || !member.has(INITIALIZED)) return false;
  return !checkFailed || member.has(HC_IGNORED);
}
