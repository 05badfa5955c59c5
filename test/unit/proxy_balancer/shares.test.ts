import assert from "node:assert/strict";
import { test } from "node:test";
import { findCandidates } from "../../../modules/proxy_balancer/candidates.ts";
import { expectedShares, wouldServe } from "../../../modules/proxy_balancer/shares.ts";
import { BalancerFixture } from "../../support/balancer.ts";

const STATES = ["", "status=D", "status=N", "status=S", "status=H", "status=R", "status=HN", "status=RD", "status=HR"];

test("wouldServe() says who findCandidates() finds, in 2,000 balancers of random members", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  for (let round = 0; round < 2000; round++) {
    const lines = Array.from({ length: 1 + random(6) }, () => `${STATES[random(STATES.length)]} lbset=${random(3)}`);
    const { balancer, process } = new BalancerFixture(lines, "", "error");
    const found = findCandidates(balancer, [], 0, process.log).map(({ name }) => name);
    const prospects = balancer.members.map((member, i) => ({
      name: member.name,
      draining: /N/.test(lines[i]!),
      spare: /R/.test(lines[i]!),
      standby: /H/.test(lines[i]!),
      lbset: member.s.lbset,
      loadFactor: 1,
      usable: member.isUsable,
    }));
    assert.deepEqual(
      wouldServe(prospects).map(({ name }) => name),
      found,
      lines.join(" | "),
    );
  }
});

test("expectedShares() are in proportion to the load factors, and 0 for who does not serve", () => {
  const member = { draining: false, spare: false, standby: false, lbset: 0, loadFactor: 1, usable: true };
  const shares = expectedShares([member, { ...member, loadFactor: 3 }, { ...member, draining: true }]);
  assert.deepEqual(shares, [0.25, 0.75, 0]);
  assert.deepEqual(expectedShares([{ ...member, usable: false }]), [0]);
});
