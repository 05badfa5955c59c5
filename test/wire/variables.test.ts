/** The variables that steer the proxy and the response, set by SetEnv in a section and by SetEnvIf. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, chunked, head, ok, startBackend } from "../support/backend.ts";
import { type Client, connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend({
    "/interim": [head(103, "Link: x"), ok("x")],
    "/chunks": chunked(["ab", "c"]),
    "/vary": ok("x", "Vary: A"),
  });
  const both = (name: string, variable: string, value = "1"): string => `
    SetEnvIf Request_URI "^/if/${name}/" ${variable}=${value}
    <Location "/env/${name}/">
      SetEnv ${variable.toUpperCase()} ${value}
    </Location>`;
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName front.test
    ProxyAddHeaders Off
    ${both("old", "force-proxy-request-1.0")}
    ${both("close", "proxy-nokeepalive")}
    ${both("fresh", "proxy-initial-not-pooled")}
    ${both("length", "proxy-sendcl")}
    ${both("crlf", "proxy-sendextracrlf")}
    ${both("eager", "proxy-prefetch-nonblocking")}
    ${both("rfc", "proxy-interim-response", "RFC")}
    ${both("suppress", "proxy-interim-response", "Suppress")}
    ${both("what", "proxy-interim-response", "what")}
    ${both("nokeepalive", "nokeepalive")}
    ${both("downgrade", "downgrade-1.0")}
    ${both("answer10", "force-response-1.0")}
    ${both("novary", "force-no-vary")}
    ${both("charset", "suppress-error-charset")}
    SetEnvIf Request_URI "^/if/skip/" no-proxy
    ${[
      "old",
      "close",
      "fresh",
      "length",
      "crlf",
      "eager",
      "rfc",
      "suppress",
      "what",
      "nokeepalive",
      "downgrade",
      "answer10",
      "novary",
    ]
      .flatMap((name) => [`ProxyPass "/if/${name}/" "${backend.url}/"`, `ProxyPass "/env/${name}/" "${backend.url}/"`])
      .join("\n")}
    ProxyPass "/if/skip/" "${backend.url}/"
    ProxyPass "/plain/" "${backend.url}/"
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const last = () => backend.requests.at(-1)!;

/** A chunked body of which the first chunk is sent at once, the rest by `client.send`. */
async function half(path: string): Promise<Client> {
  const client = await connectClient(sluice.port);
  await client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
  return client;
}

for (const how of ["if", "env"]) {
  const get = (path: string, ...fields: string[]) => fetchOnce(sluice.port, `/${how}/${path}`, ...fields);

  test(`${how}: force-proxy-request-1.0`, async () => {
    await get("old/x");
    assert.equal(last().start[2], "HTTP/1.0");
    assert.equal(last().field("Connection"), undefined);
  });

  test(`${how}: proxy-nokeepalive`, async () => {
    await fetchOnce(sluice.port, "/plain/x");
    const pooled = last().connection;
    await get("close/x");
    assert.equal(last().field("Connection"), "close");
    assert.notEqual(last().connection, pooled);
    await fetchOnce(sluice.port, "/plain/x");
    assert.notEqual(last().connection, pooled); // it made room for the one that was closed
    assert.equal(last().field("Connection"), "Keep-Alive");
  });

  test(`${how}: proxy-initial-not-pooled holds for the first request of a client`, async () => {
    await fetchOnce(sluice.port, "/plain/x");
    const pooled = last().connection;
    await fetchOnce(sluice.port, "/plain/x");
    assert.equal(last().connection, pooled);
    await using client = await connectClient(sluice.port);
    await client.get(`/${how}/fresh/x`);
    const fresh = last().connection;
    assert.notEqual(fresh, pooled);
    const connections = backend.connections.length;
    await client.get(`/${how}/fresh/x`);
    assert.equal(backend.connections.length, connections);
  });

  test(`${how}: proxy-sendcl spools a chunked body`, async () => {
    const text = "a".repeat(40_000);
    await using client = await connectClient(sluice.port);
    void client.send(
      `POST /${how}/length/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
    );
    await client.response();
    assert.deepEqual([last().field("Content-Length"), last().field("Transfer-Encoding")], ["40000", undefined]);
    assert.equal(last().text, text);
  });

  test(`${how}: proxy-sendextracrlf`, async () => {
    await using client = await connectClient(sluice.port);
    await client.request("POST", `/${how}/crlf/x`, [], "abc");
    await backend.until(() => last().connection.received.endsWith("abc\r\n"), "a line end behind the body");
  });

  test(`${how}: proxy-prefetch-nonblocking goes to the backend before the body is there`, async () => {
    const before = backend.requests.length;
    await using client = await half(`/${how}/eager/x`);
    const request = await backend.request(before);
    assert.equal(request.field("Transfer-Encoding"), "chunked");
    await client.send("0\r\n\r\n");
    assert.equal((await client.response()).status, 200);
    assert.equal(request.text, "abc");
  });

  test(`${how}: proxy-interim-response`, async () => {
    assert.equal((await get("rfc/interim")).interim.length, 1);
    assert.equal((await get("suppress/interim")).interim.length, 0);
    assert.equal((await get("what/interim")).interim.length, 0);
    await sluice.untilLog("AH01109: undefined proxy interim response policy: what");
  });

  test(`${how}: nokeepalive, unless a proxy is in between`, async () => {
    await using client = await connectClient(sluice.port);
    assert.equal((await client.get(`/${how}/nokeepalive/x`, "Via: 1.1 a")).field("Connection"), undefined);
    assert.equal((await client.get(`/${how}/nokeepalive/x`)).field("Connection"), "close");
    await client.untilEnded();
  });

  test(`${how}: downgrade-1.0 frames for HTTP/1.0, force-response-1.0 says so to who speaks it`, async () => {
    const response = await get("downgrade/chunks");
    assert.deepEqual(
      [response.start[0], response.field("Transfer-Encoding"), response.field("Connection"), response.text],
      ["HTTP/1.1", undefined, "close", "abc"],
    );
    assert.equal((await get("answer10/x")).start[0], "HTTP/1.1");
    await using old = await connectClient(sluice.port);
    await old.send(`GET /${how}/answer10/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
    const answer = await old.response();
    assert.deepEqual([answer.start[0], answer.field("Connection")], ["HTTP/1.0", "close"]);
  });

  test(`${how}: force-no-vary`, async () => {
    const response = await get("novary/vary");
    assert.deepEqual(
      [response.start[0], response.field("Vary"), response.field("Connection")],
      ["HTTP/1.0", undefined, "close"],
    );
  });

  test(`${how}: suppress-error-charset`, async () => {
    assert.equal((await get("charset/x")).field("Content-Type"), "text/html");
  });
}

test("no-proxy skips the mapping", async () => {
  const before = backend.requests.length;
  assert.equal((await fetchOnce(sluice.port, "/if/skip/x")).status, 404);
  assert.equal(backend.requests.length, before);
});
