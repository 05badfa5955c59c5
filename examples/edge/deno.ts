/**
 * For Deno Deploy, or here: deno serve -A examples/edge/deno.ts (--parallel for one of it on each processor).
 * The backends come from the environment, as on a host they would.
 */
import { createHandler, defineConfig } from "sluice";

const backends = (Deno.env.get("BACKENDS") ?? "http://127.0.0.1:3001,http://127.0.0.1:3002").split(",");

const config = defineConfig({
  serverName: "edge.example",
  proxy: {
    "balancer://app": {
      balancerMember: backends.map((url, i) => ({ url, route: `r${i}`, retry: 5 })),
      proxySet: { lbmethod: "bybusyness", stickysession: "SESSIONID" },
    },
  },
  proxyPass: "/ balancer://app/",
  proxyPassReverse: "/ balancer://app/",
});

export default await createHandler(config, { target: "deno-deploy" });
