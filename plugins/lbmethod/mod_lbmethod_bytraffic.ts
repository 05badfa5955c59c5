/**
 * lbmethod=bytraffic: bytes, to and from the backend, in proportion to the load factors. It never forgets: a member that was
 * away gets all requests until it has caught up.
 * Source: httpd modules/proxy/balancers/mod_lbmethod_bytraffic.c
 */
import { Counters, defineModule, type LbMethod, lbmethod, type ProxyBalancer, z } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_lbmethod_bytraffic",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "bytraffic", bytraffic);
  },
});

function bytraffic(balancer: ProxyBalancer): LbMethod {
  const counters = new Counters();
  return {
    finder(candidates) {
      const { rows, lbfactor, transferred, read } = counters.of(candidates);
      let best = 0;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!;
        const factor = lbfactor[row]!;
        const to = transferred[row]!;
        const from = read[row]!;
        // The two divisions drop less than 2: most members are ruled out without them, which cost most of an election.
        if (to + from >= (least + 2) * factor) continue;
        const traffic = weighed(to, from, factor);
        if (traffic < least) {
          best = i;
          least = traffic;
        }
      }
      return candidates[best]!;
    },
    figure({ s }) {
      const traffic = weighed(s.transferred, s.read, s.lbfactor);
      return `traffic ${traffic} (to ${s.transferred}, from ${s.read}, lbfactor ${s.lbfactor})`;
    },
    reset() {
      for (const { s } of balancer.members) s.transferred = s.read = 0;
    },
  };
}

/** Two divisions of whole numbers, as in httpd. */
function weighed(transferred: number, read: number, lbfactor: number): number {
  return Math.floor(transferred / lbfactor) + Math.floor(read / lbfactor);
}
