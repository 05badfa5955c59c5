import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import {
  defineModule,
  HC_FAIL,
  type HealthCheckTarget,
  type HealthCheckVerdict,
  healthCheck,
  type Module,
  type ProcessRec,
  STOPPED,
} from "../../../../modules/mod.ts";
import { VirtualClock } from "../../../support/clock.ts";
import { TestGeneration } from "../../../support/generation.ts";

interface Call {
  readonly host: string;
  readonly atMs: number;
  readonly target: HealthCheckTarget;
  answer(verdict: HealthCheckVerdict | Error): Promise<void>;
}

/** Members m0, m1... are checked by a function of the test: `calls` has what it was asked. */
class Checked {
  readonly clock = new VirtualClock();
  readonly calls: Call[] = [];
  /** What is answered at once; null: the test answers. */
  answers: ((host: string) => HealthCheckVerdict) | null = () => true;
  readonly g: TestGeneration;

  constructor(members: readonly string[], balancer = "", global = "", previous: ProcessRec | null = null) {
    const provider = defineModule({
      name: "mod_test_check",
      config: z.object({}),
      registerHooks: (hooks) => {
        hooks.provider(healthCheck, "test", (target) => {
          const { promise, resolve, reject } = Promise.withResolvers<HealthCheckVerdict>();
          this.calls.push({
            host: target.host,
            atMs: this.clock.now(),
            target,
            answer(verdict) {
              if (verdict instanceof Error) reject(verdict);
              else resolve(verdict);
              return settle();
            },
          });
          return this.answers === null ? promise : this.answers(target.host);
        });
      },
    }) as Module;
    const lines = members.map((line, i) => `BalancerMember http://m${i} hcmethod=PROVIDER:test ${line}`);
    const text = [
      "LogLevel info",
      global,
      "<Proxy balancer://app>",
      ...lines,
      `ProxySet lbmethod=byrequests ${balancer}`,
      "</Proxy>",
    ];
    this.g = new TestGeneration(text.join("\n"), this.clock, [provider]).start(previous);
  }

  /** Moves time on in ticks, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left));
      await settle();
    }
  }

  member(i: number) {
    return this.g.balancer().members[i]!;
  }

  of(host: string): number[] {
    return this.calls.filter((call) => call.host === host).map((call) => call.atMs);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe("the schedule of mod_proxy_hcheck", () => {
  it("checks first one interval after the start, then one interval after each end, never sooner, a tenth later at most", async () => {
    const f = new Checked(["hcinterval=5"]);
    await f.advance(60_000);
    const times = f.of("m0");
    assert.ok(times.length >= 10, String(times));
    let before = 0;
    for (const at of times) {
      assert.ok(at - before >= 5000 && at - before <= 5700, String(times));
      before = at;
    }
    f.g.end();
  });

  it("members do not stay together", async () => {
    const f = new Checked(["hcinterval=10", "hcinterval=10"]);
    await f.advance(200_000);
    const [one, two] = [f.of("m0"), f.of("m1")];
    const together = one.filter((at) => two.includes(at)).length;
    assert.ok(together < one.length / 3, `${together} of ${one.length}`);
    f.g.end();
  });

  it("asks no member that has not answered, even past its time limit", async () => {
    const f = new Checked(["hcinterval=1 timeout=3 hcfails=3"]);
    f.answers = null;
    await f.advance(2000);
    assert.equal(f.calls.length, 1);
    assert.equal(f.calls[0]!.target.signal.aborted, false);
    await f.advance(3000);
    assert.equal(f.calls[0]!.target.signal.aborted, true);
    assert.equal(f.member(0).check!.last!.reason, "no answer in time");
    await f.advance(4000);
    // Its silence goes on to count.
    assert.equal(f.calls.length, 1);
    assert.equal(f.member(0).has(HC_FAIL), true);
    assert.equal(f.member(0).check!.last!.reason, "test has still not answered the check before");
    await f.calls[0]!.answer(true);
    f.answers = () => true;
    await f.advance(2000);
    assert.equal(f.member(0).has(HC_FAIL), false);
    f.g.end();
  });

  it("has ProxyHCTPsize probes under way at most; 0: one after the other", async () => {
    for (const [size, most] of [
      ["2", 2],
      ["0", 1],
    ] as const) {
      const f = new Checked(Array(5).fill("hcinterval=1"), "", `ProxyHCTPsize ${size}`);
      f.answers = null;
      await f.advance(1500);
      assert.equal(f.calls.length, most);
      await f.calls[0]!.answer(true);
      await f.advance(100);
      assert.equal(f.calls.length, most + 1);
      assert.equal(new Set(f.calls.map((call) => call.host)).size, most + 1);
      f.g.end();
    }
  });

  it("leaves stopped members alone, checks disabled and draining ones, and sees changes made meanwhile", async () => {
    const f = new Checked(["hcinterval=1 status=+S", "hcinterval=1 status=+D", "hcinterval=1 status=+N"]);
    await f.advance(1300);
    assert.deepEqual(f.calls.map((call) => call.host).sort(), ["m1", "m2"]);
    f.member(0).clearStatus(STOPPED);
    f.member(1).check!.params.method = "NONE";
    f.member(2).check!.params.intervalMs = 30_000;
    await f.advance(1300);
    assert.deepEqual(
      f.calls.slice(2).map((call) => call.host),
      ["m0"],
    );
    f.g.end();
  });

  it("says why: the provider's reason, its exception, the time; and logs each change of the verdict once", async () => {
    const f = new Checked(["hcinterval=1"]);
    f.answers = () => ({ passed: false, reason: "queue is full" });
    await f.advance(3500);
    f.answers = () => {
      throw new Error("no database");
    };
    await f.advance(1200);
    assert.equal(f.member(0).check!.last!.reason, "test: no database");
    f.answers = () => true;
    await f.advance(1200);
    assert.deepEqual(
      f.g.lines
        .filter((line) => line.includes("proxy_hcheck:info"))
        .map((line) => line.replace(/^.*?(AH)/, "$1").trim()),
      [
        "AH03303: Health check DISABLING http://m0: test: queue is full",
        "AH03302: Health check ENABLING http://m0: test: well",
      ],
    );
    assert.ok(f.member(0).check!.results.every(({ atMs }) => atMs > 0));
    f.g.end();
  });

  it("an end counts nothing that was under way, and leaves no timer", async () => {
    const f = new Checked(["hcinterval=1"]);
    f.answers = null;
    await f.advance(1300);
    f.g.end();
    await settle();
    assert.equal(f.calls[0]!.target.signal.aborted, true);
    assert.equal(f.member(0).check!.results.length, 0);
    f.clock.advance(70_000); // the wheel forgets its time-outs when they come up
    assert.equal(f.clock.timers, 0);
  });
});

describe("a reload", () => {
  it("keeps the verdict on members that are asked the same, with its history, and forgets it where the question changes", async () => {
    const f = new Checked(["hcinterval=1", "hcinterval=1 hcuri=/a", "hcinterval=1 hcpasses=2"]);
    f.answers = () => false;
    await f.advance(3000);
    const next = new Checked(["hcinterval=9", "hcinterval=1 hcuri=/b", "hcinterval=1 hcpasses=2"], "", "", f.g.process);
    assert.deepEqual(
      [0, 1, 2].map((i) => [next.member(i).has(HC_FAIL), next.member(i).check!.results.length > 0]),
      [
        [true, true],
        [false, false],
        [true, true],
      ],
    );
    assert.equal(next.member(0).check!.sinceMs, f.member(0).check!.sinceMs);
    const asked = f.calls.length;
    await f.advance(3000);
    assert.equal(f.calls.length, asked);
    next.g.end();
    f.g.end();
  });
});

describe("panic=on", () => {
  const sick =
    (...hosts: string[]) =>
    (host: string) =>
      !hosts.includes(host);

  it("serves as if no check had failed while all fail, and says so once for each change", async () => {
    const f = new Checked(["hcinterval=1", "hcinterval=1"], "panic=on");
    f.answers = sick("m0");
    await f.advance(3000);
    assert.deepEqual([f.member(0).isUsable, f.member(1).isUsable], [false, true]);
    f.answers = sick("m0", "m1");
    await f.advance(5000);
    assert.deepEqual([f.member(0).isUsable, f.member(1).isUsable], [true, true]);
    assert.equal(f.member(0).flags, "Init HcFl Ok ");
    f.answers = sick("m1");
    await f.advance(3000);
    assert.deepEqual([f.member(0).isUsable, f.member(1).isUsable], [true, false]);
    assert.deepEqual(
      f.g.logged("proxy_hcheck:warn").map((line) => line.replace(/^.*balancer:/, "balancer:").trim()),
      [
        "balancer://app: every member fails its health checks: served as if none did (panic=on)",
        "balancer://app: health checks count again",
      ],
    );
    f.g.end();
  });

  it("is off by default", async () => {
    const f = new Checked(["hcinterval=1"]);
    f.answers = () => false;
    await f.advance(3000);
    assert.equal(f.member(0).isUsable, false);
    f.g.end();
  });

  it("does not count whom an operator took out, and heeds what traffic found", async () => {
    const f = new Checked(["hcinterval=1", "hcinterval=1 status=+D", "hcinterval=1"], "panic=on");
    f.answers = sick("m0", "m2");
    await f.advance(3000);
    f.member(2).setError(f.clock.wallUs() / 1000, "refused");
    assert.deepEqual(
      [0, 1, 2].map((i) => f.member(i).isUsable),
      [true, false, false],
    );
    f.g.end();
  });
});
