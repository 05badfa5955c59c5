import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRanges } from "../../../modules/http/byte_range.ts";

const LIMITS = { maxRanges: 200, maxRangeOverlaps: 20, maxRangeReversals: 20 };

/** What httpd 2.4.71 makes of Range for 10 bytes: the ranges, "416", or "whole". */
const TABLE: readonly (readonly [range: string, want: string])[] = [
  ["bytes=2-4", "2-4"],
  ["BYTES=2-4", "2-4"],
  ["bytes=5-", "5-9"],
  ["bytes=-3", "7-9"],
  ["bytes=-99", "0-9"],
  ["bytes=0-", "0-9"],
  ["bytes=0-99", "0-9"],
  ["bytes=20-30", "416"],
  ["bytes=20-", "416"],
  ["bytes=1-2,30-40", "1-2"],
  ["bytes=1-2,4-5", "1-2 4-5"],
  ["bytes=4-5,1-2", "4-5 1-2"],
  ["bytes=1-2,3-5", "1-5"],
  ["bytes=3-5,1-2", "1-5"],
  ["bytes=1-2,1-2", "1-2"],
  ["bytes=5-6,2-3,0-", "0-9"],
  ["bytes=1-2,,4-5", "1-2 4-5"],
  ["bytes=1-2,", "1-2"],
  ["bytes=,1-2", "whole"],
  ["bytes=4-2", "whole"],
  ["bytes=a-b", "whole"],
  ["bytes=-", "whole"],
  ["bytes=-0", "whole"],
  ["bytes=5", "whole"],
  ["bytes=", "whole"],
  ["bytes= 1-2", "whole"],
  ["bytes=1-2, 4-5", "whole"],
  ["bytes=+1-2", "whole"],
  ["lines=1-2", "whole"],
  ["bytes=0-8,8-9,2-2,5-9,0-3,0-0,2-3", "0-9"],
];

test("parseRanges() joins, drops and refuses as httpd does", () => {
  for (const [range, want] of TABLE) {
    const ranges = parseRanges(range, 10, LIMITS);
    const got = ranges === null ? "whole" : ranges.map((pair) => pair.join("-")).join(" ") || "416";
    assert.equal(got, want, range);
  }
});

test("parseRanges() gives up beyond MaxRanges, MaxRangeOverlaps and MaxRangeReversals", () => {
  const whole = (range: string, limit: Partial<typeof LIMITS>) =>
    parseRanges(range, 100, { ...LIMITS, ...limit }) === null;
  assert.equal(whole("bytes=1-2,4-5", { maxRanges: 2 }), false);
  assert.equal(whole("bytes=1-2,4-5,7-8", { maxRanges: 2 }), true);
  assert.equal(whole("bytes=1-2", { maxRanges: 0 }), true);
  assert.equal(whole("bytes=1-2,2-3,3-4", { maxRangeOverlaps: 1 }), true);
  assert.equal(whole("bytes=5-6,4-4,3-3", { maxRangeReversals: 1 }), true);
  assert.equal(whole("bytes=5-6,4-4,3-3", { maxRangeReversals: Infinity }), false);
});
