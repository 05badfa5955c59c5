/** What every lbmethod keeps to, whatever it goes by. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RequestRec } from "../../../modules/core/records.ts";
import type { ProxyAttempt } from "../../../modules/proxy/attempt.ts";
import { lbmethod } from "../../../modules/proxy/lbmethod.ts";
import { DISABLED, DRAIN, HC_FAIL, STOPPED } from "../../../modules/proxy/worker.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { BalancerFixture } from "../../support/balancer.ts";

/** Bytes of an answer, for bytraffic. */
const BYTES = 100_000;
const LATENCY_MS = 5;

class Trial extends BalancerFixture {
  private requests = 0;

  constructor(method: string, members: readonly string[], more = "") {
    super(members, `lbmethod=${method} hashkey=header:X-Key ${more}`, "error");
    // heartbeat goes by what the hosts say: in proportion to the load factors here
    const ready = (i: number) => 10_000 * this.member(i).s.lbfactor;
    this.files.set("/hb.dat", members.map((_, i) => `m${i} ready=${ready(i)}&busy=1&lastseen=1\n`).join(""));
  }

  begin(cookie?: string): { r: RequestRec; attempt: ProxyAttempt; member: number } {
    const r = this.request(cookie);
    r.headersIn.add("X-Key", `user ${this.requests++}`);
    const attempt = this.attempt();
    const status = elect(r, attempt);
    return { r, attempt, member: status === 0 ? this.balancer.members.indexOf(attempt.worker!) : -1 };
  }

  /** One request from its election to its end; the place of its member. */
  serve(cookie?: string): number {
    const { attempt, member } = this.begin(cookie);
    this.clock.advance(LATENCY_MS);
    if (member >= 0) {
      attempt.answered(this.clock.now());
      attempt.worker!.s.transferred += BYTES;
      attempt.worker!.s.read += BYTES;
    }
    attempt.release();
    return member;
  }

  /** How many of `count` requests each member gets; the last number counts those that nobody served. */
  shares(count: number): number[] {
    const shares = new Array<number>(this.balancer.members.length + 1).fill(0);
    for (let i = 0; i < count; i++) {
      const member = this.serve();
      shares[member < 0 ? shares.length - 1 : member]!++;
    }
    return shares;
  }
}

const METHODS = (() => {
  const { providers } = new BalancerFixture([""]).process;
  return providers.names(lbmethod);
})();

function near(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected} ± ${tolerance}`);
}

it("the contract is run on all that ship", () => {
  assert.deepEqual(METHODS.toSorted(), [
    "bybusyness",
    "byrequests",
    "bytraffic",
    "ewma",
    "hash",
    "heartbeat",
    "p2c",
    "random",
  ]);
});

for (const method of METHODS) {
  describe(`lbmethod=${method}`, () => {
    it("weights hold over a long run", () => {
      const trial = new Trial(method, ["loadfactor=1", "loadfactor=2", "loadfactor=5"]);
      const shares = trial.shares(8000);
      const tolerance = method === "hash" ? 400 : 250;
      near(shares[0]!, 1000, tolerance, "loadfactor 1");
      near(shares[1]!, 2000, tolerance, "loadfactor 2");
      near(shares[2]!, 5000, tolerance, "loadfactor 5");
    });

    it("equals get equal shares, and none starves", () => {
      const shares = new Trial(method, ["", "", "", ""]).shares(4000);
      for (const share of shares.slice(0, 4)) near(share, 1000, method === "hash" ? 300 : 150, "share");
      assert.equal(shares[4], 0);
    });

    it("a member alone serves all; none is 503", () => {
      const trial = new Trial(method, [""]);
      assert.deepEqual(trial.shares(50), [50, 0]);
      trial.member(0).setStatus(DISABLED);
      assert.deepEqual(trial.shares(3), [0, 3]);
      assert.deepEqual(new Trial(method, []).shares(2), [2]);
    });

    for (const [name, bit] of [
      ["disabled", DISABLED],
      ["stopped", STOPPED],
      ["failed by its health check", HC_FAIL],
      ["draining", DRAIN],
    ] as const) {
      // httpd's heartbeat looks at no role and elects draining members, too: compared live
      if (method === "heartbeat" && bit === DRAIN) continue;
      it(`a member that is ${name} gets none, and its share again when that ends`, () => {
        const trial = new Trial(method, ["", "", ""]);
        trial.shares(300);
        trial.member(1).setStatus(bit);
        const [first, second, third, nobody] = trial.shares(600) as [number, number, number, number];
        assert.deepEqual([second, nobody], [0, 0]);
        near(first, 300, method === "hash" ? 250 : 90, "first");
        assert.equal(first + third, 600);
        trial.member(1).clearStatus(bit);
        trial.shares(900); // bytraffic gives it all until it has caught up
        near(trial.shares(900)[1]!, 300, method === "hash" ? 120 : 90, "second again");
      });
    }

    it("a member in error is left alone for `retry`, then asked again", () => {
      const trial = new Trial(method, ["retry=10", "retry=10"]);
      trial.shares(20);
      trial.member(0).setError(trial.clock.wallUs() / 1000);
      assert.deepEqual(trial.shares(10_000 / LATENCY_MS), [0, 10_000 / LATENCY_MS, 0]);
      trial.clock.advance(1);
      assert.ok(trial.shares(200)[0]! > 50);
      assert.equal(trial.member(0).s.retries, 1);
    });

    it("never elects one that is not usable, whatever comes and goes", () => {
      const trial = new Trial(method, ["retry=1", "retry=1 lbset=1", "retry=2", "status=+H", "retry=1", "status=+R"]);
      let seed = 7;
      const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
      const bits = [DISABLED, STOPPED, HC_FAIL];
      for (let i = 0; i < 3000; i++) {
        const member = trial.member(random(6));
        if (random(3) === 0) member.setError(trial.clock.wallUs() / 1000);
        else if (random(2) === 0) member.setStatus(bits[random(3)]!);
        else member.clearStatus(DISABLED | STOPPED | HC_FAIL);
        const { attempt } = trial.begin();
        if (attempt.worker !== null) assert.ok(attempt.worker.isUsable);
        attempt.release();
        trial.clock.advance(random(400));
      }
    });

    it("busy is 0 when all requests are over, in whatever order they end", () => {
      const trial = new Trial(method, ["", "loadfactor=3", ""]);
      const open: ProxyAttempt[] = [];
      for (let i = 0; i < 600; i++) {
        const { attempt } = trial.begin();
        open.push(attempt);
        if (i % 3 !== 0) open.splice((i * 7) % open.length, 1)[0]!.release();
      }
      assert.equal(
        trial.balancer.members.reduce((sum, m) => sum + m.s.busy, 0),
        open.length,
      );
      for (const attempt of open) attempt.release();
      for (const attempt of open) attempt.release();
      assert.deepEqual(
        trial.balancer.members.map((m) => m.s.busy),
        [0, 0, 0],
      );
    });

    it("a session's route goes before the method", () => {
      const trial = new Trial(method, ["route=a", "route=b"], "stickysession=S");
      for (let i = 0; i < 50; i++) assert.equal(trial.serve("S=1.b"), 1);
    });

    it("reset() starts afresh, and it serves on", () => {
      const trial = new Trial(method, ["", ""]);
      trial.shares(50);
      trial.balancer.lbmethod!.reset?.();
      const shares = trial.shares(200);
      assert.equal(shares[2], 0);
      near(shares[0]!, 100, 60, "first");
    });

    it("trace5 tells the figure of each candidate", () => {
      const trial = new Trial(method, ["", "status=D"]);
      const log = trial.server.log;
      trial.server.log = log.at({ base: 12, modules: new Map() });
      trial.serve();
      assert.match(trial.lines.join(""), new RegExp(`m0 .* is a candidate of ${method}: \\S+`));
      assert.match(trial.lines.join(""), /m1 .* is left out: not usable/);
    });
  });
}
