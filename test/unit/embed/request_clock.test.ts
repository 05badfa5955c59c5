import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../../../mod.ts";
import type { Clock } from "../../../modules/core/clock.ts";
import { RequestClock } from "../../../modules/embed/request_clock.ts";
import { ok, startBackend } from "../../support/backend.ts";

/** A host that stops between requests: time goes on, timers do not fire. */
class StoppedClock implements Clock {
  nowMs = 1000;
  now(): number {
    return this.nowMs;
  }
  wallUs(): number {
    return this.nowMs * 1000;
  }
  random(): number {
    return 0;
  }
  setTimer(): null {
    return null;
  }
  clearTimer(): void {}
}

test("RequestClock.catchUp() calls what is overdue, in the order of the times, once", () => {
  const host = new StoppedClock();
  const clock = new RequestClock(host);
  const called: string[] = [];
  clock.setTimer(() => called.push("late"), 50);
  clock.setTimer(() => called.push("early"), 10);
  const cleared = clock.setTimer(() => called.push("cleared"), 10);
  clock.setTimer(() => called.push("far"), 5000);
  clock.clearTimer(cleared);
  clock.catchUp();
  assert.deepEqual(called, []);
  host.nowMs += 100;
  clock.catchUp();
  clock.catchUp();
  assert.deepEqual(called, ["early", "late"]);
});

test("RequestClock: work at intervals, set anew from within, is done by each request that finds it overdue", () => {
  const host = new StoppedClock();
  const clock = new RequestClock(host);
  let checks = 0;
  const check = () => {
    checks++;
    clock.setTimer(check, 1000);
  };
  clock.setTimer(check, 1000);
  for (let i = 0; i < 3; i++) {
    host.nowMs += 3000;
    clock.catchUp();
    clock.catchUp();
  }
  assert.equal(checks, 3);
});

test("a handler on a host whose timers stop still checks its members", async () => {
  await using backend = await startBackend(ok("x"));
  const handler = await createHandler(
    `<Proxy balancer://app>
       BalancerMember ${backend.url} hcmethod=GET hcinterval=1 hcuri=/health
     </Proxy>
     ProxyPass / balancer://app/`,
    { target: "vercel-bun" },
  );
  await handler.fetch(new Request("http://a/"));
  await backend.until(() => backend.requests.some((request) => request.target === "/health"), "a health check");
  await handler.close();
});
