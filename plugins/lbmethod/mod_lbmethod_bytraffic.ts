/**
 * lbmethod=bytraffic: bytes, to and from the backend, in proportion to the load factors. It never forgets: a member that was
 * away gets all requests until it has caught up.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_bytraffic.c
 */
import { z } from "zod";
import { defineModule, type LbMethod, lbmethod, type ProxyBalancer } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_bytraffic",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "bytraffic", bytraffic);
  },
});

function bytraffic(balancer: ProxyBalancer): LbMethod {
  return {
    finder(candidates) {
      let best = candidates[0];
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < candidates.length; i++) {
        const { transferred, read, lbfactor } = candidates[i]!.s;
        const traffic = Math.floor(transferred / lbfactor) + Math.floor(read / lbfactor); // two divisions, as in httpd
        if (traffic < least) {
          best = candidates[i]!;
          least = traffic;
        }
      }
      return best;
    },
    reset() {
      for (const { s } of balancer.members) s.transferred = s.read = 0;
    },
  };
}
