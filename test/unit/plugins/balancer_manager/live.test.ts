import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberState } from "../../../../modules/mod.ts";
import { balancerState } from "../../../../modules/proxy_balancer/state.ts";
import { formUrl, linkUrl } from "../../../../plugins/balancer_manager/html.ts";
import { liveScript } from "../../../../plugins/balancer_manager/live.ts";
import { parseParams } from "../../../../plugins/balancer_manager/params.ts";
import { BalancerFixture } from "../../../support/balancer.ts";

interface Functions {
  sparkline(values: readonly number[], width: number, height: number): string;
  changedSettings(member: MemberState, field: (name: string) => string | null): Record<string, unknown>;
  sharesAfter(members: readonly MemberState[], changed: MemberState, change: object): number[];
}

/** The script as a browser reads it, but for the call that starts it. */
function load(): Functions {
  const text = liveScript();
  assert.match(text, /live\(\);\n$/);
  return new Function(`${text.replace(/live\(\);\n$/, "")} return { sparkline, changedSettings, sharesAfter };`)();
}

test("the script is ASCII, names no other host, and its functions find each other", () => {
  assert.match(liveScript(), /^[\x00-\x7f]*$/);
  assert.deepEqual(
    [...liveScript().matchAll(/https?:\/\/[^"]+/g)].map(([url]) => url),
    [
      ...Array.from(
        { length: liveScript().split("http://www.w3.org/2000/svg").length - 1 },
        () => "http://www.w3.org/2000/svg",
      ),
    ],
  );
  const { sharesAfter, changedSettings, sparkline } = load();
  const { server, balancer } = new BalancerFixture(["", "loadfactor=3", "status=H"]);
  const { members } = balancerState(server, balancer);
  assert.deepEqual(sharesAfter(members, members[1]!, { disabled: true }), [1, 0, 0]);
  assert.deepEqual(sharesAfter(members, members[0]!, { loadFactor: 3 }), [0.5, 0.5, 0]);
  const fields: Record<string, string> = {
    w_status_N: "1",
    w_status_D: "0",
    w_lf: "2",
    w_ls: "0",
    w_wr: "r",
    w_rr: "",
  };
  const change = changedSettings(members[0]!, (name) => fields[name] ?? null);
  assert.deepEqual(change, { draining: true, route: "r", loadFactor: 2 });
  assert.equal(sparkline([0, 2, 1], 10, 4), "M0.0 4.0L5.0 0.0L10.0 2.0");
});

test("a URL in a link comes back as it was, however odd", () => {
  for (const url of ["http://a:1/x", "http://a/%2F%", "http://a/x<a&b=c", 'http://a/"+#?']) {
    const params = parseParams(`w=${linkUrl(url)}&b=x`, null);
    assert.equal(params.get("w"), url);
    // A browser encodes the hidden field once more.
    assert.equal(parseParams(`w=${encodeURIComponent(formUrl(url))}`, null).get("w"), url);
  }
});

test("parseParams(): the first =, the last of a name, decoded twice, + as it is", () => {
  const params = parseParams("a=1=2&b&a=3&c=%252F&d=x+y&%65=5&&f=%zz", null);
  assert.deepEqual(
    [...params],
    [
      ["a", "3"],
      ["b", ""],
      ["c", "/"],
      ["d", "x+y"],
      ["e", "5"],
      ["f", "%zz"],
    ],
  );
  assert.deepEqual([...parseParams("w=1&w_lf=2", new Set(["w"]))], [["w", "1"]]);
});
