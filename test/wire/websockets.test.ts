/** Many WebSockets at one time, through both fronts; bench/websockets.ts does the same with more of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SLOW, startSluice } from "../support/sluice.ts";
import { runLoad, startEcho } from "../support/web_socket_load.ts";

const onBun = "Bun" in globalThis;
const SIZE = 16 * 1024 * 1024;
const MB = 1024;

for (const [front, inFlight, mostMb] of [
  // Nothing is gathered: what grows is what sockets hold.
  ["net", 24, 150],
  // On Bun messages are held whole, several times over, by the runtime.
  onBun ? (["fetch", 4, 900] as const) : (["fetch", 24, 250] as const),
] as const) {
  test(
    `${front}: 1 KB and 16 MB come back byte for byte, half of the peers read slowly, memory is bounded`,
    SLOW,
    async () => {
      const echo = await startEcho();
      await using sluice = await startSluice(
        `Listen 127.0.0.1:PORT\nFront ${front}\nServerName a.test\nProxyPass / ws://127.0.0.1:${echo.port}/`,
      );
      const memory = (): number =>
        Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8"))![1]) / MB;
      const before = memory();
      const result = await runLoad({
        port: sluice.port,
        sockets: 24,
        small: 10,
        large: 1,
        smallSize: 1024,
        largeSize: SIZE,
        inFlight,
      });
      echo.close();
      assert.deepEqual(result.errors, []);
      assert.equal(result.echoed, 24 * 11);
      const grown = Math.round(memory() - before);
      assert.ok(grown < mostMb, `memory grew by ${grown} MB`);
    },
  );
}
