import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KnownPlaces, PlaceKeeper } from "../../../modules/core/places.ts";

describe("PlaceKeeper", () => {
  it("a key keeps its place while a generation has it; what no generation has is given out again", () => {
    const keeper = new PlaceKeeper(16);
    const [a, b] = keeper.take(["a", "b"], 0);
    assert.deepEqual([a!.fresh, b!.fresh, a!.at === b!.at], [true, true, false]);
    const [again] = keeper.take(["a"], 1);
    assert.deepEqual(again, { at: a!.at, fresh: false });
    keeper.release(0);
    keeper.release(0);
    const [known, fresh] = keeper.take(["a", "c"], 2);
    assert.deepEqual([known!.fresh, fresh!.at], [false, b!.at]);
    keeper.release(1);
    keeper.release(2);
    const [late] = keeper.take(["a"], 3);
    assert.equal(late!.fresh, true);
  });

  it("says that it is full, and goes on with what there is", () => {
    const keeper = new PlaceKeeper(8);
    const keys = Array.from({ length: 1024 }, (_, i) => `k${i}`);
    keeper.take(["first"], 0);
    assert.throws(() => keeper.take(keys, 1), /shared memory is full: it has room for 1024 members/);
    keeper.release(1);
    assert.equal(keeper.take(["first"], 2)[0]!.fresh, false);
    assert.equal(keeper.take(["other"], 2)[0]!.fresh, true);
  });

  it("a child finds the same places, and none that it was not told of", () => {
    const keeper = new PlaceKeeper(8);
    const places = keeper.take(["a", "b"], 0);
    const known = new KnownPlaces(keeper.buffer, keeper.map());
    assert.deepEqual(
      known.take(["b", "a"]).map(({ at }) => at),
      [places[1]!.at, places[0]!.at],
    );
    assert.throws(() => known.take(["c"]), /no place/);
  });
});
