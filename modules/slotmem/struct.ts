/**
 * Structures in shared memory: a field layout becomes accessors over any ArrayBuffer or SharedArrayBuffer.
 *
 * An f64 is written by plain stores: two children that add at one moment lose an addition, as in httpd. An i32 is meant for
 * what must not: change it by Atomics on `slot.i32[struct.index(field)]`.
 */
export type FieldType = "i32" | "f64";
export type Layout = Readonly<Record<string, FieldType>>;

/** One structure: its fields as properties, and the arrays beneath them. */
export type Slot<L extends Layout> = SlotBase & { [K in keyof L]: number };

class SlotBase {
  readonly f64: Float64Array;
  readonly i32: Int32Array;

  constructor(buffer: ArrayBufferLike, at: number, f64Count: number, i32Count: number) {
    this.f64 = new Float64Array(buffer, at, f64Count);
    this.i32 = new Int32Array(buffer, at + 8 * f64Count, i32Count);
  }
}

export class Struct<L extends Layout> {
  /** A multiple of 8. */
  readonly sizeBytes: number;
  readonly fields: readonly (keyof L & string)[];
  private readonly indexes = new Map<string, number>();
  readonly f64Count: number;
  private readonly i32Count: number;
  private readonly slotClass: new (
    buffer: ArrayBufferLike,
    at: number,
    f64Count: number,
    i32Count: number,
  ) => SlotBase;

  constructor(layout: L) {
    this.fields = Object.keys(layout);
    class StructSlot extends SlotBase {}
    const next = { f64: 0, i32: 0 };
    for (const field of this.fields) {
      const type = layout[field]!;
      const index = next[type]++;
      this.indexes.set(field, index);
      Object.defineProperty(StructSlot.prototype, field, type === "f64" ? f64Accessor(index) : i32Accessor(index));
    }
    this.f64Count = next.f64;
    this.i32Count = next.i32;
    this.sizeBytes = 8 * next.f64 + 8 * Math.ceil(next.i32 / 2);
    this.slotClass = StructSlot;
  }

  /** The field's place in `slot.i32` or `slot.f64`. */
  index(field: keyof L & string): number {
    return this.indexes.get(field)!;
  }

  /** @param at bytes; a multiple of 8 */
  slotAt(buffer: ArrayBufferLike, at: number): Slot<L> {
    return new this.slotClass(buffer, at, this.f64Count, this.i32Count) as Slot<L>;
  }

  copy(from: Slot<L>, to: Slot<L>): void {
    to.f64.set(from.f64);
    to.i32.set(from.i32);
  }
}

function f64Accessor(index: number): PropertyDescriptor & ThisType<SlotBase> {
  return {
    get() {
      return this.f64[index];
    },
    set(value: number) {
      this.f64[index] = value;
    },
  };
}

function i32Accessor(index: number): PropertyDescriptor & ThisType<SlotBase> {
  return {
    get() {
      return this.i32[index];
    },
    set(value: number) {
      Atomics.store(this.i32, index, value);
    },
  };
}
