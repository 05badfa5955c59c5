import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PendingStatus, type StatusWaiter } from "../../../modules/core/pending.ts";

class Pending extends PendingStatus {
  end(status: number): void {
    this.settle(status);
  }

  break(error: unknown): void {
    this.fail(error);
  }
}

class Waiter implements StatusWaiter {
  readonly told: unknown[] = [];

  settled(status: number): void {
    this.told.push(status);
  }

  failed(error: unknown): void {
    this.told.push(error);
  }
}

describe("PendingStatus", () => {
  it("tells its waiter within the call that settles it", () => {
    const pending = new Pending();
    const waiter = new Waiter();
    pending.tell(waiter);
    assert.deepEqual(waiter.told, []);
    pending.end(204);
    assert.deepEqual(waiter.told, [204]);
  });

  it("tells who comes later at once, of a status and of an error", () => {
    for (const outcome of [0, "broken"]) {
      const pending = new Pending();
      if (outcome === 0) pending.end(0);
      else pending.break(outcome);
      const waiter = new Waiter();
      pending.tell(waiter);
      assert.deepEqual(waiter.told, [outcome]);
    }
  });

  it("is a promise for who awaits it", async () => {
    const pending = new Pending();
    queueMicrotask(() => pending.end(200));
    assert.equal(await pending, 200);
    const other = new Pending();
    queueMicrotask(() => other.break(new Error("broken")));
    await assert.rejects(other, /broken/);
    const third = new Pending();
    third.end(404);
    let calls = 0;
    assert.equal(await third.finally(() => calls++), 404);
    assert.equal(calls, 1);
    const fourth = new Pending();
    fourth.break("no");
    assert.equal(await fourth.catch((error) => `caught ${error}`), "caught no");
  });

  it("has one waiter", () => {
    const pending = new Pending();
    pending.tell(new Waiter());
    assert.throws(() => pending.tell(new Waiter()));
  });
});
