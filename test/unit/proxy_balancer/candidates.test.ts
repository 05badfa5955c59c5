import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DISABLED, DRAIN, HOT_STANDBY, IN_ERROR, ProxyWorker, workerStruct } from "../../../modules/proxy/worker.ts";
import { parseWorkerUrl, type WorkerUrl } from "../../../modules/proxy/worker_url.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { BalancerFixture } from "../../support/balancer.ts";

function serve(f: BalancerFixture, count: number, cookie?: string): string {
  let text = "";
  for (let i = 0; i < count; i++) {
    const attempt = f.attempt();
    elect(f.request(cookie), attempt);
    text += f.indexOf(attempt.worker);
    attempt.release();
  }
  return text;
}

const wallMs = (f: BalancerFixture) => f.clock.wallUs() / 1000;

describe("the candidates are worked out again", () => {
  /** Whether the next election looks at the members anew. */
  function looksAnew(f: BalancerFixture): boolean {
    const before = f.balancer.electorate.candidates;
    serve(f, 1);
    return f.balancer.electorate.candidates !== before;
  }

  it("not while nothing changes, however many elections there are", () => {
    const f = new BalancerFixture(["", "status=H", "status=R", "lbset=1"], "", "info");
    serve(f, 1);
    for (let i = 0; i < 10; i++) assert.equal(looksAnew(f), false);
    f.clock.advance(1e9);
    assert.equal(looksAnew(f), false, "time alone changes nothing");
  });

  it("after each change of a status, by whomever", () => {
    const f = new BalancerFixture(["", ""], "", "info");
    serve(f, 1);
    for (const bits of [DISABLED, DRAIN, HOT_STANDBY]) {
      f.member(1).setStatus(bits);
      assert.equal(looksAnew(f), true);
      f.member(1).setStatus(bits);
      assert.equal(looksAnew(f), false, "it was set before");
      f.member(1).clearStatus(bits);
      assert.equal(looksAnew(f), true);
    }
  });

  it("after touch(), which who changes lbset or lbfactor calls, and after a change of a route", () => {
    const f = new BalancerFixture(["route=a", "route=b"], "stickysession=S lbmethod=random", "info");
    assert.match(serve(f, 40), /0.*1|1.*0/);
    f.member(0).s.lbset = 1;
    f.member(0).touch();
    assert.equal(serve(f, 10), "1111111111");
    assert.equal(serve(f, 1, "S=1.a"), "0");
    f.member(0).route = "c";
    assert.equal(serve(f, 1, "S=1.c"), "0");
    f.member(0).s.lbset = 0;
    f.member(0).s.lbfactor = 1e9;
    f.member(0).touch();
    assert.equal(serve(f, 10), "0000000000");
  });

  it("when the first member's time to be retried has come, and not before", () => {
    const f = new BalancerFixture(["retry=5", "retry=3", ""], "", "info");
    f.member(0).setError(wallMs(f));
    f.member(1).setError(wallMs(f));
    serve(f, 1);
    f.clock.advance(3000);
    assert.equal(looksAnew(f), false);
    f.clock.advance(1);
    assert.equal(looksAnew(f), true);
    assert.equal(f.member(1).has(IN_ERROR), false);
    serve(f, 1);
    f.clock.advance(1999);
    assert.equal(looksAnew(f), false);
    f.clock.advance(1);
    assert.equal(looksAnew(f), true);
    assert.equal(f.member(0).has(IN_ERROR), false);
  });

  it("when another request's connection ends the wait of a member in error", () => {
    const f = new BalancerFixture(["", ""], "", "info");
    f.member(0).setError(wallMs(f));
    assert.equal(serve(f, 2), "11");
    f.member(0).connected();
    assert.ok(serve(f, 2).includes("0"));
  });

  it("for virtual hosts that share members, too", () => {
    const f = new BalancerFixture(["", ""], "", "info");
    const other = new (f.balancer.constructor as typeof import("../../../modules/proxy/balancer.ts").ProxyBalancer)(
      "balancer://app",
      [...f.balancer.members, new ProxyWorker(parseWorkerUrl("http://own") as WorkerUrl, "member")],
    );
    assert.equal(other.initialize(f.process.providers), null);
    const own = other.members[2]!;
    const before = f.balancer.electorate.now;
    own.setStatus(DISABLED);
    assert.notEqual(f.balancer.electorate.now, before);
    assert.equal(other.electorate.now, f.balancer.electorate.now);
    assert.deepEqual(other.electorate.usable(), f.balancer.members);
  });

  it("not at all is it needed for a member in error of a set that nobody looks at", () => {
    const f = new BalancerFixture(["", "lbset=1 retry=1"], "", "info");
    f.member(1).setError(wallMs(f));
    serve(f, 1);
    f.clock.advance(5000);
    serve(f, 1);
    assert.equal(looksAnew(f), false);
    assert.equal(f.member(1).has(IN_ERROR), true);
  });
});

describe("slowstart", () => {
  /** Of `count` requests in `ms`, how many the member gets. */
  function share(f: BalancerFixture, member: string, count: number, ms: number): number {
    let got = 0;
    for (let i = 0; i < count; i++) {
      f.clock.advance(ms / count);
      if (serve(f, 1) === member) got++;
    }
    return got / count;
  }

  for (const method of ["byrequests", "bytraffic", "bybusyness", "random", "p2c", "ewma"]) {
    it(`${method}: a member that comes back is offered ever more often`, () => {
      const f = new BalancerFixture(["retry=1", ""], `lbmethod=${method} slowstart=40`, "info");
      serve(f, 10);
      f.member(0).setError(wallMs(f));
      assert.equal(share(f, "0", 100, 1000), 0);
      const quarters = [1, 2, 3, 4].map(() => share(f, "0", 500, 10_000));
      const after = share(f, "0", 500, 10_000);
      // Offered to 1/8, 3/8, 5/8, 7/8 of the elections; of two candidates each is elected by half.
      const full = method === "bytraffic" ? 1 : 0.5;
      for (const [i, quarter] of quarters.entries()) {
        const expected = ((2 * i + 1) / 8) * full;
        assert.ok(Math.abs(quarter - expected) < 0.08, `quarter ${i + 1}: ${quarter}, expected ${expected}`);
      }
      assert.ok(after >= 0.4, `after: ${after}`);
    });
  }

  it("is the member's before the balancer's, and nothing at the start of the server", () => {
    const f = new BalancerFixture(["slowstart=0", "", "slowstart=5"], "slowstart=20", "info");
    assert.deepEqual(
      f.balancer.members.map((m) => m.params.slowStartMs),
      [0, 20_000, 5000],
    );
    assert.equal(serve(f, 6), "012012");
  });

  it("holds back nobody when all came back at once", () => {
    const f = new BalancerFixture(["", ""], "slowstart=10", "info");
    for (const i of [0, 1]) f.member(i).setStatus(DISABLED);
    for (const i of [0, 1]) f.member(i).clearStatus(DISABLED);
    assert.equal(serve(f, 4), "0101");
  });

  it("trace5 tells of it", () => {
    const f = new BalancerFixture(["", ""], "slowstart=10", "trace5");
    f.member(0).setStatus(DISABLED);
    serve(f, 1);
    f.member(0).clearStatus(DISABLED);
    serve(f, 1);
    f.clock.advance(2500);
    serve(f, 1);
    assert.match(f.lines.join(""), /m0 .* is left out: in its slow start, offered to 25 % of elections/);
  });
});

describe("add()", () => {
  it("takes as many members as growth= says, and they serve", () => {
    const f = new BalancerFixture(["", ""], "growth=1", "info");
    const slots = new ArrayBuffer(3 * workerStruct.sizeBytes);
    for (const [i, member] of f.balancer.members.entries()) {
      member.moveTo(workerStruct.slotAt(slots, i * workerStruct.sizeBytes));
    }
    f.balancer.spareSlots = [workerStruct.slotAt(slots, 2 * workerStruct.sizeBytes)];
    assert.equal(serve(f, 4), "0101");
    const fresh = (name: string) => new ProxyWorker(parseWorkerUrl(`http://${name}`) as WorkerUrl, "member");
    assert.equal(f.balancer.add(fresh("new")), null);
    assert.equal(serve(f, 6).replace(/[^2]/g, ""), "22");
    assert.equal(f.balancer.add(fresh("one-more")), "balancer://app: no room for another member, growth=1");
  });

  it("gives an empty balancer its first member", () => {
    const f = new BalancerFixture([], "growth=1", "info");
    f.balancer.spareSlots = [workerStruct.slotAt(new ArrayBuffer(workerStruct.sizeBytes), 0)];
    assert.equal(serve(f, 1), "-");
    assert.equal(f.balancer.add(new ProxyWorker(parseWorkerUrl("http://n") as WorkerUrl, "member")), null);
    assert.equal(serve(f, 2), "00");
  });
});
