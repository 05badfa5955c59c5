/** Which balancer a virtual host gets. The members are those that httpd 2.4.71 used. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { getProxyServerState } from "../../../modules/proxy/server_state.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

const MAIN = "<Proxy balancer://app>\nBalancerMember http://one\nBalancerMember http://two\n</Proxy>\n";
const ADDS = "<Proxy balancer://app>\nBalancerMember http://three\nProxySet lbmethod=bytraffic\n</Proxy>\n";

function inVhost(body: string): { members: string[]; lbmethod: string; log: string } {
  const text = `${MAIN}<VirtualHost *:80>\nServerName v\n${body}</VirtualHost>\n`;
  const generation = new TestGeneration(text, new VirtualClock());
  const balancer = getProxyServerState(generation.process.servers[1]!)!.balancers.get("balancer://app")!;
  const { lbmethod } = balancer.params;
  return { members: balancer.members.map((m) => m.name), lbmethod, log: generation.lines.join("") };
}

test("a virtual host inherits the members of the main server", () => {
  assert.deepEqual(inVhost("").members, ["http://one", "http://two"]);
});

test("members that a virtual host adds to an inherited balancer are lost, its parameters count", () => {
  const { members, lbmethod, log } = inVhost(ADDS);
  assert.deepEqual([members, lbmethod], [["http://one", "http://two"], "bytraffic"]);
  assert.match(log, /http:\/\/three is no member of balancer:\/\/app/);
});

test("a virtual host that inherits neither workers nor balancers has its own alone", () => {
  const { members } = inVhost(`ProxyPassInherit Off\nBalancerInherit Off\n${ADDS}`);
  assert.deepEqual(members, ["http://three"]);
});

test("the balancers that a virtual host inherits without a word of them come before those that it mentions", () => {
  const section = (name: string): string => `<Proxy balancer://${name}>\nBalancerMember http://${name}\n</Proxy>\n`;
  const vhost = `<VirtualHost *:80>\n${section("x")}ProxyPass /b balancer://b/\nProxyPass /a balancer://a/\n</VirtualHost>\n`;
  const { process } = new TestGeneration(["a", "b", "c", "d"].map(section).join("") + vhost, new VirtualClock());
  const names = [...getProxyServerState(process.servers[1]!)!.balancers.keys()];
  assert.deepEqual(
    names.map((name) => name.slice("balancer://".length)),
    ["c", "d", "x", "b", "a"],
  );
});

test("of a parameter that a line repeats the last value counts, in the place of the first; ProxySet sets each", () => {
  const text = `
    ProxyHCTemplate t hcmethod=OPTIONS hcinterval=7
    <Proxy balancer://app>
      BalancerMember http://one status=+I Status=+H retry=-1 retry=5
      BalancerMember http://two hcmethod=GET hctemplate=t hcmethod=HEAD hcinterval=9
      BalancerMember http://three
    </Proxy>
    <Proxy http://four/>
      ProxySet status=+D status=+N
    </Proxy>
    ProxyPass / balancer://app/ maxattempts=3 failonstatus=500 failonstatus=503 maxattempts=0
  `;
  const state = getProxyServerState(new TestGeneration(text, new VirtualClock()).process.servers[0]!)!;
  const { members, params } = state.balancers.get("balancer://app")!;
  assert.deepEqual([members[0]!.flags, members[0]!.params.retryMs], ["Init Stby Ok ", 5000]);
  const { method, intervalMs } = members[1]!.check!.params;
  assert.deepEqual([method, intervalMs], ["OPTIONS", 9000]);
  assert.deepEqual([params.maxAttempts, params.failOnStatus], [0, [503]]);
  assert.equal(state.workers[0]!.flags, "Init Ign Drn Dis ");
});

test("ProxyPass and ProxyPassMatch do not share workers with each other", () => {
  const names = (text: string): string[] =>
    getProxyServerState(new TestGeneration(text, new VirtualClock()).process.servers[0]!)!.workers.map((w) => w.name);
  const plain = "ProxyPass / http://h/\n";
  assert.deepEqual(names(`${plain}ProxyPass /x http://h/x\n`), ["http://h/"]);
  assert.deepEqual(names(`${plain}ProxyPassMatch ^/x(.*) http://h/$1\n`), ["http://h/", "http://h/$1"]);
  assert.deepEqual(names(`ProxyPassMatch \\.gif$ http://h\n${plain}`), ["http://h", "http://h/"]);
  assert.deepEqual(names("ProxyPassMatch ^/x(.*) http://h/$1\nProxyPassMatch ^/y(.*) http://h/$1$1\n"), [
    "http://h/$1",
  ]);
});

test("a virtual host that mentions an inherited balancer has its parameters, but not its method", () => {
  const main =
    "<Proxy balancer://app>\nBalancerMember http://one\nProxySet lbmethod=bytraffic maxattempts=7\n</Proxy>\n";
  const params = (body: string) => {
    const generation = new TestGeneration(`${main}<VirtualHost *:80>\n${body}</VirtualHost>\n`, new VirtualClock());
    const { lbmethod, maxAttempts } = getProxyServerState(generation.process.servers[1]!)!.balancers.get(
      "balancer://app",
    )!.params;
    return [lbmethod, maxAttempts];
  };
  assert.deepEqual(params(""), ["bytraffic", 7]);
  assert.deepEqual(params("ProxyPass / balancer://app/\n"), ["byrequests", 7]);
  assert.deepEqual(params("ProxyPass / balancer://app/ lbmethod=bybusyness\n"), ["bybusyness", 7]);
});

test("the path of a balancer is that of the last ProxyPass to it, in a <Location>, too", () => {
  const path = (text: string) =>
    getProxyServerState(new TestGeneration(text, new VirtualClock()).process.servers[0]!)!.balancers.get(
      "balancer://app",
    )!.path;
  assert.equal(path(MAIN), "/");
  assert.equal(path(`${MAIN}ProxyPass /a balancer://app/\nProxyPass /b balancer://APP\n`), "/b");
  assert.equal(path(`${MAIN}<Location /c>\nProxyPass balancer://app/\n</Location>\n`), "/c");
});

test("parameters that count for nothing, as their line shares a worker, are told as they were written", () => {
  const text = "ProxyPass /x http://h/\nProxyPass /y http://h/y Retry=7s\n";
  assert.match(
    new TestGeneration(text, new VirtualClock()).lines.join(""),
    /AH01146: Ignoring parameter 'Retry=7s' for/,
  );
});
