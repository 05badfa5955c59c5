/**
 * The fuzzer of test/support/fuzz.ts for as long as you like. Exit status 1 if it found something.
 *
 *   bun bench/fuzz.ts bun|deno SECONDS [SEED [CASES]]
 */
import { fuzz } from "../test/support/fuzz.ts";

const [runtime = "", seconds = "", seed = String(Date.now() % 1_000_000_007), cases] = process.argv.slice(2);
if ((runtime !== "bun" && runtime !== "deno") || !(Number(seconds) > 0)) {
  console.error("usage: bun bench/fuzz.ts bun|deno SECONDS [SEED [CASES]]");
  process.exit(2);
}
console.log(`seed ${seed}`);
const result = await fuzz({
  runtime,
  seconds: Number(seconds),
  seed: Number(seed),
  ...(cases && { cases: Number(cases) }),
});
console.log(`${result.cases} cases, ${result.requests} requests, ${result.answered} of them answered by the backend`);
for (const violation of result.violations) console.log(violation);
process.exit(result.violations.length === 0 ? 0 : 1);
