import assert from "node:assert/strict";
import { test } from "node:test";
import { compileRegex } from "../../../modules/config/regex.ts";
import {
  aliasMatch,
  aliasMatchServlet,
  expandGroups,
  findPass,
  hasGroupInAuthority,
  interpolateEnv,
  matchPass,
  type ProxyPassRule,
} from "../../../modules/proxy/pass.ts";
import { canonicalizePath, decodePath, normalizePath, splitTarget } from "../../../modules/server/uri.ts";

function rule(fake: string, url: string, more: Partial<ProxyPassRule> & { match?: boolean } = {}): ProxyPassRule {
  const { match, ...rest } = more;
  return {
    fake,
    regex: match ? compileRegex(fake) : null,
    url,
    decline: url === "!",
    nocanon: false,
    interpolate: false,
    noquery: false,
    mapping: "none",
    ...rest,
  };
}

/** The request line's target a backend would get; a status; or why not. */
function send(rules: ProxyPassRule[], target: string, merge = true, env: Record<string, string> | null = null): string {
  const { path, query } = splitTarget(target);
  const normal = normalizePath(path, merge);
  if (normal === null) return "400";
  const lookup = env === null ? null : (name: string) => env[name];
  let found = findPass(null, rules, true, { path: normal, rawTarget: target, env: lookup });
  if (found === null) {
    const decoded = decodePath(normal, "off");
    if (typeof decoded === "number") return String(decoded);
    found = findPass(null, rules, false, { path: decoded, rawTarget: target, env: lookup });
  }
  if (found === null) return "none";
  if (found === "declined") return found;
  const rest = found.path;
  if (found.raw) return rest;
  const sent = found.encoded ? rest : canonicalizePath(rest, false);
  return (sent === "" ? "/" : sent) + (query === null ? "" : `?${query}`);
}

test("prefix rules: the table of section 3", () => {
  for (const [fake, url, request, sent] of [
    ["/ns", "http://h/NS", "/ns", "/NS"],
    ["/ns", "http://h/NS", "/ns/", "/NS/"],
    ["/ns", "http://h/NS", "/ns/a", "/NS/a"],
    ["/ns", "http://h/NS", "/nsx", "none"],
    ["/ns", "http://h/NS", "/NS", "none"],
    ["/ns", "http://h/NS", "/n", "none"],
    ["/ss/", "http://h/SS/", "/ss/a", "/SS/a"],
    ["/ss/", "http://h/SS/", "/ss", "none"],
    ["/sn/", "http://h/SN", "/sn/a", "/SNa"],
    ["/sn/", "http://h/SN", "/sn/", "/SN"],
    ["/nsl", "http://h/NSL/", "/nsl/a", "/NSL//a"],
    ["/nsl", "http://h/NSL/", "/nsl", "/NSL/"],
    ["/host", "http://h", "/host", "/"],
    ["/host", "http://h", "/host/a", "/a"],
    ["/dbl//x", "http://h/DBL", "/dbl/x/y", "/DBL/y"],
    ["/dbl//x", "http://h/DBL", "/dbl///x/y", "/DBL/y"],
    ["http://pub.example/vv/", "balancer://b/", "/vv/", "none"],
    ["/ns", "http://h/NS", "/ns/a?", "/NS/a?"],
    ["/", "balancer://members/", "/x/y?z", "/x/y?z"],
  ] as const)
    assert.equal(send([rule(fake, url)], request), sent, `${fake} ${request}`);
  assert.equal(send([rule("/dbl//x", "http://h/DBL")], "/dbl///x/y", false), "/DBL/y");
  assert.equal(send([rule("/e", "http://h/E")], "/e/a//b", false), "/E/a//b");
  assert.equal(send([rule("/e", "http://h/E")], "//e/a", false), "/E/a");
  assert.equal(send([rule("/e2/", "http://h/E2/")], "/e2//a", false), "/E2/a");
  assert.equal(aliasMatch("/a", ""), 0);
  const found = matchPass(rule("/q", "http://h/Q?fixed=1"), { path: "/q/a", rawTarget: "/q/a?x=1", env: null });
  assert.ok(found !== null && found !== "declined");
  assert.equal(canonicalizePath(found.path, false), "/Q%3Ffixed=1/a");
});

test("order, decline, mapping first, section's rule first", () => {
  const rules = [rule("/a/no", "!"), rule("/a", "http://h/1"), rule("/a/b", "http://h/2")];
  assert.equal(send(rules, "/a/no/x"), "declined");
  assert.equal(send(rules, "/a/b"), "/1/b");
  assert.equal(
    send([rule("^/m", "http://h/R", { match: true }), rule("/m", "http://h/M", { mapping: "encoded" })], "/m/a"),
    "/M/a",
  );
  const request = { path: "/a/no", rawTarget: "/a/no", env: null };
  const section = rule("/a", "http://h/S");
  const found = findPass(section, rules, false, request);
  assert.ok(found !== null && found !== "declined" && found.rule === section);
  assert.equal(findPass(rule("/a", "!"), [rule("/", "http://h/")], false, request), "declined");
  assert.equal(findPass(section, rules, false, { ...request, accept: (match) => match.rule !== section }), "declined");
  assert.equal(findPass(section, rules, true, request), null);
  assert.equal(findPass(section, rules, false, { ...request, path: "*" }), null);
});

test("regex rules", () => {
  const match = true;
  assert.equal(send([rule("\\.jpg$", "http://h", { match })], "/some/p.jpg?q"), "/some/p.jpg?q");
  assert.equal(send([rule("^/rn/.*\\.gif$", "http://h/RN", { match })], "/rn/z.gif"), "/RN/rn/z.gif");
  assert.equal(send([rule("^/r/(\\w+)/(.*)$", "http://h/R/$2/$1", { match })], "/r/a/b/c"), "/R/b/c/a");
  assert.equal(send([rule("^/r/(.*)$", "http://h/R&\\$1$1", { match })], "/r/a"), "/R&$1a");
  assert.equal(send([rule("^/r/", "!", { match })], "/r/a"), "declined");
  assert.equal(send([rule("^/r/", "http://h", { match })], "/s"), "none");
  assert.equal(send([rule("^/r/(.*)", "http://h/R/$1", { match })], "/r/%20x"), "/R/%20x");
  assert.equal(send([rule("^/r/(.*)", "http://h/R/$1", { match, nocanon: true })], "/r/%5b?a"), "/R/%5b?a");
  assert.equal(expandGroups("$0-$1-$9\\\\x\\", ["ab", "b"]), "ab-b-\\x\\");
});

test("nocanon", () => {
  const rules = [rule("/nocanon", "http://h/NC", { nocanon: true })];
  assert.equal(send(rules, "/nocanon/a%5bx%5D/../%41//?q=1"), "/NC/a%5bx%5D/../%41//?q=1");
  assert.equal(send(rules, "/%6Eocanon/[a]?q"), "/NC/%5Ba%5D?q");
  const found = matchPass(rules[0]!, { path: "/nocanon/a", rawTarget: "/%6Eocanon/a", env: null });
  assert.ok(found !== null && found !== "declined" && found.unsafeNocanon && !found.raw);
});

test("mapping=encoded", () => {
  const rules = [
    rule("/men/%3F", "http://h/Q", { mapping: "encoded" }),
    rule("/men", "http://h/MEN", { mapping: "encoded" }),
  ];
  assert.equal(send(rules, "/men/a%41%20%2Fb"), "/MEN/aA%20%2Fb");
  assert.equal(send(rules, "/men/%3F/a"), "/Q/a");
  assert.equal(send(rules, "/men/%3f/a?x"), "/MEN/%3f/a?x");
});

test("mapping=servlet", () => {
  const rules = [rule("/serv/let", "http://h/SV", { mapping: "servlet", nocanon: true })];
  for (const [request, sent] of [
    ["/serv;p=1/let;q=2/a;r=3", "/SV;q=2/a;r=3"],
    ["/serv/let;q=2", "/SV"],
    ["/serv/let", "/SV"],
    ["/serv/let/", "/SV/"],
    ["/serv//let/a", "/SV/a"],
    ["/serv/./let/../let/a", "/SV/a"],
    ["/serv/le%74/a", "/SV/a"],
    ["/serv/let/a%41;x", "/SV/aA;x"],
    ["/serv/let/..;/z", "none"],
    ["/serv/letx", "none"],
    ["/serv", "none"],
    ["/serv/let;q/..;/let/b", "/SV/b"],
    ["/..;/serv/let", "none"],
    ["/;x/serv/let/a", "/SV/a"],
  ] as const)
    assert.equal(send(rules, request), sent, request);
  assert.deepEqual(aliasMatchServlet("/serv;p=1/let;q=2/a;r=3", "/serv/let"), { length: 13 + 0, path: "/serv/let/a" });
  assert.deepEqual(aliasMatchServlet("/a/b", "/"), { length: 1, path: "/a/b" });
  assert.deepEqual(aliasMatchServlet("/", "/"), { length: 1, path: "/" });
  assert.equal(aliasMatchServlet("/a", "/a/"), null);
  assert.deepEqual(aliasMatchServlet("/a;x/b", "/a/"), { length: 5, path: "/a/b" });
});

test("interpolate", () => {
  const rules = [rule("/i${p}", "http://h/${tgt}/${no}x${", { interpolate: true })];
  assert.equal(send(rules, "/i1/a", true, { p: "1", tgt: "T" }), "/T/x$%7B/a");
  assert.equal(send([rule("/i", "http://h/${tgt}/", { interpolate: true })], "/i"), "/$%7Btgt%7D/");
  assert.equal(send([rule("/i", "http://h/${tgt}/")], "/i", true, { tgt: "T" }), "/$%7Btgt%7D/");
  assert.equal(
    interpolateEnv("${a}", () => "${a}"),
    "${a}",
  );
});

test("workers of regex rules", () => {
  assert.equal(hasGroupInAuthority("http://$1.x/"), true);
  assert.equal(hasGroupInAuthority("http://h:8$1"), true);
  assert.equal(hasGroupInAuthority("http://h/$1"), false);
});
