/** Which sections apply to a request, and in which order. The orders are those that httpd 2.4.71 gave. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

/** `Mark WORD...`: the words of all scopes, in the order in which they were merged, in the field X-Marks of a response. */
const PLUGIN = `
import { z } from "${new URL("../../node_modules/zod/index.js", import.meta.url).href}";
import { defineModule, getModuleConfig, accessChecker, insertErrorFilter, insertFilter, OK } from "${new URL("../../modules/mod.ts", import.meta.url).href}";
const mark = defineModule({
  name: "mod_mark",
  config: z.object({ marks: z.array(z.any()).default([]) }),
  append: ["marks"],
  commands: ({ iterate }) => [
    iterate("Mark", "any", (cmd, word) => cmd.push("marks", { word, limited: cmd.limited }), "words"),
  ],
  registerHooks({ hook }) {
    const show = (r) => {
      const marks = getModuleConfig(r.perDirConfig, mark).marks.filter((m) => m.limited === null || m.limited(r.method));
      r.headersOut.set("X-Marks", marks.map((m) => m.word).join(" "));
    };
    hook(accessChecker, (r) => getModuleConfig(r.perDirConfig, mark).marks.some((m) => m.word === "forbidden") ? 403 : OK);
    hook(insertFilter, show);
    hook(insertErrorFilter, show);
  },
});
export default mark;
`;

const SECTIONS = (backend: string) => `
Listen 127.0.0.1:PORT
Listen 127.0.0.1:PORT2
ServerName localhost
LoadModule mark_module DIR/mark.ts
ProxyPass "/p" "${backend}"

<If "true">
  Mark if
  <If "true">
    Mark nested
    <If "req('Deep') == '1'">
      Mark deepest
    </If>
  </If>
  <Else>
    Mark bad
  </Else>
  Mark if-after
</If>
<ElseIf "true">
  Mark bad
</ElseIf>
<Else>
  Mark bad
</Else>
<If "%{HTTP_USER_AGENT} =~ /^(a)/ && $1 == 'a'">
  Mark ua-a
</If>
Mark server
<ElseIf "%{HTTP_USER_AGENT} == 'b'">
  Mark ua-b
</ElseIf>
<Else>
  Mark ua-other
</Else>
<If "%{HANDLER} == 'proxy-server' && %{REQUEST_FILENAME} =~ /^proxy:/">
  Mark mapped
</If>
<If "file('/nowhere') == ''">
  Mark bad
</If>
<Else>
  Mark failed
</Else>

<LocationMatch "/p/(?<name>x)">
  Mark match
  <If "reqenv('MATCH_NAME') == 'x'">
    Mark if-in-match
  </If>
</LocationMatch>
<Location "/p">
  Mark location
  <Limit GET POST>
    Mark limit
    <LimitExcept GET>
      Mark post
    </LimitExcept>
  </Limit>
  <LimitExcept GET>
    Mark except
  </LimitExcept>
</Location>
<Location "/forbidden">
  Mark forbidden
</Location>
<Location "/ask">
  <If "-U '/forbidden/x' || -A '/forbidden'">
    Mark bad
  </If>
  <If "-U '/p/y' && -A 'nothing.html' && %{IS_SUBREQ} == 'false'">
    Mark accessible
  </If>
</Location>
<Proxy "${backend}">
  Mark proxy
  <If "true">
    Mark if-in-proxy
  </If>
</Proxy>
<Directory "/">
  Mark directory
  <Files "*">
    Mark files
    <If "true">
      Mark if-in-files
    </If>
  </Files>
</Directory>
<FilesMatch ".">
  Mark files
</FilesMatch>

<VirtualHost *:PORT>
  ServerName one
  Mark vhost
  ProxyPass "/p" "${backend}"
  <If "%{SERVER_NAME} == 'one'">
    Mark if-in-vhost
  </If>
  <Location "/">
    Mark location-of-vhost
  </Location>
</VirtualHost>
`;

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend(() => ok("ok"));
  sluice = await startSluice(SECTIONS(backend.url), { files: { "mark.ts": PLUGIN } });
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

async function marks(port: number, request: string, fields: readonly string[]): Promise<string | undefined> {
  const [method, target] = request.split(" ");
  await using client = await connectClient(port);
  return (await client.request(method!, target!, ["Host: one", ...fields, "Connection: close"])).field("x-marks");
}

const CASES: readonly [what: string, request: string, fields: readonly string[], vhost: string, main: string][] = [
  [
    "a proxied request",
    "GET /p/y",
    [],
    "server vhost proxy location limit location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location limit if if-after ua-other mapped failed if-in-proxy nested",
  ],
  [
    "named groups",
    "GET /p/x/z",
    [],
    "server vhost proxy match location limit location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy if-in-match nested",
    "server proxy match location limit if if-after ua-other mapped failed if-in-proxy if-in-match nested",
  ],
  [
    "the first condition of a chain",
    "GET /p/y",
    ["User-Agent: ab"],
    "server vhost proxy location limit location-of-vhost if if-after ua-a mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location limit if if-after ua-a mapped failed if-in-proxy nested",
  ],
  [
    "the second condition of a chain",
    "GET /p/y",
    ["User-Agent: b"],
    "server vhost proxy location limit location-of-vhost if if-after ua-b mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location limit if if-after ua-b mapped failed if-in-proxy nested",
  ],
  [
    "conditions three deep",
    "GET /p/y",
    ["Deep: 1"],
    "server vhost proxy location limit location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy nested deepest",
    "server proxy location limit if if-after ua-other mapped failed if-in-proxy nested deepest",
  ],
  // Here httpd has a file, and so what <Directory> and <Files> say, too.
  [
    "what is not mapped",
    "GET /z",
    [],
    "server vhost location-of-vhost if if-after ua-other failed if-in-vhost nested",
    "server if if-after ua-other failed nested",
  ],
  [
    "-U asks for mapping and access of another URI",
    "GET /ask",
    [],
    "server vhost location-of-vhost if if-after ua-other failed if-in-vhost accessible nested",
    "server if if-after ua-other failed accessible nested",
  ],
  [
    "<Limit> counts HEAD as GET",
    "HEAD /p/y",
    [],
    "server vhost proxy location limit location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location limit if if-after ua-other mapped failed if-in-proxy nested",
  ],
  [
    "<LimitExcept> within <Limit>",
    "POST /p/y",
    ["Content-Length: 0"],
    "server vhost proxy location limit post except location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location limit post except if if-after ua-other mapped failed if-in-proxy nested",
  ],
  [
    "<LimitExcept>",
    "PUT /p/y",
    ["Content-Length: 0"],
    "server vhost proxy location except location-of-vhost if if-after ua-other mapped failed if-in-vhost if-in-proxy nested",
    "server proxy location except if if-after ua-other mapped failed if-in-proxy nested",
  ],
];

for (const [what, request, fields, vhost, main] of CASES) {
  test(`sections in order: ${what}`, async () => {
    assert.equal(await marks(sluice.ports[0]!, request, fields), vhost);
    assert.equal(await marks(sluice.ports[1]!, request, fields), main);
  });
}
