/** lbmethod=roundrobin: each member that may serve in turn, whatever its load factor. */
import { z } from "zod";
import { defineModule, lbmethod } from "../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_roundrobin",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "roundrobin", () => {
      let turn = 0; // one for each balancer
      return { finder: (candidates) => candidates[turn++ % candidates.length]! };
    });
  },
});
