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
import { Counters, defineModule, type LbMethod, lbmethod, type ProxyBalancer, z } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_byrequests",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "byrequests", byrequests);
  },
});

function byrequests(balancer: ProxyBalancer): LbMethod {
  const counters = new Counters();
  return {
    finder(candidates) {
      const { rows, lbstatus, lbfactor, sumOfLbfactors } = counters.of(candidates);
      let best = 0;
      let most = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const urgency = lbstatus[row]! + lbfactor[row]!;
        lbstatus[row] = urgency;
        if (urgency > most) {
          best = i;
          most = urgency;
        }
      }
      lbstatus[rows[best]!] = most - sumOfLbfactors;
      return candidates[best]!;
    },
    figure: ({ s }) => `lbstatus ${s.lbstatus} + lbfactor ${s.lbfactor}`,
    reset() {
      for (const { s } of balancer.members) s.lbstatus = 0;
    },
  };
}
