import assert from "node:assert/strict";
import { test } from "node:test";
import { Hooks, runAll } from "../../../modules/core/hooks.ts";
import { OK } from "../../../modules/core/status.ts";

const phase = runAll<[seen: string[]]>("phase");

function join(hooks: Hooks, name: string, directivesOf?: readonly string[]): void {
  hooks.hook(
    phase,
    (seen) => {
      seen.push(name);
      return OK;
    },
    directivesOf === undefined ? {} : { directivesOf },
  );
}

function run(hooks: Hooks): string {
  const seen: string[] = [];
  assert.equal(phase.run(hooks, seen), OK);
  return seen.join(" ");
}

test("Hooks.configured() leaves out what a configuration has no directive of, before and after the first run", () => {
  const hooks = new Hooks();
  join(hooks, "always");
  join(hooks, "own", ["mod_a"]);
  join(hooks, "either", ["mod_b", "mod_c"]);
  assert.equal(run(hooks), "always own either");
  hooks.configured(new Set(["mod_c"]));
  assert.equal(run(hooks), "always either");
  assert.ok(!phase.isEmpty(hooks));
  join(hooks, "later", ["mod_a"]);
  assert.equal(run(hooks), "always either");
  hooks.configured(new Set(["mod_a"]));
  assert.equal(run(hooks), "always own later");
});

test("Hooks: a chain of which nothing is left is empty", () => {
  const hooks = new Hooks();
  join(hooks, "own", ["mod_a"]);
  hooks.configured(new Set());
  assert.ok(phase.isEmpty(hooks));
  assert.equal(run(hooks), "");
});
