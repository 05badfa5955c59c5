import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attachSlots } from "../../../modules/slotmem/slotmem.ts";
import { Struct } from "../../../modules/slotmem/struct.ts";

describe("Struct", () => {
  const struct = new Struct({ flags: "i32", sum: "f64", busy: "i32", low: "i32" });

  it("what slots have in one field lies side by side", () => {
    const buffer = new ArrayBuffer(72);
    for (let row = 0; row < 3; row++) Object.assign(struct.slotAt(buffer, 24 * row), { sum: row + 0.5, low: row });
    const { f64, i32 } = struct.slotAt(buffer, 0);
    assert.deepEqual([...f64[0]!], [0.5, 1.5, 2.5]);
    assert.deepEqual([...i32[struct.index("low")]!], [0, 1, 2]);
    assert.deepEqual([...new Float64Array(buffer, 0, 3)], [0.5, 1.5, 2.5]);
  });

  it("fields are apart, and slots are", () => {
    assert.equal(struct.sizeBytes, 24);
    const buffer = new SharedArrayBuffer(48);
    const at = (bytes: number) => ({ at: bytes, fresh: true });
    const slots = attachSlots(struct, { buffer }, [at(0), at(24)]);
    const [a, b] = slots.map(({ slot }) => slot) as [(typeof slots)[0]["slot"], (typeof slots)[0]["slot"]];
    Object.assign(a, { flags: 1, sum: 2.5, busy: 3, low: -4 });
    assert.deepEqual([a.flags, a.sum, a.busy, a.low], [1, 2.5, 3, -4]);
    assert.deepEqual([b.flags, b.sum, b.busy, b.low], [0, 0, 0, 0]);
    assert.equal(attachSlots(struct, { buffer }, [{ at: 0, fresh: false }])[0]!.slot.sum, 2.5);
    Atomics.add(a.i32[struct.index("busy")]!, a.row, 1);
    assert.equal(a.busy, 4);
    struct.copy(a, b);
    assert.deepEqual([b.flags, b.sum, b.busy, b.low], [1, 2.5, 4, -4]);
    assert.equal(attachSlots(struct, { buffer }, [at(24)])[0]!.slot.sum, 0, "a fresh one is cleared");
    assert.deepEqual([b.flags, b.busy, b.low, a.low], [0, 0, 0, -4]);
  });
});
