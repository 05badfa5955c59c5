import assert from "node:assert/strict";
import { test } from "node:test";
import { makeServer, settle } from "../../../support/server.ts";

test("?auto: in its first second the server is up for no time at all", async () => {
  const server = makeServer("<Location /status>\nSetHandler server-status\nRequire all granted\n</Location>");
  const ask = async (): Promise<string> => {
    const client = server.connect();
    client.feed("GET /status?auto HTTP/1.0\r\nHost: a\r\n\r\n");
    await settle();
    return client.written;
  };
  assert.match(await ask(), /\nServerUptimeSeconds: 0\nServerUptime:\n/);
  server.clock.advance(61_000);
  assert.match(await ask(), /\nServerUptimeSeconds: 61\nServerUptime: 1 minute 1 second\n/);
});
