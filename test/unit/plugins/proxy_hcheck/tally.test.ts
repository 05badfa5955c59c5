import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerRec } from "../../../../modules/core/records.ts";
import {
  applyHealthCheck,
  type HealthCheckSettings,
  HealthContext,
  KEPT_RESULTS,
  parseHealthParam,
} from "../../../../modules/proxy/health_check.ts";
import { DISABLED, DRAIN, HC_FAIL, IN_ERROR, ProxyWorker, STOPPED } from "../../../../modules/proxy/worker.ts";
import { workerState } from "../../../../modules/proxy/worker_state.ts";
import { parseWorkerUrl } from "../../../../modules/proxy/worker_url.ts";
import { tally } from "../../../../plugins/proxy_hcheck/tally.ts";

function member(line: string): ProxyWorker {
  const url = parseWorkerUrl("http://m0");
  if (typeof url === "string") throw new Error(url);
  const worker = new ProxyWorker(url, "member");
  const context = new HealthContext(new ServerRec(false, "", 0, []));
  const settings: HealthCheckSettings = { context };
  for (const word of line.split(" ")) {
    const [key, value] = word.split("=") as [string, string];
    assert.equal(parseHealthParam(settings, key, value, context), null);
  }
  applyHealthCheck(worker, settings);
  worker.initialize();
  return worker;
}

/** Results as "+" and "-"; after each a dot when the member is usable, "x" when its checks took it out. */
function run(worker: ProxyWorker, results: string): string {
  let text = "";
  let atMs = 1000;
  for (const sign of results) {
    tally(worker, { atMs: atMs++, tookMs: 1, passed: sign === "+", reason: `result ${atMs}` });
    text += sign + (worker.has(HC_FAIL) ? "x" : ".");
  }
  return text;
}

describe("tally()", () => {
  for (const [settings, expected] of [
    ["hcfails=1 hcpasses=1", "-x-x+.+."],
    ["hcfails=3", "-.+.-.+.-.-.-x"],
    ["hcfails=0", "-x"],
    ["hcpasses=2", "-x+x-x+x+."],
    ["hcpasses=0", "-x+."],
    ["hcfails=2 hcpasses=2", "-.-x+x+.-.-x-x+x+."],
  ] as const) {
    it(`${settings}: ${expected}`, () => {
      assert.equal(run(member(settings), expected.replace(/[.x]/g, "")), expected);
    });
  }

  it("a passing check ends traffic's error too, after hcpasses", () => {
    const worker = member("hcpasses=2");
    worker.setError(5000, "(111)Connection refused");
    run(worker, "+");
    assert.equal(worker.has(IN_ERROR), true);
    run(worker, "+");
    assert.equal(worker.flags, "Init Ok ");
  });

  it("in error by traffic, failing checks count on: when retry has passed, the member stays out", () => {
    const worker = member("hcfails=2");
    worker.setError(5000, "x");
    run(worker, "--");
    assert.equal(worker.retry(5000 + 60_001), "marked for retry");
    assert.equal(worker.isUsable, false);
    assert.equal(worker.s.errorTimeMs, 5000);
  });

  it("leaves what an operator set, and an operator leaves what it found", () => {
    const worker = member("hcfails=1");
    worker.setStatus(DISABLED | DRAIN | STOPPED);
    run(worker, "-+-");
    assert.equal(worker.flags, "Init Drn Dis Stop HcFl ");
    worker.clearStatus(DISABLED | DRAIN | STOPPED);
    assert.equal(worker.flags, "Init HcFl ");
    run(worker, "+");
    assert.equal(worker.flags, "Init Ok ");
  });

  it("keeps the last results, the newest last", () => {
    const worker = member("hcfails=1");
    run(worker, "-".repeat(KEPT_RESULTS + 5));
    assert.equal(worker.check!.results.length, KEPT_RESULTS);
    assert.equal(worker.check!.last!.atMs, 1000 + KEPT_RESULTS + 4);
  });
});

describe("workerState()", () => {
  it("tells what is configured, what an operator changed, and what was found, with since, until and reason", () => {
    const worker = member("hcfails=1");
    assert.deepEqual(workerState(worker), {
      configured: 0,
      administrative: { on: 0, off: 0 },
      observed: { error: null, check: null, panic: false },
    });
    worker.setStatus(DRAIN);
    worker.setError(7000, "(111)Connection refused");
    run(worker, "-");
    assert.deepEqual(workerState(worker), {
      configured: 0,
      administrative: { on: DRAIN, off: 0 },
      observed: {
        error: { sinceMs: 7000, untilMs: 67_000, reason: "(111)Connection refused" },
        check: { sinceMs: 1000, untilMs: null, reason: "result 1001" },
        panic: false,
      },
    });
    worker.setStatus(STOPPED);
    assert.equal(workerState(worker).observed.error!.untilMs, null);
  });

  it("an operator's HC_FAIL is not taken for the checks'", () => {
    const worker = member("hcfails=1");
    run(worker, "-+");
    worker.setStatus(HC_FAIL);
    assert.deepEqual(workerState(worker).observed.check, {
      sinceMs: 0,
      untilMs: null,
      reason: "set by status=+C or an operator",
    });
  });

  it("names what an operator cleared of the configuration", () => {
    const url = parseWorkerUrl("http://m0");
    if (typeof url === "string") throw new Error(url);
    const worker = new ProxyWorker(url, "member");
    worker.setStatus(DISABLED);
    worker.initialize();
    worker.clearStatus(DISABLED);
    const state = workerState(worker);
    assert.deepEqual([state.configured, state.administrative], [DISABLED, { on: 0, off: DISABLED }]);
  });
});
