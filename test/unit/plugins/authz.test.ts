import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AuthzStatus } from "../../../modules/server/auth.ts";
import { evaluate } from "../../../plugins/aaa/authz_evaluate.ts";
import {
  type AuthzNode,
  type AuthzScope,
  type AuthzSection,
  addToSection,
  makeSection,
  mergeScopes,
  onlyNegative,
  type Requirement,
  sectionText,
} from "../../../plugins/aaa/authz_section.ts";
import { BalancerFixture } from "../../support/balancer.ts";

const r = new BalancerFixture([""]).request();
const asked: string[] = [];

function leaf(status: AuthzStatus, negate = false, later = false): Requirement {
  const check = () => {
    asked.push(status);
    return later ? Promise.resolve(status) : status;
  };
  return { text: `Require ${status}`, negate, check, limited: null };
}

function section(op: "and" | "or", children: AuthzNode[], negate = false): AuthzSection {
  return { ...makeSection(op, negate), children };
}

const G = "granted";
const D = "denied";
const U = "deniedNoUser";
const N = "neutral";

describe("evaluate()", () => {
  const TABLE: [op: "and" | "or", children: AuthzStatus[], result: AuthzStatus][] = [
    ["or", [G], G],
    ["or", [D, G], G],
    ["or", [D, D], D],
    ["or", [D, U], U],
    ["or", [U, D], U],
    ["or", [U, G], G],
    ["or", [N, D], D],
    ["or", [N, N], N],
    ["or", ["error", G], "error"],
    ["and", [G, G], G],
    ["and", [G, D], D],
    ["and", [D, G], D],
    ["and", [U, D], D],
    ["and", [G, U], U],
    ["and", [U, G], U],
    ["and", [N, G], G],
    ["and", [N, N], N],
    ["and", [G, "error"], "error"],
  ];
  for (const [op, children, result] of TABLE) {
    test(`${op} of ${children.join(", ")}: ${result}, at once and later`, async () => {
      assert.equal(
        evaluate(
          r,
          section(
            op,
            children.map((c) => leaf(c)),
          ),
        ),
        result,
      );
      assert.equal(
        await evaluate(
          r,
          section(
            op,
            children.map((c) => leaf(c, false, true)),
          ),
        ),
        result,
      );
    });
  }

  test("asks no more than it takes", async () => {
    for (const later of [false, true]) {
      asked.length = 0;
      await evaluate(r, section("or", [leaf(D, false, later), leaf(G, false, later), leaf(U, false, later)]));
      await evaluate(r, section("and", [leaf(G, false, later), leaf(D, false, later), leaf(U, false, later)]));
      assert.deepEqual(asked, [D, G, G, D]);
    }
  });

  test("not: who is refused is not let in for that", () => {
    const results = [G, D, U, N, "error"].map((status) => evaluate(r, leaf(status as AuthzStatus, true)));
    assert.deepEqual(results, [D, N, N, N, "error"]);
    assert.equal(evaluate(r, section("or", [leaf(D), leaf(G)], true)), D);
    assert.equal(evaluate(r, section("or", [leaf(D), leaf(U)], true)), N);
  });
});

describe("addToSection()", () => {
  test("a section of the same kind as the one around it dissolves", () => {
    const outer = section("or", [leaf(D)]);
    assert.equal(addToSection(outer, section("or", [leaf(G), leaf(U)])), undefined);
    assert.equal(outer.children.length, 3);
    assert.equal(addToSection(outer, section("and", [leaf(G)])), undefined);
    assert.equal(outer.children.length, 4);
  });

  test("<RequireNone> needs an <RequireAll>", () => {
    const none = section("or", [leaf(G)], true);
    assert.equal(
      addToSection(section("or", []), none),
      "<RequireNone> directive has no effect in <RequireAny> directive",
    );
    assert.equal(addToSection(section("and", []), none), undefined);
  });
});

test("onlyNegative(): <RequireNone> in <RequireAll> is as many Require not", () => {
  const bad = section("and", [section("or", [leaf(G), leaf(D)], true)]);
  assert.equal(onlyNegative(bad), bad);
  const good = section("and", [leaf(G), section("or", [leaf(D), leaf(D)], true)]);
  assert.equal(onlyNegative(good), null);
  assert.deepEqual(
    good.children.map((child) => child.negate),
    [false, true, true],
  );
  assert.equal(evaluate(r, good), G);
  const inner = section("and", [leaf(G, true)]);
  assert.equal(onlyNegative(section("or", [leaf(G), inner])), inner);
});

describe("mergeScopes()", () => {
  const scope = (section: AuthzSection | null, merging: AuthzScope["merging"] = null): AuthzScope => ({
    merging,
    section,
  });
  const a = section("or", [leaf(G)]);
  const b = section("or", [leaf(D)]);

  test("the inner scope replaces the outer one, unless it merges or says nothing", () => {
    assert.equal(mergeScopes([]), null);
    assert.equal(mergeScopes([scope(a), scope(b)]), b);
    assert.equal(mergeScopes([scope(a), scope(b, "off")]), b);
    assert.equal(mergeScopes([scope(a), scope(null)]), a);
    assert.equal(mergeScopes([scope(a), scope(null, "off")]), null);
    assert.equal(mergeScopes([scope(a), scope(null, "and")]), a);
    assert.equal(mergeScopes([scope(null, "and"), scope(b, "and")]), b);
  });

  test("AuthMerging And, Or", () => {
    const and = mergeScopes([scope(a), scope(b, "and")])!;
    const or = mergeScopes([scope(a), scope(b, "or")])!;
    assert.deepEqual([sectionText(and), evaluate(r, and)], ["AuthMerging All", D]);
    assert.deepEqual([sectionText(or), evaluate(r, or)], ["AuthMerging Any", G]);
  });
});
