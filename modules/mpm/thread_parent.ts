/**
 * What the children share, as who starts them has it: allots the memory of all of them, and serves nothing itself.
 */
import { OnlyChild } from "../core/only_child.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";
import type { SharedMemory } from "./messages.ts";

export class ThreadParent extends OnlyChild {
  override readonly index = -1;
  override readonly count = MOST_CHILDREN;

  /** For a child. @param known the memory that it has; what it gets is added */
  snapshot(known: Set<string>): SharedMemory[] {
    return [...this.keepers].map(([name, keeper]) => {
      const buffer = known.has(name) ? undefined : keeper.buffer;
      known.add(name);
      return { name, buffer, places: keeper.map() };
    });
  }
}
