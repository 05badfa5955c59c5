/**
 * lbmethod=bybusyness: the member with the fewest requests at hand; of equals, the one that byrequests would choose.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_bybusyness.c
 */
import { Counters, defineModule, type LbMethod, lbmethod, type ProxyBalancer, z } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_bybusyness",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "bybusyness", bybusyness);
  },
});

function bybusyness(balancer: ProxyBalancer): LbMethod {
  const counters = new Counters();
  return {
    finder(candidates) {
      const { rows, lbstatus, lbfactor, busy, sumOfLbfactors } = counters.of(candidates);
      let best = 0;
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const urgency = lbstatus[row]! + lbfactor[row]!;
        lbstatus[row] = urgency;
        const atHand = busy[row]!;
        if (atHand < least || (atHand === least && urgency > most)) {
          best = i;
          least = atHand;
          most = urgency;
        }
      }
      lbstatus[rows[best]!] = most - sumOfLbfactors;
      return candidates[best]!;
    },
    figure: ({ s }) => `busy ${s.busy}, lbstatus ${s.lbstatus} + lbfactor ${s.lbfactor}`,
    reset() {
      for (const { s } of balancer.members) s.lbstatus = s.busy = 0;
    },
  };
}
