/**
 * lbmethod=bybusyness: the member with the fewest requests at hand; of equals, the one that byrequests would choose.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_bybusyness.c
 */
import {
  BUSY_I32,
  Counters,
  defineModule,
  LBFACTOR,
  LBSTATUS,
  type LbMethod,
  lbmethod,
  type ProxyBalancer,
  z,
} from "../../modules/mod.ts";

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
      const { f64, i32, at } = counters.of(candidates);
      let best = 0;
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      let total = 0;
      for (let i = 0; i < at.length; i++) {
        const place = at[i]!;
        const lbfactor = f64[place + LBFACTOR]!;
        const lbstatus = f64[place + LBSTATUS]! + lbfactor;
        f64[place + LBSTATUS] = lbstatus;
        total += lbfactor;
        const busy = i32[2 * place + BUSY_I32]!;
        if (busy < least || (busy === least && lbstatus > most)) {
          best = i;
          least = busy;
          most = lbstatus;
        }
      }
      f64[at[best]! + LBSTATUS] = most - total;
      return candidates[best]!;
    },
    figure: ({ s }) => `busy ${s.busy}, lbstatus ${s.lbstatus} + lbfactor ${s.lbfactor}`,
    reset() {
      for (const { s } of balancer.members) s.lbstatus = s.busy = 0;
    },
  };
}
