/** What extensions say of a proxied response. All answers are those of httpd 2.4.71. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const CONF = (backend: string) => `
Listen 127.0.0.1:PORT
ServerName localhost
ProxyPass "/" "${backend}/"
TypesConfig DIR/mime.types
AddType foo/bar .foo
AddType text/x;charset=q .xq
AddEncoding x-gzip .gz .GZ2
AddEncoding x-compress Z
AddLanguage en .en
AddLanguage fr-CA .fr
AddCharset UTF-8 .utf8
DefaultLanguage de
<Location "/force">
  ForceType a/b
</Location>
<Location "/empty">
  Header setifempty Content-Type x/y
</Location>
<Location "/none">
  ForceType a/b
  ForceType none
</Location>
<Location "/rm">
  RemoveLanguage .en
  RemoveEncoding .gz
  RemoveType .foo
  AddType again/foo .foo
  AddType gone/gone .gone
  RemoveType .gone
  RemoveCharset .utf8
  DefaultLanguage nl
</Location>
`;

const TYPES = "# a comment\ntext/html html htm\napplication/gzip\tgz\n\ntext/x-csrc c\n";

/** Of the backend: ct sends a Content-Type, ce a Content-Encoding, cl a Content-Language. */
const CASES: readonly [target: string, type: string, encoding: string, language: string][] = [
  ["/a", "", "", "de"],
  ["/a.html", "text/html", "", "de"],
  ["/a.HTML", "text/html", "", "de"],
  ["/a.foo.html", "text/html", "", "de"],
  ["/a.html.foo", "foo/bar", "", "de"],
  ["/a.xq", "text/x; charset=q", "", "de"],
  ["/a.xq.utf8", "text/x; charset=utf-8", "", "de"],
  ["/a.utf8", "", "", "de"],
  ["/a.html.utf8.en.gz", "application/gzip; charset=utf-8", "x-gzip", "en"],
  ["/a.gz.Z", "application/gzip", "x-gzip, x-compress", "de"],
  ["/a.en.fr", "", "", "en,fr-ca"],
  ["/a.html.zzz", "text/html", "", "de"],
  ["/ct.html.utf8", "text/plain", "", "de"],
  ["/ce.gz", "application/gzip", "x-gzip", "de"],
  ["/cl.en", "", "", "en,xx"],
  ["/cl.fr", "", "", "fr-ca,en,xx"],
  ["/.html", "", "", "de"],
  ["/a..html", "text/html", "", "de"],
  ["/d.html/x", "", "", "de"],
  ["/a.html?x.en", "text/html", "", "de"],
  ["/force/x.html", "a/b", "", "de"],
  // What an extension says is no field yet where `Header setifempty` looks for one.
  ["/empty/x.html", "x/y", "", "de"],
  ["/empty/x.utf8", "x/y", "", "de"],
  ["/none/x.html", "text/html", "", "de"],
  ["/rm/a.en.gz.foo.utf8", "again/foo", "", "nl"],
  ["/rm/a.gone", "", "", "nl"],
];

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend(({ target }) => {
    const fields: string[] = [];
    if (/^\/ct/.test(target)) fields.push("Content-Type: text/plain");
    if (/^\/ce/.test(target)) fields.push("Content-Encoding: gzip");
    if (/^\/cl/.test(target)) fields.push("Content-Language: en, xx");
    return ok("ok", ...fields);
  });
  sluice = await startSluice(CONF(backend.url), { files: { "mime.types": TYPES } });
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

test("type, encoding and language by the extensions of the path", async () => {
  for (const [target, ...expected] of CASES) {
    const response = await fetchOnce(sluice.port, target);
    const fields = ["content-type", "content-encoding", "content-language"];
    assert.deepEqual(
      fields.map((name) => response.field(name) ?? ""),
      expected,
      target,
    );
  }
});
