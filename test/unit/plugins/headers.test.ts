import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderTable } from "../../../modules/core/table.ts";
import { editRequest, editResponse, hasElement } from "../../../plugins/headers/actions.ts";
import { type HeaderEntry, parseHeaderLine } from "../../../plugins/headers/header_entry.ts";
import { BalancerFixture } from "../../support/balancer.ts";

function entry(line: string, isRequest = false): HeaderEntry {
  const parsed = parseHeaderLine("Header", line, isRequest);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed.entry;
}

/** What is left of the table after the lines. */
function after(fields: string, lines: readonly string[], prepare?: (f: BalancerFixture) => void): string {
  const f = new BalancerFixture([""]);
  prepare?.(f);
  const r = f.request();
  const table = new HeaderTable();
  for (const field of fields.split("|").filter((text) => text !== "")) {
    const [name, value] = field.split(": ");
    table.add(name!, value ?? "");
  }
  r.headersOut = table;
  editResponse(
    r,
    lines.map((line) => entry(line)),
    table,
  );
  return [...table].map(([name, value]) => `${name}: ${value}`).join("|") + (r.illegalHeader ? " ILLEGAL" : "");
}

describe("editResponse() as httpd 2.4.71 does it", () => {
  for (const [name, fields, lines, expected] of [
    ["set, add, append, merge", "A: 0|a: 1", ["set A a1", "add A a2", "append A a3", "merge A a3"], "A: a1, a3|A: a2"],
    ["merge of an element that is new", "A: a, b", ["merge A c", "merge A b"], "A: a, b, c"],
    ["setifempty of a field without value", "A: ", ["setifempty A x", "setifempty B y"], "A: |B: y"],
    ["unset, whatever the case", "X-A: 1|x-a: 2|B: 3", ["unset X-a"], "B: 3"],
    ["a colon behind the name", "", ["set A: 1"], "A: 1"],
    ["edit the first match of each", "A: foo|B: x|A: oof", ["edit A o 0"], "B: x|A: f0o|A: 0of"],
    ["edit* all, & is a letter", "A: foo too", ['edit* A o "[$0&]"'], "A: f[o&][o&] t[o&][o&]"],
    ["edit* begins anew behind each match", "A: aab", ['edit* A "^a" ""'], "A: b"],
    ["edit* of nothing ends", "A: ab", ["edit* A x* -"], "A: -a-b"],
    ["a backslash makes letters of $ and &", "A: x", ['edit A x "\\$0 \\& \\\\\\\\"'], "A: $0 & \\"],
    ["groups", "C: a=1; Path=/", ['edit C "^([^=]+)=(.*)$" "$1=<$2>"'], "C: a=<1; Path=/>"],
    ["edit of what is not there", "B: 1", ["edit A . x"], "B: 1"],
    ["escapes and percent", "", ['set A "a\\tb \\\\\\\\ \\q 100%%t %"'], "A: a\tb \\ \\q 100%t %"],
    ["UTF-8 as it is", "", ["set A h\u00e9"], "A: h\u00c3\u00a9"],
    ["a line end makes it unfit", "", ['set A "a\\nb"'], "A: a\nb ILLEGAL"],
    ["and so does a name that is none", "", ['set "A B" 1'], "A B: 1 ILLEGAL"],
    ["one type", "Content-Type: a/b", ["add Content-Type x/y", "append Content-Type z"], "Content-Type: a/b"],
    ["the first type", "", ["add Content-Type x/y"], "Content-Type: x/y"],
  ] as const) {
    it(name, () => assert.equal(after(fields, lines), expected));
  }

  it("always works on a table of its own, but the type is the response's", () => {
    const r = new BalancerFixture([""]).request();
    r.proxyreq = "reverse";
    const always = new HeaderTable();
    r.headersOut.add("A", "1");
    r.headersOut.add("Content-Type", "a/b");
    const lines = ["unset A", "set A 2", "set Content-Type c/d", "unset Content-Type"].map((line) => entry(line));
    editResponse(r, lines, always);
    assert.deepEqual([...always], [["A", "2"]]);
    assert.deepEqual(
      [...r.headersOut],
      [
        ["A", "1"],
        ["Content-Type", "c/d"],
      ],
    );
    r.proxyreq = "none";
    editResponse(r, [entry("unset Content-Type")], always);
    assert.deepEqual([...r.headersOut], [["A", "1"]]);
  });

  it("echoes the fields of the request whose names match, and notes one of the response", () => {
    const r = new BalancerFixture([""]).request("c=1");
    r.headersIn.add("X-E", "1");
    editResponse(r, [entry("echo ^X-"), entry("note X-E kept")], r.headersOut);
    assert.deepEqual([...r.headersOut], [["X-E", "1"]]);
    assert.equal(r.getNote("KEPT"), "1");
  });
});

describe("values", () => {
  it("have the times, variables and load of the request", () => {
    const f = new BalancerFixture([""]);
    const r = f.request();
    r.setEnv("Name", "v\r\nX: 1");
    const line = entry('set A "%t %{NAME}e %{none}e %{SSL_PROTOCOL}s"');
    assert.equal(line.value!.evaluate(r), `t=${r.requestTimeUs} v  X: 1 (null) (null)`);
    assert.match(entry("set A %l").value!.evaluate(r), /^l=\d+\.\d\d\/\d+\.\d\d\/\d+\.\d\d$/);
    f.clock.advance(25);
    assert.equal(entry("set A %D").value!.evaluate(r), "D=25000");
    assert.equal(entry('set A "%b %i"').value!.evaluate(r), "b=0 i=100");
  });

  it("are one line for a backend, too", () => {
    const r = new BalancerFixture([""]).request();
    editRequest(r, [entry('set A "a\\r\\nB: 1"', true), entry("set H x env=V", true)]);
    assert.deepEqual([...r.headersIn], [["A", "a  B: 1"]]);
  });

  it("a condition asks for a variable, whatever its case", () => {
    const r = new BalancerFixture([""]).request();
    r.setEnv("v", "");
    editRequest(r, [entry("set A 1 env=V", true), entry("set B 1 env=!V", true), entry("unset A env=!W", true)]);
    assert.deepEqual([...r.headersIn], []);
  });
});

describe("parseHeaderLine() gives httpd's errors", () => {
  const first =
    "first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', 'edit', or 'edit*'.";
  for (const [line, expected, isRequest] of [
    ["", first],
    ["always", first],
    ["foo bar", first],
    ["always set X 1", first, true],
    ["set", "Header requires three arguments"],
    ["merge X", "Header requires three arguments"],
    ["note X", "Header requires three arguments"],
    ['set X "" a b c', "Header has too many arguments"],
    ["set X 1 2", "Unknown parameter: 2"],
    ["set X 1 env=", "error: missing environment variable name. envclause should be in the form env=envar "],
    ["set X 1 env=!", "error: missing environment variable name. envclause should be in the form env=envar "],
    ["set X %Q", "Unrecognized header format %Q"],
    ["set X %{A}", "Unrecognized header format %"],
    ["set X 1 early env=b", "Too many arguments to directive"],
    ["edit X a", "Header edit requires a match and a substitution"],
    ["edit X ( b", "Header edit regex could not be compiled"],
    ["edit X a b c", "Unknown parameter: c"],
    ["unset X a b", "header unset takes two arguments"],
    ["echo X a b", "Header echo takes two arguments"],
    ["echo (", "Header echo regex could not be compiled"],
    ["echo X", "Header echo only valid on Header directives", true],
    ["note X y", "RequestHeader does not support the 'note' action", true],
  ] as const) {
    it(line || "nothing", () => assert.equal(parseHeaderLine("Header", line, isRequest ?? false), expected));
  }

  it("accepts what httpd accepts", () => {
    for (const line of ["ALWAYS SET X 1", "onsuccess unset X env=A", "edit X a b early", "set X %", "set X '' early"]) {
      assert.notEqual(typeof parseHeaderLine("Header", line, false), "string", line);
    }
  });
});

it("hasElement() compares whole elements and reads over quoted commas", () => {
  assert.equal(hasElement("a, bc , d", "bc "), true);
  assert.equal(hasElement("a, bc, d", "b"), false);
  assert.equal(hasElement('x="a, b", c', "b"), false);
  assert.equal(hasElement('x="a, b", c', "c"), true);
});

describe("expressions", () => {
  it("make values and conditions of a request", () => {
    const r = new BalancerFixture([""]).request("c=1");
    r.headersOut.add("A", "1");
    const lines = [
      'set B "expr=%{req:Cookie}-%{resp:A}"',
      "set C yes \"expr=%{resp:A} == '1'\"",
      "set D no \"expr=%{resp:A} == '2'\"",
    ];
    editResponse(
      r,
      lines.map((line) => entry(line)),
      r.headersOut,
    );
    assert.deepEqual([...r.headersOut].map(([name, value]) => `${name}=${value}`).join(" "), "A=1 B=c=1-1 C=yes");
  });

  it("that cannot be evaluated do not hold, are empty, and are told to the log", () => {
    const f = new BalancerFixture([""]);
    const r = f.request();
    const lines = ["set A 1 \"expr=file('/no/such') == ''\"", 'set B "expr=x%{file:/no/such}"'];
    editResponse(
      r,
      lines.map((line) => entry(line)),
      r.headersOut,
    );
    assert.deepEqual([...r.headersOut], [["B", ""]]);
    assert.match(
      f.lines.join(""),
      /AH01501: Failed to evaluate expression .*AH02557: Can't evaluate value expression/s,
    );
  });

  it("that are none are errors where they are written", () => {
    const parsing = (line: string) => () => parseHeaderLine("Header", line, false);
    assert.throws(parsing('set X 1 "expr=foo bar"'), /^Error: Can't parse envclause\/expression: /);
    assert.throws(parsing('set X "expr=%{FOO"'), /^Error: Can't parse value expression : /);
  });
});
