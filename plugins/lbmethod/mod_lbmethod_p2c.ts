/**
 * lbmethod=p2c: of two candidates that chance names, the one with fewer requests at hand for its load factor. Nearly as even as
 * asking for the least busy of all, at the cost of two looks, and without all proxies running to the same member.
 * Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001; with weights, as
 * nginx `random two least_conn`: drawn in proportion to them, then compared by connections for the weight
 */
import { defineModule, type LbMethod, lbmethod, z } from "../../modules/mod.ts";
import { Draw } from "./draw.ts";

export default defineModule({
  name: "mod_lbmethod_p2c",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "p2c", p2c);
  },
});

function p2c(): LbMethod {
  const draw = new Draw();
  return {
    finder(candidates, r) {
      const { clock } = r.conn.process;
      const place = draw.one(candidates, clock);
      const first = candidates[place]!;
      const second = candidates[draw.other(place, clock)]!;
      // Of equals the first drawn, so that idle members are elected in proportion to their lbfactors.
      return second.s.busy * first.s.lbfactor < first.s.busy * second.s.lbfactor ? second : first;
    },
    figure: ({ s }) => `busy ${s.busy}, lbfactor ${s.lbfactor}`,
  };
}
