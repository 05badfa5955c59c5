/**
 * Candidates: the members of a balancer that may be elected for a request.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_balancer_get_best_worker
 */
import type { ErrorLog } from "../core/error_log.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import {
  DRAIN,
  HOT_SPARE,
  HOT_STANDBY,
  IGNORE_ERRORS,
  IN_ERROR,
  NOT_YET,
  type ProxyWorker,
  retryWorker,
  STOPPED,
} from "../proxy/worker.ts";

const NONE: readonly ProxyWorker[] = [];

/** Looks at the members anew, those in error whose time has come included, and keeps what it finds. @param nowMs wall clock */
export function lookAtMembers(balancer: ProxyBalancer, nowMs: number, log: ErrorLog): void {
  const { electorate } = balancer;
  // First: what changes while we look is seen the next time.
  const { now } = electorate;
  const found = findCandidates(balancer, NONE, nowMs, log);
  electorate.candidates = found;
  electorate.changes = found.length === 0 ? -1 : now;
  electorate.untilMs = Number.POSITIVE_INFINITY;
  for (const member of balancer.members) {
    if (!member.has(IN_ERROR) || member.has(STOPPED | IGNORE_ERRORS)) continue;
    const untilMs = member.s.errorTimeMs + member.params.retryMs;
    // One whose time has come already is of a set that nobody looks at, or drains.
    if (untilMs >= nowMs && untilMs < electorate.untilMs) electorate.untilMs = untilMs;
  }
  electorate.rampUntilMs = 0;
  for (const member of found) {
    const untilMs = rampEnd(member, nowMs);
    if (untilMs > nowMs && untilMs > electorate.rampUntilMs) electorate.rampUntilMs = untilMs;
  }
}

/**
 * The candidates of the lowest lbset that has any: its usable regular members, and a spare for each that is not; without
 * these, its standbys. In the order in which httpd offers them to the method; empty when no set has any.
 *
 * @param tried members that this request tried already: they count as unusable
 * @param nowMs wall clock, for members in error
 */
export function findCandidates(
  balancer: ProxyBalancer,
  tried: readonly ProxyWorker[],
  nowMs: number,
  log: ErrorLog,
): readonly ProxyWorker[] {
  const { members } = balancer;
  const anySet = balancer.lbmethod?.wholeBalancer === true;
  const found: ProxyWorker[] = [];
  for (let set = 0, highest = 0; found.length === 0 && set <= highest; set++) {
    const spares: ProxyWorker[] = [];
    const standbys: ProxyWorker[] = [];
    let unusable = 0;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      const { lbset } = member.s;
      if (lbset !== set && !anySet) {
        if (lbset > highest) highest = lbset;
        continue;
      }
      // A draining member is replaced by a spare although it still serves its sessions; no retry check for it.
      if (!anySet && member.has(DRAIN)) {
        if (!member.has(HOT_SPARE | HOT_STANDBY)) unusable++;
        continue;
      }
      if (member.has(IN_ERROR)) retryWorker(member, nowMs, log);
      const usable = member.isUsable && (tried.length === 0 || !tried.includes(member));
      if (!anySet && member.has(HOT_SPARE)) {
        if (usable) spares.push(member);
      } else if (!anySet && member.has(HOT_STANDBY)) {
        if (usable) standbys.push(member);
      } else if (usable) found.push(member);
      else unusable++;
    }
    for (let i = 0; i < spares.length && i < unusable; i++) found.push(spares[i]!);
    if (found.length === 0) found.push(...standbys);
  }
  return found;
}

/**
 * Candidates without those that `slowstart` holds back from this election: one that came back a third of its time ago is
 * offered to every third. All of them, if it holds back each.
 */
export function afterSlowStart(candidates: readonly ProxyWorker[], nowMs: number): readonly ProxyWorker[] {
  const ready = candidates.filter((member) => {
    if (rampEnd(member, nowMs) <= nowMs) return true;
    member.rampCredit += (nowMs - member.s.backSinceMs) / member.params.slowStartMs!;
    if (member.rampCredit < 1) return false;
    member.rampCredit -= 1;
    return true;
  });
  return ready.length === 0 ? candidates : ready;
}

/** When a member's slow start is over; 0 if there is none. One that came back begins it when it is first seen. */
function rampEnd({ s, params }: ProxyWorker, nowMs: number): number {
  if (!params.slowStartMs || s.backSinceMs === 0) return 0;
  if (s.backSinceMs === NOT_YET) s.backSinceMs = nowMs;
  return s.backSinceMs + params.slowStartMs;
}

/** Why a member is no candidate, for the log at trace5. */
export function whyNot(
  member: ProxyWorker,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
  nowMs: number,
): string {
  if (member.has(IN_ERROR)) {
    const waitMs = member.s.errorTimeMs + member.params.retryMs - nowMs;
    return member.has(STOPPED)
      ? "in error and stopped"
      : `in error, retried in ${Math.max(0, Math.ceil(waitMs / 1000))} s`;
  }
  if (!member.isUsable) return "not usable";
  if (member.has(DRAIN)) return "draining, serves its sessions only";
  if (tried.includes(member)) return "tried for this request";
  if (found.length > 0 && found[0]!.s.lbset < member.s.lbset) return `lbset ${found[0]!.s.lbset} can serve`;
  if (member.has(HOT_SPARE)) return "a spare that no unusable member of its lbset needs";
  if (member.has(HOT_STANDBY)) return "a standby while others can serve";
  const share = (nowMs - member.s.backSinceMs) / member.params.slowStartMs!;
  return `in its slow start, offered to ${Math.floor(share * 100)} % of elections`;
}
