import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, it } from "node:test";
import { coresOf } from "../../../modules/mpm/cores.ts";

const V1 = "/sys/fs/cgroup/cpu";
const V2 = "/sys/fs/cgroup";
const CGROUP = "/proc/self/cgroup";

/** What a group of v1 says. */
const v1 = (group: string, quota: number): Record<string, string> => ({
  [`${V1}${group}/cpu.cfs_quota_us`]: `${quota}\n`,
  [`${V1}${group}/cpu.cfs_period_us`]: "100000\n",
});

describe("coresOf(), of 64", () => {
  for (const [name, files, expected] of [
    ["no control groups", {}, 64],
    ["v2, no limit", { [CGROUP]: "0::/\n", [`${V2}/cpu.max`]: "max 100000\n" }, 64],
    ["v2", { [CGROUP]: "0::/\n", [`${V2}/cpu.max`]: "200000 100000\n" }, 2],
    ["v2, another period", { [CGROUP]: "0::/\n", [`${V2}/cpu.max`]: "30000 10000\n" }, 3],
    ["v2, less than one", { [CGROUP]: "0::/\n", [`${V2}/cpu.max`]: "50000 100000\n" }, 1],
    ["v2, a fraction", { [CGROUP]: "0::/\n", [`${V2}/cpu.max`]: "390000 100000\n" }, 3],
    ["v2, the group around it", { [CGROUP]: "0::/a.slice/b:c\n", [`${V2}/a.slice/cpu.max`]: "400000 100000\n" }, 4],
    [
      "v2, the least of both",
      { [CGROUP]: "0::/a/b\n", [`${V2}/a/cpu.max`]: "400000 100000\n", [`${V2}/a/b/cpu.max`]: "500000 100000\n" },
      4,
    ],
    ["v1, no limit", { [CGROUP]: "2:cpu,cpuacct:/\n1:memory:/m\n0::/\n", ...v1("", -1) }, 64],
    ["v1", { [CGROUP]: "4:cpuset:/\n2:cpu,cpuacct:/a\n0::/\n", ...v1("/a", 250000), ...v1("", -1) }, 2],
    ["v1, the group around it", { [CGROUP]: "1:cpu:/a/b\n", ...v1("/a/b", -1), ...v1("/a", 300000) }, 3],
    ["v1, a container that sees its host's names", { [CGROUP]: "1:cpu:/docker/0af\n", ...v1("", 200000) }, 2],
    ["v1, a limit of another kind of group", { [CGROUP]: "1:cpuacct:/a\n", ...v1("/a", 200000) }, 64],
  ] as const) {
    it(`${name}: ${expected}`, () => {
      assert.equal(
        coresOf((path) => (files as Record<string, string>)[path] ?? "", 64),
        expected,
      );
    });
  }

  it("never more than there are", () => {
    const files: Record<string, string> = { [CGROUP]: "0::/", [`${V2}/cpu.max`]: "900000 100000" };
    assert.equal(
      coresOf((path) => files[path] ?? "", 2),
      2,
    );
    assert.ok(coresOf() >= 1 && coresOf() <= availableParallelism());
  });
});
