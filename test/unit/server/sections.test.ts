import assert from "node:assert/strict";
import { test } from "node:test";
import { buildServers } from "../../../modules/config/build.ts";
import { ConfigError } from "../../../modules/config/directive.ts";
import { readRaw } from "../../../modules/config/read_raw.ts";
import type { ServerRec } from "../../../modules/core/records.ts";
import { nodeHost } from "../../../modules/mpm/host.ts";
import proxy from "../../../modules/proxy/mod_proxy.ts";
import core from "../../../modules/server/mod_core.ts";

function build(conf: string): ServerRec[] {
  return buildServers(readRaw("x.conf", `${conf}\n`), [core, proxy], {
    resolvePath: (path) => path,
    warn: () => {},
    hasModule: () => true,
    host: nodeHost,
  });
}

function refusal(conf: string): string {
  try {
    build(conf);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return "";
}

const REFUSED: readonly [conf: string, error: string][] = [
  ["<If>\n</If>", "<If> directive requires additional arguments"],
  ["<If true false>\n</If>", "Multiple <If> arguments not supported."],
  ["<If \"%{FOO} == 'x'\">\n</If>", "Cannot parse condition clause: Variable 'FOO' does not exist"],
  ["<If true>\n</If>\n<Else x>\n</Else>", "<Else> does not take an argument"],
  ["<Else>\n</Else>", "<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope"],
  [
    "<If true>\n<Else>\n</Else>\n</If>",
    "<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope",
  ],
  [
    "<If true>\n</If>\n<Else>\n</Else>\n<Else>\n</Else>",
    "<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope",
  ],
  ["<ElseIf>\n</ElseIf>", "<ElseIf> directive requires additional arguments"],
  ["<If true>\n<Location />\n</Location>\n</If>", "<Location not allowed in <If> context"],
  ["<If true>\nListen 81\n</If>", "Listen not allowed in <If> context"],
  ["<If true>\nServerName x\n</If>", "ServerName not allowed in <If> context"],
  ["<If true>\nProxyPass /a http://127.0.0.1/\n</If>", "ProxyPass cannot occur within <If> section"],
  ["<Limit GET>\n</Limit>", "<Limit not allowed here"],
  ["<VirtualHost *:80>\n<Limit GET>\n</Limit>\n</VirtualHost>", "<Limit not allowed in <VirtualHost> context"],
  ["<Location />\n<Limit TRACE>\n</Limit>\n</Location>", "TRACE cannot be controlled by <Limit>, see TraceEnable"],
  [
    "<Location />\n<LimitExcept GET>\n<Limit GET>\n</Limit>\n</LimitExcept>\n</Location>",
    "<Limit> directive excludes all methods",
  ],
  [
    "<Location />\n<Limit GET>\n<If true>\n</If>\n</Limit>\n</Location>",
    "<If> cannot occur within <Limit> or <LimitExcept> section",
  ],
  [
    "<Location />\n<Limit GET>\nProxyPass http://127.0.0.1/\n</Limit>\n</Location>",
    "ProxyPass cannot occur within <Limit> or <LimitExcept> section",
  ],
  [
    "<Location />\n<LimitExcept GET>\nProxyPassReverse http://127.0.0.1/\n</LimitExcept>\n</Location>",
    "ProxyPassReverse cannot occur within <Limit> or <LimitExcept> section",
  ],
  [
    "<Location />\n<If true>\nProxyPassReverse http://127.0.0.1/\n</If>\n</Location>",
    "ProxyPassReverse cannot occur within <If> section",
  ],
  ["<Location />\n<Limit GET>\nListen 81\n</Limit>\n</Location>", "Listen not allowed in <Limit> context"],
  ["<Location />\n<Files x>\n</Files>\n</Location>", "<Files> cannot occur within <Location> section"],
  ["<Location a b>\n</Location>", "Multiple <Location> arguments not (yet) supported."],
  ["<Files ~ (>\n</Files>", "Regex could not be compiled"],
  ["<VirtualHost *:80>\nListen 81\n</VirtualHost>", "Listen cannot occur within <VirtualHost> section"],
  ["<Location />\nServerAlias x\n</Location>", "ServerAlias not allowed in <Location> context"],
  [
    "<VirtualHost *:80>\n<VirtualHost *:80>\n</VirtualHost>\n</VirtualHost>",
    "<VirtualHost> cannot occur within <VirtualHost> section",
  ],
];

test("what httpd refuses is refused in its words", () => {
  for (const [conf, error] of REFUSED) assert.equal(refusal(conf), error, conf);
});

test("conditions that httpd takes are taken", () => {
  for (const conf of [
    "<If true>\n</If>",
    "<If \"%{HTTP_HOST} == 'a'\">\n<If true>\n</If>\n<Else>\n</Else>\n</If>",
    "<If true>\n</If>\nServerName x\n<Location />\n</Location>\n<ElseIf true>\n</ElseIf>\n<Else>\n</Else>",
    "<Proxy *>\n<If true>\n</If>\n</Proxy>",
    "<Directory />\n<Files x>\n<If true>\n</If>\n</Files>\n</Directory>",
    "<Location />\n<LimitExcept TRACE>\n</LimitExcept>\n<Limit get FOO>\n</Limit>\n</Location>",
  ]) {
    assert.equal(refusal(conf), "", conf);
  }
});

test("only a server with a condition somewhere is conditional", () => {
  const [main, plain, nested] = build(
    "<VirtualHost a>\n<Location />\n</Location>\n</VirtualHost>\n" +
      "<VirtualHost b>\n<Location />\n<If true>\n</If>\n</Location>\n</VirtualHost>",
  );
  assert.deepEqual([main!.conditional, plain!.conditional, nested!.conditional], [false, false, true]);
});
