/**
 * Counters of all children. Each child adds in a stripe of its own, so that no two write to one number and none is lost; what
 * a child has counted stays when it ends, and its successor goes on from there.
 */
import type { ProcessRec } from "../core/records.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";

export class Stripes {
  /** Of this child: add here. */
  readonly own: Float64Array;
  private readonly all: Float64Array;

  /** @param all stripes of `length` counters, one after the other; @param child whose stripe is `own` */
  constructor(all: Float64Array, length: number, child: number) {
    this.all = all;
    this.own = all.subarray(child * length, (child + 1) * length);
  }

  /** What all children have counted. */
  sums(): Float64Array {
    const { all, own } = this;
    if (all.length === own.length) return own.slice();
    const sums = new Float64Array(own.length);
    for (let at = 0; at < all.length; at += own.length) {
      for (let i = 0; i < own.length; i++) sums[i]! += all[at + i]!;
    }
    return sums;
  }
}

/** `length` counters for each key. Only in check_config, as all shared memory. @throws Error if there is no room */
export function attachStripes(
  { siblings, generation }: ProcessRec,
  name: string,
  length: number,
  keys: readonly string[],
): Stripes[] {
  const count = siblings.count === 1 ? 1 : MOST_CHILDREN;
  const places = siblings.memory(name, 8 * length * count);
  return places.take(keys, generation).map(({ at, fresh }) => {
    const all = new Float64Array(places.buffer, at, length * count);
    if (fresh) all.fill(0);
    return new Stripes(all, length, Math.max(0, siblings.index));
  });
}
