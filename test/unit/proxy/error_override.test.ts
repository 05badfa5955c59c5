/** ProxyErrorOverride: of the backend's answer remain status, reason and challenge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { workersOf } from "../../../modules/proxy/server_state.ts";
import { makeServer, settle, type TestServer, type TestSocket } from "../../support/server.ts";

const GET = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

async function ask(conf: string, answer: string, request = GET): Promise<[TestSocket, TestSocket, TestServer]> {
  const server = makeServer(`${conf}\nProxyPass "/" "http://127.0.0.1:9/"`);
  const client = server.connect();
  client.feed(request);
  const backend = await server.backend();
  backend.feed(answer);
  await settle();
  return [client, backend, server];
}

const answer = (status: string, body: string, ...fields: string[]): string =>
  [`HTTP/1.1 ${status}`, ...fields, `Content-Length: ${body.length}`, "", body].join("\r\n");

test("the page is the server's, the fields are not the backend's, the reason is", async () => {
  const [client] = await ask("ProxyErrorOverride On", answer("404 Not here", "secret", "X-Secret: 1", "ETag: 1"));
  assert.match(client.written, /^HTTP\/1\.1 404 Not here\r\n/);
  assert.match(client.written, /<title>404 Not here<\/title>/);
  assert.doesNotMatch(client.written, /secret|etag/i);
});

test("ErrorDocument stands in, the connection to the backend is used again", async () => {
  const [client, backend, server] = await ask(
    'ProxyErrorOverride On\nErrorDocument 503 "come back later"',
    answer("503 Service Unavailable", "down"),
  );
  assert.match(client.written, /^HTTP\/1\.1 503 Service Unavailable\r\n.*\r\n\r\ncome back later$/s);
  assert.equal(backend.closed, false);
  const second = server.connect();
  second.feed(GET);
  await settle();
  assert.equal(backend.written.split("GET /x ").length, 3);
});

test("with a list of codes the others are the backend's", async () => {
  const conf = "ProxyErrorOverride On 404 500";
  assert.match((await ask(conf, answer("500 X", "theirs")))[0].written, /<title>500 X<\/title>/);
  assert.match((await ask(conf, answer("503 X", "theirs")))[0].written, /theirs$/);
  assert.match((await ask("ProxyErrorOverride Off", answer("404 X", "theirs")))[0].written, /theirs$/);
  assert.match((await ask("ProxyErrorOverride On", answer("302 X", "theirs", "Location: /y")))[0].written, /theirs$/);
});

test("401 keeps the backend's challenge", async () => {
  const [client] = await ask(
    "ProxyErrorOverride On",
    answer("401 Unauthorized", "no", 'WWW-Authenticate: Basic realm="a"', 'WWW-Authenticate: Digest realm="b"'),
  );
  assert.equal(client.written.match(/^WWW-Authenticate: /gm)?.length, 2);
});

test("a body that stalls holds up no client; it costs the connection", async () => {
  const [client, backend, server] = await ask(
    "ProxyErrorOverride On\nProxyTimeout 5",
    "HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nhalf",
  );
  assert.match(client.written, /^HTTP\/1\.1 500 Oh\r\n/);
  assert.equal(backend.closed, false);
  server.clock.advance(5400);
  assert.equal(backend.closed, true);
});

test("a body too large to be read away costs the connection at once", async () => {
  const [client, backend] = await ask(
    "ProxyErrorOverride On",
    "HTTP/1.1 500 Oh\r\nContent-Length: 10000000\r\n\r\nhalf",
  );
  assert.match(client.written, /^HTTP\/1\.1 500 Oh\r\n/);
  assert.equal(backend.closed, true);
});

test("of what is read away, the worker counts the status line alone", async () => {
  const [, , server] = await ask("ProxyErrorOverride On", answer("404 No", "secret"));
  const [worker] = workersOf(server.process);
  assert.equal(worker!.s.read, "HTTP/1.1 404 No".length);
});

test("HEAD: no body is waited for, none is sent", async () => {
  const [client, backend] = await ask(
    "ProxyErrorOverride On",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n",
    "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  assert.match(client.written, /^HTTP\/1\.1 404 Not Found\r\n.*\r\n\r\n$/s);
  assert.equal(backend.closed, false);
});

test("an ErrorDocument of this server is fetched by GET, with REDIRECT_ variables, and the error's status stays", async () => {
  const server = makeServer(`
    ProxyErrorOverride On
    ErrorDocument 404 /sorry?from=there
    CustomLog access "%>s %<s %m %U %{REDIRECT_STATUS}e %{REDIRECT_URL}e %{REDIRECT_QUERY_STRING}e %{REDIRECT_REQUEST_METHOD}e"
    ProxyPass "/" "http://127.0.0.1:9/"
  `);
  const client = server.connect();
  client.feed("POST /x?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  const backend = await server.backend();
  backend.feed(answer("404 No", "no"));
  await settle();
  assert.match(backend.written, /GET \/sorry\?from=there HTTP\/1\.1\r\n(?!.*abc)/s);
  backend.feed(answer("200 OK", "sorry"));
  await settle();
  assert.match(client.written, /^HTTP\/1\.1 404 Not Found\r\n.*\r\n\r\nsorry$/s);
  server.end();
  assert.equal(server.logs.access, "404 404 GET /x 404 /x q=1 POST\n");
});
