/**
 * mod_slotmem_shm: slots in memory that every child sees. They outlive a reload.
 * Source: httpd modules/slotmem/mod_slotmem_shm.c
 */
import { attachSlots, defineModule, slotmem, z } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_slotmem_shm",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(slotmem, "shm", {
      attach({ siblings, generation }, name, struct, keys) {
        const places = siblings.memory(name, struct.sizeBytes);
        return attachSlots(struct, places, places.take(keys, generation));
      },
    });
  },
});
