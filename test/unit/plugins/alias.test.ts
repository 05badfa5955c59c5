/** What httpd 2.4.71 makes of these lines and paths. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mapper } from "../../support/mapping.ts";

describe("Redirect", () => {
  for (const [line, target, expected] of [
    ["Redirect /a http://o/x", "/a/b?q=1", "302 http://o/x/b?q=1"],
    ["Redirect /a http://o/x", "/ab", "-"],
    ["Redirect 301 /a/ http://o/x", "/a/b", "301 http://o/xb"],
    ["Redirect permanent /a /local", "/a", "301 http://proxy.test:8080/local"],
    ["Redirect seeother /a /l?own=1", "/a/b?q=1", "303 http://proxy.test:8080/l?own=1/b"],
    ["Redirect temp /a /l#frag", "/a", "302 http://proxy.test:8080/l#frag"],
    ["Redirect gone /a", "/a/b", "410"],
    ["Redirect 503 /a", "/a", "503"],
    ["RedirectTemp /a http://o/", "/a/b%20c%3fd%22", "302 http://o//b%20c%3fd%22"],
    ["RedirectPermanent /a http://o/", "/a/%c3%a9", "301 http://o//%c3%a9"],
    ["RedirectMatch ^/a/(.*)$ http://o/$1", "/a/b%20c%3fd", "302 http://o/b%20c?d"],
    ["RedirectMatch 301 ^/a/(.*)\\.gif$ http://o:80/$1.jpg?x=$1#f", "/a/b.gif", "301 http://o/b.jpg?x=b#f"],
    ["RedirectMatch gone ^/a", "/a", "410"],
    ["RedirectMatch ^/a/(.*) relative/$1", "/a/b", "500"],
    ["RedirectMatch ^/a/(.*) https://u:pw@o:8443/$1", "/a/b", "302 https://u:XXXXXXXX@o:8443/b"],
    ["RedirectMatch ^/a/(.*) /q?$1", "/a/b%0aX:%20y", "500"],
    ["RedirectMatch ^/é/(.*) /ñ/$1", "/%c3%a9/b", "302 http://proxy.test:8080/%c3%b1/b"],
    ["RedirectRelative On\nRedirect /a /b", "/a/c", "302 /b/c"],
    ["<Location /a>\nRedirect 404\n</Location>", "/a/b", "404"],
    ["<Location /a>\nRedirect gone\nProxyPass http://b1/\n</Location>", "/a/b", "410"],
    ['<Location /a>\nRedirect "http://o/%{REQUEST_METHOD}?m"\n</Location>', "/a/b?q", "302 http://o/GET?m"],
    ["<Location /a>\nRedirect /a/x http://o/\nProxyPass http://b1/\n</Location>", "/a/x", "302 http://o/"],
    ["<Location /a>\nRedirect /a/x http://o/\nProxyPass http://b1/\n</Location>", "/a/y", "proxy:http://b1//y"],
  ] as const) {
    it(`${line.replaceAll("\n", " ")}: ${target}`, () => assert.equal(mapper(line)(target), expected));
  }

  it("comes after RewriteRule and ProxyPass, and before Alias", () => {
    const map = mapper(`
      Redirect /p http://o/p
      Redirect /p/no http://o/no
      Redirect /r http://o/r
      Alias /r /files/
      Alias /f /files/
      AliasMatch ^/m/(.*) /files/$1
      ProxyPass /p/no !
      ProxyPass /p http://b1/
      ProxyPass /rw http://b1/
      RewriteEngine On
      RewriteRule ^/rw/x http://o/rw [R]
      RewriteRule ^/pt /r/pt [PT]
    `);
    assert.equal(map("/p/a"), "proxy:http://b1//a");
    assert.equal(map("/p/no"), "302 http://o/p/no");
    assert.equal(map("/r/a"), "302 http://o/r/a");
    assert.equal(map("/f/a"), "file:/files//a");
    assert.equal(map("/m/a"), "file:/files/a");
    assert.equal(map("/rw/x"), "302 http://o/rw");
    assert.equal(map("/pt"), "302 http://o/r/pt");
  });

  it("a virtual host's lines come before the main server's", () => {
    const map = mapper(`
      Redirect /a http://o/main
      <VirtualHost *:8080>
        ServerName v.test
        Redirect /a/b http://o/v
      </VirtualHost>
    `);
    assert.equal(map("/a/b", { host: "v.test" }), "302 http://o/v");
    assert.equal(map("/a/c", { host: "v.test" }), "302 http://o/main/c");
  });

  for (const [line, error] of [
    ["Redirect a b c", "Redirect: invalid first argument (of three)"],
    ["Redirect /a b", "Redirect to non-URL"],
    ["Redirect /x", "URL to redirect to is missing"],
    ["Redirect 301 /a", "URL to redirect to is missing"],
    ["Redirect 404 /a http://x/", "Redirect URL not valid for this status"],
    ["RedirectMatch ( /x", "Regular expression could not be compiled."],
    [
      "<Location /x>\n<Limit GET>\nAlias /a\n</Limit>\n</Location>",
      "Alias cannot occur within <Limit> or <LimitExcept> section",
    ],
    ["<If true>\nScriptAlias /a\n</If>", "ScriptAlias cannot occur within <If> section"],
    ["Alias /a", "Alias must have two arguments when used globally"],
    ["<Location /x>\nAlias /a /b\n</Location>", "Alias cannot occur within directory context"],
  ] as const) {
    it(`refuses ${line.replaceAll("\n", " ")}`, () => assert.throws(() => mapper(line), { message: error }));
  }
});
