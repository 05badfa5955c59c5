/** A few seconds of the fuzzer, with another seed each time. Longer: bench/fuzz.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../support/fuzz.ts";

const SECONDS = 3;
/** A slow machine takes longer for them. */
const LEAST = 300;

test("the backend sees what the client sent, the client gets the answers to it, and nothing stays behind", async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_007);
  console.log(`fuzz: seed ${seed}`);
  const { cases, answered, violations } = await fuzz({ seconds: SECONDS, least: LEAST, seed });
  assert.deepEqual(violations, [], `FUZZ_SEED=${seed}, or bench/fuzz.ts with this seed`);
  // A run in which nothing got through has proved nothing.
  assert.ok(cases >= LEAST && answered > LEAST / 5, `${cases} cases, ${answered} answered`);
});
