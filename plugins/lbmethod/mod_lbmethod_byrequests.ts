/**
 * lbmethod=byrequests: requests in proportion to the load factors.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_byrequests.c
 *
 * lbstatus is how urgently a member should work: each candidate gains its lbfactor, the most urgent one (the earlier, of
 * equals) is elected and pays what all have gained. The sum stays the same, and the elections are as even as can be:
 *
 *     lbfactor   a 70  b 25  c 5
 *     gained       70    25    5   → a, pays 100:  -30   25   5
 *     gained       40    50   10   → b, pays 100:   40  -50  10
 *     gained      110   -25   15   → a ...          20 elections: 14 a, 5 b, 1 c
 */
import { z } from "zod";
import { defineModule, type LbMethod, lbmethod, type ProxyBalancer } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_byrequests",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "byrequests", byrequests);
  },
});

function byrequests(balancer: ProxyBalancer): LbMethod {
  return {
    finder(candidates) {
      let best = candidates[0];
      let most = Number.NEGATIVE_INFINITY;
      let total = 0;
      for (let i = 0; i < candidates.length; i++) {
        const { s } = candidates[i]!;
        const lbstatus = (s.lbstatus += s.lbfactor);
        total += s.lbfactor;
        if (lbstatus > most) {
          best = candidates[i]!;
          most = lbstatus;
        }
      }
      best.s.lbstatus = most - total;
      return best;
    },
    reset() {
      for (const { s } of balancer.members) s.lbstatus = 0;
    },
  };
}
