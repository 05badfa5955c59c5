/**
 * lbmethod=bybusyness: the member with the fewest requests at hand; of equals, the one that byrequests would choose.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_bybusyness.c
 */
import { z } from "zod";
import { defineModule, type LbMethod, lbmethod, type ProxyBalancer } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_bybusyness",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "bybusyness", bybusyness);
  },
});

function bybusyness(balancer: ProxyBalancer): LbMethod {
  return {
    finder(candidates) {
      let best = candidates[0];
      let total = 0;
      for (let i = 0; i < candidates.length; i++) {
        const candidate = candidates[i]!;
        const { s } = candidate;
        s.lbstatus += s.lbfactor;
        total += s.lbfactor;
        const more = s.busy - best.s.busy;
        if (more < 0 || (more === 0 && s.lbstatus > best.s.lbstatus)) best = candidate;
      }
      best.s.lbstatus -= total;
      return best;
    },
    reset() {
      for (const { s } of balancer.members) s.lbstatus = s.busy = 0;
    },
  };
}
