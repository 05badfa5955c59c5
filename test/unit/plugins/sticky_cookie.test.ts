import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SET_COOKIE } from "../../../modules/core/table.ts";
import { DISABLED, DRAIN, IN_ERROR } from "../../../modules/proxy/worker.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { insertFilter } from "../../../modules/server/hooks.ts";
import { BalancerFixture } from "../../support/balancer.ts";

/** One request: who serves it, and the cookie that the response sets, without its attributes; "" for none. */
function ask(f: BalancerFixture, cookie?: string): { member: string; status: unknown; cookie: string; env: string } {
  const r = f.request(cookie);
  const attempt = f.attempt();
  const status = elect(r, attempt);
  insertFilter.run(f.process.hooks, r);
  const set = r.headersOut.getId(SET_COOKIE) ?? "";
  const env = `${r.getEnv("BALANCER_SESSION_STICKY")} ${r.getEnv("BALANCER_ROUTE_CHANGED")}`;
  return { member: f.indexOf(attempt.worker), status, cookie: set.split(";", 1)[0]!, env };
}

const TWO = ["route=a", "route=b"];

describe("mod_sticky_cookie", () => {
  it("tells the environment what stickysession tells", () => {
    const f = new BalancerFixture(TWO, "stickycookie=S");
    const first = ask(f);
    assert.equal(first.env, "undefined 1");
    assert.deepEqual(ask(f, first.cookie), { member: "0", status: 0, cookie: "", env: "S undefined" });
  });

  it("a member that is disabled: another one, its cookie, and the way back for none", () => {
    const f = new BalancerFixture(TWO, "stickycookie=S");
    const { cookie } = ask(f);
    f.member(0).setStatus(DISABLED);
    const moved = ask(f, cookie);
    assert.equal(moved.member, "1");
    assert.equal(moved.env, "S 1");
    f.member(0).clearStatus(DISABLED);
    assert.equal(ask(f, moved.cookie).member, "1");
  });

  it("nofailover: 503, and no cookie", () => {
    const f = new BalancerFixture(TWO, "stickycookie=S nofailover=On");
    const { cookie } = ask(f);
    f.member(0).setStatus(DISABLED);
    const { member, status, cookie: set } = ask(f, cookie);
    assert.deepEqual([member, status, set], ["-", 503, ""]);
  });

  it("redirect: the member that it names, and its cookie", () => {
    const f = new BalancerFixture(["route=a redirect=c", "route=b", "route=c"], "stickycookie=S");
    const { cookie } = ask(f);
    f.member(0).setStatus(DISABLED);
    const moved = ask(f, cookie);
    assert.equal(moved.member, "2");
    assert.notEqual(moved.cookie, "");
  });

  it("a standby gets its sessions, also once the others are back", () => {
    const f = new BalancerFixture(["route=a", "route=s status=+H"], "stickycookie=S");
    f.member(0).setStatus(DISABLED);
    const { member, cookie } = ask(f);
    assert.equal(member, "1");
    f.member(0).clearStatus(DISABLED);
    assert.deepEqual([ask(f, cookie).member, ask(f).member], ["1", "0"]);
  });

  it("a draining member keeps its sessions and gets no others", () => {
    const f = new BalancerFixture(TWO, "stickycookie=S");
    const { cookie } = ask(f);
    f.member(0).setStatus(DRAIN);
    assert.equal(ask(f, cookie).member, "0");
    assert.deepEqual([ask(f).member, ask(f).member], ["1", "1"]);
  });

  it("a later attempt decides on the cookie", () => {
    const f = new BalancerFixture(TWO, "stickycookie=S");
    const { cookie } = ask(f);
    const r = f.request(cookie);
    const attempt = f.attempt();
    elect(r, attempt);
    f.member(0).setStatus(IN_ERROR);
    f.member(0).setError(f.clock.wallUs() / 1000);
    attempt.url = "balancer://app/";
    elect(r, attempt);
    insertFilter.run(f.process.hooks, r);
    assert.equal(f.indexOf(attempt.worker), "1");
    assert.notEqual(r.headersOut.getId(SET_COOKIE), undefined);
  });

  it("members without a route get one, of their URL", () => {
    const one = new BalancerFixture(["", ""], "stickycookie=S");
    const other = new BalancerFixture(["", ""], "stickycookie=S");
    assert.match(one.member(0).route, /^[A-Za-z0-9_-]{8}$/);
    assert.notEqual(one.member(0).route, one.member(1).route);
    const { cookie, member } = ask(one);
    assert.equal(ask(other, cookie).member, member);
  });

  it("excludes stickysession", () => {
    assert.throws(() => new BalancerFixture(TWO, "stickycookie=S stickysession=T"), /exclude each other/);
  });
});
