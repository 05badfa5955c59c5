/** What the directives of mod_proxy refuse, in which words, and what they take. The words are those of httpd 2.4.71. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../../modules/config/directive.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

/** The message, or "" if nothing is wrong. */
function refusal(conf: string): string {
  try {
    new TestGeneration(`${conf}\n`, new VirtualClock());
  } catch (error) {
    assert.ok(error instanceof ConfigError, String((error as Error).stack));
    return error.message;
  }
  return "";
}

const within = (body: string): string => `<Location /x>\n${body}\n</Location>`;

const REFUSED: [conf: string, message: string][] = [
  ["ProxyPass", "ProxyPass|ProxyPassMatch needs a path when not defined in a location"],
  ["ProxyPass /a /y", "ProxyPass URL must be absolute!: /y"],
  ["ProxyPass /a http://h/ mapping=x", "unknown mapping"],
  ["ProxyPassMatch ~ x http://h/", "ProxyPassMatch invalid syntax ('~' usage)."],
  [
    "ProxyPass /a http://h/ bogus",
    "Invalid ProxyPass|ProxyPassMatch parameter. Parameter must be in the form 'key=value'.",
  ],
  [within("ProxyPass /a http://h/"), "ProxyPass|ProxyPassMatch can not have a path when defined in a location."],
  ["ProxyPassReverse /a", "ProxyPassReverse needs a path when not defined in a location"],
  ["ProxyPassReverse /a interpolate", "ProxyPassReverse needs a path when not defined in a location"],
  [within("ProxyPassReverse /a http://h/"), "ProxyPassReverse can not have a path when defined in a location"],
  [
    within("ProxyPassReverse"),
    "ProxyPassReverse takes one, two or three arguments, a virtual path and a URL for reverse proxy behaviour",
  ],
  [
    within("ProxyPass a http://h/"),
    "Invalid ProxyPass|ProxyPassMatch parameter. Parameter must be in the form 'key=value'.",
  ],
  [
    "<Proxy *>\nProxyPass /a http://h/\n</Proxy>",
    "ProxyPass|ProxyPassMatch can not have a path when defined in a location.",
  ],
  ["ProxyPass /a balancer:c", "ProxyPass Bad syntax for a balancer name (balancer:c)"],
  ["ProxyPass /a unix:/s|http", 'ProxyPass|ProxyPassMatch uses an invalid "unix:" URL'],
  ["BalancerMember balancer:c http://h", "BalancerMember Bad syntax for a balancer name (balancer:c)"],
  [
    "BalancerMember balancer://c http://h extra",
    "Invalid BalancerMember parameter. Parameter must be in the form 'key=value'",
  ],
  ["<Proxy balancer://c>\nBalancerMember unix:/s|h\n</Proxy>", 'BalancerMember uses an invalid "unix:" URL'],
  ["ProxySet", "ProxySet can not find '' Worker."],
  ["ProxySet retry=3", "ProxySet can not find 'retry=3' Worker."],
  ["ProxySet balancer:c retry=3", "ProxySet can not find 'balancer:c' Balancer."],
  [within("ProxySet retry=3"), "ProxySet can not find 'retry=3' Worker."],
  [within("ProxySet balancer://c lbmethod=x"), "ProxySet can not find 'balancer://c' Balancer."],
  [within("BalancerMember http://h"), "BalancerMember Bad syntax for a balancer name (/x)"],
  [
    within("BalancerMember balancer://c http://h"),
    "BalancerMember can not have a balancer name when defined in a location",
  ],
  ["<Proxy *>\nProxySet retry=3\n</Proxy>", "ProxySet URL must be absolute!: *"],
  ["<Proxy balancer:c>\nProxySet growth=3\n</Proxy>", "ProxySet Bad syntax for a balancer name (balancer:c)"],
  ["<Proxy balancer:c growth=3>\n</Proxy>", "<Proxy Bad syntax for a balancer name (balancer:c)"],
  ["<Proxy ~ ^http://h>\n</Proxy>", "<Proxy> arguments are not supported for non url."],
  ["<ProxyMatch ^http://h retry=3>\n</ProxyMatch>", "Multiple <ProxyMatch> arguments not (yet) supported."],
  ["ProxyTimeout 0", "Proxy Timeout must be at least 1 second."],
  ["ProxyTimeout abc", "Proxy Timeout must be at least 1 second."],
  ["BalancerMember", "BalancerMember must define balancer name when outside <Proxy > section"],
  ["BalancerMember balancer://b", "BalancerMember must define remote proxy server"],
  ["ProxyErrorOverride maybe", "ProxyErrorOverride first parameter must be one of: off | on"],
  ["ProxyErrorOverride On abc", "ProxyErrorOverride: status codes to intercept must be numeric"],
  [
    "ProxyErrorOverride On 399",
    "ProxyErrorOverride: status codes to intercept must be valid HTTP Status Codes >=400 && <600",
  ],
  ["ProxyErrorOverride Off 404", "ProxyErrorOverride: status codes must follow a value of 'on'"],
  ['<Proxy "*" retry=1>\n</Proxy>', "<Proxy> arguments are not supported for wildchar url."],
  ["Listen abc", "Port must be specified"],
  ["ServerName a:99999", 'The port number "a:99999" is outside the appropriate range (i.e., 1..65535).'],
  ['Error "the text"', "the text"],
];

for (const [conf, message] of REFUSED) {
  test(`${conf.replaceAll("\n", " ")}: refused`, () => assert.equal(refusal(conf), message));
}

// A third word that is not interpolate means nothing in httpd, either.
for (const conf of [
  "ProxyPassReverse /a http://h/ interpolate",
  "ProxyPassReverse /a http://h/ other",
  within("ProxyPassReverse http://h/ interpolate"),
  "ProxyPassReverseCookieDomain a b other",
  `BalancerMember balancer://c http://h\n${within("ProxySet balancer://c lbmethod=bytraffic")}`,
  "ProxyPassReverseCookiePath /a /b interpolate",
]) {
  test(`${conf.replaceAll("\n", " ")}: taken`, () => assert.equal(refusal(conf), ""));
}
