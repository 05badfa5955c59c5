/** What mod_proxy tells the log of a request: `%{proxy-status}n` and the session's notes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { respond, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { startSluice } from "../support/sluice.ts";

test("proxy-status is the backend's status, whatever the client gets; session-route is that of the request", async () => {
  await using backend = await startBackend({ "/gone": respond(410, "") });
  await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName front.test
    ProxyErrorOverride On
    ErrorDocument 410 "/b/page"
    LogFormat "%U %>s %{proxy-status}n %{Session-Route}n" notes
    CustomLog DIR/access.log notes
    <Proxy "balancer://b">
      BalancerMember "${backend.url}" route=r1
      ProxySet stickysession=SID
    </Proxy>
    ProxyPass "/dead/" "http://127.0.0.1:1/"
    ProxyPass "/b/" "balancer://b/"
  `);
  await using client = await connectClient(sluice.port);
  for (const path of ["/b/x", "/b/x;SID=a.r1", "/b/gone", "/dead/x"]) await client.get(path);
  await sluice.untilFile("access.log", /dead/);
  assert.deepEqual(sluice.file("access.log").trimEnd().split("\n"), [
    "/b/x 200 200 -",
    "/b/x;SID=a.r1 200 200 r1",
    "/b/gone 410 200 -",
    "/dead/x 503 - -",
  ]);
});
