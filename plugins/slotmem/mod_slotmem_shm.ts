/**
 * mod_slotmem_shm: slots in a SharedArrayBuffer, which every child sees.
 * Source: httpd modules/slotmem/mod_slotmem_shm.c
 */
import { z } from "zod";
import { attachSlots, defineModule, slotmem } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_slotmem_shm",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(slotmem, "shm", {
      create: (name, struct, count) => attachSlots(name, struct, new SharedArrayBuffer(count * struct.sizeBytes)),
    });
  },
});
