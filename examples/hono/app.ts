/**
 * sluice as middleware: bun run examples/hono/app.ts, or deno serve -A examples/hono/app.ts.
 * What is below /api/ goes to a balancer; the rest is the application's.
 */
import { Hono } from "hono";
import { sluice } from "sluice/hono";

const app = new Hono();

app.all(
  "/api/*",
  sluice(`
    <Proxy "balancer://api">
        BalancerMember "http://127.0.0.1:3001"
        BalancerMember "http://127.0.0.1:3002"
    </Proxy>
    ProxyPass "/api/" "balancer://api/v1/"
    ProxyPassReverse "/api/" "balancer://api/v1/"
  `),
);
app.get("/", (c) => c.text("the application"));

export default app;
