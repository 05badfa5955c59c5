import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { ConfigError } from "../../../modules/config/directive.ts";
import { defineModule, getModuleConfig, type Module } from "../../../modules/mod.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

describe("buildServers()", () => {
  it("tells every module that defines a directive, as HeartbeatStorage is two modules' in httpd", () => {
    const made = ["mod_a", "mod_b"].map((name) =>
      defineModule({
        name,
        config: z.object({ path: z.string().default("") }),
        commands: ({ take1 }) => [take1("SharedPath", "global", "path", "a path")],
      }),
    );
    const g = new TestGeneration("SharedPath /x", new VirtualClock(), made as unknown as Module[]);
    const { config } = g.process.servers[0]!;
    assert.deepEqual(
      made.map((module) => getModuleConfig(config, module).path),
      ["/x", "/x"],
    );
  });
});

describe("an empty word", () => {
  const build = (text: string) => new TestGeneration(text, new VirtualClock()).process;

  it("is a missing one, where one is needed", () => {
    for (const [text, error] of [
      ['ServerAdmin ""', /takes one argument/],
      ['SetEnv ""', /takes 1-2 arguments/],
      ['UnsetEnv "" A', /requires at least one argument/],
      ['RewriteMap a ""', /takes two or three arguments/],
    ] as const)
      assert.throws(() => build(text), error);
  });

  it("ends a list", () => {
    const vhost = '<VirtualHost *>\nServerAlias a "" b\n</VirtualHost>';
    assert.deepEqual(build(vhost).servers[1]!.names, ["a"]);
  });
});

/** "^" stands before the character at which the message must point. */
const WRONG_EXPRESSIONS: readonly string[] = [
  `  <If "%{REQUEST_URI} == '/' && %{^FOO} == 1">\n</If>`,
  "Require expr %{REQUEST_URI} =~ m#a( && true^",
  "Require user a%{^NOPE}",
  'Header set X-A "expr=a%{^BAR}"',
  'Header set X-A v "expr=-n \\"a\\" && ^bar(1)"',
  'Redirect 302 "%{^nofunc:x}"',
  'Alias "/a%{^X}"',
  'AuthName "a %{^X}"',
  'AuthBasicFake u "p%{^X}"',
  'ErrorDocument 404 "no %{^X}"',
  'SetEnvIfExpr "true &&^" A=1',
  'RewriteCond expr "%{REQUEST_URI} -eq^"',
];

describe("a mistake in an expression", () => {
  for (const marked of WRONG_EXPRESSIONS) {
    it(`is pointed at: ${marked}`, () => {
      const line = marked.split("\n")[0]!;
      const text = `<Location /a>\n${marked.replace("^", "")}\n</Location>\n`;
      assert.throws(
        () => new TestGeneration(text, new VirtualClock()),
        (error: ConfigError) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.deepEqual(error.position, { file: "test.conf", line: 2, column: line.indexOf("^") + 1 });
          return true;
        },
      );
    });
  }
});
