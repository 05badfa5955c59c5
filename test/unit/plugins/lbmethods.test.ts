/** What each method promises beyond the contract. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadTable } from "../../../modules/proxy/load_table.ts";
import { DISABLED } from "../../../modules/proxy/worker.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { parseStorage } from "../../../plugins/lbmethod/heartbeat_storage.ts";
import { BalancerFixture } from "../../support/balancer.ts";

/** The members that a request is given to and not taken from. */
function hold(f: BalancerFixture, field?: readonly [string, string]): string {
  const attempt = f.attempt();
  const r = f.request();
  if (field !== undefined) r.headersIn.add(...field);
  elect(r, attempt);
  return f.indexOf(attempt.worker);
}

function serve(f: BalancerFixture, field?: readonly [string, string], latencyMs = 1): string {
  const attempt = f.attempt();
  const r = f.request();
  if (field !== undefined) r.headersIn.add(...field);
  elect(r, attempt);
  f.clock.advance(latencyMs);
  attempt.answered(f.clock.now());
  attempt.release();
  return f.indexOf(attempt.worker);
}

const times = (count: number, call: () => string): string => Array.from({ length: count }, call).join("");
const count = (text: string, what: string): number => text.split(what).length - 1;

describe("heartbeat", () => {
  const many = (f: BalancerFixture, n: number) => times(n, () => serve(f));

  it("in proportion to the ready places; the last of the file has the end of the range", () => {
    const f = new BalancerFixture(["", "", ""], "lbmethod=heartbeat");
    f.files.set("/hb.dat", "m0 &ready=1&busy=1&lastseen=1&port=80\nm1 &ready=1&busy=1&lastseen=1\n");
    const even = many(f, 3000);
    assert.ok(Math.abs(count(even, "0") - 1000) < 100, "1 of 3: httpd's point may be the sum itself");
    assert.equal(count(even, "2"), 0, "nobody knows m2");
    f.files.set("/hb.dat", "m0 ready=9&busy=1&lastseen=1\nm1 ready=1&busy=1&lastseen=1\n");
    assert.ok(Math.abs(count(many(f, 1100), "0") - 900) < 60);
  });

  it("whoever was not heard of for 10 s, or has nothing ready, gets none; 503 when nobody is left", () => {
    const f = new BalancerFixture(["", ""], "lbmethod=heartbeat");
    f.files.set("/hb.dat", "m0 ready=9&busy=1&lastseen=10\nm1 ready=1&busy=1&lastseen=9\n");
    assert.equal(many(f, 20), "1".repeat(20));
    f.files.set("/hb.dat", "m0 ready=9&busy=1&lastseen=10\nm1 ready=0&busy=4&lastseen=1\n");
    assert.equal(many(f, 3), "---");
    assert.match(f.lines.join(""), /AH01170: balancer:\/\/app: All workers are in error state/);
  });

  it("a file that cannot be read is 503, and told", () => {
    const f = new BalancerFixture([""], "lbmethod=heartbeat");
    assert.equal(serve(f), "-");
    assert.match(
      f.lines.join(""),
      /lbmethod_heartbeat:error.*AH01213: lb_heartbeat: Unable to read heartbeats at '\/hb\.dat'/,
    );
    f.files.set("/hb.dat", "other ready=1&lastseen=1&busy=1\n");
    assert.equal(serve(f), "-");
    assert.match(f.lines.join(""), /AH01214: lb_heartbeat: No server for worker http:\/\/m0/);
  });

  it("lbsets, roles and load factors do not matter, usability does", () => {
    const f = new BalancerFixture(["lbset=3 status=+H loadfactor=50", "status=D"], "lbmethod=heartbeat");
    f.files.set("/hb.dat", "m0 ready=5&busy=1&lastseen=1\nm1 ready=50&busy=1&lastseen=1\n");
    assert.equal(many(f, 5), "00000");
  });

  it("a monitor's own table goes before the file", () => {
    const f = new BalancerFixture(["", ""], "lbmethod=heartbeat");
    f.process.providers.register(loadTable, "slotmem", {
      hosts: () => new Map([["m1", { ready: 2, busy: 1, lastSeen: 0 }]]),
    });
    assert.equal(many(f, 3), "111");
  });

  it("parseStorage(): as httpd reads it", () => {
    const load = (text: string) => Object.fromEntries(parseStorage(text));
    assert.deepEqual(load("# m0 ready=1\nm0\n m1 ready=1\n\n"), {});
    assert.deepEqual(load("1.2.3.4 &ready=40&busy=5&lastseen=60&port=81\n"), {
      "1.2.3.4": { ready: 40, busy: 5, lastSeen: 60 },
    });
    assert.deepEqual(load("h ready=9"), { h: { ready: 2, busy: 0, lastSeen: -1 } }, "just started: a quarter");
    assert.deepEqual(load("h ready=3&busy=0"), { h: { ready: 0, busy: 0, lastSeen: -1 } });
    assert.deepEqual(load("h ready&busy=%31&ready=7x"), { h: { ready: 7, busy: 1, lastSeen: -1 } });
    assert.deepEqual(load("h ready=40&lastseen=1\nh ready=0"), { h: { ready: 0, busy: 0, lastSeen: 1 } });
  });
});

describe("p2c", () => {
  it("spreads held requests by the load factors, more evenly than chance alone", () => {
    const spread = (method: string) => {
      const f = new BalancerFixture(Array(10).fill(""), `lbmethod=${method}`);
      times(1000, () => hold(f));
      const busy = f.balancer.members.map((m) => m.s.busy);
      return Math.max(...busy) - Math.min(...busy);
    };
    assert.ok(spread("p2c") <= 6, `p2c ${spread("p2c")}`);
    assert.ok(spread("random") > 12, `random ${spread("random")}`);
    const f = new BalancerFixture(["loadfactor=1", "loadfactor=3"], "lbmethod=p2c");
    times(400, () => hold(f));
    assert.ok(Math.abs(f.member(0).s.busy - 100) <= 2);
  });
});

describe("ewma", () => {
  /** Latencies of the members, by place. */
  const run = (f: BalancerFixture, n: number, latencies: readonly number[]): string =>
    times(n, () => {
      const attempt = f.attempt();
      elect(f.request(), attempt);
      f.clock.advance(latencies[f.balancer.members.indexOf(attempt.worker!)]!);
      attempt.answered(f.clock.now());
      attempt.release();
      return f.indexOf(attempt.worker);
    });

  it("turns away from a slow member, and asks it again after its latency has faded", () => {
    const f = new BalancerFixture(["", ""], "lbmethod=ewma");
    run(f, 50, [10, 10]);
    const slow = run(f, 1000, [500, 10]);
    assert.ok(count(slow, "0") <= 2, `${count(slow, "0")} requests to the slow one`);
    f.clock.advance(40_000); // four decay times: 500 ms fade to 9
    const healed = run(f, 2000, [10, 10]);
    assert.ok(count(healed, "0") > 600, `${count(healed, "0")} requests after it has recovered`);
  });

  it("a member that nobody knows gets one request, and no second before that is answered", () => {
    const f = new BalancerFixture(["", ""], "lbmethod=ewma");
    f.member(1).setStatus(DISABLED);
    run(f, 20, [10, 10]);
    f.member(1).clearStatus(DISABLED);
    const held = times(10, () => hold(f));
    assert.equal(count(held, "1"), 1, held);
  });

  it("a time-out counts as the latency that it took", () => {
    const f = new BalancerFixture(["", ""], "lbmethod=ewma");
    const slow = run(f, 200, [30_000, 10]);
    assert.ok(count(slow, "0") <= 2);
  });
});

describe("hash", () => {
  const members = (n: number) => Array.from({ length: n }, () => "");
  const key = (i: number) => ["X-User", `user-${i}`] as const;
  const owners = (f: BalancerFixture, n: number) => Array.from({ length: n }, (_, i) => serve(f, key(i)));

  it("a key stays on its member; the keys are spread by the load factors", () => {
    const f = new BalancerFixture(["", "", "", "loadfactor=3"], "lbmethod=hash hashkey=header:X-User");
    const first = owners(f, 3000);
    assert.deepEqual(owners(f, 3000), first);
    const shares = [0, 1, 2, 3].map((i) => first.filter((owner) => owner === String(i)).length);
    for (const i of [0, 1, 2]) assert.ok(Math.abs(shares[i]! - 500) < 150, `${shares}`);
    assert.ok(Math.abs(shares[3]! - 1500) < 250, `${shares}`);
  });

  it("the same on every runtime and in every release: keys and members to the letter", () => {
    const f = new BalancerFixture(members(5), "lbmethod=hash hashkey=header:X-User");
    assert.equal(owners(f, 40).join(""), "0210132031224201304212002142343414411041");
  });

  it("a member more takes about 1/n of the keys and moves no others", () => {
    const n = 10;
    const before = owners(new BalancerFixture(members(n), "lbmethod=hash hashkey=header:X-User"), 4000);
    const after = owners(new BalancerFixture(members(n + 1), "lbmethod=hash hashkey=header:X-User"), 4000);
    const moved = before.filter((owner, i) => owner !== after[i]).length;
    assert.ok(Math.abs(moved - 4000 / (n + 1)) < 120, `${moved} keys moved`);
    assert.deepEqual(
      after.filter((owner, i) => owner !== before[i]).filter((owner) => owner !== String(n)),
      [],
    );
  });

  it("a member that is away leaves its keys alone to others, and has them again after", () => {
    const f = new BalancerFixture(members(5), "lbmethod=hash hashkey=header:X-User");
    const before = owners(f, 1000);
    f.member(2).setStatus(DISABLED);
    const during = owners(f, 1000);
    for (const [i, owner] of during.entries()) if (before[i] !== "2") assert.equal(owner, before[i]);
    assert.equal(during.includes("2"), false);
    f.member(2).clearStatus(DISABLED);
    assert.deepEqual(owners(f, 1000), before);
  });

  it("one key cannot drown its member: 1.25 times the even share of what is at hand is the most", () => {
    const f = new BalancerFixture(members(5), "lbmethod=hash hashkey=header:X-User");
    times(1000, () => hold(f, key(1)));
    const busy = f.balancer.members.map((m) => m.s.busy);
    assert.ok(Math.max(...busy) <= 251, `${busy}`);
  });

  it("hashkey: cookie, path and address; without its header or cookie a request goes by the address", () => {
    const at = (hashkey: string, change: (f: BalancerFixture) => (readonly [string, string])[]) => {
      const f = new BalancerFixture(members(50), `lbmethod=hash hashkey=${hashkey}`);
      return change(f).map((field) => serve(f, field));
    };
    const [one, two, same] = at("cookie:SID", () => [
      ["Cookie", "x=1; SID=alpha"],
      ["Cookie", "SID=beta"],
      ["Cookie", "SID=alpha; y=SID"],
    ]);
    assert.equal(one, same);
    assert.notEqual(one, two);
    const [none] = at("cookie:SID", () => [["Cookie", "SIDE=alpha"]]);
    const [address] = at("address", () => [["X", "y"]]);
    assert.equal(none, address);
    const f = new BalancerFixture(members(50), "lbmethod=hash hashkey=path");
    const byPath = (path: string) => {
      const r = f.request();
      r.uri = path;
      const attempt = f.attempt();
      elect(r, attempt);
      attempt.release();
      return f.indexOf(attempt.worker);
    };
    assert.equal(byPath("/a"), byPath("/a"));
    assert.notEqual(byPath("/a"), byPath("/b"));
  });
});
