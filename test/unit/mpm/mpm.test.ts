import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planOf } from "../../../modules/mpm/mpm.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

const plan = (text: string, cores = 4, spreads = true, files = 20_000) =>
  planOf(new TestGeneration(`Listen 127.0.0.1:80\n${text}`, new VirtualClock()).process, cores, spreads, files);

describe("planOf()", () => {
  for (const [text, children] of [
    ["", 4],
    ["MaxRequestWorkers 24", 1],
    ["StartServers 1", 1],
    ["StartServers 3", 3],
    ["StartServers auto", 4],
    ["StartServers 0", 1],
    ["StartServers 5\nServerLimit 2", 2],
    ["StartServers 99", 8],
    ["StartServers 4\nMaxRequestWorkers 3", 3],
    ["StartServers auto\nMaxRequestWorkers 24", 1],
    ["StartServers auto\nMaxRequestWorkers 75", 3],
    ["StartServers 3\nListen unix:/s", 1],
  ] as const) {
    it(`${text.replace("\n", ", ") || "nothing"}: ${children}`, () => assert.equal(plan(text).children, children));
  }

  it("divides the descriptors, but where a number is asked for", () => {
    assert.equal(plan("", 64, true, 1024).children, 4);
    assert.equal(plan("", 64, true, 100).children, 1);
    assert.equal(plan("", 64, true, Number.POSITIVE_INFINITY).children, 16);
    assert.equal(plan("StartServers 2", 64, true, 100).children, 2);
  });

  it("says why it is one child", () => {
    assert.match(plan("StartServers 3\nListen unix:/s").why, /unix socket/);
    assert.match(plan("StartServers 3", 4, false).why, /does not spread/);
    assert.match(plan("Listen unix:/s").why, /unix socket/);
    assert.equal(plan("StartServers 1\nListen unix:/s", 4, false).why, "");
  });

  it("reads MaxRequestWorkers", () => {
    assert.equal(plan("StartServers 4\nMaxRequestWorkers 150").connections, 150);
    assert.equal(plan("MaxClients 7").connections, 7);
    assert.equal(plan("StartServers 4").connections, 0);
  });

  it("reads the others", () => {
    const { lifetime, backlog } = plan("MaxRequestsPerChild 9\nListenBackLog 33");
    assert.deepEqual([lifetime, backlog], [9, 33]);
    assert.throws(() => plan("ListenBacklog 0"), /ListenBacklog must be > 0/);
    assert.throws(() => plan("AsyncRequestWorkerFactor x"), /error parsing value/);
    assert.throws(
      () => plan("<VirtualHost *:80>\nStartServers 2\n</VirtualHost>"),
      /cannot occur within <VirtualHost>/,
    );
  });
});
