/**
 * panic=on: when every member of a balancer fails its checks, they are served as if none had. Checks that all fail say more
 * of the checks, or of the network, than of the members; and an answer by chance is better than none for certain.
 */
import {
  DISABLED,
  HC_FAIL,
  HC_IGNORED,
  IN_SHUTDOWN,
  type ProcessRec,
  type ProxyBalancer,
  STOPPED,
} from "../../modules/mod.ts";

/** What an operator took out neither serves nor counts. */
const OUT = DISABLED | STOPPED | IN_SHUTDOWN;

/** Whether all members that an operator left in fail their checks, and there is one. */
export function allFail(balancer: ProxyBalancer): boolean {
  let failing = 0;
  for (const member of balancer.members) {
    if (member.has(OUT)) continue;
    if (!member.has(HC_FAIL)) return false;
    failing++;
  }
  return failing > 0;
}

/** Brings the members of each balancer in line with its state, and logs each change once. */
export class Panic {
  private readonly process: ProcessRec;
  private readonly panicking = new Set<ProxyBalancer>();

  constructor(process: ProcessRec) {
    this.process = process;
  }

  watch(balancer: ProxyBalancer): void {
    // Before a reload, or by the child that led before.
    const before = this.panicking.has(balancer) || balancer.members.some((member) => member.has(HC_IGNORED));
    const now = balancer.params.panic && allFail(balancer);
    if (now) {
      this.panicking.add(balancer);
      for (const member of balancer.members) if (!member.has(HC_IGNORED)) member.setStatus(HC_IGNORED);
    } else if (before) {
      this.panicking.delete(balancer);
      for (const member of balancer.members) member.clearStatus(HC_IGNORED);
    }
    if (now === before) return;
    this.process.log.warn(
      "proxy_hcheck",
      "",
      now
        ? `${balancer.name}: every member fails its health checks: served as if none did (panic=on)`
        : `${balancer.name}: health checks count again`,
    );
  }
}
