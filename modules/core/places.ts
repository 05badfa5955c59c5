/**
 * Which piece of a shared memory belongs to whom, over generations: what a new configuration still has keeps its piece.
 */
import type { Place, Places } from "./siblings.ts";

/** There is room for so many, or for so many times what is wanted at first: members come with reloads. */
const LEAST_ROOM = 1024;
const ROOM_FACTOR = 8;

interface Entry {
  readonly at: number;
  readonly generations: Set<number>;
}

/** Gives the pieces out. In what starts the children, or in the only child. */
export class PlaceKeeper implements Places {
  private memory: SharedArrayBuffer | null = null;
  readonly sizeBytes: number;
  private readonly entries = new Map<string, Entry>();
  private readonly free: number[] = [];
  private next = 0;

  /** @param sizeBytes of a piece; a multiple of 8 */
  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  get buffer(): SharedArrayBuffer {
    return (this.memory ??= new SharedArrayBuffer(LEAST_ROOM * this.sizeBytes));
  }

  /** @throws Error if there is no room */
  take(keys: readonly string[], generation: number): Place[] {
    this.memory ??= new SharedArrayBuffer(Math.max(LEAST_ROOM, ROOM_FACTOR * keys.length) * this.sizeBytes);
    return keys.map((key) => {
      const known = this.entries.get(key);
      known?.generations.add(generation);
      if (known !== undefined) return { at: known.at, fresh: false };
      const at = this.allot();
      this.entries.set(key, { at, generations: new Set([generation]) });
      return { at, fresh: true };
    });
  }

  /** A generation is gone: pieces that no other one has are free. */
  release(generation: number): void {
    for (const [key, entry] of this.entries) {
      if (!entry.generations.delete(generation) || entry.generations.size > 0) continue;
      this.entries.delete(key);
      this.free.push(entry.at);
    }
  }

  /** For a child. */
  map(): ReadonlyMap<string, number> {
    return new Map([...this.entries].map(([key, { at }]) => [key, at]));
  }

  private allot(): number {
    const { buffer, sizeBytes } = this;
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    const at = this.next * sizeBytes;
    if (at + sizeBytes > buffer.byteLength) {
      throw new Error(`shared memory is full: it has room for ${this.next} members; a restart makes more`);
    }
    this.next++;
    return at;
  }
}

/** Finds the pieces that were given out before. */
export class KnownPlaces implements Places {
  readonly buffer: SharedArrayBuffer;
  private readonly map: ReadonlyMap<string, number>;

  constructor(buffer: SharedArrayBuffer, map: ReadonlyMap<string, number>) {
    this.buffer = buffer;
    this.map = map;
  }

  take(keys: readonly string[]): Place[] {
    return keys.map((key) => {
      const at = this.map.get(key);
      if (at === undefined) throw new Error(`no place in shared memory for ${key}`);
      return { at, fresh: false };
    });
  }
}
