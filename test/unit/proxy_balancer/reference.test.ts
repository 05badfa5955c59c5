/**
 * The elections of 20,000 requests, against httpd's rules written down once more in the plainest way: every member is looked at
 * for every request, and nothing is kept from one to the next.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProxyAttempt } from "../../../modules/proxy/attempt.ts";
import { DISABLED, DRAIN, HC_FAIL, IN_ERROR } from "../../../modules/proxy/worker.ts";
import { elect } from "../../../modules/proxy_balancer/elect.ts";
import { BalancerFixture } from "../../support/balancer.ts";

const ELECTIONS = 20_000;
const MEMBERS = 8;
const SEED = Number(globalThis.process.env.SLUICE_SEED || 20261121);

/** A member as httpd's proxy_worker_shared has it. */
interface Model {
  readonly lbset: number;
  readonly lbfactor: number;
  readonly retryMs: number;
  readonly spare: boolean;
  readonly standby: boolean;
  disabled: boolean;
  drain: boolean;
  failed: boolean;
  error: boolean;
  errorTime: number;
  lbstatus: number;
  busy: number;
  elected: number;
  retries: number;
  transferred: number;
  read: number;
}

const usable = (m: Model): boolean => !(m.disabled || m.failed || m.error);

/** workers.md section 5; answers whether it is out of error. */
function retry(m: Model, now: number): boolean {
  if (m.error && now > m.errorTime + m.retryMs) {
    m.error = false;
    m.retries++;
  }
  return !m.error;
}

/** balancing.md section 3.2. */
function forceRecovery(members: readonly Model[], now: number): void {
  for (const m of members) if (retry(m, now)) return;
  for (const m of members) {
    m.error = false;
    m.retries++;
  }
}

type Offer = (m: Model, best: Model | null) => boolean;

/** balancing.md section 4: `offer` says whether a member is better than the best so far. */
function bestOf(members: readonly Model[], now: number, offer: Offer): Model | null {
  let best: Model | null = null;
  const consider = (m: Model): void => {
    if (offer(m, best)) best = m;
  };
  const highest = Math.max(...members.map((m) => m.lbset));
  for (let set = 0; set <= highest && best === null; set++) {
    const spares: Model[] = [];
    const standbys: Model[] = [];
    let unusable = 0;
    for (const m of members) {
      if (m.lbset !== set) continue;
      if (m.drain) {
        if (!m.spare && !m.standby) unusable++;
        continue;
      }
      if (!usable(m)) retry(m, now);
      if (m.spare) {
        if (usable(m)) spares.push(m);
      } else if (m.standby) {
        if (usable(m)) standbys.push(m);
      } else if (usable(m)) consider(m);
      else unusable++;
    }
    for (const m of spares.slice(0, unusable)) consider(m);
    if (best === null) for (const m of standbys) consider(m);
  }
  return best;
}

/** balancing.md section 5. */
const METHODS: Readonly<Record<string, (members: readonly Model[], now: number) => Model | null>> = {
  byrequests(members, now) {
    let total = 0;
    const best = bestOf(members, now, (m, so) => {
      m.lbstatus += m.lbfactor;
      total += m.lbfactor;
      return so === null || m.lbstatus > so.lbstatus;
    });
    if (best !== null) best.lbstatus -= total;
    return best;
  },
  bytraffic(members, now) {
    const of = (m: Model) => Math.floor(m.transferred / m.lbfactor) + Math.floor(m.read / m.lbfactor);
    return bestOf(members, now, (m, so) => so === null || of(m) < of(so));
  },
  bybusyness(members, now) {
    let total = 0;
    const best = bestOf(members, now, (m, so) => {
      m.lbstatus += m.lbfactor;
      total += m.lbfactor;
      return so === null || m.busy < so.busy || (m.busy === so.busy && m.lbstatus > so.lbstatus);
    });
    if (best !== null) best.lbstatus -= total;
    return best;
  },
};

describe(`${ELECTIONS} elections as httpd's formulas have them (SLUICE_SEED=${SEED})`, () => {
  for (const [method, choose] of Object.entries(METHODS)) {
    it(method, () => {
      let state = SEED;
      /** 0 to n - 1. Source: Park and Miller */
      const random = (n: number): number => {
        state = (state * 48271) % 2147483647;
        return state % n;
      };
      const lines: string[] = [];
      const models: Model[] = [];
      for (let i = 0; i < MEMBERS; i++) {
        const role = ["", "", "", "R", "H"][random(5)]!;
        const lbset = random(3) === 0 ? 2 : 0;
        const hundredths = 100 + random(900);
        const seconds = 1 + random(4);
        lines.push(
          `lbset=${lbset} loadfactor=${hundredths / 100} retry=${seconds}${role === "" ? "" : ` status=+${role}`}`,
        );
        models.push({
          lbset,
          lbfactor: Math.trunc((hundredths / 100) * 100),
          retryMs: seconds * 1000,
          spare: role === "R",
          standby: role === "H",
          disabled: false,
          drain: false,
          failed: false,
          error: false,
          errorTime: 0,
          lbstatus: 0,
          busy: 0,
          elected: 0,
          retries: 0,
          transferred: 0,
          read: 0,
        });
      }
      const f = new BalancerFixture(lines, `lbmethod=${method}`, "error");
      const running: { attempt: ProxyAttempt; model: Model }[] = [];
      let nobody = 0;
      for (let i = 0; i < ELECTIONS; i++) {
        f.clock.advance(random(60));
        const now = f.clock.wallUs() / 1000;
        const at = random(MEMBERS);
        const member = f.member(at);
        const model = models[at]!;
        // What befalls a member between two requests, now and then.
        const event = random(100);
        if (event < 5) {
          member.setError(now);
          model.error = true;
          model.errorTime = now;
        } else if (event < 7) {
          model.disabled = random(4) === 0;
          if (model.disabled) member.setStatus(DISABLED);
          else member.clearStatus(DISABLED);
        } else if (event < 9) {
          model.drain = random(4) === 0;
          if (model.drain) member.setStatus(DRAIN);
          else member.clearStatus(DRAIN);
        } else if (event < 11) {
          model.failed = random(4) === 0;
          if (model.failed) member.setStatus(HC_FAIL);
          else member.clearStatus(HC_FAIL);
        }

        forceRecovery(models, now);
        const expected = choose(models, now);
        const attempt = f.attempt();
        const status = elect(f.request(), attempt);
        const where = `election ${i} of seed ${SEED}`;
        assert.equal(f.indexOf(attempt.worker), expected === null ? "-" : String(models.indexOf(expected)), where);
        if (expected === null) {
          nobody++;
          assert.equal(status, 503);
          continue;
        }
        expected.busy++;
        expected.elected++;
        running.push({ attempt, model: expected });
        const { s } = attempt.worker!;
        const [out, back] = [random(3000), random(100_000)];
        s.transferred += out;
        s.read += back;
        expected.transferred += out;
        expected.read += back;
        while (running.length > random(20)) {
          const [ended] = running.splice(random(running.length), 1);
          ended!.attempt.release();
          ended!.model.busy--;
        }
      }
      for (let i = 0; i < MEMBERS; i++) {
        const { s } = f.member(i);
        const { lbstatus, busy, elected, retries, transferred, read, error } = models[i]!;
        assert.deepEqual(
          [s.lbstatus, s.busy, s.elected, s.retries, s.transferred, s.read, f.member(i).has(IN_ERROR)],
          [lbstatus, busy, elected, retries, transferred, read, error],
        );
      }
      assert.ok(
        models.filter((m) => m.elected > 100).length > MEMBERS / 2,
        "the trial says little: most were never elected",
      );
      assert.ok(nobody < ELECTIONS / 2);
    });
  }
});
