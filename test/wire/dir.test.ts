/** DirectoryIndex and FallbackResource, where a backend has what they name; and what the log tells of it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT3
    Listen 127.0.0.1:PORT4
    LogFormat "%m %U%q %>s %{REDIRECT_URL}e %I" short
    CustomLog DIR/access.log short
    RequestHeader set X-Uri "expr=%{REQUEST_URI}"
    ProxyPass "/p/" "${backend.url}/"
    ProxyPass "/index.html" "${backend.url}/default"
    Redirect "/red" "http://else.test/"
    <Location "/denied">
      Require all denied
    </Location>
    <VirtualHost *:PORT2>
      DirectoryIndex none p/start
      FallbackResource /p/fallback
    </VirtualHost>
    <VirtualHost *:PORT3>
      DirectoryIndex none red
      FallbackResource /denied
    </VirtualHost>
    <VirtualHost *:PORT4>
      DirectoryIndex denied p/start
      DirectoryIndexRedirect permanent
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

/** What the backend was asked, or the status. */
async function asked(at: number, target: string, method = "GET"): Promise<string> {
  const before = backend.requests.length;
  await using client = await connectClient(sluice.ports[at]!);
  const response = await client.request(method, target);
  const request = backend.requests[before];
  if (request === undefined) return `${response.status} ${response.field("location") ?? ""}`.trim();
  const path = request.target.replace(/[?].*/, "");
  assert.equal(request.field("x-uri"), path === "/default" ? "/index.html" : `/p${path}`);
  return `${request.method} ${request.target}`;
}

test("an index of the root that a backend has is served, whatever the method", async () => {
  assert.equal(await asked(0, "/"), "GET /default");
  assert.equal(await asked(0, "/?a=b", "POST"), "POST /default?a=b");
  assert.equal(await asked(0, "/sub/"), "404");
  assert.equal(await asked(1, "/?a=b"), "GET /fallback?a=b"); // an index that nobody has falls back, too
  assert.equal(await asked(2, "/"), "302 http://else.test/");
  assert.equal(await asked(3, "/"), `301 http://test:${sluice.ports[3]}/p/start`);
});

test("FallbackResource: what nobody has; what is wrong with the fallback is the answer", async () => {
  assert.equal(await asked(1, "/nothing/here?q", "PUT"), "PUT /fallback?q");
  assert.equal(await asked(2, "/nothing"), "403");
});

test("the log tells the path that was served, and of a path above the root what stays of it", async () => {
  await asked(1, "/logged/a");
  await asked(1, "/logged/../../b");
  await asked(1, "/%2e%2e/c");
  await sluice.untilFile("access.log", "GET /p/fallback 200 - ");
  await sluice.untilFile("access.log", "GET /b 400 - ");
  await sluice.untilFile("access.log", "GET /c 400 - ");
});

test("%I counts a body that was read for nothing, be it before a 403 or a 404", async () => {
  await using client = await connectClient(sluice.port);
  for (const path of ["/denied", "/none"]) {
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`;
    void client.send(`${head}he`);
    void client.send("llo");
    const response = await client.response();
    await sluice.untilFile("access.log", `POST ${path} ${response.status} - ${head.length + 5}\n`);
  }
  assert.equal((await fetchOnce(sluice.port, "/p/x")).status, 200);
});

test("without any of mod_dir's directives /index.html is the index, before a RewriteRule [P] of a section, too", async () => {
  await using other = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    ProxyPassMatch "\\.html$" "${backend.url}"
    <VirtualHost *:PORT2>
      <Location "/">
        RewriteEngine On
        RewriteRule "^" "${backend.url}/x%{REQUEST_URI}" [P]
        RequestHeader add X-Sections 1
      </Location>
      <Location "/index.html">
        RequestHeader add X-Sections 2
      </Location>
    </VirtualHost>
  `);
  const targets: string[] = [];
  for (const [port, method, target] of [
    [0, "GET", "/?q"],
    [1, "POST", "/?q"],
    [1, "GET", "/a"],
  ] as const) {
    await using client = await connectClient(other.ports[port]!);
    await client.request(method, target);
    const seen = backend.requests.at(-1)!;
    targets.push(`${seen.target} ${seen.fieldAll("x-sections").join()}`.trim());
  }
  assert.deepEqual(targets, ["/index.html?q", "/x/index.html?q 1,2", "/x/a 1"]);
});
