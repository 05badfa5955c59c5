/** A balancer with FTP members, through the whole program. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { freePort } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { startFtpServer } from "../support/ftp_server.ts";
import { startSluice } from "../support/sluice.ts";

it("serves from the member that answers, as the user that the client names", async () => {
  await using ftp = await startFtpServer({ files: { "/pub/a.txt": "from ftp" }, listings: { "/pub": "" } });
  await using sluice = await startSluice(
    `
listen: 127.0.0.1:PORT
logFormat: '"%u %s %b %{BALANCER_WORKER_NAME}e" members'
customLog: DIR/access.log members
proxy:
  balancer://files:
    balancerMember:
      - { url: "ftp://127.0.0.1:${await freePort()}" }
      - { url: "${ftp.url}" }
proxyPass: /files/ balancer://files/pub/
`,
    { syntax: "yaml" },
  );
  for (let i = 0; i < 3; i++) {
    const response = await fetchOnce(sluice.port, "/files/a.txt", `Authorization: Basic ${btoa("joe:secret")}`);
    assert.equal(response.text, "from ftp");
  }
  await sluice.untilFile("access.log", `joe 200 8 ${ftp.url}\n`.repeat(3));
  assert.equal(ftp.commands.filter((command) => command === "PASS secret").length, 3);
});
