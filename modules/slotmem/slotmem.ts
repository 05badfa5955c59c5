/**
 * The provider group `slotmem`: memory for slots, shared between children or not.
 * Source: httpd include/ap_slotmem.h
 */
import { providerGroup } from "../core/providers.ts";
import type { Layout, Slot, Struct } from "./struct.ts";

/** Slots of one structure, and the buffer to give to a child. */
export interface Slots<L extends Layout> {
  readonly name: string;
  readonly buffer: ArrayBufferLike;
  readonly slots: readonly Slot<L>[];
}

export interface SlotmemProvider {
  /** Zeroed slots. */
  create<L extends Layout>(name: string, struct: Struct<L>, count: number): Slots<L>;
}

/** @default "shm" where a configuration names none */
export const slotmem = providerGroup<SlotmemProvider>("slotmem");

/** The slots of a buffer that `create` made, here or in the parent. */
export function attachSlots<L extends Layout>(name: string, struct: Struct<L>, buffer: ArrayBufferLike): Slots<L> {
  const slots: Slot<L>[] = [];
  for (let at = 0; at + struct.sizeBytes <= buffer.byteLength; at += struct.sizeBytes) {
    slots.push(struct.slotAt(buffer, at));
  }
  return { name, buffer, slots };
}
