/**
 * The provider group `slotmem`: memory for slots, shared between children or not.
 * Source: httpd include/ap_slotmem.h
 */
import { providerGroup } from "../core/providers.ts";
import type { ProcessRec } from "../core/records.ts";
import type { Place, Places } from "../core/siblings.ts";
import type { Layout, Slot, Struct } from "./struct.ts";

/** A slot, and whether somebody has it already: another child, or the generation before. */
export interface Attached<L extends Layout> {
  readonly slot: Slot<L>;
  /** It is zeroed, and ours to fill. */
  readonly fresh: boolean;
}

export interface SlotmemProvider {
  /** Slots in one buffer, one for each key, in this order. @throws Error if there is no room */
  attach<L extends Layout>(
    process: ProcessRec,
    name: string,
    struct: Struct<L>,
    keys: readonly string[],
  ): readonly Attached<L>[];
}

/** @default "shm" where a configuration names none */
export const slotmem = providerGroup<SlotmemProvider>("slotmem");

/** The slots at these places. */
export function attachSlots<L extends Layout>(
  struct: Struct<L>,
  { buffer }: Pick<Places, "buffer">,
  places: readonly Place[],
): Attached<L>[] {
  return places.map(({ at, fresh }) => {
    const slot = struct.slotAt(buffer, at);
    if (fresh) struct.clear(slot);
    return { slot, fresh };
  });
}
