/**
 * mod_slotmem_plain: slots in memory that only this child sees, for as long as its configuration serves.
 * Source: httpd modules/slotmem/mod_slotmem_plain.c
 */
import { attachSlots, defineModule, slotmem, z } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_slotmem_plain",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(slotmem, "plain", {
      attach(_process, _name, struct, keys) {
        const buffer = new ArrayBuffer(keys.length * struct.sizeBytes);
        return attachSlots(
          struct,
          { buffer },
          keys.map((_, i) => ({ at: i * struct.sizeBytes, fresh: true })),
        );
      },
    });
  },
});
