import assert from "node:assert/strict";
import { test } from "node:test";
import { compileRegex, matchGroups, namedGroups, RegexError, type RegexFlags } from "../../../modules/config/regex.ts";

/** pattern, text, groups or null, flags */
const CASES: [string, string, string[] | null, RegexFlags?][] = [
  ["^/a(.*)$", "/ab", ["/ab", "b"]],
  ["a$", "a\n", null],
  ["a$", "a\n", ["a"], { dollarEndOnly: false }],
  ["a\\Z", "a\n", ["a"]],
  ["a\\z", "a\n", null],
  ["\\Aa", "ba", null],
  ["a.b", "a\nb", ["a\nb"]],
  ["a.b", "a\nb", null, { dotAll: false }],
  ["a.b", "a\rb", ["a\rb"], { dotAll: false }],
  ["(?-s)a.b", "a\nb", null],
  ["(?m)^b$", "a\nb\nc", ["b"]],
  ["(?m)^$", "a\n", null],
  ["(?i)ABC", "abc", ["abc"]],
  ["abc", "ABC", ["ABC"], { ignoreCase: true }],
  ["(?i:a)b", "Ab", ["Ab"]],
  ["(?i:a)b", "AB", null],
  ["(a(?i)b|c)d", "Cd", ["Cd", "C"]],
  ["(a(?i)b|c)d", "CD", null],
  ["(?i)a(?-i)b", "AB", null],
  ["(?i)[^a]", "A", null],
  ["(?i)\\xe9", "\xc9", null],
  ["(?i)[\\xe9x]", "\xc9", null],
  ["(?i)[\\xe9x]", "X", ["X"]],
  ["(?x) a b # comment\n c", "abc", ["abc"]],
  ["(?x)a +", "aa", ["aa"]],
  ["(?xi) a", "A", ["A"]],
  ["[[:alpha:]]+[[:digit:][:^space:]]", "ab1", ["ab1"]],
  ["[[:punct:]]", "~", ["~"]],
  ["[]a]+", "]a", ["]a"]],
  ["[^]a]", "]", null],
  ["[[a]", "[", ["["]],
  ["[a[]", "[", ["["]],
  ["[a-]+", "-a", ["-a"]],
  ["[\\d-z]+", "1-z", ["1-z"]],
  ["[\\w.]+", "a.b", ["a.b"]],
  ["[^\\W_]+", "_ab", ["ab"]],
  ["[\\b]", "\b", ["\b"]],
  ["[\\Q^]\\E]", "]", ["]"]],
  ["\\h\\H", "\xa0x", ["\xa0x"]],
  ["\\s", "\xa0", null],
  ["\\R", "\r\n", ["\r\n"]],
  ["\\R\\n", "\r\n", null],
  ["\\N", "\n", null],
  ["\\e\\a\\x41\\x{42}\\o{103}\\104\\0", "\x1b\x07ABCD\0", ["\x1b\x07ABCD\0"]],
  ["\\cA", "\x01", ["\x01"]],
  ["\\Qa.b*\\E*", "a.b**", ["a.b**"]],
  ["a\\Q.", "a.", ["a."]],
  ["a\\Q.", "ab", null],
  ["a{", "a{", ["a{"]],
  ["a{,3}", "a{,3}", ["a{,3}"]],
  ["}]", "}]", ["}]"]],
  ["a{2,3}?", "aaa", ["aa"]],
  ["a++a", "aaa", null],
  ["^/(?|a(b)|c(d)(e)?)(f)$", "/cdf", ["/cdf", "d", "", "f"]],
  ["^/(?|a(b)|c(d)(e)?)(f)$", "/abf", ["/abf", "b", "", "f"]],
  ["(?|(a)|(b)|c)(x)\\1\\2", "bxbx", ["bxbx", "b", "x"]],
  ["(?|(a)(?|(b)|(c)(d))|(e))(f)", "acdf", ["acdf", "a", "c", "d", "f"]],
  ["(a)(?>b+)(c)\\2", "abbcc", ["abbcc", "a", "c"]],
  ["(?>(a+))b\\1", "aabaa", ["aabaa", "aa"]],
  ["(?>a|ab)c", "abc", null],
  ["(x)*+y", "xxy", ["xxy", "x"]],
  ["a?+(b)\\1", "abb", ["abb", "b"]],
  ["[ab]{2}+(c)", "abc", ["abc", "c"]],
  ["(?P<n>a)(?<m>b)(?'o'c)(?P=n)\\k{m}\\k<o>\\k'n'", "abcabca", ["abcabca", "a", "b", "c"]],
  ["(a)\\g1\\g{1}\\g{-1}", "aaaa", ["aaaa", "a"]],
  ["(a)\\1" + "1", "aa1", null], // \11: octal, there are no eleven groups
  ["(?i)(a)\\1", "aA", ["aA", "a"]],
  ["a(?#comment)b", "ab", ["ab"]],
  ["(?:a|b)(?=c)(?!d)", "ac", ["a"]],
  ["(?<=a)b(?<!c)", "ab", ["b"]],
  ["(?n)(a)(?<x>b)", "ab", ["ab", "b"]],
  ["(a)|(b)", "b", ["b", "", "b"]],
  ["\\bfoo\\B", "a foox", ["foo"]],
  ["(?:^)*a", "a", ["a"]],
  ["(?=a)*a", "a", ["a"]],
  ["a/b-c", "a/b-c", ["a/b-c"]],
  ["\\.(?:gif|jpe?g)$", "/x.jpg", [".jpg"]],
  ["", "x", [""]],
  ["a|", "b", [""]],
];

test("patterns", () => {
  for (const [pattern, text, expected, flags] of CASES) {
    const re = compileRegex(pattern, flags);
    assert.deepEqual(matchGroups(re, text), expected, `${pattern} → ${re}`);
  }
});

test("refused, by name and offset", () => {
  for (const [pattern, what, offset] of [
    ["a(?R)", "recursion", 1],
    ["(?1)", "recursion", 0],
    ["(?&n)", "recursion", 0],
    ["(?P>n)", "recursion", 0],
    ["(?(1)a|b)", "conditional", 0],
    ["(?C1)", "callout", 0],
    ["(*UTF8)a", "verb", 0],
    ["a\\K", "\\\\K", 1],
    ["\\G", "\\\\G", 0],
    ["\\C", "\\\\C", 0],
    ["\\X", "\\\\X", 0],
    ["\\pL", "\\\\p", 0],
    ["\\P{L}", "\\\\P", 0],
    ["\\g<1>", "subroutine", 0],
    ["\\j", "unknown escape", 0],
    ["(a", "no \\)", 0],
    ["a)", "unmatched", 1],
    ["[a", "no \\]", 0],
    ["*a", "nothing to repeat", 0],
    ["a|+", "nothing to repeat", 2],
    ["a{2}{3}", "nothing to repeat", 4],
    ["a+?*", "nothing to repeat", 3],
    ["a{2}\\E+", "nothing to repeat", 6],
    ["^*a", "nothing to repeat", 1],
    ["\\b?", "nothing to repeat", 2],
    ["a{3,2}", "out of order", 1],
    ["[b-a]", "out of order", 2],
    ["[[:foo:]]", "unknown POSIX", 1],
    ["[[.a.]]", "collating", 1],
    ["\\2(a)", "does not exist", 0],
    ["\\k<x>", "does not exist", 0],
    ["(?<a>x)(?<a>y)", "two groups", 7],
    ["\\", "end of pattern", 0],
    ["(?<=a++)b", "possessive", 4],
    ["\\x{100}", "above 255", 0],
    ["(?U)a", "not supported", 0],
    ["\u20ac", "not a byte", 0],
    ["[a-\\d]", "ends in a class", 2],
  ] as const) {
    assert.throws(
      () => compileRegex(pattern),
      (error: unknown) => {
        assert.ok(error instanceof RegexError, `${pattern}: ${error}`);
        assert.match(error.message, new RegExp(what), pattern);
        assert.equal(error.offset, offset, `${pattern}: ${error.message}`);
        return true;
      },
      pattern,
    );
  }
});

test("names are listed with the user's numbers", () => {
  const re = compileRegex("(?>x)(a)(?<site>b)(?P<id>c)");
  assert.deepEqual(namedGroups(re), [
    { name: "site", number: 2 },
    { name: "id", number: 3 },
  ]);
  assert.deepEqual(matchGroups(re, "xabc"), ["xabc", "a", "b", "c"]);
});
