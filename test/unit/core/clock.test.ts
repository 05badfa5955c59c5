import assert from "node:assert/strict";
import { test } from "node:test";
import { type Timeout, TimerWheel } from "../../../modules/core/clock.ts";
import { VirtualClock } from "../../support/clock.ts";

function entry(name: string, fired: string[], then: () => void = () => {}): Timeout {
  return {
    deadline: 0,
    slot: 0,
    expire() {
      fired.push(name);
      then();
    },
  };
}

/** All that the wheel holds. */
function held(wheel: TimerWheel): number {
  const { slots } = wheel as unknown as { slots: Map<number, Timeout[]> };
  return [...slots.values()].reduce((sum, list) => sum + list.length, 0);
}

test("TimerWheel holds an entry once, however often and early it is armed again", () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const fired: string[] = [];
  const a = entry("a", fired);
  for (const ms of [60_000, 5_000, 20_000, 1_000]) wheel.arm(a, ms);
  assert.equal(held(wheel), 1);
  clock.advance(900);
  assert.deepEqual(fired, []);
  clock.advance(400);
  assert.deepEqual([fired, held(wheel)], [["a"], 0]);
});

test("TimerWheel.drop() lets go at once; the others of its slot stay", () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const fired: string[] = [];
  const all = ["a", "b", "c", "d"].map((name) => entry(name, fired));
  for (const one of all) wheel.arm(one, 1000);
  wheel.drop(all[1]!);
  wheel.drop(all[1]!);
  wheel.drop(all[3]!);
  assert.equal(held(wheel), 2);
  wheel.arm(all[3]!, 1000);
  clock.advance(1300);
  assert.deepEqual(fired.sort(), ["a", "c", "d"]);
});

test("TimerWheel: what one entry does to others of its slot while the slot is settled counts", () => {
  const clock = new VirtualClock();
  const wheel = new TimerWheel(clock);
  const fired: string[] = [];
  const b = entry("b", fired);
  const c = entry("c", fired);
  const a = entry("a", fired, () => {
    wheel.drop(b);
    wheel.arm(c, 1000);
  });
  for (const one of [a, b, c]) wheel.arm(one, 1000);
  clock.advance(1300);
  assert.deepEqual(fired, ["a"]);
  clock.advance(1300);
  assert.deepEqual([fired, held(wheel)], [["a", "c"], 0]);
});
