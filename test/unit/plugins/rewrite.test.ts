/** What httpd 2.4.71 makes of these rules and paths. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseMap } from "../../../plugins/rewrite/map.ts";
import { FakeFiles, mapper } from "../../support/mapping.ts";

const RULES: readonly (readonly [rule: string, target: string, expected: string])[] = [
  ["^/r2/(.*)$ http://other.test/n/$1 [R=301,L]", "/r2/a%3fb", "403"],
  ["^/r2/(.*)$ http://other.test/n/$1 [R=301,L]", "/r2/a?q=1", "301 http://other.test/n/a?q=1"],
  ["^/r3/(.*)$ http://other.test/n/$1?x=1 [L]", "/r3/a?q=1", "302 http://other.test/n/a?x=1"],
  ["^/r4/(.*)$ http://other.test/n/$1?x=1 [QSA,L,R=307]", "/r4/a?q=1", "307 http://other.test/n/a?x=1&q=1"],
  ["^/r4/(.*)$ http://other.test/n/$1?x=1 [QSA,L,R=307]", "/r4/a", "307 http://other.test/n/a?x=1"],
  ["^/r5/(.*)$ http://other.test/n/$1? [L,R]", "/r5/a?q=1", "302 http://other.test/n/a"],
  ["^/r5/(.*)$ http://other.test/n/$1? [L,R]", "/r5/a%3fb", "403"],
  ["^/r6/(.*)$ http://other.test/n/$1 [QSD,L,R]", "/r6/a?q=1", "302 http://other.test/n/a"],
  ["^/r7/(.*)$ http://other.test/n/$1 [NE,L,R=308]", "/r7/a%26b%3Dc?x=%20y", "308 http://other.test/n/a&b=c?x=%20y"],
  ["^/r8/(.*)$ http://other.test/n/$1 [B,L,R]", "/r8/a%20b?q=1%202", "302 http://other.test/n/a+b?q=1%202"],
  ["^/r8/(.*)$ http://other.test/n/$1 [B,L,R]", "/r8/a%26b%3Dc?x=%20y", "302 http://other.test/n/a%2526b%253dc?x=%20y"],
  ["^/r8/(.*)$ http://other.test/n/$1 [B,L,R]", "/r8/%c3%a9?z=%c3", "302 http://other.test/n/%25c3%25a9?z=%c3"],
  ["^/r8/(.*)$ http://other.test/n/$1 [B,L,R]", "/r8/a%3fb", "302 http://other.test/n/a%253fb"],
  ['^/r9/(.*)$ "http://other.test/n/?q=$1" [B,L,R]', "/r9/a%20b?q=1%202", "302 http://other.test/n/?q=a+b"],
  ['^/r10/(.*)$ "http://other.test/n/?q=$1" [B,BNP,L,R]', "/r10/a%20b?q=1%202", "302 http://other.test/n/?q=a%2520b"],
  [
    '^/r11/(.*)$ "http://other.test/n/?q=$1" [B=?&:/,L,R]',
    "/r11/a%26b%3Dc?x=%20y",
    "302 http://other.test/n/?q=a%2526b=c",
  ],
  ['^/r11/(.*)$ "http://other.test/n/?q=$1" [B=?&:/,L,R]', "/r11/a%20b?q=1%202", "302 http://other.test/n/?q=a%20b"],
  ['^/r12/(.*)$ "http://other.test/n/?q=$1" [BCTLS,L,R]', "/r12/a%0ab", "302 http://other.test/n/?q=a%250ab"],
  ['^/r13/(.*)$ "http://other.test/n/?q=$1" [B,BNE=/:,L,R]', "/r13/a:b/c_d", "302 http://other.test/n/?q=a:b/c_d"],
  ['^/r14/(.*)$ "http://other.test/n/?q=$1" [L,R]', "/r14/a%20b?q=1%202", "302 http://other.test/n/?q=a%20b"],
  ['^/r14/(.*)$ "http://other.test/n/?q=$1" [L,R]', "/r14/a%0ab", "302 http://other.test/n/?q=a%0ab"],
  ['^/r15/(.*)$ "http://other.test/n/?q=$1" [L,R,NE]', "/r15/a%20b?q=1%202", "403"],
  ["^/r16/(.*)$ - [F]", "/r16/a", "403"],
  ["^/r17/(.*)$ - [G]", "/r17/a", "410"],
  ["^/r18/(.*)$ - [R=404]", "/r18/a", "404"],
  ["^/r20/(.*)$ /x [R=429]", "/r20/a", "429"],
  ["^/r22/(.*)$ https://%{SERVER_NAME}:8443/$1 [R=seeother,L]", "/r22/a", "303 https://proxy.test:8443/a"],
  ["^/r23/(.*)$ n/$1 [R,L]", "/r23/a", "302 http://proxy.test:8080/n/a"],
  [
    "^/r24/(.*)$ http://other.test/\\$1\\%{HTTP_HOST}/%1$0 [R,L]",
    "/r24/a",
    "302 http://other.test/$1%25%7bHTTP_HOST%7d//r24/a",
  ],
  ["^/r25/(a)(b)?(c)$ http://other.test/$1-$2-$3-$4 [R,L]", "/r25/abc", "302 http://other.test/a-b-c-"],
  ["^/r25/(a)(b)?(c)$ http://other.test/$1-$2-$3-$4 [R,L]", "/r25/ac", "302 http://other.test/a--c-"],
  ["^/r26/(.*)$ http://other.test/$1?$1 [R,L,QSL]", "/r26/a%3fb", "403"],
  ["^/r26/(.*)$ http://other.test/$1?$1 [R,L,QSL]", "/r26/a", "302 http://other.test/a?a"],
  ["^/r27/(.*)$ http://other.test/$1?a=b? [R,L,QSA]", "/r27/a?q=1", "302 http://other.test/a%3fa=b?q=1"],
  ["^/r28/(.*)$ http://other.test/$1 [R,L,UnsafeAllow3F]", "/r28/a%3fb", "302 http://other.test/a?b"],
  ["^/r30/(.*)$ mailto:me@x.test?subject=$1 [R,L]", "/r30/a%20b?q=1%202", "302 mailto:me@x.test?subject=a%20b"],
  ["^/r31/(.*)$ ftp://x.test/$1?y [R,L]", "/r31/a?q=1", "302 ftp://x.test/a%3fy"],
  ["^/r32/(.*)$ http://other.test [R,L]", "/r32/a", "302 http://other.test"],
  ["^/r37/(.*)$ //evil.test/$1 [R,L]", "/r37/a", "302 http://proxy.test:8080//evil.test/a"],
  ["^/r38(.*)$ $1 [R,L]", "/r38/a", "302 http://proxy.test:8080/a"],
  ["^/r38(.*)$ $1 [R,L]", "/r38", "302 http://proxy.test:8080/"],
  ["^/r40/(.*)$ http://other.test/${none:$1|def-$1}/${none:x} [R,L]", "/r40/a", "302 http://other.test/def-a/"],
  ["^/r42/(.*) ldap://ldap.test/$1?a?b?c? [R,L]", "/r42/a%3fb", "403"],
  ["^/r42/(.*) ldap://ldap.test/$1?a?b?c? [R,L]", "/r42/a", "302 ldap://ldap.test/a?a?b?c"],
  ['^/r45 "-" [R=302,L]', "/r45/a", "-"],
  ["^/R46 http://other.test/nc [nc,R,L]", "/r46/a", "302 http://other.test/nc"],
  ["^/r47/(.*) http://other.test/$1#frag$1 [R,L]", "/r47/a", "302 http://other.test/a%23fraga"],
  ["^/r48/(.*) http://other.test/$1#frag$1 [R,L,NE]", "/r48/a", "302 http://other.test/a#fraga"],
  ["^/r51/(.*) /y [R=304,L]", "/r51/a", "304 http://proxy.test:8080/y"],
  ["^/p1/(.*)$ http://b1/n/$1 [P]", "/p1/a?q=1", "proxy:http://b1/n/a?q=1"],
  ["^/p1/(.*)$ http://b1/n/$1 [P]", "/p1/a%20b?q=1%202", "proxy:http://b1/n/a%20b?q=1%202"],
  ["^/p1/(.*)$ http://b1/n/$1 [P]", "/p1/a%3fb", "403"],
  [
    "^/p1/(.*)$ http://b1/n/$1 [P]",
    "/p1/%23h%22%3c%3e%5b%5d%5c%5e%60%7b%7c%7d%25",
    "proxy:http://b1/n/%23h%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D%25",
  ],
  ["^/p1/(.*)$ http://b1/n/$1 [P]", "/p1/a%2541", "proxy:http://b1/n/a%2541"],
  ["^/p2/(.*)$ http://b1/n/$1?x=1 [P]", "/p2/a?q=1", "proxy:http://b1/n/a?x=1"],
  ["^/p3/(.*)$ http://b1/n/$1?x=1 [P,QSA]", "/p3/a?q=1", "proxy:http://b1/n/a?x=1&q=1"],
  ["^/p4/(.*)$ http://b1/n/$1 [P,NE]", "/p4/a%20b?q=1%202", "403"],
  ["^/p4/(.*)$ http://b1/n/$1 [P,NE]", "/p4/a?q=1", "proxy:http://b1/n/a?q=1"],
  ["^/p4/(.*)$ http://b1/n/$1 [P,NE]", "/p4/a%2541", "proxy:http://b1/n/a%41"],
  ["^/p5/(.*)$ http://b1/n/$1 [P,B]", "/p5/a%20b?q=1%202", "proxy:http://b1/n/a+b?q=1%202"],
  ["^/p5/(.*)$ http://b1/n/$1 [P,B]", "/p5/a%3fb", "proxy:http://b1/n/a%253fb"],
  ["^/p6/(.*)$ http://b1/n?q=$1 [P,B]", "/p6/a%26b%3Dc?x=%20y", "proxy:http://b1/n?q=a%26b%3dc"],
  ["^/p7/(.*)$ http://b1/n?q=$1 [P]", "/p7/a%20b?q=1%202", "403"],
  ["^/p8/(.*)$ http://b1/n?q=$1 [P,NE]", "/p8/a%20b?q=1%202", "403"],
  ["^/p9/(.*)$ http://b1/n/$1? [P]", "/p9/a?q=1", "proxy:http://b1/n/a"],
  ["^/p9/(.*)$ http://b1/n/$1? [P]", "/p9/a%3fb", "403"],
  ["^/p10/(.*)$ http://b1/n/$1 [P,QSD]", "/p10/a?q=1", "proxy:http://b1/n/a"],
  ["^/p11/(.*)$ http://b1/n/$1 [P,BCTLS]", "/p11/a%0ab", "proxy:http://b1/n/a%250ab"],
  ["^/p12/(.*)$ http://b1/n/$1 [P,UnsafeAllow3F]", "/p12/a%3fb", "proxy:http://b1/n/a?b"],
  ["^/p13/(.*)$ http://b1 [P]", "/p13/a", "proxy:http://b1/"],
  ["^/p33/(.*)$ http://b1:bad/n/$1 [P]", "/p33/a", "500"],
  ["^/p34/(.*)$ http:///n/$1 [P]", "/p34/a", "400"],
  ["^/p37/(.*)$ http://b1/n/$1/x%20y%2Fz [P,NE]", "/p37/a", "proxy:http://b1/n/a/x0yFz"],
  ["^/p36/(.*)$ http://b1/n/$1/x%20y%2Fz [P]", "/p36/a", "proxy:http://b1/n/a/x0yFz"],
  ['"^/p39/(.*)$" "http://b1/n/$1/x y" [P]', "/p39/a", "proxy:http://b1/n/a/x%20y"],
  ['^/p40/(.*)$ "http://b1/n/$1?x y" [P]', "/p40/a", "403"],
  ["^/p46/(.*)$ unix:/s|http://localhost/n/$1 [P]", "/p46/a?q=1", "proxy:http://localhost/n/a?q=1"],
  ["^/p48/(.*)$ unix:/s|http://some.host:82/n/$1 [P,NE]", "/p48/a?q=1", "proxy:http://some.host:82/n/a?q=1"],
];

describe("RewriteRule", () => {
  for (const [rule, target, expected] of RULES) {
    it(`${rule}: ${target}`, () => assert.equal(mapper(`RewriteEngine On\nRewriteRule ${rule}`)(target), expected));
  }

  it("takes the server's own name for a path, its port included", () => {
    const map = mapper(
      "RewriteEngine On\nRewriteRule ^/a http://proxy.test:8080/b\nRewriteRule ^/c http://proxy.test/d",
    );
    assert.equal(map("/a"), "file:/root/htdocs/b");
    assert.equal(map("/c"), "302 http://proxy.test/d");
  });

  it("comes before ProxyPass; without PT its path is no longer asked for", () => {
    const map = mapper(`
      RewriteEngine On
      RewriteRule ^/a/(.*) /z/$1
      RewriteRule ^/b/(.*) /z/$1 [PT]
      RewriteRule ^/z/no - [F]
      ProxyPass /z/ http://b1/ZZ/
    `);
    assert.equal(map("/a/x"), "file:/root/htdocs/z/x");
    assert.equal(map("/b/x?q"), "proxy:http://b1/ZZ/x?q");
    assert.equal(map("/z/no"), "403");
    assert.equal(map("/z/x"), "proxy:http://b1/ZZ/x");
  });

  it("chains, skips, goes round and ends", () => {
    const map = mapper(`
      RewriteEngine On
      RewriteRule ^/ch(.*) /ch1$1 [C]
      RewriteRule ^/ch1/a(.*) /ch2$1 [C]
      RewriteRule ^/ch2/b(.*) /ch3$1
      RewriteRule ^/ch(.*) /final$1 [R,L]
      RewriteRule ^/sk/a - [S=2]
      RewriteRule ^/sk/(.*) /sk1/$1
      RewriteRule ^/sk(.*)/(.*) /sk2$1/$2
      RewriteRule ^/sk(.*)/(.*) /skend$1/$2 [R,L]
      RewriteRule ^/nx/(.*)A(.*) /nx/$1B$2 [N]
      RewriteRule ^/nx/(.*) /done/$1 [R,L]
      RewriteRule ^/ny/(.*)$ /ny/$1 [N=10]
      RewriteRule ^/nz/(.*)$ /nz/$1$1 [N]
      RewriteRule ^/en/(.*)$ /en2/$1 [END]
      RewriteRule ^/en2/ - [F]
    `);
    const origin = "302 http://proxy.test:8080";
    assert.equal(map("/ch/a/b"), `${origin}/final3`);
    assert.equal(map("/ch/a/c"), `${origin}/final2/c`);
    assert.equal(map("/ch/b"), `${origin}/final1/b`);
    assert.equal(map("/sk/a/x"), `${origin}/skend/a/x`);
    assert.equal(map("/sk/b"), `${origin}/skend21/b`);
    assert.equal(map("/nx/AAA"), `${origin}/done/BBB`);
    assert.equal(map("/ny/a"), "500");
    assert.equal(map("/nz/abc"), "500");
    assert.equal(map("/en/x"), "file:/root/htdocs/en2/x");
    assert.equal(map("/en2/x"), "403");
  });

  it("sets variables, cookies and a handler", () => {
    const map = mapper(`
      RewriteEngine On
      RewriteRule ^/e/(.*) - [E=A:$1,E=B:%{ENV:A},E=!C,E=D,CO=n:$1:.x.test:0:/p:secure:1:lax,CO=;m;v:w;.x.test,CO=no:domain]
      RewriteRule ^/h - [H=Server-Status]
    `);
    assert.equal(map("/e/x"), "-");
    const r = map.last!;
    assert.deepEqual([r.getEnv("A"), r.getEnv("B"), r.getEnv("D")], ["x", "x", ""]);
    assert.deepEqual(r.errHeadersOut!.getAll("Set-Cookie"), [
      "n=x; path=/p; domain=.x.test; secure; HttpOnly; SameSite=lax",
      "m=v:w; path=/; domain=.x.test",
    ]);
    map("/h");
    assert.equal(map.last!.handler, "server-status");
    assert.equal(map("/e/a%0aX:%20b"), "500"); // no field of the client's making
  });

  it("makes no Location that is no field value", () => {
    const map = mapper("RewriteEngine On\nRewriteRule ^/a(.*) http://other.test/$1 [NE,R]");
    assert.equal(map("/a/b%0aX:%20y"), "500");
  });
});

describe("RewriteCond", () => {
  const holds = (cond: string, value: string, files?: FakeFiles) =>
    mapper(`RewriteEngine On\nRewriteCond ${cond}\nRewriteRule ^/a http://yes/%0|%1 [R,NE]`, files)("/a", {
      headers: [["X", value]],
    });
  for (const [cond, value, expected] of [
    ["%{HTTP:X} ^(a+)b", "aab", "aab|aa"],
    ["%{HTTP:X} A", "a", null],
    ["%{HTTP:X} A [NC]", "a", "a|"],
    ["%{HTTP:X} !b", "a", "|"],
    ["%{HTTP:X} =websocket [NC]", "WebSocket", "|"],
    ["%{HTTP:X} =websocket", "WebSocket", null],
    ['%{HTTP:X} =""', "", "|"],
    ["%{HTTP:X} >b", "aa", "|"], // the longer text is the greater
    ["%{HTTP:X} >b", "c", "|"],
    ["%{HTTP:X} <=b", "b", "|"],
    ["%{HTTP:X} >b [NC]", "AA", null],
    ["%{HTTP:X} -lt5", "4x", "|"],
    ["%{HTTP:X} -ge5", "60", "|"],
    ["%{HTTP:X} -ne5", "5", null],
    ["%{HTTP:X} !-ne5", "5", "|"],
    ["%{HTTP:X} -f", "/etc/x", "|"],
    ["%{HTTP:X} -f", "/etc", null],
    ["%{HTTP:X} -d", "/etc", "|"],
    ["%{HTTP:X} !-f", "/none", "|"],
    ["%{HTTP:X} -s", "/empty", null],
    ['expr "%{HTTP:X} =~ /^(a+)/"', "aab", "aa|aa"],
    ["expr \"%{HTTP:X} == 'b'\"", "aab", null],
    ["$0:%{HTTP:X} ^(.).:(.)", "x", "/a:x|/"],
    ["%{ENV:FROM_PROCESS} .", "", "p|"],
    ["%{THE_REQUEST}|%{REQUEST_SCHEME}|%{SERVER_PORT} (.*)", "", "GET /a HTTP/1.1|http|8080|GET /a HTTP/1.1|http|8080"],
    ["%{TIME_YEAR}%{NOSUCH}%{nope:x} ^....$", "", "1970|"],
  ] as const) {
    it(`${cond} on "${value}"`, () => {
      const files = new FakeFiles();
      files.write("/etc/x", "x");
      files.write("/empty", "");
      const answer = holds(cond, value, files).replace(/20\d\d/, "1970");
      assert.equal(answer, expected === null ? "-" : `302 http://yes/${expected}`);
    });
  }

  it("joins by OR what else must all hold", () => {
    const map = mapper(`
      RewriteEngine On
      RewriteCond %{HTTP:A} 1
      RewriteCond %{HTTP:B} 1 [OR]
      RewriteCond %{HTTP:C} 1
      RewriteRule ^ - [F]
    `);
    const ask = (names: string) => map("/", { headers: [...names].map((name) => [name, "1"] as const) });
    for (const names of ["AB", "AC", "ABC"]) assert.equal(ask(names), "403", names);
    for (const names of ["", "A", "B", "C", "BC"]) assert.equal(ask(names), "-", names);
  });
});

describe("rules in sections", () => {
  const inLocation = (path: string, body: string, more = "") =>
    mapper(`<Location ${path}>\nRewriteEngine On\n${body}\n</Location>\n${more}`);

  it("see the file name, or the URL of a proxied request", () => {
    assert.equal(inLocation("/d", "RewriteRule (.*) http://o/?$1 [R]")("/d/a"), "302 http://o/?/root/htdocs/d/a");
    const proxied = inLocation("/d", "RewriteRule (.*) http://o/?$1 [R]\nProxyPass http://b1/in");
    assert.equal(proxied("/d/a"), "302 http://o/?proxy:http://b1/in/a");
  });

  it("redirect, refuse, proxy, or ask for another path", () => {
    assert.equal(inLocation("/d", "RewriteRule .* foo [R]")("/d/a"), "302 http://proxy.test:8080/d/foo");
    assert.equal(
      inLocation("/d", "RewriteBase /b\nRewriteRule .* foo [R]")("/d/a"),
      "302 http://proxy.test:8080/b/foo",
    );
    assert.equal(inLocation("/d", "RewriteRule . - [F]")("/d/a"), "403");
    assert.equal(inLocation("/d", "RewriteRule . http://b1/x [P]")("/d/a?q"), "proxy:http://b1/x?q");
    assert.equal(inLocation("/d", "RewriteRule . /e")("/d/a"), "redirect:/e");
    assert.equal(inLocation("/d", "RewriteBase /b/\nRewriteRule . e")("/d/a"), "redirect:/b/e");
    assert.equal(inLocation("/d", "RewriteRule (d/.*) $1")("/d/a"), "redirect:/d/d/a");
    assert.equal(inLocation("/d", "RewriteRule d/(.*) /z\nProxyPass http://b1/d")("/d/a"), "redirect:/z");
  });

  it("are replaced by those of an inner section, or inherited", () => {
    const map = mapper(`
      <Location /o>
        RewriteEngine On
        RewriteRule . http://o/outer [R]
      </Location>
      <Location /o/none>
        RewriteRule nomatch - [F]
      </Location>
      <Location /o/after>
        RewriteOptions Inherit
        RewriteRule . - [E=X:1]
      </Location>
      <Location /o/off>
        RewriteEngine Off
      </Location>
    `);
    assert.equal(map("/o/a"), "302 http://o/outer");
    assert.equal(map("/o/none/a"), "-");
    assert.equal(map("/o/after/a"), "302 http://o/outer");
    assert.equal(map.last!.getEnv("X"), "1");
    assert.equal(map("/o/off/a"), "-");
  });

  it("a section turns the server's rules off", () => {
    const map = mapper("RewriteEngine On\nRewriteRule ^ - [F]\n<Location /off>\nRewriteEngine Off\n</Location>");
    assert.deepEqual([map("/on"), map("/off/a")], ["403", "-"]);
  });
});

describe("virtual hosts", () => {
  const map = mapper(`
    RewriteEngine On
    RewriteRule ^/main http://o/main [R,L]
    <VirtualHost *:8080>
      ServerName none.test
    </VirtualHost>
    <VirtualHost *:8080>
      ServerName own.test
      RewriteEngine On
      RewriteRule ^/main/own http://o/own [R,L]
    </VirtualHost>
    <VirtualHost *:8080>
      ServerName after.test
      RewriteOptions Inherit
      RewriteRule ^/main/own http://o/own [R,L]
    </VirtualHost>
    <VirtualHost *:8080>
      ServerName before.test
      RewriteOptions InheritBefore
      RewriteRule ^/main/own http://o/own [R,L]
    </VirtualHost>
  `);
  for (const [host, main, own] of [
    ["none.test", "-", "-"],
    ["own.test", "-", "302 http://o/own"],
    ["after.test", "302 http://o/main", "302 http://o/own"],
    ["before.test", "302 http://o/main", "302 http://o/main"],
  ] as const) {
    it(host, () => assert.deepEqual([map("/main", { host }), map("/main/own", { host })], [main, own]));
  }
});

describe("RewriteMap", () => {
  it("reads the first line of a key, up to a blank", () => {
    const text = "# c\na  one two\nb\tB\nbare\n lead x\na second\nk|v pipe\nlong v\r\n";
    assert.deepEqual(
      [...parseMap(text)],
      [
        ["a", "one"],
        ["b", "B"],
        ["k|v", "pipe"],
        ["long", "v"],
      ],
    );
  });

  it("falls back to a default, nests, and is read again when the file has changed", () => {
    const files = new FakeFiles();
    files.write("/root/map.txt", "a one\nA big\n");
    const lines: string[] = [];
    const map = mapper(
      `RewriteEngine On
       RewriteMap t txt:map.txt
       RewriteMap up int:toupper
       RewriteRule ^/t/(.*) http://o/?\${t:$1|\${up:$1}} [R,L]
       RewriteRule ^/u/(.*) http://o/?\${t:\${up:$1}} [R,L]`.replaceAll("\\$", "$"),
      files,
      lines,
    );
    assert.equal(map("/t/a"), "302 http://o/?one");
    assert.equal(map("/t/none"), "302 http://o/?NONE");
    assert.equal(map("/u/a"), "302 http://o/?big");
    files.write("/root/map.txt", "a two\n");
    assert.equal(map("/t/a"), "302 http://o/?two");
    files.remove("/root/map.txt");
    assert.equal(map("/t/a"), "302 http://o/?A");
    assert.match(lines.at(-1)!, /AH00661: mod_rewrite: can't access text RewriteMap file \/root\/map.txt/);
  });

  it("rnd: takes one of the parts", () => {
    const files = new FakeFiles();
    files.write("/r", "k x|x\n");
    assert.equal(
      mapper("RewriteEngine On\nRewriteMap r rnd:/r\nRewriteRule ^ http://o/?${r:k} [R]", files)("/"),
      "302 http://o/?x",
    );
  });
});

describe("what is refused", () => {
  for (const [line, error] of [
    ["RewriteRule a", "RewriteRule: bad argument line 'a'"],
    ["RewriteRule a b c", "RewriteRule: bad flag delimiters"],
    ["RewriteRule a b [Q]", "RewriteRule: unknown flag 'Q'"],
    ["RewriteRule a b []", "RewriteRule: unknown flag ''"],
    ["RewriteRule a b [R=999]", "RewriteRule: invalid HTTP response code '999' for flag 'R'"],
    ["RewriteRule a b [BNE]", "RewriteRule: flag 'BNE' wants a list of characters (i.e. [BNE=...])"],
    ["RewriteRule ( b", "RewriteRule: cannot compile regular expression '('"],
    ["RewriteCond a", "RewriteCond: bad argument line 'a'"],
    ["RewriteCond a b [ZZ]", "RewriteCond: unknown flag 'ZZ'"],
    ["RewriteCond a (", "RewriteCond: cannot compile regular expression '('"],
    [
      "RewriteCond a -U",
      "RewriteCond: -U is not supported: it asks for the outcome of another request, and none is made",
    ],
    [
      "RewriteCond %{LA-U:REMOTE_USER} .",
      "RewriteCond: %{LA-U:REMOTE_USER} is not supported outside of <Location>: no lookahead is made",
    ],
    ["RewriteBase /x", "RewriteBase: only valid in per-directory config files"],
    ["RewriteOptions foo", "RewriteOptions: unknown option 'foo'"],
    ["RewriteMap a int:foo", "RewriteMap: internal map not found:foo"],
    ["RewriteMap a prg:/x", "RewriteMap: maps of type prg are not supported: use txt:, rnd: or int:"],
    ["RewriteMap a txt:none", "RewriteMap: file for map a not found:/root/none"],
  ] as const) {
    it(line, () => assert.throws(() => mapper(line), { message: error }));
  }
});
