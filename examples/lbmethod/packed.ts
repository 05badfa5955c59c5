/**
 * lbmethod=packed: the first member until it has as many requests at hand as PackedLimit says, then the second, and so on:
 * members that are not needed stay idle, and can be switched off. When all have as many, the least busy one for its load factor.
 */
import { defineModule, getModuleConfig, lbmethod, whole, z } from "sluice";

const packed = defineModule({
  name: "mod_lbmethod_packed",
  config: z.object({ limit: whole(1).prefault("100") }),
  commands: ({ take1 }) => [take1("PackedLimit", "server", "limit", "requests at hand with which a member is full")],
  registerHooks(hooks) {
    hooks.provider(lbmethod, "packed", () => ({
      finder(candidates, r) {
        const { limit } = getModuleConfig(r.server.config, packed);
        let best = candidates[0];
        for (const candidate of candidates) {
          if (candidate.s.busy < limit) return candidate;
          if (candidate.s.busy * best.s.lbfactor < best.s.busy * candidate.s.lbfactor) best = candidate;
        }
        return best;
      },
      figure: (candidate) => `busy ${candidate.s.busy}`,
    }));
  },
});
export default packed;
