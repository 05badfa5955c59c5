/** hcmethod=PROVIDER:queue: a member is well while the queue that it tells of, as {"queued": 7}, is short. */
import { z } from "zod";
import { defineModule, healthCheck } from "../modules/mod.ts";

export default defineModule({
  name: "mod_queue_check",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(healthCheck, "queue", async ({ url, uri, signal }) => {
      const response = await fetch(url + uri, { signal });
      const { queued } = (await response.json()) as { queued: number };
      return { passed: queued < 100, reason: `${queued} queued` };
    });
  },
});
