/**
 * The tally: what a checked member's results, one after the other, mean for it.
 *
 * They are counted in a row, as httpd's manual promises; its code never resets a count by the opposite result.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c hc_check
 */
import { type CheckResult, HC_FAIL, IN_ERROR, type ProxyWorker } from "../../modules/mod.ts";

/** How a result changed the verdict on a member, if it did. */
export type VerdictChange = "enabled" | "disabled" | null;

/** Notes a result. Touches HC_FAIL, and IN_ERROR where a member comes back: what an operator set stays as it is. */
export function tally(worker: ProxyWorker, result: CheckResult): VerdictChange {
  const check = worker.check!;
  check.add(result);
  const bad = worker.has(HC_FAIL | IN_ERROR);
  if (result.passed) {
    check.failed = 0;
    if (!bad || ++check.passed < check.params.passes) return null;
    worker.clearStatus(HC_FAIL | IN_ERROR);
    return changed(worker, result, "enabled");
  }
  check.passed = 0;
  if (worker.has(HC_FAIL)) return null;
  // Traffic's error runs out by itself: only the checks keep a member out for good.
  if (!bad) worker.s.errorTimeMs = result.atMs;
  if (++check.failed < check.params.fails) return null;
  worker.setStatus(HC_FAIL);
  return changed(worker, result, "disabled");
}

function changed({ check }: ProxyWorker, { atMs }: CheckResult, change: "enabled" | "disabled"): VerdictChange {
  check!.passed = check!.failed = 0;
  check!.failing = change === "disabled";
  check!.sinceMs = atMs;
  return change;
}
