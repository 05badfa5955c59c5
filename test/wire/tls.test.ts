/** TLS in front, through the whole program: who answers, who may ask, and that the bytes are right. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Backend, early, fin, head, pour, startBackend, tunnel } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { runSluice, type Sluice, startSluice } from "../support/sluice.ts";
import { askTls, CERTS, connectTls, pem } from "../support/tls.ts";

let backend: Backend;
let sluice: Sluice;

const pair = (name: string, key = name): string =>
  `SSLCertificateFile ${CERTS}/${name}.pem\nSSLCertificateKeyFile ${CERTS}/${key}.key`;

const verifying = (port: string, mode: string, more = ""): string => `
  <VirtualHost *:${port}>
    ServerName a.test
    SSLEngine on
    ${pair("a")}
    SSLVerifyClient ${mode}
    SSLCACertificateFile ${CERTS}/ca.pem
    ${more}
    ProxyPass "/" "${backend.url}/"
  </VirtualHost>`;

before(async () => {
  backend = await startBackend();
  sluice = await startSluice(`
    ServerName front.test
    LogLevel info
    CustomLog DIR/access.log "%v %u %>s %r"
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT3
    Listen 127.0.0.1:PORT4
    Listen 127.0.0.1:PORT5
    Listen 127.0.0.1:PORT6
    <VirtualHost *:PORT>
      ServerName a.test
      ServerAlias *.a.test
      SSLEngine on
      ${pair("a")}
      ${pair("a-ec")}
      ProxyPass "/ws/" "ws://${backend.authority}/ws/"
      ProxyPass "/" "${backend.url}/a/"
    </VirtualHost>
    <VirtualHost *:PORT>
      ServerName b.test
      SSLEngine on
      ${pair("b")}
      SSLProtocol TLSv1.3
      ProxyPass "/" "${backend.url}/b/"
    </VirtualHost>
    ${verifying("PORT2", "require", 'SSLUserName SSL_CLIENT_S_DN_CN\n<Location "/named/">\nRequire expr "%{REMOTE_USER} == \'client\'"\n</Location>')}
    ${verifying("PORT3", "optional", '<Location "/proved/">\nRequire ssl-verify-client\n</Location>\n<Location "/tls/">\nRequire ssl\n</Location>')}
    ${verifying("PORT4", "optional_no_ca")}
    ${verifying("PORT5", "require", "SSLVerifyDepth 2")}
    <VirtualHost *:PORT6>
      SSLEngine on
      ${pair("a")}
      RequestReadTimeout handshake=1
      <Location "/strong/">
        SSLRequire %{SSL_PROTOCOL} in {"TLSv1.2", "TLSv1.3"} and %{SSL_CIPHER} !~ m/^(EXP|NULL)/
      </Location>
      <Location "/strong/never/">
        SSLRequire %{HTTPS} eq "off"
      </Location>
      <Location "/strong/never/else/">
        SSLRequire true
      </Location>
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

test("SNI chooses certificate and protocols; Host must suit it", async () => {
  const { port } = sluice;
  for (const [name, peer, protocol] of [
    ["a.test", "a.test", "TLSv1.3"],
    ["www.a.test", "a.test", "TLSv1.3"],
    ["b.test", "b.test", "TLSv1.3"],
    ["nobody.test", "a.test", "TLSv1.3"],
  ] as const) {
    const { socket, peer: shown } = await connectTls(port, name);
    assert.deepEqual([shown, socket.getProtocol()], [peer, protocol], name);
    socket.destroy();
  }
  await assert.rejects(connectTls(port, "b.test", { maxVersion: "TLSv1.2" }), "b.test has TLSv1.3 alone");
  const { socket } = await connectTls(port, "a.test", { maxVersion: "TLSv1.2" });
  assert.equal(socket.getProtocol(), "TLSv1.2");
  socket.destroy();
  assert.match(await askTls(port, "a.test", { target: "/x" }), /^HTTP\/1.1 200 [\s\S]*GET \/a\/x$/);
  assert.match(await askTls(port, "b.test", { target: "/x" }), /GET \/b\/x$/);
  assert.match(await askTls(port, "b.test", { host: "B.TEST:443", target: "/x" }), /GET \/b\/x$/);
  assert.match(await askTls(port, "a.test", { host: "b.test" }), /^HTTP\/1.1 421 /);
  assert.match(await askTls(port, "b.test", { host: "www.a.test" }), /^HTTP\/1.1 421 /);
});

test("of two certificates the client gets one that it can check", async () => {
  const kind = async (sigalgs: string): Promise<string> => {
    const { socket } = await connectTls(sluice.port, "a.test", { sigalgs, maxVersion: "TLSv1.2" });
    const certificate = socket.getPeerCertificate();
    socket.destroy();
    return createHash("sha256").update(certificate.raw).digest("hex");
  };
  const der = (name: string): string => {
    const text = pem(`${name}.pem`).replace(/-----[^-]*-----|\s/g, "");
    return createHash("sha256").update(Buffer.from(text, "base64")).digest("hex");
  };
  assert.equal(await kind("ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:rsa_pkcs1_sha256"), der("a-ec"));
});

test("plain HTTP on a TLS port gets a page with status 400, other bytes an end", async () => {
  await using client = await connectClient(sluice.port);
  const response = await client.request("GET", "/x?y", ["Host: b.test"]);
  assert.equal(response.status, 400);
  await sluice.untilFile("access.log", /^a\.test - 400 GET \/ HTTP\/1\.0$/m);
  assert.match(response.text, /speaking plain HTTP to an SSL-enabled server port/);
  await client.untilEnded();
  for (const bytes of ["SSH-2.0-x\r\n", "\x16\x03\x01\x00\x05hello", "\x16\x03\x01\xff\xff"]) {
    await using other = await connectClient(sluice.port);
    void other.send(bytes);
    await other.untilEnded();
    assert.doesNotMatch(other.received, /HTTP/);
  }
});

test("a hello that comes byte by byte, and one that never comes", async () => {
  await using raw = await connectClient(sluice.ports[5]!);
  const start = Date.now();
  void raw.send("\x16\x03\x01");
  await raw.untilEnded();
  const took = Date.now() - start;
  assert.ok(took > 800 && took < 3000, `handshake=1 ended it after ${took} ms`);

  const relay = net.createServer((client) => {
    const up = net.connect(sluice.port, "127.0.0.1");
    client.on("data", (bytes: Buffer) => {
      for (const byte of bytes) up.write(Buffer.from([byte]));
    });
    up.setNoDelay(true);
    up.on("data", (bytes) => client.write(bytes));
    for (const socket of [up, client]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        up.destroy();
        client.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const { port } = relay.address() as net.AddressInfo;
  assert.match(await askTls(port, "b.test", { target: "/x" }), /GET \/b\/x$/);
  relay.close();
});

const identity = (name: string, key = name): { cert: string; key: string } => ({
  cert: pem(`${name}.pem`),
  key: pem(`${key}.key`),
});

test("SSLVerifyClient: who may ask", async () => {
  const [, require, optional, noCa, deep] = sluice.ports as [number, number, number, number, number];
  const may = async (port: number, name: string | null, key?: string): Promise<boolean> => {
    const answer = await askTls(port, "a.test", name === null ? {} : identity(name, key));
    assert.match(answer, /^$|^HTTP\/1.1 200 /);
    return answer !== "";
  };
  for (const [port, name, key, expected] of [
    [require, null, undefined, false],
    [require, "client", undefined, true],
    [require, "stranger", undefined, false],
    [require, "server-only", undefined, false],
    [require, "expired", undefined, false],
    [require, "deep-chain", "deep", false], // SSLVerifyDepth 1
    [deep, "deep-chain", "deep", true],
    [deep, "deep", "deep", false], // without its authority
    [deep, "forged-chain", "forged", false],
    [deep, "too-deep-chain", "too-deep", false],
    [optional, null, undefined, true],
    [optional, "client", undefined, true],
    [optional, "stranger", undefined, false],
    [noCa, "stranger", undefined, true],
    [noCa, "expired", undefined, false],
  ] as const) {
    assert.equal(await may(port, name, key), expected, `${name} at ${sluice.ports.indexOf(port)}`);
  }
  await sluice.untilLog(/AH02276: Certificate Verification: Error \(22\): certificate chain too long/);
  await sluice.untilLog(/AH02008: SSL library error in handshake \(server a.test\)/);
});

test("Require ssl, Require ssl-verify-client", async () => {
  const ask = (target: string, options = {}) => askTls(sluice.ports[2]!, "a.test", { target, ...options });
  assert.match(await ask("/tls/x"), /^HTTP\/1.1 200 /);
  assert.match(await ask("/proved/x"), /^HTTP\/1.1 403 /);
  assert.match(await ask("/proved/x", identity("client")), /^HTTP\/1.1 200 /);
});

test("SSLRequire: all that the sections ask for", async () => {
  const ask = (target: string) => askTls(sluice.ports[5]!, "a.test", { target });
  assert.match(await ask("/strong/x"), /^HTTP\/1.1 200 /);
  assert.match(await ask("/strong/never/else/x"), /^HTTP\/1.1 403 /);
  await sluice.untilLog(/AH02229: access to proxy:http:.*x failed, reason: SSL requirement expression not fulfilled/);
});

test("SSLUserName: the user is known before it is asked who may", async () => {
  const ask = (target: string) => askTls(sluice.ports[1]!, "a.test", { target, ...identity("client") });
  assert.match(await ask("/named/x"), /^HTTP\/1.1 200 /);
  await sluice.untilFile("access.log", /^a\.test client 200 GET \/named\/x /m);
});

test("a session is resumed, and does not make a certificate better than it is", async () => {
  const resume = async (port: number, options: { cert: string; key: string }): Promise<string> => {
    let session: Buffer | undefined;
    const first = await connectTls(port, "a.test", options).catch(() => null);
    if (first === null) return "refused";
    first.socket.on("session", (bytes: Buffer) => {
      session = bytes;
    });
    first.socket.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await new Promise((resolve) => {
      first.socket.once("data", resolve);
      first.socket.once("close", resolve);
      first.socket.once("end", resolve);
    });
    session ??= first.socket.getSession() ?? undefined;
    first.socket.destroy();
    return await askTls(port, "a.test", { ...options, ...(session !== undefined && { session }) });
  };
  assert.match(await resume(sluice.ports[1]!, identity("client")), /^HTTP\/1.1 200 /);
  assert.match(await resume(sluice.ports[1]!, identity("stranger")), /^$|^refused$/);
  assert.match(await resume(sluice.ports[2]!, identity("stranger")), /^$|^refused$/);
});

const pattern = (size: number): Buffer => {
  const seed = Buffer.alloc(65_521);
  for (let i = 0; i < seed.length; i++) seed[i] = (i * 31 + (i >> 8)) & 255;
  return Buffer.alloc(size, seed);
};

test("16 MB up and down through a tunnel in TLS, byte for byte, and half-close both ways", async () => {
  const size = 16 * 1024 * 1024;
  const up = pattern(size);
  const down = Buffer.from(up).reverse();
  backend.routes = {
    ...backend.routes,
    "/ws/big": [
      early,
      head(101, "Upgrade: websocket", "Connection: Upgrade"),
      tunnel(),
      async (connection) => {
        for (let at = 0; at < size; at += 1 << 20) await connection.write(down.subarray(at, at + (1 << 20)));
        await connection.untilEnded();
        await connection.write("after your end");
      },
      fin,
    ],
  };
  const { socket } = await connectTls(sluice.port, "a.test");
  const got: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => got.push(bytes));
  const ended = new Promise((resolve) => socket.on("end", resolve));
  socket.write("GET /ws/big HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  for (let at = 0; at < size; at += 1 << 20) {
    if (!socket.write(up.subarray(at, at + (1 << 20)))) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
  await ended;
  const all = Buffer.concat(got);
  const body = all.subarray(all.indexOf("\r\n\r\n") + 4);
  assert.equal(body.length, size + 14);
  assert.ok(body.subarray(0, size).equals(down));
  assert.equal(body.subarray(size).toString(), "after your end");
  const connection = backend.connections.at(-1)!;
  assert.equal(connection.tunnelledBytes, size);
  assert.ok(Buffer.from(connection.tunnelled, "latin1").equals(up));
});

test("a client in TLS that does not read, or reads slowly, holds the backend up, not our memory", async () => {
  const rss = (): number =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8"))![1]) / 1024;
  backend.routes = {
    ...backend.routes,
    "/a/pour": [head(200, `Content-Length: ${200 << 20}`), pour(200 << 20)],
  };
  const { socket } = await connectTls(sluice.port, "a.test");
  const base = rss();
  socket.write("GET /pour HTTP/1.1\r\nHost: a.test\r\n\r\n");
  socket.pause();
  const raw = (socket as unknown as { _parent?: { _handle?: { readStop?(): void } } })._parent;
  raw?._handle?.readStop?.();
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.ok(rss() - base < 80, `memory grew by ${Math.round(rss() - base)} MB`);
  socket.destroy();
});

test("a client that pours at a backend which does not read is held up", async () => {
  const rss = (): number =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8"))![1]) / 1024;
  backend.routes = {
    ...backend.routes,
    "/ws/stuck": [
      early,
      head(101, "Upgrade: websocket", "Connection: Upgrade"),
      tunnel(),
      (connection) => void connection.raw.pause(),
    ],
  };
  const { socket } = await connectTls(sluice.port, "a.test");
  const base = rss();
  socket.write("GET /ws/stuck HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  const piece = Buffer.alloc(1 << 20, "z");
  let sent = 0;
  void (async () => {
    for (; sent < 200 && !socket.destroyed; sent++) {
      if (!socket.write(piece)) await new Promise((resolve) => socket.once("drain", resolve));
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.ok(sent < 60, `${sent} MB were taken`);
  assert.ok(rss() - base < 100, `memory grew by ${Math.round(rss() - base)} MB`);
  socket.destroy();
});

test("the PROXY protocol before TLS: version 1 and 2, with the hello or before it, and none", async () => {
  await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName a.test
    LogFormat "%a %{c}a %{SSL_TLS_SNI}x %{SSL_PROTOCOL}x %{version}c" who
    CustomLog DIR/access.log who
    <VirtualHost *:PORT>
      SSLEngine on
      ${pair("a")}
      RemoteIPProxyProtocol On
      RequestReadTimeout handshake=2
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>`);
  const v1 = Buffer.from("PROXY TCP4 192.0.2.77 10.0.0.1 4321 443\r\n");
  const v2 = Buffer.from([13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12]);
  const addresses = Buffer.from([192, 0, 2, 78, 10, 0, 0, 1, 1, 1, 2, 2]);
  /** What comes first goes ahead of TLS: at once with it, or alone, byte by byte. */
  const ask = async (first: Buffer, apart: boolean): Promise<string> => {
    const relay = net.createServer((client) => {
      const up = net.connect({ port: own.port, host: "127.0.0.1", noDelay: true });
      client.once("data", async (hello: Buffer) => {
        if (apart) {
          for (const byte of first) await new Promise((sent) => up.write(Buffer.from([byte]), sent));
          up.write(hello);
        } else up.write(Buffer.concat([first, hello]));
        client.pipe(up);
      });
      up.pipe(client);
      for (const socket of [up, client]) socket.on("error", () => {});
      up.on("close", () => client.destroy());
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const answer = await askTls((relay.address() as net.AddressInfo).port, "a.test", { target: "/proxied" });
    relay.close();
    return answer;
  };
  for (const apart of [false, true]) {
    assert.match(await ask(v1, apart), /^HTTP\/1.1 200 [\s\S]*GET \/proxied$/);
    assert.equal(backend.requests.at(-1)!.field("x-forwarded-for"), "192.0.2.77");
    assert.match(await ask(Buffer.concat([v2, addresses]), apart), /^HTTP\/1.1 200 /);
    assert.equal(backend.requests.at(-1)!.field("x-forwarded-for"), "192.0.2.78");
  }
  await own.untilFile("access.log", "192.0.2.78 127.0.0.1 a.test TLSv1.3 TLSv1.3");
  assert.equal(await askTls(own.port, "a.test"), "", "TLS without a header before it");
  await own.untilLog(/AH03507: RemoteIPProxyProtocol: no PROXY header/);
});

test("SSLOptions FakeBasicAuth: a certificate is a user, and nobody types its name; SSLVerifyClient of another host", async () => {
  const password = ":{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="; // "password"
  await using own = await startSluice(
    `
    Listen 127.0.0.1:PORT
    SSLVHostSNIPolicy insecure
    <VirtualHost *:PORT>
      ServerName a.test
      SSLEngine on
      ${pair("a")}
      SSLVerifyClient optional
      SSLCACertificateFile ${CERTS}/ca.pem
      <Location "/fake">
        SSLOptions +FakeBasicAuth
        AuthType Basic
        AuthName x
        AuthUserFile DIR/users
        Require valid-user
      </Location>
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>
    <VirtualHost *:PORT>
      ServerName require.test
      SSLEngine on
      ${pair("a")}
      SSLVerifyClient require
      SSLCACertificateFile ${CERTS}/ca.pem
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>`,
    { files: { users: `/C=DE/O=Org/CN=client/emailAddress=c@x.test${password}\n/CN=spoof${password}\n` } },
  );
  const ask = (target: string, options = {}) => askTls(own.port, "a.test", { target, ...options });
  assert.match(await ask("/fake"), /^HTTP\/1.1 401 /);
  assert.match(await ask("/fake", identity("client")), /^HTTP\/1.1 200 /);
  const typed = async (user: string): Promise<string> => {
    const { socket } = await connectTls(own.port, "a.test");
    const text = new Promise<string>((resolve) => {
      let got = "";
      socket.on("data", (bytes: Buffer) => {
        got += bytes.toString("latin1");
      });
      socket.on("end", () => resolve(got));
    });
    const fields = `Authorization: Basic ${btoa(user)}\r\nConnection: close`;
    socket.write(`GET /fake HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n\r\n`);
    const answer = await text;
    socket.destroy();
    return answer;
  };
  assert.match(await typed("/CN=spoof:password"), /^HTTP\/1.1 403 /);
  await own.untilLog(/AH02035: Encountered FakeBasicAuth spoof: \/CN=spoof/);
  assert.match(await typed("/CN=spoof:other"), /^HTTP\/1.1 401 /);
  assert.match(await ask("/x", { host: "require.test" }), /^HTTP\/1.1 403 /);
});

test("a reload reads certificates anew; a broken pair changes nothing", async () => {
  const conf = `
    Listen 127.0.0.1:PORT
    <VirtualHost *:PORT>
      SSLEngine on
      SSLCertificateFile DIR/server.pem
      SSLCertificateKeyFile DIR/server.key
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>`;
  await using own = await startSluice(conf, { files: { "server.pem": pem("a.pem"), "server.key": pem("a.key") } });
  let names = 0;
  const shown = async (): Promise<string> => {
    // Another name each time: Deno's client resumes the session of a name, and a session keeps its certificate.
    const { socket, peer } = await connectTls(own.port, `x${names++}.test`);
    socket.destroy();
    return peer;
  };
  assert.equal(await shown(), "a.test");
  copyFileSync(`${CERTS}/b.pem`, join(own.dir, "server.pem"));
  own.signal("SIGUSR1");
  await own.untilLog(/AH02565: Certificate and private key from .* do not match/);
  assert.equal(await shown(), "a.test");
  copyFileSync(`${CERTS}/b.key`, join(own.dir, "server.key"));
  own.signal("SIGUSR1");
  await own.untilLog(/resuming normal operations[\s\S]*resuming normal operations/);
  assert.equal(await shown(), "b.test");
});

test("a reload gives TLS to a port that was plain, and takes it again", async () => {
  const conf = (ssl: string): string => `
    Listen 127.0.0.1:PORT
    <VirtualHost *:PORT>
      ${ssl}
      ProxyPass "/" "${backend.url}/"
    </VirtualHost>`;
  const files = { "server.pem": pem("a.pem"), "server.key": pem("a.key") };
  await using own = await startSluice(conf(""), { files });
  const started = /resuming normal operations/g;
  const reload = async (ssl: string): Promise<void> => {
    const before = own.errorLog.match(started)?.length ?? 0;
    own.writeConf(conf(ssl));
    own.signal("SIGUSR1");
    await own.untilLog(new RegExp(`(${started.source}[\\s\\S]*){${before + 1}}`));
  };
  assert.equal((await fetchOnce(own.port, "/len")).status, 200);
  await reload("SSLEngine on\nSSLCertificateFile DIR/server.pem\nSSLCertificateKeyFile DIR/server.key");
  const { socket, peer } = await connectTls(own.port, "x.test");
  socket.destroy();
  assert.equal(peer, "a.test");
  await reload("");
  assert.equal((await fetchOnce(own.port, "/len")).status, 200);
});

// What is wrong with certificates, keys and lists is an error of its line.
for (const [lines, line, text] of [
  ["SSLCertificateFile /nowhere.pem", 4, /SSLCertificateFile: file '\/nowhere.pem' does not exist or is empty/],
  [pair("a", "b"), 5, /AH02565: Certificate and private key from .*a.pem and .*b.key do not match/],
  [`SSLCertificateFile ${CERTS}/a.pem\nSSLCertificateKeyFile ${CERTS}/encrypted.key`, 5, /AH02564: .*encrypted/],
  [`SSLCertificateFile ${CERTS}/a.pem`, 4, /Private key not found/],
  [`SSLCertificateFile ${CERTS}/a.key`, 4, /no certificate in it/],
  ["", 3, /AH02572: Failed to configure at least one certificate and key/],
  [`${pair("a")}\nSSLProtocol SSLv4`, 6, /SSLProtocol: Illegal protocol 'SSLv4'/],
  [`${pair("a")}\nSSLProtocol TLSv1.1 +TLSv1.3`, 6, /leaves one out/],
  [`${pair("a")}\nSSLCipherSuite NOPE`, 6, /AH01898: Unable to configure permitted SSL ciphers/],
  [`${pair("a")}\nSSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256`, 6, /leaves out TLS_AES_256_GCM_SHA384/],
  [`${pair("a")}\nSSLOptions +Nope`, 6, /SSLOptions: Illegal option 'Nope'/],
  [`${pair("a")}\nSSLUseStapling on`, 6, /SSLUseStapling on is not supported/],
  [`${pair("a")}\nSSLOCSPEnable leaf`, 6, /SSLOCSPEnable leaf is not supported/],
  [`${pair("a")}\nSSLCARevocationCheck chain`, 6, /SSLCARevocationCheck chain is not supported/],
  [`${pair("a")}\nSSLCARevocationFile /x`, 6, /SSLCARevocationFile: file '\/x' does not exist or is empty/],
  [`SSLProxyEngine on\nSSLProxyMachineCertificateFile ${CERTS}/client.pem`, 5, /there is no private key/],
] as const) {
  test(`-t: ${text.source}`, async () => {
    const own = await runSluice(`Listen 127.0.0.1:PORT\n<VirtualHost *:PORT>\nSSLEngine on\n${lines}\n</VirtualHost>`, {
      args: ["-t"],
    });
    assert.equal(own.exit, 1, String(text));
    assert.match(own.stderr, text);
    // One line more: ErrorLog, in front.
    assert.match(own.stderr, new RegExp(`on line ${line + 1} of|:${line + 1}:`), String(text));
    await own.stop();
  });
}
