import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProxyAttempt } from "../../../modules/proxy/attempt.ts";
import { splitProxyUrl } from "../../../modules/proxy/url.ts";
import { DISABLED, DRAIN, HC_FAIL, IN_ERROR, STOPPED } from "../../../modules/proxy/worker.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { judge } from "../../../modules/proxy_balancer/verdict.ts";
import { BalancerFixture } from "../../support/balancer.ts";

/** Requests one after the other; the index of the member that each gets, "-" for none. */
function sequence(f: BalancerFixture, count: number, rest = "/", cookie?: string): string {
  let text = "";
  for (let i = 0; i < count; i++) {
    const attempt = f.attempt(rest);
    elect(f.request(cookie), attempt);
    text += f.indexOf(attempt.worker);
    attempt.release();
  }
  return text;
}

/** One request as mod_proxy makes it, with members of `dead` refusing: the members tried, then the status. */
function serve(f: BalancerFixture, dead: string, rest = "/", cookie?: string): string {
  const r = f.request(cookie);
  const attempt = f.attempt(rest);
  const url = attempt.url;
  let tried = "";
  let status = 0;
  do {
    attempt.url = url;
    attempt.worker = null;
    status = elect(r, attempt) as number;
    if (status !== 0) break;
    tried += f.indexOf(attempt.worker);
    status = dead.includes(f.indexOf(attempt.worker)) ? 503 : 200;
    if (status === 503) attempt.worker!.setError(f.clock.wallUs() / 1000);
    if (status === 503) f.clock.advance(0.01);
  } while (status === 503 && !attempt.worker!.isUsable && attempt.number++ < f.balancer.maxAttempts);
  r.status = status;
  judge(r, attempt);
  return `${tried} ${status}`;
}

const factors = (list: string) => list.split("/").map((factor) => `loadfactor=${factor}`);

describe("elect() by the lbmethods", () => {
  for (const [list, expected] of [
    ["70/25/5", "01000100201000100010"],
    ["1/1/1/2", "30123"],
    ["1.5/1/2.25", "2012021202021202102"],
    ["1/1/2", "2012"],
    ["1/1", "01"],
  ] as const) {
    it(`byrequests ${list}: ${expected} repeated`, () => {
      const f = new BalancerFixture(factors(list));
      assert.equal(sequence(f, expected.length * 3), expected.repeat(3));
      assert.deepEqual(
        f.balancer.members.map((m) => m.s.lbstatus).filter((n) => n !== 0),
        [],
      );
    });
  }

  it("bytraffic 1/1/3: 01222 repeated, totals 8/8/24", () => {
    const f = new BalancerFixture(factors("1/1/3"), "lbmethod=bytraffic");
    let text = "";
    for (let i = 0; i < 40; i++) {
      const attempt = f.attempt();
      elect(f.request(), attempt);
      attempt.worker!.s.transferred += 217;
      attempt.worker!.s.read += 1015;
      text += f.indexOf(attempt.worker);
    }
    assert.equal(text, "01222".repeat(8));
    assert.deepEqual(
      f.balancer.members.map((m) => m.s.elected),
      [8, 8, 24],
    );
  });

  it("bybusyness 1/1/2: idle 2012 repeated; held the same, then 01", () => {
    const idle = new BalancerFixture(factors("1/1/2"), "lbmethod=bybusyness");
    assert.equal(sequence(idle, 24), "2012".repeat(6));
    const held = new BalancerFixture(factors("1/1/2"), "lbmethod=bybusyness");
    let text = "";
    for (let i = 0; i < 4; i++) {
      const attempt = held.attempt();
      elect(held.request(), attempt);
      text += held.indexOf(attempt.worker);
    }
    assert.equal(text, "2012");
    assert.deepEqual(
      held.balancer.members.map((m) => m.s.busy),
      [1, 1, 2],
    );
    assert.equal(sequence(held, 2), "01");
  });
});

describe("elect() by set and role", () => {
  it("lbset with gaps: the next set serves when none of the lower can", () => {
    const f = new BalancerFixture(["lbset=0", "lbset=1 route=n", "lbset=5"], "stickysession=S");
    assert.equal(sequence(f, 3), "000");
    f.member(0).setStatus(DISABLED);
    assert.equal(sequence(f, 3), "111");
    f.member(1).setStatus(DRAIN);
    assert.equal(sequence(f, 3), "222");
    assert.equal(sequence(f, 2, "/", "S=x.n"), "11", "a session still reaches the draining member");
  });

  it("spares replace unusable members one for one; standbys serve when all else fails", () => {
    const f = new BalancerFixture(["", "", "status=+R", "status=+R", "status=+H"]);
    const reset = () => f.balancer.lbmethod!.reset!();
    assert.equal(sequence(f, 4), "0101");
    f.member(0).setStatus(DISABLED);
    reset();
    assert.equal(sequence(f, 4), "1212");
    f.member(1).setStatus(DISABLED);
    reset();
    assert.equal(sequence(f, 4), "2323");
    f.member(2).setStatus(DISABLED);
    assert.equal(sequence(f, 4), "3333");
    f.member(3).setStatus(HC_FAIL);
    assert.equal(sequence(f, 4), "4444");
    f.member(4).setStatus(STOPPED);
    assert.equal(elect(f.request(), f.attempt()), 503);
  });

  it("a draining member counts as needing a spare", () => {
    const f = new BalancerFixture(["status=N", "", "status=R"]);
    assert.equal(sequence(f, 4), "1212");
  });

  it("a standby of set 0 comes before set 1", () => {
    const f = new BalancerFixture(["status=D", "status=H", "lbset=1"]);
    assert.equal(sequence(f, 2), "11");
  });
});

describe("elect() by route", () => {
  it("redirect chain, ring of redirects, redirect of a dead member", () => {
    const chain = new BalancerFixture(["", "route=j redirect=d status=D", "route=d status=N"], "stickysession=S");
    const r = chain.request("S=1.j");
    const attempt = chain.attempt();
    elect(r, attempt);
    assert.equal(chain.indexOf(attempt.worker), "2");
    assert.equal(r.getEnv("BALANCER_ROUTE_CHANGED"), "1");
    const ring = new BalancerFixture(
      ["", "route=h redirect=i status=D", "route=i redirect=h status=D"],
      "stickysession=S",
    );
    assert.equal(sequence(ring, 1, "/", "S=1.h"), "0");
    const dead = new BalancerFixture(["route=a", "route=f redirect=b", "route=b"], "stickysession=S");
    assert.equal(serve(dead, "1", "/", "S=1.f"), "12 200");
  });

  it("nofailover: 503 for a route that cannot serve, free election for one nobody has", () => {
    const f = new BalancerFixture(["route=a", "route=b status=D"], "stickysession=S nofailover=On");
    assert.equal(serve(f, "", "/", "S=1.b"), " 503");
    assert.match(f.lines.join(""), /AH01167: balancer:\/\/app: All workers are in error state for route \(b\)/);
    assert.equal(serve(f, "", "/", "S=1.zz"), "0 200");
    assert.equal(serve(f, "0", "/", "S=1.a"), "0 503");
  });

  it("a standby with the route serves while regular members are up, after those with the route", () => {
    const f = new BalancerFixture(["route=a", "route=s status=H", "route=s"], "stickysession=S");
    assert.equal(sequence(f, 1, "/", "S=1.s"), "2");
    f.member(2).setStatus(DISABLED);
    assert.equal(sequence(f, 1, "/", "S=1.s"), "1");
  });

  it("charges the elected member with the factors of all usable ones", () => {
    const f = new BalancerFixture(["route=a", "loadfactor=2", "status=H", "status=D"], "stickysession=S");
    sequence(f, 1, "/", "S=1.a");
    assert.deepEqual(
      f.balancer.members.map((m) => m.s.lbstatus),
      [-300, 200, 100, 0],
    );
  });

  it("exports the environment", () => {
    const f = new BalancerFixture(["route=a"], "stickysession=C|p");
    const r = f.request("C=x.a");
    const attempt = f.attempt("/x?y=1");
    assert.equal(elect(r, attempt), 0);
    assert.equal(attempt.url, "http://m0/x?y=1");
    assert.deepEqual(Object.fromEntries(r.env), {
      BALANCER_NAME: "balancer://app",
      BALANCER_WORKER_NAME: "http://m0",
      BALANCER_WORKER_ROUTE: "a",
      BALANCER_SESSION_STICKY: "C",
      BALANCER_SESSION_ROUTE: "a",
    });
    const free = f.request();
    elect(free, f.attempt());
    assert.equal(free.getEnv("BALANCER_ROUTE_CHANGED"), "1");
    assert.equal(free.getEnv("BALANCER_SESSION_ROUTE"), undefined);
  });

  it("keeps the environment of the last election when the next attempt finds nobody", () => {
    const f = new BalancerFixture(["route=a"], "forcerecovery=off");
    const r = f.request();
    const attempt = f.attempt();
    elect(r, attempt);
    f.member(0).setStatus(DISABLED);
    attempt.worker = null;
    attempt.url = "balancer://app/";
    assert.equal(elect(r, attempt), 503);
    assert.equal(r.getEnv("BALANCER_WORKER_ROUTE"), "a");
  });
});

describe("failover", () => {
  it("two members, one dead: one request every `retry` pays", () => {
    const f = new BalancerFixture(["", ""]);
    assert.deepEqual(
      [1, 2, 3].map(() => serve(f, "0")),
      ["01 200", "1 200", "1 200"],
    );
    f.clock.advance(59_999);
    assert.equal(serve(f, "0"), "1 200", "not before the time has passed");
    f.clock.advance(1);
    assert.match([serve(f, "0"), serve(f, "0")].join(), /0/);
    assert.equal(f.member(0).s.retries, 1);
  });

  it("all dead: tried again by each request, unless forcerecovery is off", () => {
    const f = new BalancerFixture(["", "", ""]);
    assert.equal(serve(f, "012"), "012 503");
    assert.equal(serve(f, "012").length, 7);
    const off = new BalancerFixture(["", "", ""], "forcerecovery=Off");
    assert.equal(serve(off, "012"), "012 503");
    assert.equal(serve(off, "012"), " 503");
    off.clock.advance(60_001);
    assert.equal(serve(off, "012").length, 7);
  });

  it("maxattempts=5 with two dead members: six connects, alternating", () => {
    const f = new BalancerFixture(["", ""], "maxattempts=5");
    assert.equal(serve(f, "01"), "011001 503", "recovery is forced after each pair");
  });

  it("one member, or maxattempts=0: one connect a request", () => {
    assert.equal(serve(new BalancerFixture([""]), "0"), "0 503");
    assert.equal(serve(new BalancerFixture(["", ""], "maxattempts=0"), "01"), "0 503");
  });

  it("a disabled member prevents forced recovery", () => {
    const f = new BalancerFixture(["", "", "status=+D"]);
    assert.equal(serve(f, "01"), "01 503");
    assert.equal(serve(f, "01"), " 503");
  });

  it("a member with I is not failed over and stays", () => {
    const f = new BalancerFixture(["status=+I", ""]);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => serve(f, "0")),
      ["0 503", "1 200", "0 503", "1 200"],
    );
  });

  it("retry=0 does not bring a member back for the same request while another is left", () => {
    const f = new BalancerFixture(["retry=0 loadfactor=100 route=a", "retry=0"], "stickysession=S");
    f.clock.advance(1);
    assert.equal(serve(f, "0"), "01 200");
    assert.equal(serve(f, "0", "/", "S=1.a"), "01 200");
  });
});

describe("judge()", () => {
  it("failonstatus and failontimeout put the member in error, unless it ignores errors", () => {
    const f = new BalancerFixture(["", "status=+I", ""], "failonstatus=500,503 failontimeout=On");
    for (const [i, status, timedOut] of [
      [0, 500, false],
      [1, 503, false],
      [2, 200, true],
    ] as const) {
      const r = f.request();
      const attempt = new ProxyAttempt(splitProxyUrl(""));
      attempt.balancer = f.balancer;
      attempt.worker = f.member(i);
      r.status = status;
      if (timedOut)
        attempt.failure = { stage: "read-head", source: "backend", retry: "never", cause: "timeout", timedOut };
      judge(r, attempt);
    }
    assert.deepEqual(
      f.balancer.members.map((m) => m.has(IN_ERROR)),
      [true, false, true],
    );
    assert.match(f.lines.join(""), /\[client 127.0.0.1:\d+\] AH01174.*http:\/\/m0.*500[\s\S]*AH02460.*http:\/\/m2/);
  });

  it("gives back busy", () => {
    const f = new BalancerFixture([""]);
    const attempt = f.attempt();
    const r = f.request();
    elect(r, attempt);
    assert.equal(f.member(0).s.busy, 1);
    judge(r, attempt);
    judge(r, attempt);
    assert.equal(f.member(0).s.busy, 0);
  });
});

describe("balancer timeout", () => {
  it("waits for a member, else 503 when it has passed", async () => {
    const f = new BalancerFixture(["status=D"], "timeout=2");
    const failing = elect(f.request(), f.attempt());
    assert.ok(failing instanceof Promise);
    f.clock.advance(2000);
    assert.equal(await failing, 503);
    assert.equal(f.clock.timers, 0);
    const attempt = f.attempt();
    const waiting = elect(f.request(), attempt);
    f.clock.advance(500);
    f.member(0).clearStatus(DISABLED);
    f.clock.advance(20);
    assert.equal(await waiting, 0);
    assert.equal(attempt.worker, f.member(0));
  });
});

describe("balancer timeout, and the client leaves", () => {
  it("looks no more, and elects nobody", async () => {
    const f = new BalancerFixture(["status=D"], "timeout=2");
    const r = f.request();
    const waiting = elect(r, f.attempt());
    f.clock.advance(500);
    (r.conn as { aborted: boolean }).aborted = true;
    f.member(0).clearStatus(DISABLED);
    f.clock.advance(20);
    assert.equal(await waiting, 503);
    assert.equal(f.clock.timers, 0);
    assert.deepEqual([f.member(0).s.busy, f.member(0).s.elected], [0, 0]);
  });
});

describe("log", () => {
  it("an empty balancer: AH01171; names are case-blind; other URLs are declined", () => {
    const f = new BalancerFixture([]);
    assert.equal(elect(f.request(), new ProxyAttempt(splitProxyUrl("balancer://APP/x"))), 503);
    assert.match(
      f.lines.join(""),
      /\[proxy_balancer:error\].*\[client .*\] AH01171: balancer:\/\/app: No workers in balancer/,
    );
    assert.equal(elect(f.request(), new ProxyAttempt(splitProxyUrl("http://app/"))), -1);
    assert.equal(elect(f.request(), new ProxyAttempt(splitProxyUrl("balancer://other/"))), -1);
    assert.equal(elect(f.request(), new ProxyAttempt(splitProxyUrl("balancer://user@app:8080/"))), 503);
    assert.equal(elect(f.request(), new ProxyAttempt(splitProxyUrl("balancer://other:8080/"))), -1);
  });

  it("one line of each kind for each attempt, in httpd's order and with its numbers", () => {
    const f = new BalancerFixture(["route=a", "route=b"], "stickysession=S maxattempts=3");
    serve(f, "01", "/", "S=1.a");
    const numbers = f.lines.map((line) => /AH\d+/.exec(line)![0]);
    const byRoute = "AH01160 AH01161 AH01172";
    const freely = "AH00933 AH01160 AH01161 AH00933 AH10122 AH00933 AH10123 AH01172";
    const recovery = "AH00933 AH00933 AH01165 AH01165";
    assert.equal(numbers.join(" "), [byRoute, freely, recovery, byRoute, freely, "AH01176"].join(" "));
  });

  it("proxy:trace5 tells the story, too, under its own name; without either it is not told", () => {
    const f = new BalancerFixture(["", "status=D"], "", "info");
    const { log } = f.server;
    elect(f.request(), f.attempt());
    assert.equal(f.lines.length, 0);
    for (const module of ["proxy", "proxy_balancer"]) {
      f.lines.length = 0;
      f.server.log = log.at({ base: 6, modules: new Map([[module, 12]]) });
      elect(f.request(), f.attempt());
      const story = f.lines.filter((line) => line.includes(`[${module}:trace5]`)).join("");
      assert.match(story, /m0 .* is a candidate[\s\S]*m1 .* is left out/);
    }
  });

  it("trace5 tells of each member why", () => {
    const f = new BalancerFixture(["", "status=D", "status=N", "lbset=2", "status=H"], "", "trace5");
    elect(f.request(), f.attempt());
    const story = f.lines.filter((line) => line.includes("trace5")).join("");
    assert.match(
      story,
      /m0 .*\) is a candidate of byrequests: lbstatus 0 \+ lbfactor 100\n[\s\S]*m1 .*not usable[\s\S]*m2 .*draining[\s\S]*m3 .*lbset 0 can serve[\s\S]*m4 .*standby/,
    );
  });
});
