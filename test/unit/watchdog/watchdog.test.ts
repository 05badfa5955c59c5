import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineModule, type Module, OK, type ProcessRec } from "../../../modules/mod.ts";
import { leadership, watchdogExit, watchdogInit, watchdogNeed, watchdogStep } from "../../../modules/watchdog/hooks.ts";
import type { Watchdog, WatchdogName } from "../../../modules/watchdog/watchdog.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

/** A module that needs one watchdog and writes down what it is told. */
function witness(name: WatchdogName, join: (watchdog: Watchdog) => void = () => {}) {
  const seen: string[] = [];
  const module = defineModule({
    name: `mod_witness_${name}`,
    config: z.object({}),
    registerHooks({ hook }) {
      hook(watchdogNeed, (_process, wanted) => (wanted === name ? OK : -1));
      hook(watchdogInit, (watchdog) => {
        seen.push("init");
        join(watchdog);
      });
      hook(watchdogStep, () => void seen.push("step"));
      hook(watchdogExit, () => void seen.push("exit"));
    },
  }) as Module;
  return { module, seen };
}

describe("mod_watchdog", () => {
  it("runs init, a step each WatchdogInterval, and exit; nothing before and nothing after", () => {
    const clock = new VirtualClock();
    const { module, seen } = witness("_default_");
    const g = new TestGeneration("WatchdogInterval 500ms", clock, [module]);
    assert.deepEqual(seen, []);
    g.start();
    clock.advance(1100);
    assert.deepEqual(seen, ["init", "step", "step"]);
    g.end();
    assert.deepEqual(seen, ["init", "step", "step", "exit"]);
    clock.advance(5000);
    assert.equal(seen.length, 4);
    assert.equal(clock.timers, 0);
  });

  it("runs no watchdog that nobody needs", () => {
    const clock = new VirtualClock();
    const g = new TestGeneration("", clock).start();
    assert.equal(clock.timers, 0);
    g.end();
  });

  it("a generation that is replaced stops, though it still serves", () => {
    const clock = new VirtualClock();
    const { module, seen } = witness("_singleton_");
    const old = new TestGeneration("", clock, [module]).start();
    const next = new TestGeneration("", clock, [module]).start(old.process);
    assert.deepEqual(seen, ["init", "exit", "init"]);
    clock.advance(1000);
    assert.deepEqual(seen.slice(3), ["step"]);
    old.end();
    assert.equal(seen.length, 4);
    next.end();
  });

  it("a singleton waits for leadership, and steps down at the end", () => {
    const clock = new VirtualClock();
    const { module, seen } = witness("_singleton_");
    let lead: (() => void) | null = null;
    const children = defineModule({
      name: "mod_children",
      config: z.object({}),
      registerHooks(hooks) {
        hooks.provider(leadership, "children", {
          campaign(_process: ProcessRec, _name: WatchdogName, call: () => void) {
            lead = call;
            return () => void seen.push("down");
          },
        });
      },
    }) as Module;
    const g = new TestGeneration("", clock, [module, children]).start();
    clock.advance(5000);
    assert.deepEqual(seen, []);
    lead!();
    clock.advance(1000);
    g.end();
    assert.deepEqual(seen, ["init", "step", "down", "exit"]);
  });

  it("never calls a callback that still runs, and calls one again that failed", async () => {
    const clock = new VirtualClock();
    let calls = 0;
    const release: (() => void)[] = [];
    let thrown = 0;
    const { module } = witness("_default_", (watchdog) => {
      watchdog.every("slow", 100, () => {
        calls++;
        return new Promise((resolve) => release.push(resolve));
      });
      watchdog.every("bad", 100, () => {
        thrown++;
        throw new Error("no");
      });
    });
    const g = new TestGeneration("", clock, [module]).start();
    clock.advance(1000);
    assert.equal(calls, 1);
    assert.equal(thrown, 10);
    assert.match(g.logged("exception in bad")[0]!, /\[watchdog:crit\].*Error: no/);
    release[0]!();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    clock.advance(100);
    assert.equal(calls, 2);
    g.end();
    release[1]!();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(clock.timers, 0);
  });

  it("refuses a bad WatchdogInterval in httpd's words", () => {
    for (const [value, error] of [
      ["x", /Unparse-able WatchdogInterval setting/],
      ["99ms", /Invalid WatchdogInterval: minimal value 100ms/],
    ] as const) {
      assert.throws(() => new TestGeneration(`WatchdogInterval ${value}`, new VirtualClock()), error);
    }
  });
});
