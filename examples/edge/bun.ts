/**
 * For a host that runs Bun, or here: bun run examples/edge/bun.ts. Bun serves what is exported, on the port of `listen`.
 */
import { createHandler } from "sluice";

export default await createHandler(`
listen: 127.0.0.1:8080
serverName: localhost
proxy:
  "balancer://app":
    balancerMember:
      - { url: "http://127.0.0.1:3001", route: a }
      - { url: "http://127.0.0.1:3002", route: b }
proxyPass: / balancer://app/
proxyPassReverse: / balancer://app/
`);
