import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

/** The parameters of the check of http://m0 in `text`. */
function check(text: string) {
  return new TestGeneration(text, new VirtualClock()).balancer().members[0]!.check?.params;
}

const member = (settings: string, before = "") =>
  `${before}\n<Proxy balancer://app>\nBalancerMember http://m0 ${settings}\n</Proxy>`;

const DEFAULTS = { method: "NONE", provider: "", intervalMs: 30_000, passes: 1, fails: 1, uri: "", expr: "" };

describe("hc* parameters", () => {
  for (const [settings, expected] of [
    ["hcmethod=get11", { method: "GET11" }],
    ["hcInterval=5", { intervalMs: 5000 }],
    ["hcinterval=100ms", { intervalMs: 100 }],
    ["hcinterval=2mi", { intervalMs: 120_000 }],
    ["hcinterval=2sec", { intervalMs: 2000 }],
    ["hcpasses=0 hcfails=x", { passes: 0, fails: 0 }],
    ["hcuri=/a", { uri: "/a" }],
  ] as const) {
    it(settings, () => assert.deepEqual(check(member(settings)), { ...DEFAULTS, ...expected }));
  }

  it("without any there is no check", () => assert.equal(check(member("")), undefined));

  for (const [settings, error] of [
    ["hcmethod=CPING", "BalancerMember Health check method CPING not (yet) implemented"],
    ["hcmethod=PROVIDER", "BalancerMember Health check method PROVIDER not (yet) implemented"],
    ["hcmethod=PROVIDER:", "BalancerMember hcmethod=PROVIDER: needs the name of a provider"],
    ["hcmethod=GET:x", "BalancerMember Unknown method"],
    ["hcmethod=foo", "BalancerMember Unknown method"],
    ["hcinterval=99ms", "BalancerMember Interval must be a positive value greater than 100ms"],
    ["hcinterval=2m", "BalancerMember Unparse-able hcinterval setting"],
    ["hcinterval=-1", "BalancerMember Unparse-able hcinterval setting"],
    ["hcpasses=-1", "BalancerMember Passes must be a positive value"],
    ["hcfails=-2", "BalancerMember Fails must be a positive value"],
    [`hcuri=${"a".repeat(64)}`, "BalancerMember Health check uri length must be < 64 characters"],
    ["hcexpr=no", "BalancerMember Unknown health check condition expr: no"],
    ["hctemplate=no", "BalancerMember Unknown ProxyHCTemplate name: no"],
    ["hcfoo=1", "BalancerMember unknown Worker hcheck parameter"],
  ] as const) {
    it(`${settings.slice(0, 20)} is an error`, () => {
      assert.throws(() => check(member(settings)), { message: error });
    });
  }

  it("hcmethod=PROVIDER: with a name that no module provides is an error", () => {
    assert.throws(() => check(member("hcmethod=PROVIDER:none")), /PROVIDER:none: no module provides this health check/);
  });
});

describe("a check over TLS", () => {
  it("is one like any other: a member whose TLS is switched off fails it", () => {
    const https = (method: string) => member(`hcmethod=${method}`).replace("http:", "https:");
    assert.equal(check(https("GET"))!.method, "GET");
    assert.equal(check(https("TCP"))!.method, "TCP");
  });
});

describe("ProxyHCTemplate", () => {
  it("sets all, in whatever case; TCP unless it says otherwise; what comes before is lost, what comes after wins", () => {
    const before = "ProxyHCTemplate Knock hcinterval=3 hcfails=2";
    const expected = { ...DEFAULTS, method: "TCP", intervalMs: 3000, fails: 2 };
    assert.deepEqual(check(member("hctemplate=KNOCK", before)), expected);
    assert.deepEqual(check(member("hcuri=/lost hcmethod=GET hctemplate=knock", before)), expected);
    assert.deepEqual(check(member("hctemplate=knock hcmethod=HEAD", before)), { ...expected, method: "HEAD" });
  });

  it("may use one that was defined before", () => {
    const before = "ProxyHCTemplate a hcmethod=GET hcuri=/a\nProxyHCTemplate b hctemplate=a hcfails=3";
    assert.deepEqual(check(member("hctemplate=b", before)), { ...DEFAULTS, method: "GET", uri: "/a", fails: 3 });
  });

  for (const [line, error] of [
    ["ProxyHCTemplate", "Missing template name for ProxyHCTemplate"],
    ["ProxyHCTemplate a hcmethod", "Invalid ProxyHCTemplate parameter. Parameter must be in the form 'key=value'"],
    ["ProxyHCTemplate a hcmethod=foo", "ProxyHCTemplate: Unknown method hcmethod=foo; a"],
    ["ProxyHCTemplate a foo=1", "ProxyHCTemplate: unknown Worker hcheck parameter foo=1; a"],
    ["ProxyHCTPsize -1", "Invalid ProxyHCTPsize parameter. Parameter must be >= 0"],
    ["ProxyHCExpr", "Missing expression name for ProxyHCExpr"],
    ["ProxyHCExpr a", "Missing expression for ProxyHCExpr"],
    ["ProxyHCExpr abcdefghijklmnop {true}", "Expression name limited to 15 characters"],
    ["ProxyHCExpr a {true} x", "error: extra parameter(s)"],
  ] as const) {
    it(`${line} is an error`, () => assert.throws(() => check(line), { message: error }));
  }

  it("of the main server is unknown in a virtual host", () => {
    const text = `ProxyHCTemplate a hcmethod=GET\n<VirtualHost *>\n${member("hctemplate=a")}\n</VirtualHost>`;
    assert.throws(() => check(text), { message: "BalancerMember Unknown ProxyHCTemplate name: a" });
  });
});

describe("ProxySet and <Proxy> name the parameter that is wrong", () => {
  for (const [text, message] of [
    [
      "<Proxy balancer://app>\nProxySet hcmethod=TCP\n</Proxy>",
      "ProxySet: unknown Balancer parameter hcmethod=TCP; balancer://app",
    ],
    ["<Proxy balancer://app>\nProxySet panic=x\n</Proxy>", "ProxySet: panic must be On|Off panic=x; balancer://app"],
    ["ProxySet http://m0/ hcmethod=TCPX", "ProxySet: Unknown method hcmethod=TCPX; http://m0/"],
    ["<Proxy http://m0/ foo=1>\n</Proxy>", "<Proxy unknown Worker hcheck parameter foo=1; http://m0/"],
    ["<Proxy http://m0/ foo>\n</Proxy>", "Invalid Proxy parameter. Parameter must be in the form 'key=value'"],
  ] as const) {
    it(message, () => assert.throws(() => check(text), { message }));
  }
});
