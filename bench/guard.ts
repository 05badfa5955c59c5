/**
 * Measures sluice on Bun and Deno against nginx for a minute, and fails if a request costs more CPU time than it may.
 *
 *     SLUICE_BENCH=../bench npm run bench:guard
 *     bun bench/guard.ts --bench ../bench [--slack 1.2]
 *
 * `--bench` is the folder of the side-by-side benchmark (its `bench.py`). `--slack` multiplies the limits: a busy machine
 * needs more. For developers: a machine that others use, too, says little.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** CPU time of a request in those of nginx: what RESULTS.md has, and a quarter for a shared machine. */
const LIMITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  small: { bun: 2.1, deno: 2.2 },
  headers: { bun: 2.6, deno: 2.4 },
};

interface Round {
  readonly errors: number;
  readonly cpu_us: number | null;
}

interface Report {
  readonly workloads: readonly { readonly name: string; readonly rounds: Readonly<Record<string, readonly Round[]>> }[];
}

const { values } = parseArgs({
  options: { bench: { type: "string" }, slack: { type: "string", default: "1" } },
});
const folder = values.bench ?? process.env["SLUICE_BENCH"];
const slack = Number(values.slack);
if (folder === undefined || !existsSync(join(folder, "bench.py")) || !(slack > 0)) {
  console.error("Usage: bun bench/guard.ts --bench FOLDER [--slack FACTOR]; FOLDER has bench.py (or set SLUICE_BENCH)");
  process.exit(2);
}
process.exit(judge(measure(resolve(folder))));

function measure(bench: string): Report {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const binary = (name: string): string => realpathSync(join(root, "node_modules", ".bin", name));
  const dir = mkdtempSync(join(tmpdir(), "sluice-guard-"));
  const json = join(dir, "report.json");
  const run = spawnSync(
    "python3",
    [
      ...[join(bench, "bench.py"), "--cwd", root, "--json", json, "--peers", "nginx"],
      ...["--bun", binary("bun"), "--deno", binary("deno"), "--workloads", Object.keys(LIMITS).join(",")],
      ...["--target", "bun={bun} mod.ts -f {conf}", "deno={deno} run -A --no-check mod.ts -f {conf}"],
      ...["--rounds", "5", "--seconds", "1", "--warmup", "5"],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if (run.status !== 0) throw new Error(`bench.py ended with ${run.status ?? run.signal ?? run.error}`);
  const report = JSON.parse(readFileSync(json, "utf8")) as Report;
  rmSync(dir, { recursive: true });
  return report;
}

/** Prints each figure with its limit; answers the status of the process. */
function judge(report: Report): number {
  let status = 0;
  for (const { name, rounds } of report.workloads) {
    for (const [runtime, most] of Object.entries(LIMITS[name]!)) {
      const ratios = ratiosOf(rounds[runtime] ?? [], rounds["nginx"] ?? []);
      const ratio = ratios[ratios.length >> 1];
      const limit = most * slack;
      const good = ratio !== undefined && ratio <= limit;
      if (!good) status = 1;
      const range = ratio === undefined ? "no figure" : `[${ratios[0]!.toFixed(2)}-${ratios.at(-1)!.toFixed(2)}]`;
      const figure = (ratio ?? Number.NaN).toFixed(2);
      console.log(
        `${good ? "ok  " : "FAIL"} ${name.padEnd(8)} ${runtime.padEnd(5)} ${figure} of nginx ${range}, limit ${limit.toFixed(2)}`,
      );
    }
  }
  return status;
}

/** Of rounds without errors, sorted. */
function ratiosOf(ours: readonly Round[], nginx: readonly Round[]): number[] {
  const ratios: number[] = [];
  ours.forEach((round, i) => {
    const other = nginx[i]?.cpu_us;
    if (round.errors === 0 && round.cpu_us !== null && other) ratios.push(round.cpu_us / other);
  });
  return ratios.sort((a, b) => a - b);
}
