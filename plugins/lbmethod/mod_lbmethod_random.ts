/**
 * lbmethod=random: any candidate, in proportion to the load factors. Proxies that know nothing of each other do not fall into
 * step, as those do that count in turn.
 * Source: nginx ngx_http_upstream_random_module.c (`random`), haproxy "balance random(1)"
 */
import { defineModule, type LbMethod, lbmethod, z } from "../../modules/mod.ts";
import { Draw } from "./draw.ts";

export default defineModule({
  name: "mod_lbmethod_random",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "random", random);
  },
});

function random(): LbMethod {
  const draw = new Draw();
  return {
    finder: (candidates, r) => candidates[draw.one(candidates, r.conn.process.clock)]!,
    figure: ({ s }) => `lbfactor ${s.lbfactor}`,
  };
}
