/** More clients than descriptors: the program lives, serves whom it took, blames no backend, and recovers. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { ok, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { within } from "../support/message.ts";
import { currentRuntime, SLOW, startSluice } from "../support/sluice.ts";
import { askTls, CERTS } from "../support/tls.ts";

const LIMIT = 64;
const CLIENTS = 150;

for (const [children, limit, count] of [
  [1, LIMIT, CLIENTS],
  [2, 160, 200],
] as const) {
  test(`ulimit -n ${limit}, children: ${children}, and ${count} clients at once`, SLOW, async () => {
    await using backend = await startBackend(ok("hello"));
    await using sluice = await startSluice(
      `
    Listen 127.0.0.1:PORT
    StartServers ${children}
    <Proxy "balancer://b">
      BalancerMember "${backend.url}" retry=60
      ProxySet forcerecovery=Off
    </Proxy>
    ProxyPass "/" "balancer://b/"
  `,
      { descriptors: limit },
    );
    if (children > 1) await sluice.untilLog("children serve");
    const clients = await Promise.all(Array.from({ length: count }, () => connectClient(sluice.port)));
    for (const client of clients) void client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Each one is answered, or closed without a byte.
    const settled = (client: Client): boolean =>
      client.closed || client.ended || client.responses[0]?.complete === true;
    const answered = () => clients.filter((client) => client.responses[0]?.status === 200).length;
    await Promise.any(clients.map((client) => client.until(() => client.responses[0]?.complete === true)));
    // Those that were served leave, so that those that still wait in the listener's queue get their turn.
    for (const client of clients) {
      await client.until(() => settled(client));
      client.destroy();
    }
    assert.ok(answered() >= 5, `${answered()} were answered`);
    // Deno accepts a burst before anybody is asked: until that is closed again a backend may be out of reach.
    const errors = clients.flatMap((client) => client.responses).filter(({ status }) => status !== 200);
    assert.deepEqual(
      [...new Set(errors.map(({ status }) => status))],
      currentRuntime === "deno" && errors.length > 0 ? [503] : [],
    );
    // Clients that left may not have been noticed yet: until then another one may be closed at once.
    const recovered = async (): Promise<void> => {
      for (let inARow = 0; inARow < 20; ) {
        const text = await fetchOnce(sluice.port, "/").then(
          (response) => response.text,
          () => "",
        );
        inARow = text === "hello" ? inARow + 1 : 0;
      }
    };
    await within(recovered(), () => `recovery\n${sluice.errorLog}`, 20_000);
    assert.match(sluice.errorLog, /too many open files: \d+ connections were closed at once/);
    assert.doesNotMatch(sluice.errorLog, /disabling worker/);
    assert.equal(await sluice.stop(), 0);
  });
}

test(
  `${CLIENTS} handshakes that begin and never end: the time-out frees their places, and who comes then is served`,
  SLOW,
  async () => {
    await using backend = await startBackend(ok("hello"));
    await using sluice = await startSluice(
      `
    Listen 127.0.0.1:PORT
    ServerName a.test
    SSLEngine on
    SSLCertificateFile ${CERTS}/a.pem
    SSLCertificateKeyFile ${CERTS}/a.key
    RequestReadTimeout handshake=1
    ProxyPass "/" "${backend.url}/"
  `,
      { descriptors: LIMIT },
    );
    const open = (): number => readdirSync(`/proc/${sluice.pid}/fd`).length;
    assert.match(await askTls(sluice.port, "a.test"), /hello$/);
    const before = open();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectClient(sluice.port)));
    // The head of a hello of 512 bytes, and no more of it; every other one says nothing at all.
    for (const [i, client] of clients.entries())
      if (i % 2 === 0) void client.send("\x16\x03\x01\x02\x00\x01").catch(() => {});
    for (const client of clients) await client.until(() => client.closed || client.ended);
    for (const client of clients) client.destroy();
    assert.match(await askTls(sluice.port, "a.test"), /hello$/);
    // A connection to the backend may be kept.
    for (let tries = 0; open() > before + 2; tries++) {
      assert.ok(tries < 100, `${open()} descriptors, ${before} before`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(await sluice.stop(), 0);
  },
);
