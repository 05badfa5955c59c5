import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { httpdName, toHttpd, toYaml, yamlName } from "../../../modules/config/convert.ts";
import { type Directive, splitWords } from "../../../modules/config/directive.ts";
import { httpdComments, readRaw, yamlComments } from "../../../modules/config/read_raw.ts";
import { readYaml } from "../../../modules/config/read_yaml.ts";
import { type CommandRec, commandTable as kinds } from "../../../modules/core/command.ts";

const nothing = () => {};
const table = new Map<string, CommandRec>(
  [
    kinds.flag("KeepAlive", "server", nothing, ""),
    kinds.flag("ProxyRequests", "server", nothing, ""),
    kinds.take1("ServerName", "server", nothing, ""),
    kinds.take1("ServerAdmin", "server", nothing, ""),
    kinds.take1("ServerTokens", "server", nothing, ""),
    kinds.take1("ErrorLog", "server", nothing, ""),
    kinds.iterate("ServerAlias", "vhost", nothing, ""),
    kinds.take12("ProxyPassReverse", "any", nothing, ""),
    kinds.raw("Header", "any", nothing, ""),
    kinds.params("ProxyPass", "any", ["path", "url"], nothing, ""),
    kinds.params("BalancerMember", "proxy", ["url"], nothing, ""),
    kinds.params("ProxySet", "proxy", [], nothing, ""),
  ].map((command) => [command.name.toLowerCase(), command]),
);
const commands = (name: string) => table.get(name.toLowerCase());

/** A tree as the builder sees it: words where it splits, the letter where it does not. */
function meaning(tree: readonly Directive[]): unknown[] {
  return tree.map((d) => {
    const name = d.name.toLowerCase();
    const command = commands(name);
    const exact = /^(if|elseif|macro)$/.test(name) || (d.body === undefined && (!command || command.kind === "raw"));
    let args: unknown = exact ? d.args : splitWords(d.args, 1).map((word) => word.text);
    if (d.named) {
      const positional = command?.positional ?? [];
      args = [
        ...positional.flatMap((key) => d.named!.filter((n) => n.key === key).map((n) => n.value)),
        ...d.named.filter((n) => !positional.includes(n.key)).map((n) => `${n.key}=${n.value}`),
      ];
    }
    if (command?.kind === "flag") args = d.args.toLowerCase();
    return d.body ? [name, args, meaning(d.body)] : [name, args];
  });
}

const folder = new URL("../../conf/", import.meta.url);
const confs = readdirSync(folder).filter((name) => name.endsWith(".conf"));

describe("toYaml(), toHttpd()", () => {
  for (const name of confs) {
    const text = readFileSync(new URL(name, folder), "utf8");
    const tree = readRaw(name, text);

    test(`${name}: through YAML and back`, () => {
      const yaml = toYaml(tree, commands, httpdComments(text));
      const fromYaml = readYaml("x.yaml", yaml);
      assert.deepEqual(meaning(fromYaml), meaning(tree));
      const conf = toHttpd(fromYaml, commands, yamlComments(yaml));
      assert.deepEqual(meaning(readRaw("x.conf", conf)), meaning(tree));
      assert.equal(toYaml(readRaw("x.conf", conf), commands, httpdComments(conf)), yaml);
    });

    test(`${name}: through httpd.conf`, () => {
      const conf = toHttpd(tree, commands, httpdComments(text));
      assert.deepEqual(meaning(readRaw("x.conf", conf)), meaning(tree));
      assert.equal(httpdComments(conf).length, httpdComments(text).length);
    });
  }

  for (const name of confs) {
    test(`${name}: its YAML and its model are as in test/conf`, () => {
      const read = (ending: string) => readFileSync(new URL(name.replace(/conf$/, ending), folder), "utf8");
      const text = read("conf");
      const tree = readRaw(name, text);
      assert.deepEqual(meaning(tree), JSON.parse(read("json")));
      assert.equal(toYaml(tree, commands, httpdComments(text)), read("yaml"));
    });
  }

  test("the examples that come in both spellings say the same", () => {
    const examples = new URL("../../../examples/", import.meta.url);
    for (const name of ["basic", "sticky"]) {
      const [conf, yaml] = [".conf", ".yaml"].map((ending) => readFileSync(new URL(name + ending, examples), "utf8"));
      const plain = (tree: Directive[]) => JSON.stringify(meaning(tree)).toLowerCase();
      assert.equal(plain(readYaml(name, yaml!)), plain(readRaw(name, conf!)), name);
    }
  });

  test("any argument survives, whatever its characters", () => {
    const pieces = [
      "a",
      " ",
      '"',
      "'",
      "\\",
      "#",
      ": ",
      "=",
      "${X}",
      "<",
      ">",
      "{",
      "}",
      ",",
      "*",
      "&",
      "\t",
      "é",
      "true",
      "-",
      "!",
    ];
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647);
    for (let i = 0; i < 3000; i++) {
      let args = "";
      for (let n = random() % 7; n >= 0; n--) args += pieces[random() % pieces.length];
      args = args.trim();
      const names = ["Header", "ServerAlias", "BalancerMember", "ProxyPass", "Unknown"];
      const text = `${names[random() % names.length]} ${args} \n<Location ${args} >\n</Location>\n`;
      const tree = readRaw("x.conf", text);
      const yaml = toYaml(tree, commands);
      assert.deepEqual(meaning(readYaml("x.yaml", yaml)), meaning(tree), `${text}---\n${yaml}`);
      const conf = toHttpd(readYaml("x.yaml", yaml), commands);
      assert.deepEqual(meaning(readRaw("x.conf", conf)), meaning(tree), `${text}---\n${conf}`);
    }
  });

  test("toYaml() keeps the order of directives that alternate, as a list of mappings", () => {
    const yaml = toYaml(readRaw("x", "ProxyPass /a !\nServerName x\nProxyPass /b !\nProxyPass /c !\n"), commands);
    assert.equal(yaml, "- proxyPass: /a !\n  serverName: x\n- proxyPass:\n    - /b !\n    - /c !\n");
  });

  test("toYaml() writes key=value as a mapping and a flag as a boolean", () => {
    const yaml = toYaml(
      readRaw("x", 'KeepAlive on\n<Proxy "balancer://a">\nBalancerMember "http://x" route=a\n</Proxy>'),
      commands,
    );
    assert.equal(
      yaml,
      'keepAlive: true\nproxy:\n  "balancer://a":\n    balancerMember: { url: "http://x", route: a }\n',
    );
  });

  test("toHttpd() writes a mapping's leading words first and quotes what needs it", () => {
    const yaml = 'BALANCERMEMBER: { route: "a b", url: "http://x", empty: "", q: \'"\' }\nproxySet: { m: [1, 2] }\n';
    assert.equal(
      toHttpd(readYaml("x", yaml), commands),
      'BalancerMember http://x "route=a b" empty= q="\nProxySet m=1,2\n',
    );
  });

  test("toHttpd() keeps a backslash at the end of a line from joining the next", () => {
    const conf = toHttpd(readYaml("x", "errorLog: 'C:\\logs\\'\nserverName: x\n"), commands);
    assert.deepEqual(
      readRaw("x", conf).map((d) => d.args),
      ["C:\\logs\\", "x"],
    );
  });

  test("toHttpd() refuses a line break with the directive's place", () => {
    const tree = readYaml("x.yaml", 'a: b\nproxySet: { k: "1\\n2" }\n');
    assert.throws(() => toHttpd(tree, commands), {
      name: "ConfigError",
      position: { file: "x.yaml", line: 2, column: 1 },
    });
  });

  test("yamlName(), httpdName()", () => {
    const names = ["ProxyPass", "SSLEngine", "ProxyHCExpr", "TTL", "ServerName", "If"];
    assert.deepEqual(names.map(yamlName), ["proxyPass", "sslEngine", "proxyHCExpr", "ttl", "serverName", "if"]);
    assert.equal(httpdName("proxypass", commands), "ProxyPass");
    assert.equal(httpdName("ifmodule", commands), "IfModule");
    assert.equal(httpdName("setHandler", commands), "SetHandler");
  });
});

describe("readRaw()", () => {
  test("executes nothing", () => {
    const tree = readRaw("x", "<IfModule !nothing>\nDefine A b\n</IfModule>\nInclude ${A}\n");
    assert.deepEqual(meaning(tree), [
      ["ifmodule", ["!nothing"], [["define", "A b"]]],
      ["include", "${A}"],
    ]);
  });

  for (const [text, message] of [
    ["</A>", "</A> without matching <A> section"],
    ["<A x>\n</B>", "Expected </A> but saw </B>"],
    ["<A x>\n", "x.conf:1: <A> was not closed."],
    ["<A x\n</A>", "<A> directive missing closing '>'"],
  ] as const) {
    test(message, () => assert.throws(() => readRaw("x.conf", text), { name: "ConfigError", message }));
  }
});
