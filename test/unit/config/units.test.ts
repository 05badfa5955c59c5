import assert from "node:assert/strict";
import { test } from "node:test";
import { intervalOrInt, parseInterval } from "../../../modules/config/units.ts";

test("an interval: digits, and the first letters of a unit in lower case", () => {
  const read: [text: string, ms: number | undefined][] = [
    ["5", 5000],
    [" +5", 5000],
    ["5ms", 5],
    ["10sec", 10_000],
    ["2min", 120_000],
    ["2mi", 120_000],
    ["1hour", 3_600_000],
    ["", 0],
    ["s", 0],
    ["9223372036854", 9_223_372_036_854_000],
    ["9223372036855", undefined],
    ["-5", undefined],
    ["5S", undefined],
    ["5MS", undefined],
    ["5Min", undefined],
    ["5m", undefined],
    ["5 s", undefined],
    ["1.5", undefined],
    ["abc", undefined],
  ];
  for (const [text, ms] of read) assert.equal(parseInterval(text, "s"), ms, `"${text}"`);
  assert.equal(parseInterval("5", "ms"), 5);
});

test("where httpd reads a number alone, a unit counts, and what is none is dropped", () => {
  const read: [text: string, ms: number][] = [
    ["5", 5000],
    ["500MS", 500],
    ["1Min", 60_000],
    ["5x", 5000],
    ["1m", 1000],
    ["abc", 0],
    ["-5", -5000],
  ];
  for (const [text, ms] of read) assert.equal(intervalOrInt(text, "s"), ms, `"${text}"`);
});
