/** What each expression gave in httpd 2.4.71, for the request below; errors in its words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Providers } from "../../../modules/core/providers.ts";
import { ConnRec, type ProcessRec, RequestRec, ServerRec } from "../../../modules/core/records.ts";
import { HeaderTable } from "../../../modules/core/table.ts";
import { nodeHost } from "../../../modules/mpm/host.ts";
import {
  ExprFailure,
  type ExprSubject,
  parseExpr,
  parseSslExpr,
  parseStringExpr,
} from "../../../modules/server/expr.ts";
import { requestSubject } from "../../../modules/server/expr_subject.ts";
import core from "../../../modules/server/mod_core.ts";

const CONDITIONS: readonly [expression: string, result: boolean][] = [
  ["true", true],
  ["false", false],
  ["!true", false],
  ["! false", true],
  ["not false", true],
  ["!!true", true],
  ["!(true && false)", true],
  ["! false && false", false],
  ["!true || true", true],
  ["true || false && false", true],
  ["(true || false) && false", false],
  ["true and false or true", true],
  ["false or not false and true", true],
  ["'a' == \"a\"", true],
  ["'a' = 'a'", true],
  ["'a' == 'A'", false],
  ["'a' != 'b'", true],
  ["'a' < 'b'", true],
  ["'b' <= 'b'", true],
  ["'2' > '10'", true],
  ["2 > 10", true],
  ["'b' >= 'c'", false],
  ["'' == \"\"", true],
  ["'Z' < 'a'", true],
  ["'\\377' > 'a'", true],
  ["1 -eq 1", true],
  ["'1' -eq 01", true],
  ["1 == 01", false],
  ["'1x' -eq 1", true],
  ["'x' -eq 0", true],
  ["'' -eq 0", true],
  ["' 7' -eq 7", true],
  ["'+7' -eq 7", true],
  ["'-7' -lt 0", true],
  ["-1 lt 0", true],
  ["2 gt 10", false],
  ["10 -gt 9", true],
  ["9 -le 9", true],
  ["9 -ge 10", false],
  ["3 -ne 4", true],
  ["3 ne 3", false],
  ["'9223372036854775807' -gt '9223372036854775806'", true],
  ["'99999999999999999999' -eq '9223372036854775807'", true],
  ["'-99999999999999999999' -eq '-9223372036854775808'", true],
  ["-n 'a'", true],
  ["-n ''", false],
  ["-z ''", true],
  ["-z %{QUERY_STRING}", false],
  ["-T 'on'", true],
  ["-T 'off'", false],
  ["-T 'OFF'", false],
  ["-T 'no'", false],
  ["-T 'nope'", true],
  ["-T 'False'", false],
  ["-T '0'", false],
  ["-T '00'", true],
  ["-T ''", false],
  ["-T 'yes'", true],
  ["'a' in { 'a', 'b' }", true],
  ["'c' -in { 'a', 'b' }", false],
  ["'A' in { 'a' }", false],
  ["%{REQUEST_METHOD} in { 'GET', 'HEAD' }", true],
  ["'ab' in { 'a' . 'b' }", true],
  ["5 in { 5 }", true],
  ["'abc' =~ /b/", true],
  ["'abc' !~ /b/", false],
  ["'ABC' =~ /b/", false],
  ["'ABC' =~ /b/i", true],
  ["'ABC' =~ m#b#i", true],
  ["'a/b' =~ m#^a/b$#", true],
  ["'a,b' =~ m,a.b,", true],
  ["'x' =~ m|x|", true],
  ["'abc' =~ //", true],
  ["'abc' =~ m'b'", true],
  ["'abc' =~ /^b/ || 'abc' =~ /c$/", true],
  ["'abc' =~ /(b)(x)?/ && $1 == 'b'", true],
  ["'abc' =~ /(b)(x)?/ && $2 == ''", true],
  ["'abc' =~ /(b)/ && $0 == 'b'", true],
  ["'abc' =~ /a(.)c/ && $0 == 'abc'", true],
  ["'abc' =~ /(b)/ && 'x' =~ /x/ && $1 == 'b'", true],
  ["'abc' =~ /(b)/ && 'x' !~ /(y)/ && $1 == 'b'", false],
  ["'abc' =~ /b/ && $0 == 'b'", false],
  ["'abc' =~ /(?<n>b)/ && \"[$1]\" == '[b]'", true],
  ["'abc' =~ /(x)/ || $0 == ''", true],
  ["$1 == ''", true],
  ["$0 == ''", true],
  ["'a\\nb' =~ /^a.b$/", true],
  ["'a\\n' =~ /a$/", false],
  ["'10.1.2.3' -ipmatch '10.1'", true],
  ["'10.1.2.3' -ipmatch '10.2'", false],
  ["'10.1.2.3' -ipmatch '10'", true],
  ["'10.1.2.3' -ipmatch '10.0.0.0/8'", true],
  ["'11.1.2.3' -ipmatch '10.0.0.0/8'", false],
  ["'10.1.2.3' -ipmatch '10.1.2.3'", true],
  ["'10.1.2.3' -ipmatch '10.0.0.0/255.0.0.0'", true],
  ["'10.1.2.3' -ipmatch '10.1.2.0/23'", true],
  ["'10.1.4.3' -ipmatch '10.1.2.0/23'", false],
  ["'::1' -ipmatch '::1'", true],
  ["'2001:db8::5' -ipmatch '2001:db8::/32'", true],
  ["'2001:db9::5' -ipmatch '2001:db8::/32'", false],
  ["'10.1.2.3' -ipmatch '::/1'", false],
  ["'::ffff:10.1.2.3' -ipmatch '10.0.0.0/8'", true],
  ["'no address' -ipmatch '10.0.0.0/8'", false],
  ["-R '127.0.0.0/8'", true],
  ["-R '10.0.0.0/8'", false],
  ["-R '127'", true],
  ["%{REMOTE_ADDR} -ipmatch '127.0.0.1'", true],
  ["'a/b' -strmatch 'a*'", true],
  ["'a/b' -fnmatch 'a*'", false],
  ["'a/b' -fnmatch 'a/*'", true],
  ["'A' -strmatch 'a'", false],
  ["'A' -strcmatch 'a'", true],
  ["'abc' -strmatch 'a?c'", true],
  ["'abc' -strmatch 'a[a-c]c'", true],
  ["'abc' -strmatch 'a[!b]c'", false],
  ["'a*c' -strmatch 'a\\\\*c'", true],
  ["'abc' -strmatch 'a\\\\*c'", false],
  ["'abc' -strmatch 'b'", false],
  ["'a[c' -strmatch 'a[c'", true],
  ["'abc' -STRMATCH 'a*'", true],
  ["'a' . 'b' == 'ab'", true],
  ["'a' . 1 . \"c\" == 'a1c'", true],
  ["toupper(tolower('A') . 'b') == 'AB'", true],
  ["ToUpper('a') == 'A'", true],
  ["%{toupper:a} == 'A'", true],
  ["'%{tolower:%{HTTP_HOST}}' == 'www.example.com:8080'", true],
  ["req('X-Num') -eq 42", true],
  ["http('x-num') == '42'", true],
  ["req_novary('X-NUM') == '42'", true],
  ["req('None') == ''", true],
  ["-n req('None')", false],
  ["req('X-' . 'Num') == '42'", true],
  ["reqenv('SI1') == 'www.Example.com:8080'", true],
  ["env('SI1') == reqenv('SI1')", true],
  ["note('nothing') == ''", true],
  ["osenv('HOME') == env('HOME')", true],
  ["-n osenv('HOME')", true],
  ["-n osenv('NOT_SET_AT_ALL')", false],
  ["md5('abc') == '900150983cd24fb0d6963f7d28e17f72'", true],
  ["sha1('abc') == 'a9993e364706816aba3e25717850c26c9cd0d89d'", true],
  ["md5('ä') == '8419b71c87a225a2c70b50486fbee545'", true],
  ["base64('abc') == 'YWJj'", true],
  ["base64('') == ''", true],
  ["base64('ä') == 'w6Q='", true],
  ["unbase64('YWJj') == 'abc'", true],
  ["%{unbase64:YWJj} == %{tolower:ABC}", true],
  ["-d '/tmp'", true],
  ["-d '/etc/passwd'", false],
  ["-e '/etc/passwd'", true],
  ["-e '/nowhere'", false],
  ["-f '/etc/passwd'", true],
  ["-f '/tmp'", false],
  ["-s '/etc/passwd'", true],
  ["-s '/dev/null'", false],
  ["-L '/proc/self'", true],
  ["-h '/etc/passwd'", false],
  ["-x '/bin/sh'", true],
  ["-x '/etc/passwd'", false],
  ["filesize('/etc/passwd') -gt 10", true],
  ["filesize('/nowhere') == '0'", true],
  ["filesize('/tmp') == '0'", true],
  ["file('/etc/passwd') =~ /root:/", true],
  ["%{HTTP_HOST} == 'www.Example.com:8080'", true],
  ["%{http_host} == %{HTTP_HOST}", true],
  ["%{TIME_YEAR} -ge 2020", true],
  ["%{TIME} =~ /^\\d{14}$/", true],
  ["%{TIME_WDAY} =~ /^[0-6]$/", true],
  ["'%{TIME_MON}%{TIME_DAY}' =~ /^\\d{4}$/", true],
  ["%{TIME_HOUR} -lt 24 && %{TIME_MIN} -lt 60 && %{TIME_SEC} -lt 61", true],
  ["%{REQUEST_URI} =~ m#^/some/#", true],
  ["%{REQUEST_URI} == '/some/path x/f.txt'", true],
  ["%{QUERY_STRING} =~ /(?:^|&)q=(\\d)/ && $1 -eq 1", true],
  ["%{REQUEST_STATUS} == '200'", true],
  ["%{REMOTE_PORT} -gt 0", true],
  ["-z %{REMOTE_USER}", true],
  ["'\\101\\x42\\t' == \"AB\t\"", false],
  ["'it\\'s' == \"it's\"", true],
  ['"say \\"x\\"" == \'say "x"\'', true],
  ["'a\\\\b' == \"a\\\\b\"", true],
  ["'\\q' == 'q'", true],
  ["'$' == \"$\"", true],
  ["'%' == \"%\"", true],
  ["'a%b$c' == \"a\" . '%b$c'", true],
  ["'}' == \"}\"", true],
  ["\"$a\" == '$a'", true],
  ["\"%a\" == '%a'", true],
  ["'x' . %{REQUEST_METHOD} . 'y' == 'xGETy'", true],
  ["\"x%{REQUEST_METHOD}y\" == 'xGETy'", true],
  ['-n "%{req:X-%{tolower:NUM}}"', true],
  ["'a'=='a'&&'b'!='c'", true],
  ["   true   ", true],
];

const STRINGS: readonly [expression: string, result: string][] = [
  ["plain", "plain"],
  ['it\'s "x"', 'it\'s "x"'],
  ["$1", ""],
  ["a%b$c", "a%b$c"],
  ["100%", "100%"],
  ["%{REQUEST_METHOD}", "GET"],
  ["%{tolower:%{HTTP_HOST}}", "www.example.com:8080"],
  ["<%{REQUEST_METHOD} %{REQUEST_URI}>", "<GET /some/path x/f.txt>"],
  ["req('Host')", "req('Host')"],
  ["%{req:X-Num}%{http:x-num}", "4242"],
  ["%{md5:abc}", "900150983cd24fb0d6963f7d28e17f72"],
  ["%{ldap:a*b(c)d\\\\e,f+gh<i>j;k=l/m#n o}", "a\\2ab\\28c\\29d\\5ce\\2cf\\2bgh\\3ci\\3ej\\3bk=l/m#n o"],
  ["%{ldap:\\001\\377 }", "\\01\\ff "],
  ["%{escape:a b/ü%?;~<>[]{|\\}^`\\\\&=+,!}", "a%20b/%c3%bc%25%3f;~%3c%3e%5b%5d%7b%7c%7d%5e%60%5c&=+,!"],
  ["%{unescape:a%2fb%20c%2F%41}", "a%2fb c%2FA"],
  ["%{unescape:a%zz}", ""],
  ["%{unescape:a%00b}", ""],
  ["%{unescape:%}", ""],
  ["%{unbase64:YWJjZ}", "abc"],
  ["%{unbase64:YW!Jj}", "a"],
  ["%{unbase64:YWJjZA==}", "abcd"],
  ["%{unbase64:YWI}", "ab"],
  ["%{base64:%{toupper:a}b}", "QWI="],
  [
    "%{REQUEST_SCHEME} %{REMOTE_HOST} %{REMOTE_ADDR} [%{REMOTE_IDENT}] %{SERVER_ADMIN} %{SERVER_NAME} %{SERVER_PORT} %{SERVER_PROTOCOL}",
    "http 127.0.0.1 127.0.0.1 [] adm@x www.example.com 8080 HTTP/1.1",
  ],
  [
    "%{QUERY_STRING}|%{IS_SUBREQ}|%{DOCUMENT_ROOT}|%{AUTH_TYPE}|%{THE_REQUEST}|%{HANDLER}|%{REQUEST_LOG_ID}",
    "q=1&r=2|false|/srv/htdocs||GET /some/path%20x/f.txt?q=1&r=2 HTTP/1.1||",
  ],
  [
    "%{DOCUMENT_URI}|%{LAST_MODIFIED}|%{CONTEXT_PREFIX}|%{CONTEXT_DOCUMENT_ROOT}",
    "/some/path x/f.txt|19700101000000||/srv/htdocs",
  ],
  ["%{HTTPS}|%{IPV6}|%{CONN_LOG_ID}|%{CONN_REMOTE_ADDR}|%{HTTP2}|%{API_VERSION}", "off|off||127.0.0.1|off|20120211"],
  [
    "%{HTTP_USER_AGENT}|%{HTTP_COOKIE}|%{HTTP_REFERER}|%{HTTP_ACCEPT}|%{HTTP_FORWARDED}|%{HTTP_PROXY_CONNECTION}",
    "Mozilla/5.0 (X11)|a=1; b=2|http://r/|||",
  ],
  ["%{env:SI1}|%{reqenv:SI1}|%{note:x}", "www.Example.com:8080|www.Example.com:8080|"],
  ["\\x41\\102c", "x41Bc"],
  ["tab\\tend", "tab\tend"],
];

const ERRORS: readonly [expression: string, column: number, error: string][] = [
  ["a == 'a'", 3, "syntax error, unexpected T_OP_STR_EQ, expecting '('"],
  ["'a'", 4, "syntax error, unexpected $end"],
  ["'a' ==", 7, "syntax error, unexpected $end"],
  ["('a') == 'a'", 5, "syntax error, unexpected ')'"],
  ["true false", 6, "syntax error, unexpected T_FALSE, expecting $end"],
  ["'a' == 'a' 'b'", 12, "syntax error, unexpected T_STR_BEGIN, expecting $end"],
  ["('a' == 'a' 'b')", 13, "syntax error, unexpected T_STR_BEGIN, expecting T_OP_OR or T_OP_AND or ')'"],
  ["('a' == 'a'", 12, "syntax error, unexpected $end, expecting T_OP_OR or T_OP_AND or ')'"],
  ["'a' -foo 'b'", 5, "Binary operator '-foo' does not exist"],
  ["-q 'a'", 1, "Unary operator '-q' does not exist"],
  ["%{FOO} == 'a'", 3, "Variable 'FOO' does not exist"],
  ["%{foo:a} == 'a'", 3, "Function 'foo' does not exist"],
  ["foo('a') == 'a'", 1, "Function 'foo' does not exist"],
  ["'abc", 5, "Unterminated string or variable"],
  [
    '"abc%{x"',
    8,
    "syntax error, unexpected T_ERROR, expecting T_VAR_END or ':': Invalid character in variable name '\"'",
  ],
  [
    "%{a-b} == 'x'",
    4,
    "syntax error, unexpected T_ERROR, expecting T_VAR_END or ':': Invalid character in variable name '-'",
  ],
  ["%{:true:} == 'x'", 3, "syntax error, unexpected ':', expecting T_ID"],
  ["'a' =~ /(/", 8, "Failed to compile regular expression"],
  ["'a' =~ /a/z", 11, "syntax error, unexpected T_ID, expecting $end"],
  ["'a' =~ /a/g", 11, "syntax error, unexpected T_ID, expecting $end"],
  ["'A' =~ m_a_i", 8, "syntax error, unexpected T_ID, expecting T_REGEX or T_REGEX_I"],
  ["'a/b' =~ /a\\/b/", 10, "Failed to compile regular expression"],
  ["'a' =~ /a", 10, "syntax error, unexpected $end, expecting T_REGEX or T_REGEX_I"],
  ["'a' =~ 'a'", 8, "syntax error, unexpected T_STR_BEGIN, expecting T_REGEX or T_REGEX_I"],
  ["'a' -in { 'a' 'b' }", 15, "syntax error, unexpected T_STR_BEGIN, expecting '}' or ','"],
  ["'a' in foo('x')", 8, "List-returning function 'foo' does not exist"],
  ["'a' in split /x/, 'y'", 14, "syntax error, unexpected T_REGEX, expecting '('"],
  ["join({'a'}) == 'a'", 6, "syntax error, unexpected '{'"],
  ["'\\400' == 'A'", 2, "Escape sequence out of bound"],
  ["'\\8' == '8'", 2, "Bad escape sequence"],
  ["&", 1, "Parse error near '&'"],
  ["-R '127.0.0.0/99'", 1, "parsing of subnet/netmask failed"],
  ["-R %{HTTP_HOST}", 1, "-R requires subnet/netmask as constant argument"],
  ["", 1, "syntax error, unexpected $end"],
  ["<", 1, "syntax error, unexpected T_OP_STR_LT"],
  ["'a' <> 'b'", 6, "syntax error, unexpected T_OP_STR_GT"],
  ["req('Host', 'x') == 'a'", 11, "syntax error, unexpected ',', expecting T_OP_CONCAT or ')'"],
  ["%{HTTP_HOST", 12, "syntax error, unexpected T_ERROR, expecting T_VAR_END or ':': Unterminated string or variable"],
  ["'a' == 'a' ||", 14, "syntax error, unexpected $end"],
  ["'a' =~", 7, "syntax error, unexpected $end, expecting T_REGEX or T_REGEX_I"],
  ["true)", 5, "syntax error, unexpected ')', expecting $end"],
  ["req 'Host'", 5, "syntax error, unexpected T_STR_BEGIN, expecting '('"],
  ["'a' & 'b'", 5, "syntax error, unexpected T_ERROR: Parse error near '&'"],
  ["'a' == &", 8, "syntax error, unexpected T_ERROR: Parse error near '&'"],
  ["'abc%{", 7, "syntax error, unexpected T_ERROR, expecting T_ID: Unterminated string or variable"],
  ["'abc%{X", 8, "syntax error, unexpected T_ERROR, expecting T_VAR_END or ':': Unterminated string or variable"],
  ["'abc%{X:", 9, "Unterminated string or variable"],
  [
    "'abc$1",
    7,
    "syntax error, unexpected T_ERROR, expecting T_STRING or T_REGEX_BACKREF or T_STR_END or T_VAR_BEGIN: Unterminated string or variable",
  ],
  ["'abc%{req:x", 12, "Unterminated string or variable"],
  ["'a' in 'b'", 8, "syntax error, unexpected T_STR_BEGIN, expecting T_ID or '{'"],
  ["'a' in { 'a', }", 15, "syntax error, unexpected '}'"],
  ["'a' in { }", 10, "syntax error, unexpected '}'"],
  ["'a' in {", 9, "syntax error, unexpected $end"],
  ["'a' in { 'a'", 13, "syntax error, unexpected $end, expecting '}' or ','"],
  ["req(", 5, "syntax error, unexpected $end"],
  ["req('a'", 8, "syntax error, unexpected $end, expecting T_OP_CONCAT or ')'"],
  ["req()", 5, "syntax error, unexpected ')'"],
  ["%{", 3, "syntax error, unexpected T_ERROR, expecting T_ID: Unterminated string or variable"],
  ["%{X", 4, "syntax error, unexpected T_ERROR, expecting T_VAR_END or ':': Unterminated string or variable"],
  ["%{X:", 5, "Unterminated string or variable"],
  ["%{req:}", 7, "syntax error, unexpected T_VAR_END, expecting T_ERROR or T_STRING or T_REGEX_BACKREF or T_VAR_BEGIN"],
  ["%{}", 3, "syntax error, unexpected T_VAR_END, expecting T_ID"],
  ["!", 2, "syntax error, unexpected $end"],
  ["-n", 3, "syntax error, unexpected $end"],
  ["-n 'a' 'b'", 8, "syntax error, unexpected T_STR_BEGIN, expecting $end"],
  ["'a' =~ m__", 8, "syntax error, unexpected T_ID, expecting T_REGEX or T_REGEX_I"],
  ["'a' =~ m", 8, "syntax error, unexpected T_ID, expecting T_REGEX or T_REGEX_I"],
  ["'a' =~ m#a", 11, "syntax error, unexpected $end, expecting T_REGEX or T_REGEX_I"],
  ["'a' . == 'b'", 7, "syntax error, unexpected T_OP_STR_EQ"],
  ["'a' .", 6, "syntax error, unexpected $end"],
  ["1", 2, "syntax error, unexpected $end"],
  ["true true", 6, "syntax error, unexpected T_TRUE, expecting $end"],
  ["(true", 6, "syntax error, unexpected $end, expecting T_OP_OR or T_OP_AND or ')'"],
  ["(", 2, "syntax error, unexpected $end"],
  [")", 1, "syntax error, unexpected ')'"],
  ["()", 2, "syntax error, unexpected ')'"],
  ["and", 1, "syntax error, unexpected T_OP_AND"],
  ["'a' == 'a' and", 15, "syntax error, unexpected $end"],
  ["'a' -ipmatch 'x'", 5, "parsing of subnet/netmask failed"],
  ["'a' -ipmatch 1", 5, "-ipmatch requires subnet/netmask as constant argument"],
  ["'a' -ipmatch 10", 5, "-ipmatch requires subnet/netmask as constant argument"],
  ["-R 10", 1, "-R requires subnet/netmask as constant argument"],
  ["-R '10.' . '1'", 1, "-R requires subnet/netmask as constant argument"],
  ["'a' == 'b' == 'c'", 12, "syntax error, unexpected T_OP_STR_EQ, expecting $end"],
  ["'a' == ('b')", 8, "syntax error, unexpected '('"],
  ["TRUE", 5, "syntax error, unexpected $end, expecting '('"],
  ["True", 5, "syntax error, unexpected $end, expecting '('"],
  ["'a' == \"b", 10, "Unterminated string or variable"],
  ["'%{HTTP_HOST:a}' == 'x'", 4, "Function 'HTTP_HOST' does not exist"],
  ["'a\\' == 'x'", 10, "syntax error, unexpected T_ID"],
  ["'\\9' == 'x'", 2, "Bad escape sequence"],
  ["'\\08' == 'x'", 2, "Bad escape sequence"],
  ["a", 2, "syntax error, unexpected $end, expecting '('"],
  ["1-1 == 1", 2, "syntax error, unexpected T_DIGIT"],
  ["1 - 1 == 1", 3, "syntax error, unexpected T_ERROR: Parse error near '-'"],
  ["- 1 == 1", 1, "Parse error near '-'"],
  ["-_ 'a'", 1, "Unary operator '-_' does not exist"],
  ["-ab 'a'", 1, "syntax error, unexpected T_OP_BINARY"],
  ["'a' -a 'a'", 5, "syntax error, unexpected T_OP_UNARY"],
  ["'a' EQ 'a'", 5, "syntax error, unexpected T_ID"],
  ["'a' ~ 'b'", 5, "syntax error, unexpected T_ERROR: Parse error near '~'"],
  ["'a' =! 'b'", 6, "syntax error, unexpected T_OP_NOT"],
  ["'a' === 'b'", 7, "syntax error, unexpected T_OP_STR_EQ"],
  ["@", 1, "Parse error near '@'"],
  ["#", 1, "Parse error near '#'"],
  ["ä", 1, "Parse error near '\\xc3'"],
  ["%", 1, "Parse error near '%'"],
  ["%{TIME} $", 9, "syntax error, unexpected T_ERROR: Parse error near '$'"],
  ["$", 1, "Parse error near '$'"],
  ["$a", 1, "Parse error near '$'"],
  ["$10 == ''", 3, "syntax error, unexpected T_DIGIT"],
  ["'a' -strmatch 'b' -strmatch 'c'", 19, "syntax error, unexpected T_OP_BINARY, expecting $end"],
  ["'a' == 'b' || 'c'", 18, "syntax error, unexpected $end"],
  ["true || 'c'", 12, "syntax error, unexpected $end"],
  ["'A' =~ /a/ii", 12, "syntax error, unexpected T_ID, expecting $end"],
  ["PeerExtList('x') == 'a'", 1, "Function 'PeerExtList' does not exist"],
  ["'x' in PeerExtList('a')", 8, "List-returning function 'PeerExtList' does not exist"],
  ["-U", 3, "syntax error, unexpected $end"],
  ["replace('x') == 'x'", 1, "Function 'replace' does not exist"],
  ["'abc' =~ m_b_", 10, "syntax error, unexpected T_ID, expecting T_REGEX or T_REGEX_I"],
  ["'10.1.2.3' -ipmatch '::ffff:10.1.0.0/112'", 12, "parsing of subnet/netmask failed"],
  ["%{TIME_MON}%{TIME_DAY} -gt 0", 12, "syntax error, unexpected T_VAR_BEGIN"],
];

test("conditions", () => {
  for (const [text, result] of CONDITIONS) {
    const parsed = parseExpr(text);
    assert.ok("expr" in parsed, `${text}: ${JSON.stringify(parsed)}`);
    assert.equal(parsed.expr.evaluate(requestSubject(request())), result, text);
  }
});

test("SSLRequire: words and signs compare texts, the longer one is the greater: answers of httpd 2.4.71", () => {
  for (const [text, expected] of [
    ['"9" < "10"', true],
    ['"b" lt "ab"', true],
    ["09 == 9", false],
    ['"09" -eq "9"', false],
    ['"9" -lt "08"', true],
    ['"a" ne "b"', true],
    ['"ab" -gt "b"', true],
    ['"10" <= "9"', false],
    ["10 ge 9", true],
    ['"a" == "A" or "x" in {"x"}', true],
  ] as const) {
    const parsed = parseSslExpr(text);
    assert.ok("expr" in parsed, text);
    assert.equal(parsed.expr.evaluate(requestSubject(request())), expected, text);
  }
});

test("string expressions", () => {
  for (const [text, result] of STRINGS) {
    const parsed = parseStringExpr(text);
    assert.ok("expr" in parsed, `${text}: ${JSON.stringify(parsed)}`);
    assert.equal(parsed.expr.evaluate(requestSubject(request())), result, text);
  }
});

test("errors, with the column of what is wrong", () => {
  for (const [text, column, error] of ERRORS) assert.deepEqual(parseExpr(text), { error, text, column }, text);
});

test("columns count characters, not bytes", () => {
  const text = "'äöü' == %{FOO}";
  assert.deepEqual(parseExpr(text), { error: "Variable 'FOO' does not exist", text, column: 12 });
});

test("names: a health check has others than a request, and they may end in *", () => {
  const names = { variables: new Set(["HC_*", "ONE"]), functions: new Set(["hc"]) };
  const subject: ExprSubject = { variable: (n) => n, call: (n, a) => `${n}(${a})`, groups: [] };
  const parsed = parseStringExpr("%{HC_BODY} %{one} %{HC:body}", names);
  assert.ok("expr" in parsed);
  assert.equal(parsed.expr.evaluate(subject), "HC_BODY ONE hc(body)");
  assert.deepEqual(parseExpr("%{REQUEST_URI} == ''", names), {
    error: "Variable 'REQUEST_URI' does not exist",
    text: "%{REQUEST_URI} == ''",
    column: 3,
  });
});

test("$1 stays from one expression of a subject to the next", () => {
  const subject = requestSubject(request());
  const first = parseExpr("%{REQUEST_URI} =~ m#^/(\\w+)/#");
  const second = parseStringExpr("was $1");
  assert.ok("expr" in first && "expr" in second);
  assert.equal(first.expr.evaluate(subject), true);
  assert.equal(second.expr.evaluate(subject), "was some");
});

test("a condition on a request field adds Vary, save for Host; a string does not", () => {
  const r = request();
  const subject = requestSubject(r);
  const evaluate = (text: string) => {
    const parsed = parseExpr(text);
    assert.ok("expr" in parsed);
    parsed.expr.evaluate(subject);
  };
  evaluate("%{HTTP_HOST} == 'x' || req_novary('A') == 'x'");
  assert.equal(r.headersOut.get("Vary"), undefined);
  evaluate("%{HTTP_USER_AGENT} == 'x' || req('X-Num') == 'x'");
  assert.equal(r.headersOut.get("Vary"), "User-Agent, X-Num");
});

test("a file that cannot be read is a failure", () => {
  const parsed = parseExpr("file('/nowhere') == ''");
  assert.ok("expr" in parsed);
  assert.throws(() => parsed.expr.evaluate(requestSubject(request())), ExprFailure);
});

test("any text is parsed to an end, errors point into it, and what parses can be evaluated", () => {
  const pieces = [
    ...`true false ! && || and or not ( ) { } , . == = != < <= > >= =~ !~ -eq -in in -n -T -z -R -ipmatch -strmatch 1 -7`.split(
      " ",
    ),
    ...[
      "'a'",
      '"b"',
      "'",
      '"',
      "\\",
      "%{",
      "}",
      ":",
      "$1",
      "$",
      "%",
      "/a(b)/",
      "m#",
      "/i",
      "req(",
      "md5(",
      "%{req:",
      "%{TIME}",
      " ",
      "\n",
      "ä",
      "\\7",
      "\0",
    ],
  ];
  let seed = 42;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  const subject = requestSubject(request());
  let good = 0;
  for (let i = 0; i < 30_000; i++) {
    let text = "";
    for (let n = random(12); n >= 0; n--) text += pieces[random(pieces.length)]! + (random(2) === 0 ? " " : "");
    for (const parse of [parseExpr, parseStringExpr]) {
      const parsed = parse(text);
      if ("expr" in parsed) {
        good++;
        parsed.expr.evaluate(subject);
      } else {
        assert.ok(parsed.column >= 1 && parsed.column <= text.length + 1, `${JSON.stringify(text)}: ${parsed.column}`);
      }
    }
  }
  assert.ok(good > 1000, `${good} of them made sense`);
});

test("what nests too deep is an error", () => {
  for (const [open, close] of [
    ["(", ")"],
    ["!", ""],
    ["%{tolower:", "}"],
    ["tolower(", ")"],
  ] as const) {
    const parsed = parseExpr(open.repeat(5000) + close.repeat(5000));
    assert.equal("error" in parsed && parsed.error, "memory exhausted", open);
  }
  const long = parseExpr(Array.from({ length: 5000 }, () => "'a' . 'b' == 'c'").join(" || "));
  assert.ok("expr" in long);
  assert.equal(long.expr.evaluate(requestSubject(request())), false);
});

test("REQUEST_LOG_ID and CONN_LOG_ID are what the error log calls them, once it has", () => {
  const r = request();
  r.logId = "request-1";
  r.conn.logId = "conn-1";
  const parsed = parseStringExpr("%{REQUEST_LOG_ID} %{CONN_LOG_ID}");
  assert.ok("expr" in parsed);
  assert.equal(parsed.expr.evaluate(requestSubject(r)), "request-1 conn-1");
});

function request(): RequestRec {
  const server = new ServerRec(false, "test", 1, []);
  const vector: unknown[] = [];
  vector[core.index] = core.config.parse({ documentRoot: "/srv/htdocs", serverAdmin: "adm@x" });
  server.config = vector;
  server.hostname = "probe.test";
  server.port = 8123;
  const wallUs = () => Date.UTC(2026, 10, 21, 12) * 1000;
  server.process = {
    clock: { wallUs },
    host: nodeHost,
    providers: new Providers(),
    servers: [server],
  } as unknown as ProcessRec;
  const conn = new ConnRec({
    id: 1,
    process: server.process,
    peerIp: "127.0.0.1",
    peerPort: 40000,
    localIp: "127.0.0.1",
    localPort: 18099,
    vhosts: [server],
    secure: false,
  });
  const headers = new HeaderTable();
  for (const [name, value] of [
    ["Host", "www.Example.com:8080"],
    ["User-Agent", "Mozilla/5.0 (X11)"],
    ["X-Num", "42"],
    ["Cookie", "a=1; b=2"],
    ["Referer", "http://r/"],
  ] as const) {
    headers.add(name, value);
  }
  const target = "/some/path%20x/f.txt?q=1&r=2";
  const requestLine = `GET ${target} HTTP/1.1`;
  const r = new RequestRec(conn, server, { method: "GET", target, protoNum: 1001, requestLine, headers }, 0);
  r.uri = "/some/path x/f.txt";
  r.args = "q=1&r=2";
  r.hostname = "www.example.com";
  r.setEnv("SI1", "www.Example.com:8080");
  return r;
}
