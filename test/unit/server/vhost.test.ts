import assert from "node:assert/strict";
import { test } from "node:test";
import { buildServers } from "../../../modules/config/build.ts";
import { readRaw } from "../../../modules/config/read_raw.ts";
import type { ServerRec } from "../../../modules/core/records.ts";
import { nodeHost } from "../../../modules/mpm/host.ts";
import core from "../../../modules/server/mod_core.ts";
import { vhostNamed, vhostOfPath, vhostsOf } from "../../../modules/server/vhost.ts";

function servers(conf: string): ServerRec[] {
  return buildServers(readRaw("x.conf", conf), [core], {
    resolvePath: (path) => path,
    warn: () => {},
    hasModule: () => true,
    host: nodeHost,
  });
}

const vhosts = (...addresses: string[]): string =>
  addresses.map((a, i) => `<VirtualHost ${a}>\nServerName v${i}\n</VirtualHost>\n`).join("");

const names = (list: readonly ServerRec[]): string => list.map((s) => s.hostname).join(" ");

test("vhostsOf(): exact address and port, exact address, *:port, *:*, the main server", () => {
  const all = servers(
    `ServerName main\n${vhosts("*:80", "127.0.0.1:80", "127.0.0.1:*", "*:80", "_default_:81", "[::1]:80")}`,
  );
  const of = (ip: string, port: number) => names(vhostsOf(all, ip, port));
  assert.equal(of("127.0.0.1", 80), "v1");
  assert.equal(of("127.0.0.1", 81), "v2");
  assert.equal(of("10.0.0.1", 80), "v0 v3");
  assert.equal(of("10.0.0.1", 81), "v4");
  assert.equal(of("::1", 80), "v5");
  assert.equal(of("10.0.0.1", 82), "main");
  assert.equal(names(vhostsOf(servers(`ServerName main\n${vhosts("*:80", "*")}`), "10.0.0.1", 82)), "v1");
});

test("an address without a port has that of the main server's name; * alone has any", () => {
  const ports = (conf: string) => servers(conf).flatMap((s) => s.addrs.map((a) => a.port));
  assert.deepEqual(ports(vhosts("10.0.0.1", "_default_", "*", "*:*")), [0, 0, 0, 0]);
  assert.deepEqual(ports(`ServerName x:8080\n${vhosts("10.0.0.1", "_default_", "*", "*:*")}`), [8080, 8080, 0, 0]);
  assert.deepEqual(ports(`${vhosts("10.0.0.1")}ServerName x:8080\n`), [0]);
});

test("0.0.0.0 and [::] are any address", () => {
  assert.deepEqual(
    servers(vhosts("0.0.0.0:1", "[::]:1", "_DEFAULT_:1")).flatMap((s) => s.addrs.map((a) => a.host)),
    ["*", "*", "*"],
  );
});

test("vhostNamed(): in file order, by name, alias, wildcard; then the name in the <VirtualHost> line", () => {
  const all = servers(`
<VirtualHost first.test:80>
ServerName one.test
ServerAlias two.test *.wild.test
</VirtualHost>
<VirtualHost *:80>
ServerName x.wild.test
ServerAlias TWO.test f?o.test
</VirtualHost>
`).slice(1);
  const named = (name: string) => vhostNamed(all, name)?.line;
  assert.equal(named("one.test"), 2);
  assert.equal(named("two.test"), 2);
  assert.equal(named("x.wild.test"), 2);
  assert.equal(named("a.b.wild.test"), 2);
  assert.equal(named("foo.test"), 6);
  assert.equal(named("first.test"), 2);
  assert.equal(named("other.test"), undefined);
});

test("vhostOfPath(): ServerPath and what is below it", () => {
  const all = servers(
    "<VirtualHost *:80>\nServerPath /a\n</VirtualHost>\n<VirtualHost *:80>\nServerPath /b/\n</VirtualHost>\n",
  );
  const at = (path: string) => vhostOfPath(all, path)?.line;
  assert.deepEqual(["/a", "/a/x", "/ab", "/b", "/b/x", "/"].map(at), [1, 1, undefined, undefined, 4, undefined]);
});

test("ServerName: scheme, name, port; a pattern or a port out of range is refused", () => {
  const read = (name: string) => servers(`ServerName ${name}`).map((s) => `${s.scheme} ${s.hostname} ${s.port}`)[0];
  assert.equal(read("a.test"), " a.test 0");
  assert.equal(read("HTTPS://a.test:8443"), "https a.test 8443");
  assert.equal(read("http://a.test:80/x"), "http a.test 80");
  for (const wrong of ["*.a.test", "a?", "[::1]:80"]) assert.throws(() => read(wrong), /use ServerAlias/);
  for (const wrong of ["a:", "a:0", "a:65536", "a:b"])
    assert.throws(() => read(wrong), /outside the appropriate range/);
});
