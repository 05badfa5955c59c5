import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWorkerParam, type WorkerSettings } from "../../../modules/proxy/params.ts";
import { canUpgrade } from "../../../modules/proxy/tunnel.ts";
import { workerFor } from "../../support/exchange.ts";

test("which protocols a worker passes on, as httpd 2.4.71 was seen to do it", () => {
  for (const [upgrade, protocol, fallback, expected] of [
    ["", "websocket", "WebSocket", true],
    ["", "WEBSOCKET", "WebSocket", true],
    ["", "websocket, h2c", "WebSocket", false],
    ["", "websocket", "", false],
    ["websocket", "WebSocket", "", true],
    ["websocket", "websocket, h2c", "", true],
    ["websocket", "websocketx", "", true],
    ["websocket", "h2c, websocket", "", false],
    ["h2c", "websocket", "WebSocket", false],
    ["any", "x", "", true],
    ["ANY", "x", "", true],
  ] as const) {
    const worker = workerFor(1, { upgrade });
    assert.equal(canUpgrade(worker, protocol, fallback), expected, `upgrade=${upgrade} ${protocol}`);
  }
});

test("upgrade= has at most 15 characters", () => {
  const into: WorkerSettings = {};
  assert.equal(parseWorkerParam(into, "upgrade", "x".repeat(15)), null);
  assert.equal(parseWorkerParam(into, "upgrade", "x".repeat(16)), "upgrade protocol length must be < 16 characters");
});
