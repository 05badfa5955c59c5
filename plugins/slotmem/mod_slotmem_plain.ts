/**
 * mod_slotmem_plain: slots in memory that only this child sees.
 * Source: httpd modules/slotmem/mod_slotmem_plain.c
 */
import { z } from "zod";
import { attachSlots, defineModule, slotmem } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_slotmem_plain",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(slotmem, "plain", {
      create: (name, struct, count) => attachSlots(name, struct, new ArrayBuffer(count * struct.sizeBytes)),
    });
  },
});
