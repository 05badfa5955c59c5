import assert from "node:assert/strict";
import { test } from "node:test";
import { humanSize } from "../../../../modules/core/human_size.ts";
import { byteText, durationText, kilobyteText, longTime, shortest } from "../../../../plugins/status/format.ts";

test("shortest() is %g without a zero before the point", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [0.2, ".2"],
    [1 / 6, ".166667"],
    [5529.6, "5529.6"],
    [1234567, "1.23457e+06"],
    [123456, "123456"],
    [0.00012, ".00012"],
    [0.00001, "1e-05"],
    [1.25, "1.25"],
  ];
  for (const [value, text] of cases) assert.equal(shortest(value), text);
});

test("sizes and durations as httpd writes them", () => {
  assert.deepEqual([4949, 5120, 600_000, 2e9].map(byteText), ["4949 B", "5.0 kB", "0.6 MB", "1.9 GB"]);
  assert.deepEqual([20, 2048, 3 * 1024 ** 2].map(kilobyteText), ["20 kB", "2.0 MB", "3.0 GB"]);
  assert.equal(durationText(93_784), "1 day 2 hours 3 minutes 4 seconds");
  assert.equal(durationText(3601), "1 hour 1 second");
  assert.equal(longTime(Date.UTC(2026, 10, 20, 10, 24, 46) * 1000), "Friday, 20-Nov-2026 10:24:46 UTC");
});

test("humanSize() has four characters", () => {
  const sizes = [0, 972, 973, 1024, 1229, 9_900, 10_240, 995_328, 1_048_576, -1];
  assert.deepEqual(sizes.map(humanSize), [
    "  0 ",
    "972 ",
    "1.0K",
    "1.0K",
    "1.2K",
    "9.7K",
    " 10K",
    "972K",
    "1.0M",
    "  - ",
  ]);
});
