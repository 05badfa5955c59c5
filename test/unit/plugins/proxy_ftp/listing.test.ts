import assert from "node:assert/strict";
import { test } from "node:test";
import { entryHtml } from "../../../../plugins/proxy_ftp/listing.ts";

// As httpd 2.4.71 writes them.
const ENTRIES: readonly [line: string, html: string | null][] = [
  ["drwxr-xr-x 2 u g 4096 Jan 1 10:00 sub", 'drwxr-xr-x 2 u g 4096 Jan 1 10:00 <a href="sub/">sub</a>'],
  ["-rw-r--r-- 1 u g 6 Jan  1 10:00 a.txt", '-rw-r--r-- 1 u g 6 Jan  1 10:00 <a href="a.txt">a.txt</a>'],
  ["-rw-r--r-- 1 ..", '-rw-r--r-- 1 <a href="../">..</a>'],
  ["-rw-r--r-- 1 with space%.txt", '-rw-r--r-- 1 with <a href="space%25.txt">space%.txt</a>'],
  ["lrwxrwxrwx 1 link -> sub/x<y>", 'lrwxrwxrwx 1 <a href="link">link -&gt; sub/x&lt;y&gt;</a>'],
  ["lrwxrwxrwx 1 nolink", 'lrwxrwxrwx 1 <a href="nolink">nolink</a>'],
  ["la -> b", 'la <a href="la">la -&gt; b</a>'],
  ["01-01-26  10:00AM <DIR> dosdir", '01-01-26  10:00AM [DIR] <a href="dosdir">dosdir</a>'],
  ["01-01-26  10:00AM 12 do&s.txt", '01-01-26  10:00AM 12 <a href="do&amp;s.txt">do&amp;s.txt</a>'],
  ["  12 name", '  12 <a href="name">name</a>'],
  ["total 3", "total 3"],
  ["junk <line>", "junk &lt;line&gt;"],
  ["", ""],
  ["-broken", null],
  ["dbad", null],
];

for (const [line, html] of ENTRIES) {
  test(`entryHtml(${JSON.stringify(line)})`, () => assert.equal(entryHtml(line), html));
}

test("entryHtml() lets no name out of its quotes", () => {
  assert.equal(entryHtml(`-rw 1 "onclick=x`), '-rw 1 <a href="%22onclick=x">&quot;onclick=x</a>');
});
