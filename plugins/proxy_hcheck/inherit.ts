/**
 * What is known of members when the configuration is read anew. A member that fails its checks would get requests again
 * for as long as it takes to find that out once more.
 */
import { HC_FAIL, type HealthCheckParams, type ProcessRec, type ProxyWorker } from "../../modules/mod.ts";
import { balancersOf } from "./schedule.ts";

/** Members of one balancer and URL that are asked the same as before keep verdict, counts and results. */
export function inheritVerdicts(process: ProcessRec, previous: ProcessRec): void {
  const before = new Map<string, ProxyWorker>();
  for (const { name, members } of balancersOf(previous)) {
    for (const member of members) before.set(`${name} ${member.displayName}`, member);
  }
  for (const { name, members } of balancersOf(process)) {
    for (const member of members) {
      const known = before.get(`${name} ${member.displayName}`);
      if (known !== undefined && known !== member) inherit(member, known);
    }
  }
}

function inherit(member: ProxyWorker, known: ProxyWorker): void {
  const { check } = member;
  if (check === null || known.check === null || !sameQuestion(check.params, known.check.params)) return;
  check.passed = known.check.passed;
  check.failed = known.check.failed;
  check.failing = known.check.failing;
  check.sinceMs = known.check.sinceMs;
  check.results.push(...known.check.results);
  if (known.has(HC_FAIL)) member.setStatus(HC_FAIL);
}

function sameQuestion(a: HealthCheckParams, b: HealthCheckParams): boolean {
  return a.method === b.method && a.provider === b.provider && a.uri === b.uri && a.expr === b.expr;
}
