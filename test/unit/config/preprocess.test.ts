import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfigError,
  type Directive,
  didYouMean,
  formatConfigError,
  splitWords,
  takeBracedWord,
} from "../../../modules/config/directive.ts";
import { wildcard } from "../../../modules/config/include.ts";
import { type ConfigHost, Preprocessor, preprocess, readConfig } from "../../../modules/config/preprocess.ts";

type Files = Record<string, string>;
interface Options {
  defines?: string[];
  before?: string[];
  after?: string[];
  host?: Partial<ConfigHost>;
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function fakeHost(files: Files, warnings: string[] = []): ConfigHost {
  const isDir = (path: string) => Object.keys(files).some((f) => f.startsWith(path === "/" ? "/" : `${path}/`));
  return {
    readFile(path) {
      const text = files[path];
      if (text === undefined) throw coded(isDir(path) ? "EISDIR" : "ENOENT");
      return text;
    },
    readDir(path) {
      if (!isDir(path)) throw coded("ENOENT");
      const below = Object.keys(files).filter((f) => f.startsWith(`${path}/`));
      return [...new Set(below.map((f) => f.slice(path.length + 1).split("/")[0]!))].reverse();
    },
    kind: (path) => (path in files ? "file" : isDir(path) ? "dir" : "none"),
    env: (name) => (name === "HOME" ? "/home/me" : undefined),
    version: "2.4.71",
    moduleLoaded: (name) => ["mod_proxy.c", "proxy_module", "mod_proxy"].includes(name),
    loadModule: (_name, path) => (path.includes("bad") ? "no such thing" : null),
    hasDirective: (name) => name.toLowerCase() === "proxypass",
    hasSection: (name) => ["location", "virtualhost"].includes(name.toLowerCase()),
    warn: (ah, message) => void warnings.push(`${ah} ${message}`),
  };
}

function read(text: string, files: Files = {}, options: Options = {}, warnings: string[] = []): Directive[] {
  const host = { ...fakeHost({ "/r/f": text, ...files }, warnings), ...options.host };
  return readConfig("f", host, { defines: [], before: [], after: [], serverRoot: "/r", ...options });
}

/** The tree in one line: `name(args)` and `name(args){...}`. */
function show(tree: readonly Directive[]): string {
  return tree.map((d) => `${d.name}(${d.args})${d.body ? `{${show(d.body)}}` : ""}`).join(" ");
}

function failure(run: () => unknown): string[] {
  try {
    run();
  } catch (e) {
    assert.ok(e instanceof ConfigError, String(e));
    return formatConfigError(e, "httpd").split("\n");
  }
  return assert.fail("no error");
}
const firstLine = (text: string, files: Files = {}, options: Options = {}) =>
  failure(() => read(text, files, options))[0];

function words(args: string): string[] {
  return splitWords(args, 1).map((w) => w.text);
}

test("splitWords() quotes and unescapes as ap_getword_conf", () => {
  assert.deepEqual(words(`a "b c" 'd e'`), ["a", "b c", "d e"]);
  assert.deepEqual(words(String.raw`"a\"b" 'a\'b' "a\'b" "a\\b" "a\nb"`), [`a"b`, "a'b", "a\\'b", "a\\b", "a\\nb"]);
  assert.deepEqual(words(String.raw`plain\"q a\\b`), [String.raw`plain\"q`, String.raw`a\b`]);
  assert.deepEqual(words(`"open to the end`), ["open to the end"]);
  assert.deepEqual(words(`"a"b ""`), ["a", "b", ""]);
  assert.deepEqual(splitWords(`a "b"`, 10), [
    { text: "a", column: 10, quoted: false },
    { text: "b", column: 12, quoted: true },
  ]);
});

test("takeBracedWord() nests braces", () => {
  assert.deepEqual(takeBracedWord("{a {b} c} d", 0), { word: { text: "a {b} c", column: 1, quoted: true }, next: 10 });
});

test("didYouMean() finds a near name and no far one", () => {
  assert.equal(didYouMean("PorxyPass", ["ProxyPass", "ProxyVia"]), "did you mean ProxyPass?");
  assert.equal(didYouMean("Foo", ["ProxyPass"]), undefined);
});

test("lines: CRLF, continuation, comments, empty lines", () => {
  assert.equal(show(read("\r\n  A one\\\r\ntwo \r\n# c \\\nswallowed\nB x # y\nC\\")), "A(onetwo) B(x # y) C()");
  const [a] = read("\n  Aa   one\\\ntwo\n");
  assert.deepEqual([a!.line, a!.column, a!.argsColumn, a!.source], [3, 3, 8, "  Aa   onetwo"]);
});

test("expand() takes Define, then the environment, and warns of the rest", () => {
  const warnings: string[] = [];
  const text =
    'Define v ${HOME}/x\nDefine only\nA ${v} "${v}" ${only} ${no} ${map:key} ${open\nDefine ${v}\nUnDefine v\nB ${v}';
  assert.equal(
    show(read(text, {}, { defines: ["v=5"] }, warnings)),
    'A(/home/me/x "/home/me/x" ${only} ${no} ${map:key} ${open) B(${v})',
  );
  assert.deepEqual(
    warnings,
    ["only", "no", "v"].map((n) => `AH00111 Config variable \${${n}} is not defined`),
  );
  assert.equal(show(read("Define a ${HOME}\nDefine b $\nA ${b}{HOME}")), "A(${HOME})");
});

test("Define counts its arguments and is global", () => {
  assert.match(
    firstLine("Define")!,
    /^httpd: Syntax error on line 1 of \/r\/f: Define takes 1-2 arguments, Define a v/,
  );
  assert.match(firstLine("Define a:b c")!, /Variable name must not contain ':'/);
  assert.equal(show(read("<Location /a>\nDefine x y\n</Location>\nA ${x}")), "Location(/a){} A(y)");
});

test("conditions: IfModule, IfDefine, IfFile, IfDirective, IfSection", () => {
  const holds = (start: string, options: Options = {}) =>
    show(read(`<${start}>\nA\n</${start.split(" ")[0]!.toUpperCase()}>`, {}, options)) === "A()";
  assert.ok(holds("IfModule mod_proxy.c") && holds("ifmodule proxy_module") && holds("IfModule !mod_x.c"));
  assert.ok(!holds("IfModule mod_x.c") && !holds("IfModule !mod_proxy.c"));
  assert.ok(holds("IfDefine X", { defines: ["X"] }) && holds("IfDefine !X") && !holds("IfDefine X"));
  assert.ok(holds("IfFile f") && holds("IfFile /r/f") && holds('IfFile !"none"') && !holds("IfFile none"));
  // Within quotes it is a name that begins with "!"; further words are not looked at.
  assert.ok(!holds('IfFile "!none"') && holds("IfModule mod_proxy.c mod_x.c") && holds("IfFile ! none"));
  assert.ok(holds("IfDirective ProxyPass") && !holds("IfDirective Nope") && holds("IfSection Location"));
  assert.ok(holds("IfDirective <Location") && !holds("IfDirective Location") && !holds("IfSection <Location"));
  assert.ok(holds("IfDirective Include") && holds("IfSection IfModule") && holds("IfDirective <Macro"));
  assert.equal(show(read("Define n\n<IfDefine n>\nA\n</IfDefine>\n<IfDefine m>\nB\n</IfDefine>")), "A()");
});

test("IfVersion operators, regular expressions and errors", () => {
  const holds = (args: string) => show(read(`<IfVersion ${args}>\nA\n</IfVersion>`)) !== "";
  for (const yes of [
    "2.4.71",
    "= 2.4.71",
    "== 2.4.71",
    ">= 2.4",
    "> 2.4",
    "< 2.5",
    "<= 2.4.71",
    "!= 2.4.7",
    "!> 3",
    "~ ^2\\.4",
    "= /^2\\.4/",
  ]) {
    assert.ok(holds(yes), yes);
  }
  for (const no of ["2.4", "> 2.4.71", "< 2.4.71", "!~ ^2", "= /^3/"]) assert.ok(!holds(no), no);
  assert.match(
    firstLine("<IfVersion >= x>\n</IfVersion>")!,
    /: Version appears to be invalid\. It must have the format/,
  );
  assert.match(firstLine("<IfVersion ?? 2>\n</IfVersion>")!, /: unrecognized operator '\?\?'$/);
  assert.match(firstLine("<IfVersion>\n</IfVersion>")!, /: Version appears to be invalid/);
  assert.match(firstLine("<IfVersion >= 2.4.0 x>\n</IfVersion>")!, /: <IfVersion> directive missing closing '>'$/);
});

test("a false container is raw text, nested ones counted", () => {
  const text = "<IfDefine X>\n<IfDefine Y>\nJunk ${undefined}\n</IfDefine>\n<Foo>\nB\n</Foo>\n</IfDefine>\nA";
  const warnings: string[] = [];
  assert.equal(show(read(text, {}, {}, warnings)), "A()");
  assert.deepEqual(warnings, []);
  assert.match(firstLine("<IfDefine X>\n<Foo>\n</Bar>\n")!, /line 1 of \/r\/f: Expected <\/Foo> but saw <\/Bar>$/);
  assert.match(firstLine("A\n<IfDefine X>\n")!, /line 2 of \/r\/f: Expected <\/IfDefine> before end of configuration$/);
});

test("sections: nesting, quoting and the errors of unbalanced ones", () => {
  assert.equal(
    show(
      read(
        '<VirtualHost *:80>\n<Location "/a b">\nX y\n</location>\n<IfDefine !Q>\nZ\n</IfDefine>\n</VirtualHost>\n<Location>\n</Location>',
      ),
    ),
    'VirtualHost(*:80){Location("/a b"){X(y)} Z()} Location(){}',
  );
  assert.equal(firstLine("A\n</X>"), "httpd: Syntax error on line 2 of /r/f: </X> without matching <X> section");
  assert.equal(firstLine("<A x>\n</B>"), "httpd: Syntax error on line 2 of /r/f: Expected </A> but saw </B>");
  assert.deepEqual(failure(() => read("<A x>\n<B y>\n")).slice(0, 2), [
    "httpd: Syntax error on line 1 of /r/f: /r/f:2: <B> was not closed.",
    "/r/f:1: <A> was not closed.",
  ]);
  assert.deepEqual(
    failure(() => read("\n<VirtualHost *:80\n</VirtualHost>")),
    [
      "AH00526: Syntax error on line 2 of /r/f:",
      "<VirtualHost> directive missing closing '>'",
      "    <VirtualHost *:80",
      "    ^",
    ],
  );
  assert.match(firstLine("<IfModule x\n</IfModule>")!, /: <IfModule> directive missing closing '>'$/);
  assert.match(firstLine("<IfModule>\n</IfModule>")!, /: <IfModule> directive requires additional arguments$/);
});

test("Include: relative, wildcard, directory, order, chains", () => {
  const files = {
    "/r/d/b.conf": "B",
    "/r/d/a.conf": "A",
    "/r/d/.h.conf": "H",
    "/r/d/s/c.conf": "C",
    "/r/e/c.conf": "E",
  };
  assert.equal(show(read("Include d/*.conf\nX", files)), "A() B() X()");
  assert.equal(show(read("Include d", files)), "H() A() B() C()");
  assert.equal(show(read("IncludeOptional /r/[d-e]/c.conf", files)), "E()");
  assert.equal(show(read("<Location /x>\nInclude d/?.conf\n</Location>", files)), "Location(/x){A() B()}");
  assert.equal(show(read("IncludeOptional no\nIncludeOptional no/*.c\nIncludeOptional d/*.no\nX", files)), "X()");
  const at = "httpd: Syntax error on line 1 of /r/f: ";
  assert.equal(firstLine("Include no"), `${at}Could not open configuration file /r/no: No such file or directory`);
  assert.equal(
    firstLine("Include no/*.c"),
    `${at}Include/IncludeOptional: Could not open directory /r/no: No such file or directory`,
  );
  assert.match(firstLine("Include d/*.no", files)!, /No matches for the wildcard '\*\.no' in '\/r\/d', failing/);
  assert.match(firstLine("Include")!, /: Include takes one argument, Name/);
  assert.equal(
    firstLine("Include d/x", { "/r/d/x": "\n</Y>" }),
    `${at}Syntax error on line 2 of /r/d/x: </Y> without matching <Y> section`,
  );
  assert.deepEqual(read("Include d/a.conf", files)[0]!.chain, [{ file: "/r/f", line: 1, column: 1 }]);
  assert.match(firstLine("Include f")!, /: Exceeded maximum include depth of 128, There appears to be a recursion\.$/);
});

test("wildcard() follows apr_fnmatch", () => {
  assert.ok(wildcard("[!a]*.conf")("b.conf") && !wildcard("[!a]*.conf")("a.conf"));
  assert.ok(!wildcard("*")(".x") && wildcard(".*")(".x") && wildcard("a.b?")("a.bc") && !wildcard("a.b?")("axbc"));
});

test("ServerRoot changes the base of what follows and stays in the tree", () => {
  const files = { "/o/i": "I", "/r/i": "R" };
  assert.equal(show(read("Include i\nServerRoot /o\nInclude i", files)), "R() ServerRoot(/o) I()");
  assert.match(firstLine("ServerRoot /none")!, /: ServerRoot must be a valid directory$/);
});

test("LoadModule loads once, resolves its path, and reports failures", () => {
  const loaded: string[] = [];
  const warnings: string[] = [];
  const host = {
    loadModule: (name: string, path: string) => {
      loaded.push(`${name} ${path}`);
      return null;
    },
  };
  assert.equal(
    show(read("LoadModule a_module ./a.ts\nLoadModule a_module b.ts\nLoadModule n npm:x", {}, { host }, warnings)),
    "",
  );
  assert.deepEqual(loaded, ["a_module /r/a.ts", "n npm:x"]);
  assert.deepEqual(warnings, ["AH01574 module a_module is already loaded, skipping"]);
  assert.equal(
    firstLine("LoadModule x bad.so"),
    "httpd: Syntax error on line 1 of /r/f: Cannot load bad.so into server: no such thing",
  );
  assert.match(firstLine("LoadModule x")!, /: LoadModule takes two arguments, a module name/);
});

test("Macro and Use: substitution, sections, nesting", () => {
  const text =
    "<Macro Host $n $nn @q>\n<VirtualHost $nn>\nServerName $n # ${n}\nA @q\n</VirtualHost>\n</Macro>\nUse HOST a b 'c \"d'";
  assert.equal(show(read(text)), 'VirtualHost(b){ServerName(a # ${n}) A("c \\"d")}');
  const outer = "<Macro in $x>\nI $x\n</Macro>\n<Macro out $x>\nUse in $x\n</Macro>\nUse out 1";
  assert.equal(show(read(outer)), "I(1)");
  const nested = "<Macro out $x>\n<Macro in_$x $y>\nI $x $y\n</Macro>\nUse in_$x 2\n</Macro>\nUse out 1\nUse in_1 3";
  assert.equal(show(read(nested)), "I(1 2) I(1 3)");
  assert.equal(show(read("<Macro o>\n<Location /x>\n</Macro>\nUse o\nA\n</Location>")), "Location(/x){A()}");
  assert.equal(show(read("<Macro d $v>\nDefine k $v\n<IfDefine k>\nA ${k}\n</IfDefine>\n</Macro>\nUse d 1")), "A(1)");
  assert.equal(
    // Its comments are no lines of it.
    read("<Macro m>\n\n # c\nA\n</Macro>\n\nUse m").map((d) => `${d.line} ${d.file}`)[0],
    `2 macro 'm' (defined on line 1 of "/r/f") used on line 7 of "/r/f"`,
  );
});

test("Macro errors", () => {
  const at = (line: number) => `httpd: Syntax error on line ${line} of /r/f: `;
  const m = "<Macro m $a>\nA $a\n</Macro>\n";
  assert.equal(firstLine("Use m"), `${at(1)}no macro defined before Use`);
  assert.equal(firstLine(`${m}Use x`), `${at(4)}macro 'x' undefined`);
  assert.equal(
    firstLine(`${m}Use m 1 2`),
    `${at(4)}macro 'm' (defined on line 1 of "/r/f") used with 2 arguments instead of 1`,
  );
  assert.match(firstLine("<Macro m>\nUse m\n</Macro>\nUse m")!, /recursive use of macro 'm' is invalid$/);
  assert.equal(firstLine(`${m}UndefMacro m\nUse m 1`), `${at(5)}macro 'm' undefined`);
  assert.match(firstLine("UndefMacro")!, /UndefMacro takes one argument/);
  assert.match(firstLine("<Macro>\n</Macro>")!, /<Macro macro definition: empty name$/);
  assert.equal(firstLine(`${m}UndefMacro z`), `${at(4)}cannot remove undefined macro 'z'`);
  assert.match(firstLine("<Macro m $a $a>\n</Macro>")!, /argument name conflict in macro 'm'/);
  assert.deepEqual(failure(() => read("<Macro m>\nA")).slice(0, 2), [
    `${at(1)}macro 'm' (defined on line 1 of "/r/f")`,
    "\tcontents error: expected token not found: </Macro",
  ]);
});

test("-C before and -c after, and their file name", () => {
  assert.equal(show(read("B", {}, { before: ["A 1"], after: ["C 2"] })), "A(1) B() C(2)");
  const [a] = read("", {}, { before: ["A"] });
  assert.equal(
    formatConfigError(new ConfigError("m", { position: a! }), "httpd").split("\n")[0],
    "AH00526: Syntax error on line 1 of -c/-C directives:",
  );
});

test("a missing main file has no position", () => {
  const run = () => readConfig("/x", fakeHost({}), { defines: [], before: [], after: [], serverRoot: "/" });
  assert.deepEqual(failure(run), ["httpd: Could not open configuration file /x: No such file or directory"]);
});

test("formatConfigError() points at the column and ends with the hint", () => {
  const e = new ConfigError("bad", {
    position: { file: "f", line: 2, column: 4 },
    source: "\tA b",
    hint: "did you mean c?",
  });
  assert.deepEqual(formatConfigError(e, "p").split("\n"), [
    "AH00526: Syntax error on line 2 of f:",
    "bad",
    "    A b",
    "      ^",
    "did you mean c?",
  ]);
});

test("formatConfigError() says where a variable comes from that nobody defined", () => {
  const at = { file: "f", line: 2, column: 1 };
  const last = (source: string) =>
    formatConfigError(new ConfigError("bad", { position: at, source }), "p")
      .split("\n")
      .at(-1);
  assert.equal(last("User ${WHO}"), "Nothing defines ${WHO}: neither Define, nor the environment.");
  assert.match(last("User ${APACHE_RUN_USER}")!, /run `\. \/etc\/apache2\/envvars` first\.$/);
  assert.match(last("RewriteRule x ${map:key} [")!, /\^$/);
});

test("preprocess() executes a YAML tree", () => {
  const node = (name: string, args: string, body?: Directive[]): Directive => ({
    name,
    args,
    argsColumn: 1,
    file: "y",
    line: 1,
    column: 1,
    source: "",
    ...(body && { body }),
  });
  const tree = [
    node("define", "v 1"),
    node("ifModule", "mod_proxy.c", [
      node("a", "${v}"),
      node("location", "/", [node("ifDefine", "no", [node("b", "")])]),
    ]),
    node("macro", "m $x", [node("c", "$x ${v}")]),
    node("use", "m 2"),
  ];
  const pre = new Preprocessor(fakeHost({}), { defines: [], serverRoot: "/" });
  assert.equal(show(preprocess(tree, pre)), "a(1) location(/){} c(2 1)");
  const host = { readYaml: () => tree };
  assert.equal(
    show(read("Include x.yaml\nA ${v}\nUse m 3", { "/r/x.yaml": "" }, { host })),
    "a(1) location(/){} c(2 1) A(1) c(3 1)",
  );
});
