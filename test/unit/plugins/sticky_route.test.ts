import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProxyAttempt } from "../../../modules/proxy/attempt.ts";
import { sticky } from "../../../modules/proxy/sticky.ts";
import { splitProxyUrl } from "../../../modules/proxy/url.ts";
import { BalancerFixture } from "../../support/balancer.ts";

function attemptAt(url: string): ProxyAttempt {
  return new ProxyAttempt(splitProxyUrl(url));
}

function route(params: string, url: string, cookie?: string): string | null {
  const f = new BalancerFixture([""], params);
  const provider = f.process.providers.lookup(sticky, "route")!;
  const found = provider.findRoute(f.balancer, f.request(cookie), attemptAt(url));
  return found === null ? null : `${found.name}:${found.route}`;
}

const B = "balancer://app";

describe("findRoute() of mod_sticky_route", () => {
  for (const [params, rest, cookie, expected] of [
    ["sid", "/x?sid=1.b", undefined, "sid:b"],
    ["sid", "/x;sid=1.b/y", undefined, "sid:b/y"],
    ["sid", "/x;sid=1.b;z", undefined, "sid:b;z"],
    ["sid scolonpathdelim=On", "/x;sid=1.b;z", undefined, "sid:b"],
    ["sid", "/x?xsid=1.b&q", undefined, "sid:b"],
    ["sid", "/sid=1.b", undefined, "sid:b"],
    ["sid", "/x?SID=1.b", undefined, null],
    ["sid", "/x?sid=&sid=1.b", undefined, "sid:b"],
    ["sid", "/x?sid=", "sid=1.c", "sid:c"],
    ["sid", "/x?sidx=1.a&sid=1.b", undefined, "sid:b"],
    ["sid", "/x?sid=b", "sid=1.c", null],
    ["C|p", "/x?p=1.b", "C=1.c", "p:b"],
    ["C|p", "/x?C=1.b", "C=1.c", "C:c"],
    ["C|p", "/x", "a=1; C=1.c; C=1.d", "C:c"],
    ["C|p", "/x", "a=1,C =  1.c", "C:c"],
    ["C|p", "/x", "XC=1.c", null],
    ["C|p", "/x", "XC=1.a; C=1.c", "C:c"],
    ["C|p", "/x", "c=1.c", null],
    ["C|p", "/x", 'C="1.c"', 'C:c"'],
    ["C|p", "/x", "C=;x", null],
    ["C|p stickysessionsep=Off", "/x", "C=;x", "C:"],
    ["C|p", "/x", "C=1.c,d", "C:c"],
    ["C|p", "/x", "C=", null],
    ["C", "/x", "C=abc.b", "C:b"],
    ["C", "/x", "C=.b", "C:b"],
    ["C", "/x", "C=b", null],
    ["C", "/x", "C=b.", "C:"],
    ["C", "/x", "C=q.w.b", "C:w.b"],
    ["C stickysessionsep=!", "/x", "C=x!b!a", "C:b!a"],
    ["C stickysessionsep=Off", "/x", "C=x.a", "C:x.a"],
  ] as const) {
    it(`stickysession=${params} ${rest} ${cookie ?? ""}: ${expected}`, () => {
      assert.equal(route(`stickysession=${params}`, B + rest, cookie), expected);
    });
  }

  it("joins repeated Cookie fields", () => {
    const f = new BalancerFixture([""], "stickysession=C");
    const r = f.request("a=1");
    r.headersIn.add("Cookie", "C=1.c");
    const provider = f.process.providers.lookup(sticky, "route")!;
    assert.deepEqual(provider.findRoute(f.balancer, r, attemptAt(`${B}/`)), { route: "c", name: "C" });
  });
});
