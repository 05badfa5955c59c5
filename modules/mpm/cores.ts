/**
 * How many processors the program may keep busy: those that it may run on, and no more than the quota of its control group, or
 * of one around it, pays for. In a container the machine's number would start children that throttle each other.
 *
 * `availableParallelism` knows the quota in the plain cases only (Bun 1.4.4, Deno 2.9.5): not in a container of cgroup v1 that
 * sees the names of its host, as Docker starts them, nor, on Bun with v1, one that is set further up.
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst, cpu.max; Documentation/scheduler/sched-bwc.rst
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Where control groups are found: v2 alone, and the one of v1 for processors. */
const V2 = "/sys/fs/cgroup";
const V1 = "/sys/fs/cgroup/cpu";

/** @param read what a file says; "": there is none */
export function coresOf(read: (path: string) => string = readOrNothing, cores = availableParallelism()): number {
  let quota = cores;
  for (const line of read("/proc/self/cgroup").split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) continue;
    const limit = controllers === "" ? limitV2 : controllers.split(",").includes("cpu") ? limitV1 : null;
    if (limit === null) continue;
    // A group that is not there has its name from outside of the container, whose root it is.
    for (const path of upwards(group)) quota = Math.min(quota, limit(path, read));
  }
  // Half a processor is none to spare for another event loop.
  return Math.max(1, Math.floor(quota));
}

/** "/a/b" → "/a/b", "/a", "" */
function upwards(group: string): string[] {
  const names = group.split("/").filter((name) => name !== "");
  return Array.from({ length: names.length + 1 }, (_, less) =>
    names
      .slice(0, names.length - less)
      .map((name) => `/${name}`)
      .join(""),
  );
}

function limitV2(group: string, read: (path: string) => string): number {
  const [quota, period] = read(`${V2}${group}/cpu.max`).split(/\s+/).map(Number);
  return ratio(quota, period);
}

function limitV1(group: string, read: (path: string) => string): number {
  return ratio(Number(read(`${V1}${group}/cpu.cfs_quota_us`)), Number(read(`${V1}${group}/cpu.cfs_period_us`)));
}

/** "max" and -1 are no limit. */
function ratio(quota = 0, period = 0): number {
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY;
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
