/** HTTP/2 by real clients: ALPN, curl, h2load, node:http2; virtual hosts, large bodies, graceful ends. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import http2 from "node:http2";
import net from "node:net";
import { after, before, test } from "node:test";
import * as f from "../../plugins/http2/frame.ts";
import { type Backend, Gate, head, ok, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { frame, get, headers, setting, u32 } from "../support/http2.ts";
import { currentRuntime, SLOW, type Sluice, startSluice } from "../support/sluice.ts";
import { CERTS, connectTls } from "../support/tls.ts";

let backend: Backend;
let sluice: Sluice;
const gate = new Gate();
const large = new Uint8Array(20_000_000).fill(97);

before(async () => {
  backend = await startBackend();
  backend.routes = {
    "/x": ok("hello", "X-One: 1"),
    "/none": "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "/digest": async (request) => {
      await request.done;
      return ok(`${request.body.length} ${createHash("sha1").update(request.body).digest("hex")}`);
    },
    "/large": [head(200, `Content-Length: ${large.length}`), large],
    "/wait": [gate.step, ok("done")],
  };
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT2
    Listen 127.0.0.1:PORT
    ServerName plain.test
    MaxKeepAliveRequests 0
    LoadModule http2_module modules/mod_http2.so
    Protocols h2 h2c http/1.1
    LogFormat "%r %>s %H %{SSL_PROTOCOL}e %{H2_STREAM_TAG}e" t
    CustomLog "DIR/access.log" t
    ProxyPass /b/ "${backend.url}/"
    <VirtualHost 127.0.0.1:PORT2>
      ServerName a.test
      H2MaxSessionStreams 123
      SSLEngine on
      SSLOptions +StdEnvVars
      SSLCertificateFile "${CERTS}/a.pem"
      SSLCertificateKeyFile "${CERTS}/a.key"
      ProxyPass /b/ "${backend.url}/"
    </VirtualHost>
    <VirtualHost 127.0.0.1:PORT2>
      ServerName old.test
      Protocols http/1.1
      SSLEngine on
      SSLCertificateFile "${CERTS}/b.pem"
      SSLCertificateKeyFile "${CERTS}/b.key"
    </VirtualHost>
    <VirtualHost 127.0.0.1:PORT2>
      ServerName client.test
      ProtocolsHonorOrder Off
      SSLEngine on
      SSLCertificateFile "${CERTS}/a.pem"
      SSLCertificateKeyFile "${CERTS}/a.key"
    </VirtualHost>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

test("ALPN: Protocols of the host that SNI names, its order unless ProtocolsHonorOrder is off", SLOW, async () => {
  const asked: [string, string[], string][] = [
    ["a.test", ["h2", "http/1.1"], "h2"],
    ["a.test", ["http/1.1", "h2"], "h2"],
    ["a.test", ["http/1.1"], "http/1.1"],
    ["old.test", ["h2", "http/1.1"], "http/1.1"],
    ["client.test", ["http/1.1", "h2"], "http/1.1"],
    ["client.test", ["h2", "http/1.1"], "h2"],
    ["a.test", [], ""],
  ];
  for (const [name, offered, expected] of asked) {
    const { socket } = await connectTls(sluice.ports[1]!, name, { ALPNProtocols: offered });
    assert.equal(socket.alpnProtocol || "", expected, `${name} ${offered}`);
    if (expected === "h2") {
      const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
      // SETTINGS_MAX_CONCURRENT_STREAMS of that host
      assert.equal(first.readUInt32BE(f.HEAD_BYTES + 2), name === "a.test" ? 123 : 100);
    }
    socket.destroy();
  }
});

function curl(...args: string[]): Promise<{ readonly out: string; readonly code: number }> {
  return run("curl", ["-s", "-k", "-m", "30", "--resolve", `a.test:${sluice.ports[1]}:127.0.0.1`, ...args]);
}

function run(program: string, args: string[]): Promise<{ readonly out: string; readonly code: number }> {
  return new Promise((resolve) => {
    const child = spawn(program, args);
    let out = "";
    child.stdout.on("data", (bytes) => {
      out += Buffer.from(bytes).toString("latin1");
    });
    child.on("error", () => resolve({ out, code: -1 }));
    child.on("close", (code) => resolve({ out, code: code ?? -1 }));
  });
}

const hasCurl = / HTTP2 /.test(` ${spawnSync("curl", ["--version"]).stdout} `);
const CURL = { ...SLOW, skip: hasCurl ? false : "no curl that speaks HTTP/2" };

test("curl by ALPN, by prior knowledge, and by HTTP/1.1 on the same ports", CURL, async () => {
  const url = `https://a.test:${sluice.ports[1]}/b/x`;
  const plain = `http://127.0.0.1:${sluice.port}/b/x`;
  assert.match(
    (await curl("-i", "--http2", url)).out,
    /^HTTP\/2 200 \r\ncontent-length: 5\r\nx-one: 1\r\n(?:.+\r\n)*\r\nhello$/,
  );
  assert.match((await curl("-i", "--http1.1", url)).out, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*hello$/);
  assert.match((await curl("-i", "--http2-prior-knowledge", plain)).out, /^HTTP\/2 200 \r\n(?:.*\r\n)*hello$/);
  assert.match(
    (await curl("-i", "--http2", plain)).out,
    /^HTTP\/1\.1 101 Switching Protocols\r\n(?:.+\r\n)*\r\nHTTP\/2 200 \r\n(?:.*\r\n)*hello$/,
  );
  assert.match((await curl("-I", "--http2", url)).out, /^HTTP\/2 200 \r\n(?:.*\r\n)*content-length: 5\r\n/);
  assert.equal(
    (await curl("--http2", "-o", "/dev/null", "-w", "%{http_code}", `https://a.test:${sluice.ports[1]}/b/none`)).out,
    "404",
  );
  await sluice.untilFile("access.log", /^GET \/b\/x HTTP\/2\.0 200 HTTP\/2\.0 TLSv1\.3 \d+-\d+-1$/m);
  await sluice.untilFile("access.log", /^GET \/b\/x HTTP\/2\.0 200 HTTP\/2\.0 - \d+-\d+-1$/m);
});

test("a host of other TLS is 421 on a connection for this one", CURL, async () => {
  const url = `https://a.test:${sluice.ports[1]}/b/x`;
  assert.match((await curl("-i", "--http2", "-H", "Host: old.test", url)).out, /^HTTP\/2 421 /);
});

test("curl takes and sends 20 MB, byte for byte", CURL, async () => {
  const sent = randomBytes(20_000_000);
  const digest = createHash("sha1").update(sent).digest("hex");
  for (const base of [`https://a.test:${sluice.ports[1]}`, `http://127.0.0.1:${sluice.port}`]) {
    const how = base.startsWith("https") ? "--http2" : "--http2-prior-knowledge";
    const child = spawn("curl", [
      "-s",
      "-k",
      "-m",
      "50",
      how,
      "--resolve",
      `a.test:${sluice.ports[1]}:127.0.0.1`,
      "-T",
      "-",
      `${base}/b/digest`,
    ]);
    child.stdin.end(sent);
    let out = "";
    for await (const bytes of child.stdout) out += bytes;
    assert.equal(out, `20000000 ${digest}`);
    const { out: body } = await curl(how, `${base}/b/large`);
    assert.equal(body.length, 20_000_000);
    assert.ok(/^a+$/.test(body.slice(-1000)));
  }
});

const hasH2load = spawnSync("h2load", ["--version"]).status === 0;
test("h2load: many connections, many streams, no failure", {
  ...SLOW,
  skip: hasH2load ? false : "no h2load (nghttp2-client)",
}, async () => {
  for (const args of [
    ["-c8", "-m16"],
    ["-c100", "-m1"],
    ["-c1", "-m100"],
  ]) {
    const { out } = await run("h2load", ["-n2000", ...args, `https://127.0.0.1:${sluice.ports[1]}/b/x`]);
    assert.match(out, /requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed/);
  }
});

/** Deno's own client of HTTP/2 aborts the process on some GOAWAY: denoland/deno#36788. */
const NODE = { ...SLOW, skip: currentRuntime === "deno" ? "node:http2 of Deno 2.9.5 is not to be relied on" : false };

test("node:http2: concurrent requests with bodies on one connection, then a graceful end", NODE, async () => {
  const session = http2.connect(`https://127.0.0.1:${sluice.ports[1]}`, {
    rejectUnauthorized: false,
    servername: "a.test",
  });
  const ask = (headers: http2.OutgoingHttpHeaders, body: string | null): Promise<string> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":authority": "a.test", ...headers });
      let text = "";
      let status = 0;
      stream.on("response", (fields) => {
        status = fields[":status"]!;
      });
      stream.on("data", (bytes) => {
        text += bytes;
      });
      stream.on("end", () => resolve(`${status} ${text}`));
      stream.on("error", reject);
      stream.end(body ?? undefined);
    });
  const bodies = Array.from({ length: 50 }, (_, i) => String(i).repeat(1 + i * 500));
  const answers = await Promise.all(bodies.map((body) => ask({ ":method": "POST", ":path": "/b/digest" }, body)));
  answers.forEach((answer, i) => {
    const digest = createHash("sha1").update(bodies[i]!).digest("hex");
    assert.equal(answer, `200 ${bodies[i]!.length} ${digest}`);
  });
  assert.equal(await ask({ ":path": "/b/x" }, null), "200 hello");
  await new Promise<void>((resolve) => session.close(resolve));
});

test("a graceful stop ends HTTP/2 in order: what is at hand is answered", CURL, async () => {
  await using other = await startSluice(`
    Listen 127.0.0.1:PORT
    Protocols h2c http/1.1
    ProxyPass /b/ "${backend.url}/"
  `);
  const asked = run("curl", ["-s", "-m", "30", "--http2-prior-knowledge", `http://127.0.0.1:${other.port}/b/wait`]);
  await gate.reached();
  other.signal("SIGWINCH");
  gate.open();
  assert.deepEqual(await asked, { out: "done", code: 0 });
  assert.equal(await other.exited, 0);
});

test("clients that read nothing hold memory within bounds", SLOW, async () => {
  const before = memoryOf(sluice.pid);
  const asked = backend.requests.length;
  // Without TLS: a paused TLS socket of Deno reads on.
  const socket = net.connect({ port: sluice.port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.pause();
  // Windows as large as they come, and then nothing is read.
  const settings = frame(f.SETTINGS, 0, 0, setting(f.SETTINGS_INITIAL_WINDOW_SIZE, f.MAX_WINDOW));
  const opening = [f.PREFACE, settings, frame(f.WINDOW_UPDATE, 0, 0, u32(0x7fff0000))];
  for (let i = 0; i < STREAMS; i++) opening.push(headers(2 * i + 1, get("/b/large")));
  socket.write(Buffer.from(opening.join(""), "latin1"));
  const other = await connectClient(sluice.port);
  // 800 MB are on their way; every answer here lets some of them move.
  for (let i = 0; i < 200 || backend.requests.length < asked + STREAMS + i; i++) {
    assert.equal((await other.get("/b/x")).status, 200);
  }
  const grown = memoryOf(sluice.pid) - before;
  socket.destroy();
  other.destroy();
  assert.ok(grown < 150, `${grown} MB`);
});

const STREAMS = 40;

function memoryOf(pid: number): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout.toString()) / 1024;
}
