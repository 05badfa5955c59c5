import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RequestRec } from "../../../modules/core/records.ts";
import { DECLINED, OK, type Status } from "../../../modules/core/status.ts";
import { checkAccess } from "../../../modules/server/access.ts";
import { accessChecker, accessCheckerEx, authChecker, checkUserId, satisfyAny } from "../../../modules/server/hooks.ts";
import { BalancerFixture } from "../../support/balancer.ts";

/** What the hooks answer; undefined: no module joined. */
interface Answers {
  any?: boolean;
  address?: Status;
  userless?: Status;
  user?: Status;
  /** check_user_id sets no user. */
  nobody?: boolean;
  authorized?: Status;
}

interface Case {
  readonly r: RequestRec;
  readonly asked: string[];
  readonly lines: string[];
}

function setup(answers: Answers, later: boolean): Case {
  const fixture = new BalancerFixture([""]);
  const { hooks } = fixture.process;
  const asked: string[] = [];
  const say = (name: string, status: Status) => {
    asked.push(name);
    return later ? Promise.resolve(status) : status;
  };
  if (answers.any === true) hooks.hook(satisfyAny, () => OK);
  if (answers.address !== undefined) hooks.hook(accessChecker, () => say("address", answers.address!));
  if (answers.userless !== undefined) hooks.hook(accessCheckerEx, () => say("userless", answers.userless!));
  if (answers.user !== undefined) {
    hooks.hook(checkUserId, (r) => {
      if (answers.nobody !== true) r.user = "ann";
      return say("user", answers.user!);
    });
  }
  if (answers.authorized !== undefined) hooks.hook(authChecker, () => say("authorized", answers.authorized!));
  return { r: fixture.request(), asked, lines: fixture.lines };
}

describe("checkAccess()", () => {
  const TABLE: [name: string, answers: Answers, status: Status, asked: string][] = [
    ["no module: anybody may", {}, OK, ""],
    ["an address that may not is not asked for more", { address: 403, userless: OK }, 403, "address"],
    ["whoever asks may", { address: OK, userless: OK, user: 401 }, OK, "address userless"],
    ["nobody may", { address: OK, userless: 403, user: OK }, 403, "address userless"],
    ["a user who may", { userless: DECLINED, user: OK, authorized: OK }, OK, "userless user authorized"],
    ["a user who may not", { userless: DECLINED, user: OK, authorized: 401 }, 401, "userless user authorized"],
    ["no user", { userless: DECLINED, user: 401, authorized: OK }, 401, "userless user"],
    ["Satisfy Any: the address suffices", { any: true, address: OK, userless: 403 }, OK, "address"],
    ["Satisfy Any: so does the rest", { any: true, address: 403, userless: OK }, OK, "address userless"],
    ["Satisfy Any: neither", { any: true, address: 403, userless: 403 }, 403, "address userless"],
    ["Satisfy Any, and nothing is required", { any: true, address: 403 }, OK, "address"],
    [
      "Satisfy Any: a user",
      { any: true, address: 403, userless: DECLINED, user: OK, authorized: OK },
      OK,
      "address userless user authorized",
    ],
    ["nobody authenticates", { userless: DECLINED }, 500, "userless"],
    ["nobody is authenticated", { userless: DECLINED, user: OK, nobody: true, authorized: OK }, 500, "userless user"],
    ["nobody authorizes", { userless: DECLINED, user: OK }, 500, "userless user"],
  ];
  for (const [name, answers, status, asked] of TABLE) {
    test(`${name}, at once and later`, async () => {
      const now = setup(answers, false);
      assert.equal(checkAccess(now.r), status);
      const later = setup(answers, true);
      assert.equal(await checkAccess(later.r), status);
      assert.deepEqual([now.asked.join(" "), later.asked.join(" ")], [asked, asked]);
    });
  }

  test("says what does not hold together", () => {
    const messages = [
      [{ userless: DECLINED }, /AH00025: configuration error: {2}couldn't check user: /],
      [{ userless: DECLINED, user: OK, nobody: true }, /AH00027: No authentication done but request not allowed/],
      [{ userless: DECLINED, user: OK }, /AH00025: configuration error: {2}couldn't check authorization: /],
    ] as const;
    for (const [answers, message] of messages) {
      const { r, lines } = setup(answers, false);
      assert.equal(checkAccess(r), 500);
      assert.match(lines.join(""), message);
    }
  });
});
