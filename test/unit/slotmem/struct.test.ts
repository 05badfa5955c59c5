import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attachSlots } from "../../../modules/slotmem/slotmem.ts";
import { Struct } from "../../../modules/slotmem/struct.ts";

describe("Struct", () => {
  const struct = new Struct({ flags: "i32", sum: "f64", busy: "i32", low: "i32" });

  it("fields are apart, and slots are", () => {
    assert.equal(struct.sizeBytes, 24);
    const buffer = new SharedArrayBuffer(48);
    const at = (bytes: number) => ({ at: bytes, fresh: true });
    const slots = attachSlots(struct, { buffer }, [at(0), at(24)]);
    const [a, b] = slots.map(({ slot }) => slot) as [(typeof slots)[0]["slot"], (typeof slots)[0]["slot"]];
    Object.assign(a, { flags: 1, sum: 2.5, busy: 3, low: -4 });
    assert.deepEqual([a.flags, a.sum, a.busy, a.low], [1, 2.5, 3, -4]);
    assert.deepEqual([b.flags, b.sum, b.busy, b.low], [0, 0, 0, 0]);
    assert.equal(attachSlots(struct, { buffer }, [at(0)])[0]!.slot.sum, 2.5);
    Atomics.add(a.i32, struct.index("busy"), 1);
    assert.equal(a.busy, 4);
    struct.copy(a, b);
    assert.equal(b.low, -4);
  });
});
