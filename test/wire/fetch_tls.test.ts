/** TLS on the fetch front, through the whole program: what the runtime's server holds. What it cannot: unit/plugins/ssl/fetch_front.test.ts */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { copyFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Backend, body, Gate, head, ok, startBackend } from "../support/backend.ts";
import { runSluice, SLOW, type Sluice, startSluice } from "../support/sluice.ts";
import { askTls, CERTS, connectTls, pem } from "../support/tls.ts";
import { startWebSocketServer, type WebSocketServer } from "../support/web_socket.ts";

const onBun = "Bun" in globalThis;
let backend: Backend;
let echo: WebSocketServer;
let sluice: Sluice;

const pair = (name: string, key = name): string =>
  `SSLCertificateFile ${CERTS}/${name}.pem\nSSLCertificateKeyFile ${CERTS}/${key}.key`;

before(async () => {
  backend = await startBackend();
  backend.routes = { ...backend.routes, "/a/away": head(302, `Location: ${backend.url}/a/there`, "Content-Length: 0") };
  echo = startWebSocketServer({ message: (socket, data) => socket.send(data) });
  sluice = await startSluice(`
    ServerName front.test
    LogLevel info
    Front fetch
    LogFormat "%{SSL_PROTOCOL}x %{SSL_CIPHER}x %{HTTPS}x %{SSL_SERVER_S_DN_CN}x %{SSL_CLIENT_VERIFY}x" tls
    CustomLog DIR/access.log tls
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    <VirtualHost *:PORT>
      ServerName a.test
      ServerAlias *.a.test
      SSLEngine on
      Protocols h2 http/1.1
      ${pair("a")}
      ${onBun ? pair("a-ec") : ""}
      SSLOptions +StdEnvVars
      ${onBun ? "SSLHonorCipherOrder on" : ""}
      ProxyPass "/old" "!"
      RequestHeader set X-Https "%{HTTPS}e %{SSL_SERVER_S_DN_CN}e %{SSL_PROTOCOL}e"
      RequestHeader set X-Forwarded-Proto "expr=%{REQUEST_SCHEME}"
      Redirect /old /new
      <Location "/tls/">
        SSLRequireSSL
        Require ssl
      </Location>
      ProxyPass "/ws/" "ws://127.0.0.1:${echo.port}/"
      ProxyPass "/" "${backend.url}/a/"
      ProxyPassReverse "/" "${backend.url}/a/"
    </VirtualHost>
    ${
      onBun
        ? `<VirtualHost *:PORT>
      ServerName b.test
      SSLEngine on
      ${pair("b")}
      SSLHonorCipherOrder on
      ProxyPass "/" "${backend.url}/b/"
    </VirtualHost>
    <VirtualHost *:PORT>
      ServerName c.test
      SSLEngine on
      ${pair("b")}
      SSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256
      SSLHonorCipherOrder on
      ProxyPass "/" "${backend.url}/c/"
    </VirtualHost>`
        : ""
    }
    <VirtualHost *:PORT2>
      ServerName clear.test
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>`);
});

after(async () => {
  await sluice?.stop();
  await echo?.[Symbol.asyncDispose]();
  await backend?.stop();
});

const seen = () => backend.requests.at(-1)!;

test("a request by TLS: scheme, variables, what requires TLS, redirects", SLOW, async () => {
  const { port } = sluice;
  assert.match(await askTls(port, "a.test", { target: "/tls/x" }), /^HTTP\/1.1 200 [\s\S]*GET \/a\/tls\/x/);
  assert.equal(seen().field("x-https"), "on a.test (null)");
  assert.equal(seen().field("x-forwarded-proto"), "https");
  assert.match(
    await askTls(port, "a.test", { host: `a.test:${port}`, target: "/old/x" }),
    new RegExp(`^HTTP/1.1 302 [\\s\\S]*location: https://a.test:${port}/new/x\r\n`, "i"),
  );
  assert.match(await askTls(port, "a.test", { target: "/away" }), /location: https:\/\/a.test(:\d+)?\/there\r\n/i);
  await sluice.untilFile("access.log", "- - on a.test NONE");
  // Beside it plain HTTP goes on.
  const clear = await fetch(`http://127.0.0.1:${sluice.ports[1]}/x`, { headers: { Host: "clear.test" } });
  assert.equal(clear.status, 200);
});

test("SNI chooses certificate, protocols and suites where the runtime can", SLOW, async () => {
  const { port } = sluice;
  if (!onBun) {
    for (const name of ["a.test", "other.test"]) {
      const { socket, peer } = await connectTls(port, name);
      assert.equal(peer, "a.test");
      socket.destroy();
    }
    return;
  }
  for (const [name, peer, protocol] of [
    ["a.test", "a.test", "TLSv1.3"],
    ["www.a.test", "a.test", "TLSv1.3"],
    ["b.test", "b.test", "TLSv1.3"],
    ["c.test", "b.test", "TLSv1.3"],
    ["nobody.test", "a.test", "TLSv1.3"],
  ] as const) {
    const { socket, peer: shown } = await connectTls(port, name);
    assert.deepEqual([shown, socket.getProtocol()], [peer, protocol], name);
    socket.destroy();
  }
  await assert.rejects(connectTls(port, "c.test", { ciphers: "AES128-SHA", maxVersion: "TLSv1.2" }));
  const ciphers = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
  const { socket } = await connectTls(port, "c.test", { ciphers, maxVersion: "TLSv1.2" });
  assert.equal(socket.getCipher().name, "ECDHE-RSA-AES256-GCM-SHA384", "SSLHonorCipherOrder");
  socket.destroy();
  for (const [sigalgs, type] of [
    ["ecdsa_secp256r1_sha256", undefined],
    ["rsa_pss_rsae_sha256:rsa_pkcs1_sha256", 2048],
  ] as const) {
    const { socket: own } = await connectTls(port, "a.test", { sigalgs, maxVersion: "TLSv1.2" });
    const { bits } = own.getPeerCertificate() as { bits?: number };
    assert.equal(bits === 2048 ? 2048 : undefined, type, sigalgs);
    own.destroy();
  }
  assert.match(await askTls(port, "b.test", { target: "/x" }), /GET \/b\/x$/);
});

function overHttp2(port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: "a.test" });
    session.on("error", reject);
    const stream = session.request({ ":path": path, ":authority": "a.test" });
    let status = 0;
    let text = "";
    stream.on("response", (fields) => {
      status = Number(fields[":status"]);
    });
    stream.on("data", (bytes) => {
      text += bytes;
    });
    stream.on("end", () => {
      session.close();
      resolve({ status, text });
    });
    stream.on("error", reject);
    stream.end();
  });
}

test("Protocols h2: HTTP/2 by ALPN, and HTTP/1.1 beside it", SLOW, async () => {
  const { status, text } = await overHttp2(sluice.port, "/over2?q");
  assert.deepEqual([status, text.slice(0, 19)], [200, "GET /a/over2?q"]);
  assert.equal(seen().field("host"), new URL(backend.url).host);
  assert.match(await askTls(sluice.port, "a.test", { target: "/x", ALPNProtocols: ["http/1.1"] }), /^HTTP\/1.1 200/);
});

test("Protocols h3 on Bun: its own client asks over QUIC", { ...SLOW, skip: !onBun }, async () => {
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName a.test
    SSLEngine on
    ${pair("a")}
    Protocols h3 http/1.1
    ProxyPass / ${backend.url}/`);
  const ask = async (protocol: string, init: RequestInit = {}) => {
    const url = `https://127.0.0.1:${own.port}/over`;
    return await fetch(url, { ...init, protocol, tls: { rejectUnauthorized: false } } as RequestInit);
  };
  assert.equal((await ask("http1.1")).headers.get("alt-svc"), `h3=":${own.port}"; ma=86400`);
  const text = "0123456789".repeat(100_000);
  const response = await ask("http3", { method: "PUT", body: text });
  assert.equal(response.status, 200);
  assert.match(await response.text(), /^PUT \/over/);
  assert.equal(seen().text, text);
});

/** A WebSocket in TLS; what `echo` sends must come back. */
async function openWebSocket(port: number) {
  const { socket } = await connectTls(port, "a.test", { ALPNProtocols: ["http/1.1"] });
  let got = Buffer.alloc(0);
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise((resolve) => socket.once("readable", resolve));
  };
  socket.on("data", (bytes: Buffer) => {
    got = Buffer.concat([got, bytes]);
  });
  socket.write(
    "GET /ws/ HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await until(() => got.includes("\r\n\r\n"));
  assert.match(got.toString("latin1"), /^HTTP\/1.1 101 /);
  const echo = async () => {
    got = Buffer.alloc(0);
    socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    await until(() => got.length >= 4);
    assert.deepEqual([...got], [0x81, 2, 0x68, 0x69]);
  };
  return { echo, [Symbol.dispose]: () => void socket.destroy() };
}

test("a WebSocket in TLS", SLOW, async () => {
  using webSocket = await openWebSocket(sluice.port);
  await webSocket.echo();
});

test("SSLProtocol of a listener on Bun", { ...SLOW, skip: !onBun }, async () => {
  for (const [protocol, other] of [
    ["TLSv1.3", "TLSv1.2"],
    ["TLSv1.2", "TLSv1.3"],
  ] as const) {
    await using own = await startSluice(
      `Listen 127.0.0.1:PORT\nFront fetch\nServerName a.test\nSSLEngine on\n${pair("a")}\nSSLProtocol ${protocol}`,
    );
    const { socket } = await connectTls(own.port, "a.test");
    assert.equal(socket.getProtocol(), protocol);
    socket.destroy();
    await assert.rejects(connectTls(own.port, "a.test", { minVersion: other, maxVersion: other }));
  }
});

test("SSLVerifyClient require on Bun: who may ask", { ...SLOW, skip: !onBun }, async () => {
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName a.test
    SSLEngine on
    ${pair("a")}
    SSLVerifyClient require
    SSLVerifyDepth 100
    SSLCACertificateFile ${CERTS}/ca.pem
    <Location "/proved/">
      Require ssl-verify-client
    </Location>
    ProxyPass / ${backend.url}/`);
  const may = async (name: string | null, key = name): Promise<boolean> => {
    const identity = name === null ? {} : { cert: pem(`${name}.pem`), key: pem(`${key}.key`) };
    const answer = await askTls(own.port, "a.test", { ...identity, target: "/proved/" });
    assert.match(answer, /^$|^HTTP\/1.1 200 /);
    return answer !== "";
  };
  assert.equal(await may("client"), true);
  assert.equal(await may("deep-chain", "deep"), true);
  for (const [name, key] of [
    [null, null],
    ["stranger", "stranger"],
    ["server-only", "server-only"],
    ["expired", "expired"],
    ["too-deep-chain", "too-deep"],
    ["forged-chain", "forged"],
  ] as const) {
    assert.equal(await may(name, key), false, String(name));
  }
});

const replaced = (front: string): string => `
    Listen 127.0.0.1:PORT
    Front ${front}
    ServerName a.test
    SSLEngine on
    SSLCertificateFile DIR/server.pem
    SSLCertificateKeyFile DIR/server.key
    KeepAliveTimeout 30
    ProxyPass /ws/ ws://127.0.0.1:${echo.port}/
    ProxyPass / ${backend.url}/`;

let names = 0;
/** Whose certificate a new connection gets. */
async function shown(port: number): Promise<string> {
  // Another name each time: Deno's client resumes the session of a name, and a session keeps its certificate.
  const { socket, peer } = await connectTls(port, `x${names++}.test`);
  socket.destroy();
  return peer;
}

async function untilShown(port: number, name: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const peer = await shown(port).catch((error: Error) => error.message);
    if (peer === name) return;
    assert.ok(tries < 200, `${peer} instead of ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A request that is being answered while `change` happens; its answer. */
async function during(port: number, change: () => Promise<void>): Promise<string> {
  const gate = new Gate();
  backend.routes = { ...backend.routes, "/held": [body, gate.step, ok("held")] };
  const answer = askTls(port, "a.test", { target: "/held" });
  await gate.reached();
  await change();
  gate.open();
  return await answer;
}

for (const front of ["net", "fetch"]) {
  test(`${front}: a reload reads certificates anew, and a request at hand is answered`, SLOW, async () => {
    const files = { "server.pem": pem("a.pem"), "server.key": pem("a.key") };
    await using own = await startSluice(replaced(front), { files });
    assert.equal(await shown(own.port), "a.test");
    const answer = await during(own.port, async () => {
      copyFileSync(`${CERTS}/b.pem`, join(own.dir, "server.pem"));
      copyFileSync(`${CERTS}/b.key`, join(own.dir, "server.key"));
      own.signal("SIGUSR1");
      await untilShown(own.port, "b.test");
    });
    assert.match(answer, /^HTTP\/1.1 200 [\s\S]*held$/);
    assert.equal(await own.stop("SIGWINCH"), 0);
  });

  test(
    `${front}: certificates whose files change are read anew without a reload, and no connection is dropped; half a pair is not taken`,
    SLOW,
    async () => {
      const files = { "server.pem": pem("a.pem"), "server.key": pem("a.key") };
      await using own = await startSluice(replaced(front), { files });
      using webSocket = await openWebSocket(own.port);
      assert.equal(await shown(own.port), "a.test");
      const answer = await during(own.port, async () => {
        copyFileSync(`${CERTS}/b.pem`, join(own.dir, "server.pem"));
        await own.untilLog(/certificates stay as they were, their files changed, but: AH02565/);
        assert.equal(await shown(own.port), "a.test");
        copyFileSync(`${CERTS}/b.key`, join(own.dir, "server.key"));
        await own.untilLog(/a.test: certificates were read anew, since their files changed/);
        await untilShown(own.port, "b.test");
      });
      assert.match(answer, /^HTTP\/1.1 200 [\s\S]*held$/);
      await webSocket.echo();
      webSocket[Symbol.dispose]();
      assert.doesNotMatch(own.errorLog, /SIGUSR1|Graceful restart/);
      assert.equal(await own.stop("SIGWINCH"), 0);
    },
  );
}

test("two programs do not share a port unawares", SLOW, async () => {
  const own = await runSluice(`Listen 127.0.0.1:${sluice.port}\nFront fetch\nSSLEngine on\n${pair("a")}\n`);
  assert.equal(own.exit, 1);
  assert.match(own.stderr + own.errorLog, /AH00072: make_sock: could not bind to address 127.0.0.1:\d+/);
  await own.stop();
});
