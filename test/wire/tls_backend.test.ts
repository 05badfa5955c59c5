/** TLS to backends, through the whole program: what is checked, what is shown, and which connections are shared. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";
import { askTls, CERTS, pem, startTlsBackend, type TlsBackend } from "../support/tls.ts";

let good: TlsBackend;
let asking: TlsBackend;
let stranger: TlsBackend;
let expired: TlsBackend;
let echo: TlsBackend;
let sluice: Sluice;

const at = (backend: TlsBackend): string => `${backend.address}:${backend.port}`;

before(async () => {
  good = await startTlsBackend();
  asking = await startTlsBackend({ ca: pem("ca.pem"), requestCert: true, rejectUnauthorized: false });
  stranger = await startTlsBackend({ cert: pem("stranger.pem"), key: pem("stranger.key") }, undefined, "localhost");
  expired = await startTlsBackend({ cert: pem("expired.pem"), key: pem("expired.key"), maxVersion: "TLSv1.2" });
  const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  echo = await startTlsBackend({}, (socket, bytes) => {
    const open = (socket as { open?: boolean }).open === true;
    (socket as { open?: boolean }).open = true;
    if (!socket.write(open ? bytes : SWITCH)) {
      socket.pause();
      socket.once("drain", () => socket.resume());
    }
  });
  const closed = 1;
  const untrusting = `SSLProxyVerify require\nSSLProxyCACertificateFile ${CERTS}/ca.pem`;
  sluice = await startSluice(`
    LogLevel info
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT3
    # one pool: each child keeps connections of its own
    StartServers 1
    ServerName front.test
    <VirtualHost *:PORT>
      SSLProxyEngine on
      ProxyPass "/good/" "https://${at(good)}/"
      ProxyPass "/stranger/" "https://${at(stranger)}/"
      ProxyPass "/nameless/" "https://${at(stranger)}/free/"
      ProxyPass "/expired/" "https://${at(expired)}/"
      ProxyPass "/asking/" "https://${at(asking)}/plain/"
      ProxyPass "/shown/" "https://${at(asking)}/shown/"
      ProxyPass "/echo/" "wss://${at(echo)}/"
      ProxyPass "/raw/" "wss://${at(echo)}/raw/"
      <Location "/raw/">
        ProxyWebsocketFallbackToProxyHttp Off
      </Location>
      ProxyPass "/refused/" "https://127.0.0.1:${closed}/"
      <Proxy "https://${at(stranger)}/free/">
        SSLProxyCheckPeerName off
        SSLProxyCheckPeerCN off
      </Proxy>
      <Proxy "https://${at(asking)}/shown/">
        SSLProxyMachineCertificateFile ${CERTS}/client-pair.pem
      </Proxy>
    </VirtualHost>
    <VirtualHost *:PORT2>
      SSLProxyEngine on
      ${untrusting}
      SSLProxyCheckPeerName off
      SSLProxyCheckPeerCN off
      ProxyPass "/good/" "https://${at(good)}/"
      ProxyPass "/stranger/" "https://${at(stranger)}/"
      <Proxy "balancer://two">
        BalancerMember "https://${at(stranger)}"
        BalancerMember "https://${at(good)}"
      </Proxy>
      ProxyPass "/two/" "balancer://two/"
      <Location "/host/">
        ProxyPreserveHost On
        ProxyPass "https://${at(good)}/"
      </Location>
    </VirtualHost>
    <VirtualHost *:PORT3>
      ProxyPass "/" "https://${at(good)}/"
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  for (const backend of [good, asking, stranger, expired, echo]) await backend?.[Symbol.asyncDispose]();
});

test("by default any authority will do, but not any name nor a date gone by", async () => {
  const status = async (target: string): Promise<number> => (await fetchOnce(sluice.port, target)).status;
  assert.equal(await status("/good/x"), 200);
  assert.equal(await status("/stranger/x"), 500);
  assert.equal(await status("/nameless/x"), 200);
  assert.equal(await status("/expired/x"), 500);
  assert.equal(await status("/refused/x"), 503);
  await sluice.untilLog("AH02411: SSL Proxy: Peer certificate does not match for hostname localhost");
  await sluice.untilLog("AH02004: SSL Proxy: Peer certificate is expired");
  const page = await fetchOnce(sluice.port, "/stranger/x");
  assert.match(page.text, /<h1>Proxy Error<\/h1>[\s\S]*Error during SSL Handshake with remote server/);
});

test("SSLProxyVerify require wants a chain to an authority that is named", async () => {
  const port = sluice.ports[1]!;
  assert.equal((await fetchOnce(port, "/good/x")).status, 200);
  assert.equal((await fetchOnce(port, "/stranger/x")).status, 500);
  await sluice.untilLog("AH02039: Certificate Verification: Error (21): unable to verify the first certificate");
});

test("in a balancer a member whose handshake fails is 500, and in error from then on", async () => {
  const port = sluice.ports[1]!;
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await fetchOnce(port, "/two/x")).status);
  assert.deepEqual(statuses, [500, 200, 200, 200]);
});

test("without SSLProxyEngine there is no TLS to backends: 500", async () => {
  assert.equal((await fetchOnce(sluice.ports[2]!, "/x")).status, 500);
  await sluice.untilLog(/core:error\].* AH01961: failed to enable ssl support \[Hint: .*SSLProxyEngine\]/);
});

test("SNI and Host: the backend's name, or the client's with ProxyPreserveHost; an address is no SNI", async () => {
  const port = sluice.ports[1]!;
  good.names.length = 0;
  const own = await fetchOnce(port, "/host/x", "Host: Shop.Test:81");
  assert.match(own.text, /^\/x host: shop.test:81|Host: Shop.Test:81/);
  assert.deepEqual(good.names, ["shop.test"]);
  assert.match((await fetchOnce(port, "/good/x")).text, new RegExp(`Host: 127.0.0.1:${good.port}`));
  assert.ok(!good.names.includes("127.0.0.1"));
});

test("connections are kept, but never shared by different identities", async () => {
  const number = (text: string): string => /#(\d+)/.exec(text)![1]!;
  const ask = async (target: string, ...fields: string[]): Promise<string> =>
    (await fetchOnce(sluice.port, target, ...fields)).text;
  const plain = number(await ask("/asking/1"));
  assert.equal(number(await ask("/asking/2")), plain, "kept");
  const shown = await ask("/shown/1");
  assert.match(shown, / client$/);
  assert.notEqual(number(shown), plain);
  const back = await ask("/asking/3");
  assert.match(back, / nobody$/);
  assert.equal(number(back), plain, "the one without a certificate was kept");
  assert.equal(number(await ask("/shown/2")), number(shown));

  const port = sluice.ports[1]!;
  const host = async (name: string): Promise<string> =>
    number((await fetchOnce(port, "/host/x", `Host: ${name}`)).text);
  const one = await host("one.test");
  assert.equal(await host("one.test"), one);
  const two = await host("two.test");
  assert.notEqual(two, one);
  assert.equal(await host("one.test"), one);
  assert.equal(await host("two.test"), two);
});

test("a new connection resumes the session of its identity", async () => {
  await using backend = await startTlsBackend();
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    SSLProxyEngine on
    ProxyPass "/" "https://${at(backend)}/" disablereuse=on
  `);
  for (let i = 0; i < 3; i++) assert.equal((await fetchOnce(own.port, "/")).status, 200);
  assert.equal(backend.connections, 3);
  assert.ok(backend.resumed >= 1, `${backend.resumed} of 3 were resumed`);
});

test("a backend that wants a certificate, and gets none, ends with 502", async () => {
  await using strict = await startTlsBackend({ ca: pem("ca.pem"), requestCert: true, rejectUnauthorized: true });
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    SSLProxyEngine on
    ProxyPass "/" "https://${at(strict)}/"
  `);
  assert.equal((await fetchOnce(own.port, "/")).status, 502);
});

test("a backend that accepts and says nothing is given up after its time-out", async () => {
  const net = await import("node:net");
  const server = net.createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    SSLProxyEngine on
    ProxyPass "/" "https://127.0.0.1:${port}/" timeout=1
  `);
  const start = Date.now();
  const response = await fetchOnce(own.port, "/");
  assert.equal(response.status, 500);
  assert.ok(Date.now() - start < 3000);
  server.close();
});

for (const path of ["/echo/", "/raw/"]) {
  test(`wss:// by ${path === "/raw/" ? "mod_proxy_wstunnel" : "mod_proxy_http"}: 16 MB there and back, byte for byte`, async () => {
    const size = 16 * 1024 * 1024;
    const seed = Buffer.alloc(65_521);
    for (let i = 0; i < seed.length; i++) seed[i] = (i * 7 + (i >> 6)) & 255;
    const sent = Buffer.alloc(size, seed);
    await using client = await connectClient(sluice.port);
    void client.send(`GET ${path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
    await client.head(0);
    for (let i = 0; i < size; i += 1 << 20) await client.send(sent.subarray(i, i + (1 << 20)));
    await client.until(() => client.tunnelledBytes >= size, "the echo");
    assert.ok(Buffer.from(client.tunnelled, "latin1").equals(sent));
    client.end();
    await client.untilClosed();
  });
}

test("the tutorial's configuration (test/conf/6-tls.conf) serves, with certificates and backends that are there", async () => {
  const text = readFileSync(new URL("../conf/6-tls.conf", import.meta.url), "utf8")
    .replaceAll("443", "PORT")
    .replace(/8PORT/g, "8443")
    .replace(/\/etc\/ssl\/certs\/example.com.chain.crt/, `${CERTS}/ca.pem`)
    .replace(/\/etc\/ssl\/certs\/example.com.crt/, `${CERTS}/a.pem`)
    .replace(/\/etc\/ssl\/private\/example.com.key/, `${CERTS}/a.key`)
    .replace(/192\.168\.1\.[23]:8443/g, at(good))
    .replace(/192\.168\.1\.4:8443/, at(asking));
  await using own = await startSluice(text);
  const answer = await askTls(own.port, "www.example.com", { target: "/x" });
  assert.match(answer, /^HTTP\/1.1 200 [\s\S]*\/x Host: 127\.0\.0\.1:\d+ #\d+ nobody$/);
});

test("health checks of https:// members speak TLS, and hold a bad certificate against them", async () => {
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    LogLevel info
    SSLProxyEngine on
    <Proxy "balancer://app">
      BalancerMember "https://${at(stranger)}" hcmethod=GET hcinterval=100ms
      BalancerMember "https://${at(good)}" hcmethod=GET hcinterval=100ms
    </Proxy>
    ProxyPass "/" "balancer://app/"
  `);
  await own.untilLog(/Health check DISABLING https:\/\/localhost/);
  const seen = good.connections;
  await own.untilLog(/AH02411[\s\S]*AH02411/);
  assert.ok(good.connections >= seen);
  for (let i = 0; i < 3; i++) assert.equal((await fetchOnce(own.port, "/x")).status, 200);
  assert.doesNotMatch(own.errorLog, new RegExp(`DISABLING https://${at(good)}`));
});

// As httpd 2.4.71 answers.
test("SSLProxyCheckPeerName and CN: what is said of one of them counts for the other", async () => {
  const proxied = (lines: string): string => `<Proxy "https://${at(stranger)}/">\n${lines}\n</Proxy>`;
  const cases: [lines: string, status: number][] = [
    ["", 500],
    ["SSLProxyCheckPeerCN off", 200],
    ["SSLProxyCheckPeerCN on", 500],
    ["SSLProxyCheckPeerName off", 200],
    ["SSLProxyCheckPeerName on\nSSLProxyCheckPeerCN off", 500],
    ["SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN on", 500],
    ["SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off", 200],
    ["SSLProxyVerify none", 500],
    [proxied("SSLProxyVerify none"), 500],
    [proxied("SSLProxyVerify none\nSSLProxyCheckPeerCN off"), 200],
    [proxied("SSLProxyVerifyDepth 2"), 500],
    [proxied("SSLProxyVerify none\nSSLProxyCheckPeerName on"), 500],
    [proxied(`SSLProxyVerify require\nSSLProxyCACertificateFile ${CERTS}/other-ca.pem`), 500],
  ];
  const hosts = cases.map(
    ([lines], i) => `<VirtualHost *:PORT>
      ServerName v${i}.test
      SSLProxyEngine on
      ${lines}
      ProxyPass "/" "https://${at(stranger)}/"
    </VirtualHost>`,
  );
  await using own = await startSluice(`Listen 127.0.0.1:PORT\n${hosts.join("\n")}`);
  for (const [i, [lines, status]] of cases.entries()) {
    await using client = await connectClient(own.port);
    assert.equal((await client.get("/", `Host: v${i}.test`)).status, status, lines);
  }
});
