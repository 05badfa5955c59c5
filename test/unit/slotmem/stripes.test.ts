import assert from "node:assert/strict";
import { test } from "node:test";
import { Stripes } from "../../../modules/slotmem/stripes.ts";

test("each child adds in its own stripe, and reads what all have", () => {
  const memory = new Float64Array(3 * 2);
  const [first, second, third] = [0, 1, 2].map((child) => new Stripes(memory, 2, child));
  first!.own[0]! += 1;
  second!.own[0]! += 2;
  third!.own[1]! += 4;
  for (const stripes of [first!, second!, third!]) assert.deepEqual([...stripes.sums()], [3, 4]);
  assert.deepEqual([...memory], [1, 0, 2, 0, 0, 4]);
});

test("a reading of a single child does not change any more", () => {
  const alone = new Stripes(new Float64Array(1), 1, 0);
  const before = alone.sums();
  alone.own[0]! += 1;
  assert.deepEqual([before[0], alone.sums()[0]], [0, 1]);
});
