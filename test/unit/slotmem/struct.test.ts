import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attachSlots } from "../../../modules/slotmem/slotmem.ts";
import { Struct } from "../../../modules/slotmem/struct.ts";

describe("Struct", () => {
  const struct = new Struct({ flags: "i32", sum: "f64", busy: "i32", low: "i32" });

  it("fields are apart, and slots are", () => {
    assert.equal(struct.sizeBytes, 24);
    const { slots, buffer } = attachSlots("t", struct, new SharedArrayBuffer(48));
    assert.equal(slots.length, 2);
    const [a, b] = slots as [(typeof slots)[0], (typeof slots)[0]];
    Object.assign(a, { flags: 1, sum: 2.5, busy: 3, low: -4 });
    assert.deepEqual([a.flags, a.sum, a.busy, a.low], [1, 2.5, 3, -4]);
    assert.deepEqual([b.flags, b.sum, b.busy, b.low], [0, 0, 0, 0]);
    assert.equal(attachSlots("t", struct, buffer).slots[0]!.sum, 2.5);
    Atomics.add(a.i32, struct.index("busy"), 1);
    assert.equal(a.busy, 4);
    struct.copy(a, b);
    assert.equal(b.low, -4);
  });
});
