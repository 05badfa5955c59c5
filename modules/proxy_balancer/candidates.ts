/**
 * Candidates: the members of a balancer that may be elected for a request.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_balancer_get_best_worker
 */
import type { ErrorLog } from "../core/error_log.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { DRAIN, HOT_SPARE, HOT_STANDBY, IN_ERROR, type ProxyWorker, retryWorker } from "../proxy/worker.ts";

/**
 * The candidates of the lowest lbset that has any: its usable regular members, and a spare for each that is not; without
 * these, its standbys. In the order in which httpd offers them to the method; empty when no set has any. The list is the
 * balancer's own and is filled anew by the next call.
 *
 * @param tried members that this request tried already: they count as unusable
 * @param nowMs wall clock, for members in error
 */
export function candidates(
  balancer: ProxyBalancer,
  tried: readonly ProxyWorker[],
  nowMs: number,
  log: ErrorLog,
): readonly ProxyWorker[] {
  const { members, scratch } = balancer;
  const found = scratch.candidates;
  found.length = 0;
  for (let set = 0, highest = 0; found.length === 0 && set <= highest; set++) {
    scratch.spares.length = 0;
    scratch.standbys.length = 0;
    let unusable = 0;
    for (let i = 0; i < members.length; i++) {
      const member = members[i]!;
      const lbset = member.s.lbset;
      if (lbset !== set) {
        if (lbset > highest) highest = lbset;
        continue;
      }
      // A draining member is replaced by a spare although it still serves its sessions; no retry check for it.
      if (member.has(DRAIN)) {
        if (!member.has(HOT_SPARE | HOT_STANDBY)) unusable++;
        continue;
      }
      if (member.has(IN_ERROR)) retryWorker(member, nowMs, log);
      const usable = member.isUsable && (tried.length === 0 || !tried.includes(member));
      if (member.has(HOT_SPARE)) {
        if (usable) scratch.spares.push(member);
      } else if (member.has(HOT_STANDBY)) {
        if (usable) scratch.standbys.push(member);
      } else if (usable) found.push(member);
      else unusable++;
    }
    for (let i = 0; i < scratch.spares.length && i < unusable; i++) found.push(scratch.spares[i]!);
    if (found.length === 0) for (const standby of scratch.standbys) found.push(standby);
  }
  return found;
}

/** Why each member is a candidate or not, for the log at trace5: one line a member. */
export function tellCandidates(
  balancer: ProxyBalancer,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
  nowMs: number,
  log: ErrorLog,
): void {
  for (const member of balancer.members) {
    const { lbset, busy, lbstatus, lbfactor } = member.s;
    const numbers = `lbset ${lbset}, busy ${busy}, lbstatus ${lbstatus}, lbfactor ${lbfactor}`;
    const why = found.includes(member) ? "candidate" : `not a candidate: ${whyNot(member, found, tried, nowMs)}`;
    log.trace(
      5,
      "proxy_balancer",
      `${balancer.name}: ${member.displayName} (${member.flags.trim()}; ${numbers}) ${why}`,
    );
  }
}

function whyNot(
  member: ProxyWorker,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
  nowMs: number,
): string {
  if (member.has(DRAIN)) return "draining, serves its sessions only";
  if (member.has(IN_ERROR)) {
    const waitMs = member.s.errorTimeMs + member.params.retryMs - nowMs;
    return `in error, retried in ${Math.max(0, Math.ceil(waitMs / 1000))} s`;
  }
  if (!member.isUsable) return "not usable";
  if (tried.includes(member)) return "tried for this request";
  if (found.length > 0 && found[0]!.s.lbset < member.s.lbset) return `lbset ${found[0]!.s.lbset} can serve`;
  if (member.has(HOT_SPARE)) return "a spare that no unusable member of its lbset needs";
  return "a standby while others can serve";
}
