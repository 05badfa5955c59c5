import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnRec, RequestRec } from "../../../modules/core/records.ts";
import { OK } from "../../../modules/core/status.ts";
import { HeaderTable } from "../../../modules/core/table.ts";
import { restrictsAccess } from "../../../modules/server/hooks.ts";
import { isCrossSite, isOwnHost, mayChangeServer } from "../../../modules/server/inside.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

const CONF = 'ServerName proxy.test\n<Location "/x">\nSetHandler x\n</Location>\n';

function request(generation: TestGeneration, peerIp: string, host: string, fields: Record<string, string> = {}) {
  const server = generation.process.servers[0]!;
  const { process } = generation;
  const init = {
    id: 1,
    process,
    peerIp,
    peerPort: 9,
    localIp: "127.0.0.1",
    localPort: 80,
    vhosts: [server],
    secure: false,
  };
  const headers = new HeaderTable();
  for (const [name, value] of Object.entries({ Host: host, ...fields })) headers.add(name, value);
  const head = { method: "GET", target: "/x", protoNum: 1001, requestLine: "GET /x HTTP/1.1", headers };
  const r = new RequestRec(new ConnRec(init), server, head, 0);
  r.hostname = host.replace(/:\d+$/, "");
  r.handler = "x";
  return r;
}

test("without a rule only this machine may change the server, by a name of the server's, and the log says so", () => {
  const generation = new TestGeneration(CONF, new VirtualClock());
  for (const [peer, host, may] of [
    ["127.0.0.1", "localhost", true],
    ["127.9.9.9", "127.0.0.1:8080", true],
    ["::1", "[::1]", true],
    ["127.0.0.1", "proxy.test", true],
    ["127.0.0.1", "", true],
    ["127.0.0.1", "evil.test", false],
    ["10.0.0.1", "localhost", false],
    ["2001:db8::1", "localhost", false],
    ["", "localhost", false],
  ] as const) {
    assert.equal(mayChangeServer(request(generation, peer, host)), may, `${peer} ${host}`);
  }
  assert.equal(generation.logged("without any Require answers to this machine only").length, 1);
  assert.equal(generation.logged("is refused to 10.0.0.1").length, 1);
});

test("a client behind a proxy on this machine is not this machine", () => {
  const r = request(new TestGeneration(CONF, new VirtualClock()), "127.0.0.1", "localhost");
  r.useragentIp = "10.0.0.1";
  assert.equal(mayChangeServer(r), false);
});

test("with a rule the rule decides", () => {
  const generation = new TestGeneration(CONF, new VirtualClock());
  generation.process.hooks.hook(restrictsAccess, () => OK);
  assert.equal(mayChangeServer(request(generation, "10.0.0.1", "evil.test")), true);
});

test("isOwnHost() compares the host of a URL alone, whatever the case", () => {
  const r = request(new TestGeneration(CONF, new VirtualClock()), "127.0.0.1", "a.test:81");
  for (const url of ["http://a.test", "https://A.TEST:9/x", "http://u:p@a.test/x?y"]) assert.ok(isOwnHost(r, url), url);
  for (const url of [
    "",
    "/x",
    "null",
    "a.test",
    "http://",
    "http://b.test/a.test",
    "http://a.test.b/",
    "http://a.test@b/",
  ])
    assert.ok(!isOwnHost(r, url), url);
});

test("isCrossSite() believes browsers that say so, and takes what is no browser's for no page's", () => {
  const generation = new TestGeneration(CONF, new VirtualClock());
  const is = (fields: Record<string, string>) => isCrossSite(request(generation, "127.0.0.1", "a.test", fields));
  assert.ok(!is({}));
  assert.ok(!is({ Origin: "http://a.test", "Sec-Fetch-Site": "same-origin" }));
  assert.ok(!is({ "Sec-Fetch-Site": "none" }));
  for (const site of ["cross-site", "same-site"]) assert.ok(is({ "Sec-Fetch-Site": site }));
  for (const origin of ["null", "http://b.test", ""]) assert.ok(is({ Origin: origin }));
});
