/**
 * A consistent hash: which member a key belongs to, so that a member that comes or goes takes or leaves its own keys and moves
 * no others. Whole numbers alone, so that it is the same on every runtime and in every proxy.
 * Source: D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997; points for each member as in ketama
 */
import type { ProxyWorker } from "../../modules/mod.ts";

/** Of a member with lbfactor 100: its share of the keys is right within a twelfth. */
const POINTS = 160;
/** So many at most, whatever the lbfactors: 16 MB. */
const MOST_POINTS = 1 << 20;

export class Ring {
  /** In ascending order. */
  private readonly points: Uint32Array;
  /** The place of the member that each point belongs to. */
  private readonly owners: Int32Array;

  constructor(members: readonly ProxyWorker[]) {
    const wanted = members.map(({ s }) => Math.max(1, Math.round((POINTS * s.lbfactor) / 100)));
    const total = wanted.reduce((sum, count) => sum + count, 0);
    const scale = Math.min(1, MOST_POINTS / total);
    const counts = wanted.map((count) => Math.max(1, Math.floor(count * scale)));
    const size = counts.reduce((sum, count) => sum + count, 0);
    // Point and member in one number, so that the built-in sort of numbers serves.
    const sorted = new Float64Array(size);
    let at = 0;
    for (let i = 0; i < members.length; i++) {
      const base = hash(members[i]!.name);
      for (let k = 0; k < counts[i]!; k++) sorted[at++] = mix(base + Math.imul(k, 0x9e3779b9)) * members.length + i;
    }
    sorted.sort();
    this.points = new Uint32Array(size);
    this.owners = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      this.points[i] = Math.floor(sorted[i]! / members.length);
      this.owners[i] = sorted[i]! % members.length;
    }
  }

  get size(): number {
    return this.points.length;
  }

  /** The first point at or after that of a key. */
  find(key: string): number {
    const { points } = this;
    const point = hash(key);
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle]! >= point) high = middle;
      else low = middle + 1;
    }
    return low === points.length ? 0 : low;
  }

  /** The member's place of a point; points go round. */
  ownerAt(point: number): number {
    return this.owners[point % this.owners.length]!;
  }
}

/** FNV-1a over the UTF-16 units, then well mixed: FNV leaves the high bits of short texts alike. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** Source: A. Appleby, MurmurHash3 fmix32 */
function mix(n: number): number {
  let h = n | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
