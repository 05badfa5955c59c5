/** lbmethod=roundrobin: each member that may serve in turn, whatever its load factor. */
import { defineModule, lbmethod } from "sluice";

export default defineModule({
  name: "mod_lbmethod_roundrobin",
  registerHooks(hooks) {
    hooks.provider(lbmethod, "roundrobin", () => {
      let turn = 0; // one for each balancer, in each child
      return { finder: (candidates) => candidates[turn++ % candidates.length]! };
    });
  },
});
