import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z as zod } from "zod";
import { whole } from "../../../modules/config/units.ts";
import * as z from "../../../modules/core/schema.ts";

/** The same object of both, and what they make of the same values. */
const OURS = z.object({
  name: z.string().default("none"),
  level: z.enum(["off", "on"]).default("off"),
  limit: z.number().optional(),
  any: z.custom<{ readonly a: number }>().optional(),
  words: z
    .array(z.string())
    .default([])
    .transform((words) => words.length),
  quiet: z.boolean().prefault(true),
});
const THEIRS = zod.object({
  name: zod.string().default("none"),
  level: zod.enum(["off", "on"]).default("off"),
  limit: zod.number().optional(),
  any: zod.custom<{ readonly a: number }>().optional(),
  words: zod
    .array(zod.string())
    .default([])
    .transform((words) => words.length),
  quiet: zod.boolean().prefault(true),
});

describe("the schemas of a module's configuration", () => {
  it("make of values what zod makes of them", () => {
    for (const value of [
      {},
      { name: "x", level: "on", limit: 3, any: { a: 1 }, words: ["a", "b"], quiet: false },
      { limit: undefined, other: 1 },
    ]) {
      assert.deepEqual(OURS.parse(value), THEIRS.parse(value));
    }
  });

  it("refuse what zod refuses, in its words", () => {
    for (const [key, value] of [
      ["name", 1],
      ["level", "loud"],
      ["limit", "3"],
      ["limit", Number.NaN],
      ["limit", Number.POSITIVE_INFINITY],
      ["words", "a"],
      ["quiet", null],
    ] as const) {
      const ours = OURS.shape[key].safeParse(value);
      const theirs = THEIRS.shape[key].safeParse(value);
      assert.deepEqual(
        ours.error?.issues.map((issue) => issue.message),
        theirs.error?.issues.map((issue) => issue.message),
        key,
      );
      assert.equal(ours.success, false);
    }
    assert.throws(() => OURS.parse({ level: "loud" }), /expected one of "off"\|"on"/);
  });

  it("say what a transformation says", () => {
    const limit = whole(1).prefault("100");
    assert.equal(limit.parse(undefined), 100);
    assert.equal(limit.parse("7"), 7);
    const refused = limit.safeParse("0");
    assert.match(refused.error?.issues[0]?.message ?? "", /^"0" is not a whole number from 1/);
  });
});
