/**
 * Draws candidates at random, each in proportion to its lbfactor, in the time of a binary search.
 */
import type { Candidates, Clock } from "../../modules/mod.ts";

export class Draw {
  private candidates: Candidates | null = null;
  /** The sum of the lbfactors up to each candidate, itself included. */
  private sums = new Float64Array(0);

  /** The place of one candidate. */
  one(candidates: Candidates, clock: Clock): number {
    if (candidates !== this.candidates) this.take(candidates);
    return this.find(clock.random() * this.sums[this.sums.length - 1]!);
  }

  /** The place of another than the one that `one` drew last: itself if it is alone. */
  other(first: number, clock: Clock): number {
    const { sums } = this;
    if (sums.length === 1) return first;
    const before = first === 0 ? 0 : sums[first - 1]!;
    const own = sums[first]! - before;
    const point = clock.random() * (sums[sums.length - 1]! - own);
    return this.find(point < before ? point : point + own);
  }

  /** The first whose sum is above `point`. */
  private find(point: number): number {
    const { sums } = this;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private take(candidates: Candidates): void {
    this.sums = new Float64Array(candidates.length);
    let sum = 0;
    for (let i = 0; i < candidates.length; i++) this.sums[i] = sum += candidates[i]!.s.lbfactor;
    this.candidates = candidates;
  }
}
