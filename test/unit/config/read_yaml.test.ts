import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, type Directive } from "../../../modules/config/directive.ts";
import { readYaml } from "../../../modules/config/read_yaml.ts";

/** `name args` of each directive, `key=value` of a mapping; a section with its body. */
function shape(tree: readonly Directive[]): unknown[] {
  return tree.map((d) => {
    const line = [d.name, d.args, ...(d.named ?? []).map((n) => `${n.key}=${n.value}`)].filter(Boolean).join(" ");
    return d.body ? [line, shape(d.body)] : line;
  });
}

function refused(text: string): { message: string; at: string } {
  try {
    readYaml("x.yaml", text);
  } catch (e) {
    assert.ok(e instanceof ConfigError, String(e));
    assert.equal(e.position?.file, "x.yaml");
    return { message: e.message, at: `${e.position?.line}:${e.position?.column}` };
  }
  return assert.fail("was read");
}

describe("readYaml()", () => {
  const cases: [what: string, text: string, expected: unknown[]][] = [
    ["nothing", "", []],
    ["comments alone", "# a\n", []],
    ["a scalar is the argument line", "proxyPass: /a http://b retry=0\n", ["proxyPass /a http://b retry=0"]],
    [
      "true is On, quoted it is a word",
      'a: true\nb: false\nc: "true"\nd: !!str true\n',
      ["a On", "b Off", "c true", "d true"],
    ],
    ["numbers keep their text", "a: 1.10\nb: 0x1F\nc: 1e3\nd: 007\n", ["a 1.10", "b 0x1F", "c 1e3", "d 007"]],
    ["units and variables stay", "a: 5s\nb: 10MB\nc: ${PORT}\n", ["a 5s", "b 10MB", "c ${PORT}"]],
    ["null is no arguments", "a:\nb: ~\nc: null\nd: ''\n", ["a", "b", "c", "d"]],
    ["on and no are words", "a: on\nb: no\n", ["a on", "b no"]],
    ["a list repeats", "listen: [8080, 8443 https]\n", ["listen 8080", "listen 8443 https"]],
    ["a mapping is key=value", "proxySet: { a: b, c: true, d: 1.10, e: }\n", ["proxySet a=b c=On d=1.10 e="]],
    ["a list in a value joins", "proxySet: { failonstatus: [500, 503] }\n", ["proxySet failonstatus=500,503"]],
    ["a list of both", "m: [{ url: x, route: a }, y]\n", ["m url=x route=a", "m y"]],
    [
      "a section",
      "Location:\n  /a: { b: c }\n  /d:\n",
      [
        ["Location /a", ["b c"]],
        ["Location /d", []],
      ],
    ],
    [
      "a condition needs no quotes of its own",
      "if: { \"%{HTTP_HOST} == 'a'\": }\nelseIf: { true: , '\"-n %{X}\"': }\nelse: { c: d }\n",
      [
        ["if \"%{HTTP_HOST} == 'a'\"", []],
        ["elseIf true", []],
        ['elseIf "-n %{X}"', []],
        ["else", ["c d"]],
      ],
    ],
    [
      "a section repeated",
      "virtualHost: [{ '*:1': { a: b } }, { '*:1': }]\n",
      [
        ["virtualHost *:1", ["a b"]],
        ["virtualHost *:1", []],
      ],
    ],
    [
      "a body as a list",
      "proxy: { x: [{ a: 1 }, { b: 2, c: 3 }, { a: 4 }] }\n",
      [["proxy x", ["a 1", "b 2", "c 3", "a 4"]]],
    ],
    ["the file as a list", "- a: 1\n- b: 2\n- a: 3\n", ["a 1", "b 2", "a 3"]],
    [
      "else has no argument",
      "if: { x: { a: 1 } }\nelse: { a: 2 }\n",
      [
        ["if x", ["a 1"]],
        ["else", ["a 2"]],
      ],
    ],
    ["define", "define: { A: 1, B: two words, C: }\n", ["define A 1", 'define B "two words"', "define C"]],
    ["define as lines", "define: [A 1, B]\n", ["define A 1", "define B"]],
    ["include", "include: [a.conf, b/*.yaml]\n", ["include a.conf", "include b/*.yaml"]],
    ["a block scalar is one line", "a: |\n  one\n   two\nb: >-\n  three\n  four\n", ["a one two", "b three four"]],
    ["an alias", "a: &x { k: v }\nb: *x\n", ["a k=v", "b k=v"]],
    ["an anchor given twice", "a: &x 1\nb: *x\nc: &x 2\nd: *x\n", ["a 1", "b 1", "c 2", "d 2"]],
    ["a merge: own keys win", "a: &x { k: 1, l: 2 }\nb: { K: 3, <<: *x }\n", ["a k=1 l=2", "b K=3 l=2"]],
    ["a byte order mark and CRLF", "\uFEFFa: 1\r\nb: 2\r\n", ["a 1", "b 2"]],
    ["YAML 1.1 changes nothing", "%YAML 1.1\n---\na: yes\nb: 010\n", ["a yes", "b 010"]],
  ];
  for (const [what, text, expected] of cases)
    test(what, () => assert.deepEqual(shape(readYaml("x.yaml", text)), expected));

  test("isSection adds the sections of plug-ins, not in place of httpd's", () => {
    const text = "zone: { a: { b: c } }\nproxy: { d: }\n";
    const tree = readYaml("x.yaml", text, (name) => name === "zone");
    assert.deepEqual(shape(tree), [
      ["zone a", ["b c"]],
      ["proxy d", []],
    ]);
  });

  test("every node has its place", () => {
    const text =
      "listen: 80\nproxy:\n  x:\n    member:\n      - a b\n      - { url: c,\n          route: d }\n    e: 'f'\n    g:\n      h\n";
    const [listen, proxy] = readYaml("x.yaml", text);
    const place = (d: Directive) => [d.line, d.column, d.argsColumn];
    assert.deepEqual(place(listen!), [1, 1, 9]);
    assert.equal(listen!.source, "listen: 80");
    assert.deepEqual(proxy!.body!.map(place), [
      [5, 9, 9],
      [6, 9, 9],
      [8, 5, 9],
      [9, 5, 5],
    ]);
    assert.deepEqual(place(proxy!), [3, 3, 3]);
    assert.deepEqual(proxy!.body![1]!.named, [
      { key: "url", value: "c", line: 6, column: 11 },
      { key: "route", value: "d", line: 7, column: 11 },
    ]);
  });

  const errors: [text: string, at: string, message: RegExp][] = [
    ["a: [1", "1:6", /^YAML: /],
    ["a: 1\n\tb: 2\n", "2:1", /^YAML: Tabs/],
    [
      "proxyPass: 1\nb: 2\nProxyPass: 3\n",
      "3:1",
      /^"ProxyPass" stands here a second time, first on line 1, column 1; .*a list$/,
    ],
    ["location:\n  /a: { b: c }\n  /a: { b: d }\n", "3:3", /^"\/a" stands .* line 2, column 3; .*list of mappings$/],
    ["a: { k: 1, K: 2 }\n", "1:12", /second time/],
    ["---\na: 1\n---\nb: 2\n", "3:1", /one YAML document/],
    ["a: *x\n", "1:4", /No anchor &x/],
    ["proxy: &p\n  x:\n    proxy: *p\n", "3:12", /contains itself/],
    ["location: /a\n", "1:11", /is a section/],
    ["location:\n", "1:1", /is a section/],
    ["foo: { a: { b: c } }\n", "1:11", /foo is no section/],
    ["foo: [[a]]\n", "1:7", /A list in the list of foo/],
    ["? [a]\n: b\n", "1:3", /A key must be a name/],
    ['"a b": c\n', "1:1", /is no name/],
    ["just words\n", "1:1", /Expected directives/],
    ["- a\n", "1:3", /Expected directives/],
    ["virtualHost:\n  serverName: a\n", "2:15", /Expected directives in <virtualHost serverName>: a mapping/],
    [`${"[".repeat(50_000)}`, "", /^YAML: /],
  ];
  for (const [text, at, message] of errors) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      const error = refused(text);
      assert.match(error.message, message);
      if (at) assert.equal(error.at, at);
    });
  }

  test("refuses a bomb of aliases", () => {
    let text = "location:\n  a0: &a0\n    foo: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
    for (let i = 1; i < 9; i++) {
      text += `  a${i}: &a${i}\n    location:\n`;
      for (let j = 0; j < 9; j++) text += `      l${j}: *a${i - 1}\n`;
    }
    assert.match(refused(text).message, /^Aliases make more than 100000 nodes/);
  });
});
