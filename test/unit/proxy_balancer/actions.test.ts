import assert from "node:assert/strict";
import { test } from "node:test";
import { workerStruct } from "../../../modules/proxy/worker.ts";
import { onAction, perform, undo } from "../../../modules/proxy_balancer/actions.ts";
import type { Action } from "../../../modules/proxy_balancer/audit.ts";
import { type Actor, auditLog } from "../../../modules/proxy_balancer/audit.ts";
import { previewMember } from "../../../modules/proxy_balancer/preview.ts";
import { changeMember } from "../../../modules/proxy_balancer/settings.ts";
import { balancerState } from "../../../modules/proxy_balancer/state.ts";
import { BalancerFixture } from "../../support/balancer.ts";

const ACTOR: Actor = { user: "alice", address: "10.0.0.1", via: "api" };
const APP = "balancer://app";

function done(fixture: BalancerFixture, action: Action) {
  const outcome = perform(fixture.server, ACTOR, action);
  assert.ok("entry" in outcome, JSON.stringify(outcome));
  return outcome.entry;
}
function refused(fixture: BalancerFixture, action: Action): number {
  const outcome = perform(fixture.server, ACTOR, action);
  assert.ok("refusal" in outcome);
  return outcome.refusal.status;
}

test("an action notes what it changed and what takes it back, and logs who did it", () => {
  const fixture = new BalancerFixture(["route=a", "route=b"]);
  const entry = done(fixture, {
    kind: "set-member",
    balancer: APP,
    member: "http://m0",
    settings: { draining: true, route: "a", timeoutMs: 500 },
  });
  assert.deepEqual(entry.changes, [
    { name: "draining", before: false, after: true },
    { name: "timeoutMs", before: null, after: 500 },
  ]);
  assert.deepEqual(entry.inverse, {
    kind: "set-member",
    balancer: APP,
    member: "http://m0",
    settings: { draining: false, timeoutMs: null },
  });
  assert.match(fixture.lines.join(""), /set-member balancer:\/\/app http:\/\/m0: .* by alice from 10\.0\.0\.1, api/);
});

test("undo takes back one action after the other, and not its own", () => {
  const fixture = new BalancerFixture(["", ""], "growth=1");
  const { server, balancer } = fixture;
  balancer.spareSlots.push(...new BalancerFixture([""]).balancer.members.map(({ s }) => s));
  done(fixture, { kind: "set-balancer", balancer: APP, settings: { lbmethod: "bybusyness", timeoutMs: 1000 } });
  done(fixture, { kind: "add-member", balancer: APP, url: "http://m9", settings: { disabled: false, route: "z" } });
  assert.equal(balancer.members[2]?.isUsable, true);
  assert.ok("entry" in undo(server, ACTOR));
  assert.equal(balancer.members.length, 2);
  assert.ok("entry" in undo(server, ACTOR));
  assert.deepEqual([balancer.params.lbmethod, balancer.params.timeoutMs], ["byrequests", 0]);
  assert.deepEqual(undo(server, ACTOR), { refusal: { status: 409, error: "there is nothing to take back" } });
  const [last, before] = auditLog(fixture.process).of(server);
  assert.deepEqual([last!.inverse, before!.inverse], [null, null]);
  assert.deepEqual(
    auditLog(fixture.process)
      .of(server)
      .map(({ undoneBy }) => undoneBy),
    [null, null, 3, 4],
  );
});

test("a load factor starts the accounts of all anew; of a single member it stays 1", () => {
  const fixture = new BalancerFixture(["", "loadfactor=2"]);
  done(fixture, { kind: "set-member", balancer: APP, member: "http://m0", settings: { loadFactor: 4.5 } });
  assert.deepEqual(
    fixture.balancer.members.map(({ s }) => [s.lbfactor, s.lbstatus]),
    [
      [450, 450],
      [200, 200],
    ],
  );
  const single = new BalancerFixture(["loadfactor=5"]);
  done(single, { kind: "set-member", balancer: APP, member: "http://m0", settings: { loadFactor: 7 } });
  assert.deepEqual([single.member(0).s.lbfactor, single.member(0).s.lbstatus], [100, 100]);
  // Another child hears of it later, and writes to the same memory.
  single.member(0).s.lbstatus = 40;
  changeMember(single.balancer, single.member(0), { loadFactor: 7 }, single.server, false);
  assert.deepEqual([single.member(0).s.lbfactor, single.member(0).s.lbstatus], [100, 40]);
});

// httpd 2.4.71 does it in its other processes alone: with one there is none.
test("a member that is added, or serves again, does not start the accounts afresh", () => {
  const fixture = new BalancerFixture(["", "status=+D"], "growth=1 lbmethod=bytraffic");
  const { balancer } = fixture;
  balancer.spareSlots.push(...new BalancerFixture([""]).balancer.members.map(({ s }) => s));
  fixture.member(0).s.transferred = 500;
  done(fixture, { kind: "set-member", balancer: APP, member: "http://m1", settings: { disabled: false } });
  done(fixture, { kind: "add-member", balancer: APP, url: "http://m9" });
  assert.equal(fixture.member(0).s.transferred, 500);
});

test("another method starts afresh", () => {
  const fixture = new BalancerFixture(["", ""]);
  fixture.member(0).s.transferred = 5;
  done(fixture, { kind: "set-balancer", balancer: APP, settings: { lbmethod: "bytraffic" } });
  assert.equal(fixture.member(0).s.transferred, 0);
});

test("what cannot be done is refused, and changes nothing", () => {
  const fixture = new BalancerFixture(["", ""]);
  const set = (settings: object): Action => ({ kind: "set-member", balancer: APP, member: "http://m0", settings });
  const member = { balancer: APP, member: "http://m0" };
  assert.equal(refused(fixture, { kind: "recover", ...member }), 409);
  assert.equal(refused(fixture, { kind: "check", ...member }), 409);
  assert.equal(refused(fixture, { kind: "remove-member", ...member }), 409);
  assert.equal(refused(fixture, { kind: "add-member", balancer: APP, url: "http://m5" }), 409);
  assert.equal(refused(fixture, { kind: "add-member", balancer: APP, url: "http://m0/below" }), 409);
  assert.equal(refused(fixture, { kind: "add-member", balancer: APP, url: "nonsense" }), 400);
  assert.equal(refused(fixture, set({ draining: true, checkExpr: "nope" })), 400);
  assert.equal(refused(fixture, set({ checkMethod: "PROVIDER:nope" })), 400);
  assert.equal(refused(fixture, { kind: "set-balancer", balancer: APP, settings: { lbmethod: "nope" } }), 400);
  assert.equal(refused(fixture, { kind: "reset", balancer: "balancer://nope" }), 404);
  assert.equal(refused(fixture, { kind: "reset", balancer: APP, member: "http://m7" }), 404);
  assert.deepEqual(auditLog(fixture.process).of(fixture.server), []);
  assert.equal(fixture.member(0).flags, "Init Ok ");
});

test("recover ends an error, check asks for a probe, reset zeroes counters", () => {
  const fixture = new BalancerFixture(["", ""]);
  const member = fixture.member(0);
  member.setError(0, "refused");
  done(fixture, { kind: "recover", balancer: APP, member: "http://m0" });
  assert.equal(member.isUsable, true);
  done(fixture, { kind: "set-member", balancer: APP, member: "http://m0", settings: { checkMethod: "TCP" } });
  done(fixture, { kind: "check", balancer: APP, member: "http://m0" });
  assert.equal(member.check?.wanted, true);
  member.s.elected = fixture.member(1).s.elected = 9;
  done(fixture, { kind: "reset", balancer: APP, member: "http://m0" });
  assert.deepEqual([member.s.elected, fixture.member(1).s.elected], [0, 9]);
  done(fixture, { kind: "reset", balancer: APP });
  assert.equal(fixture.member(1).s.elected, 0);
});

test("listeners are told of each action until they leave", () => {
  const fixture = new BalancerFixture(["", ""]);
  let told = 0;
  const leave = onAction(fixture.server, () => told++);
  done(fixture, { kind: "reset", balancer: APP });
  leave();
  done(fixture, { kind: "reset", balancer: APP });
  assert.equal(told, 1);
});

test("the state tells what the file says, what was changed since, and what was found apart", () => {
  const fixture = new BalancerFixture(["status=D", "status=H"]);
  done(fixture, {
    kind: "set-member",
    balancer: APP,
    member: "http://m0",
    settings: { disabled: false, draining: true },
  });
  fixture.member(0).setError(5000, "connection refused");
  const [m0, m1] = balancerState(fixture.server, fixture.balancer).members;
  assert.deepEqual([m0!.configured, m0!.administrative], ["D", { set: "N", cleared: "D" }]);
  assert.deepEqual(m0!.observed.error, { sinceMs: 5000, untilMs: 65_000, reason: "connection refused" });
  assert.deepEqual([m1!.configured, m1!.administrative.set, m1!.share], ["H", "", 1]);
});

test("a preview changes nothing", () => {
  const fixture = new BalancerFixture(["", "loadfactor=3"]);
  const before = fixture.balancer.members.map(({ s }) => workerStruct.fields.map((field) => s[field]));
  const preview = previewMember(fixture.balancer, fixture.member(1), { disabled: true, route: "" });
  assert.deepEqual(preview, {
    changes: [{ name: "disabled", before: false, after: true }],
    shares: [
      { member: "http://m0", before: 0.25, after: 1 },
      { member: "http://m1", before: 0.75, after: 0 },
    ],
  });
  assert.deepEqual(
    fixture.balancer.members.map(({ s }) => workerStruct.fields.map((field) => s[field])),
    before,
  );
});
