/** The sockets that are there for speed against those of node:net alone: the same bytes, whatever is sent and however it is cut. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import { test } from "node:test";
import { systemClock } from "../../modules/core/clock.ts";
import type { ProcessRec } from "../../modules/core/records.ts";
import { NetFront } from "../../modules/front/net.ts";
import { nodeSockets, plainSockets } from "../../modules/net/node.ts";
import type { SocketHost, TlsServerOptions } from "../../modules/net/socket.ts";
import { type Backend, type BackendRequest, body, freePort, type Step, startBackend } from "../support/backend.ts";
import { Client, connectClient } from "../support/client.ts";
import { TestGeneration } from "../support/generation.ts";
import { Chance } from "../support/mutate.ts";
import { CERTS, connectTls, pem } from "../support/tls.ts";

const ROUNDS = 60;
const SIZES = [0, 1, 60, 3000, 17_000, 66_000, 300_000];

/** What the client sends, in pieces, with a pause of a turn between them; and how the backend cuts its answers. */
interface Script {
  readonly pieces: readonly string[];
  readonly seed: number;
}

function scriptOf(chance: Chance): Script {
  let text = "";
  for (let left = 1 + chance.int(4); left > 0; left--) {
    const size = chance.of(SIZES);
    const bytes = textOf(chance, size);
    const close = left === 1 ? "Connection: close\r\n" : "";
    const head = ` /${chance.int(SIZES.length)}?${chance.int(1000)} HTTP/1.1\r\nHost: a.test\r\n${close}`;
    if (size === 0) text += `GET${head}X-Latin: \xe9\xff\r\n\r\n`;
    else if (chance.once(2)) text += `POST${head}Content-Length: ${size}\r\n\r\n${bytes}`;
    else text += `PUT${head}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`;
  }
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = Math.min(text.length, at + 1 + chance.int(chance.once(3) ? 100 : 200_000));
    pieces.push(text.slice(at, end));
    at = end;
  }
  return { pieces, seed: chance.int(1e9) };
}

function textOf(chance: Chance, size: number): string {
  const unit = String.fromCharCode(...Array.from({ length: 251 }, () => chance.int(256)));
  return unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
}

/** Its answer depends on the request alone. */
function answer(request: BackendRequest): Step[] {
  const chance = new Chance(Number(request.target.split("?")[1]));
  const size = SIZES[Number(request.target[1])]!;
  const bytes = textOf(chance, size);
  const head = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nX-Latin: \xfe\r\n";
  const whole = chance.once(2)
    ? `${head}Content-Length: ${size}\r\n\r\n${bytes}`
    : `${head}Transfer-Encoding: chunked\r\n\r\n${size === 0 ? "" : `${size.toString(16)}\r\n${bytes}\r\n`}0\r\n\r\n`;
  const cut = chance.int(whole.length);
  return [body, whole.slice(0, cut), () => new Promise((resolve) => setImmediate(resolve)), whole.slice(cut)];
}

/** The heads and bodies that came back, and those that the backend got. Where chunks are cut is chance. */
async function play(
  { port, secure }: Front,
  backend: Backend,
  script: Script,
): Promise<{ back: string[]; got: string[] }> {
  const first = backend.requests.length;
  const client = secure ? new Client((await connectTls(port, "a.test")).socket) : await connectClient(port);
  client.raw.setMaxListeners(0); // each piece that waits has its own
  const chance = new Chance(script.seed);
  for (const piece of script.pieces) {
    void client.send(Buffer.from(piece, "latin1")); // Deno's node:tls sends strings that wait as UTF-8
    await new Promise((resolve) => setImmediate(resolve));
    if (chance.once(4)) client.raw.pause();
    if (chance.once(2)) client.raw.resume();
  }
  client.raw.resume();
  await client.untilEnded();
  client.destroy();
  const got = backend.requests.slice(first);
  return {
    back: client.responses.map((response) => response.head + response.text),
    got: got.map((request) => request.head.replaceAll(`:${port}`, "") + request.text),
  };
}

interface Front {
  readonly port: number;
  readonly secure: boolean;
  end(): void;
}

const TLS = `SSLEngine on\nSSLCertificateFile ${CERTS}/a.pem\nSSLCertificateKeyFile ${CERTS}/a.key`;

async function serving(host: SocketHost, backend: Backend, secure: boolean): Promise<Front> {
  const port = await freePort();
  const generation = new TestGeneration(
    `Listen 127.0.0.1:${port}\nServerName a.test\n${secure ? TLS : ""}\nProxyPass "/" "${backend.url}/"`,
    systemClock,
    [],
    host,
  ).start();
  const front = new NetFront(host, (): ProcessRec => generation.process);
  assert.deepEqual(await front.open(generation.process), []);
  front.gate.open();
  return {
    port,
    secure,
    end() {
      front.close();
      generation.end();
    },
  };
}

test("the same bytes by both kinds of sockets, over random requests", () => compare(false, ROUNDS));
test("the same in TLS", () => compare(true, ROUNDS / 2));

async function compare(secure: boolean, rounds: number): Promise<void> {
  await using backend = await startBackend(answer);
  const fast = await serving(nodeSockets, backend, secure);
  const plain = await serving(plainSockets, backend, secure);
  const seed = Date.now() % 1_000_000_007;
  for (let round = 0; round < rounds; round++) {
    const script = scriptOf(new Chance(seed + round));
    const one = await play(fast, backend, script);
    const other = await play(plain, backend, script);
    assert.ok(one.back.length > 0 && one.back.every((response) => response.startsWith("HTTP/1.1 200 OK")));
    for (const way of ["back", "got"] as const) {
      assert.equal(one[way].length, other[way].length, `seed ${seed}, round ${round}, ${way}`);
      for (const [i, message] of one[way].entries()) {
        assert.ok(
          message === other[way][i],
          `seed ${seed}, round ${round}, ${way}: ${difference(message, other[way][i]!)}`,
        );
      }
    }
  }
  fast.end();
  plain.end();
}

test("wherever a handshake ends, it is told once and nothing stays open", async () => {
  // On Deno a socket of node:tls hears nothing of some of these: its owner's time limit ends it.
  for (const host of "Deno" in globalThis ? [nodeSockets] : [nodeSockets, plainSockets]) {
    const server = host.tlsServer(SERVER);
    const ends: string[] = [];
    let accepted = 0;
    const listener = await host.listen({ address: "127.0.0.1", port: 0, tls: true }, (socket) => {
      const kind = accepted++ % 4;
      host.acceptTls(socket, {
        onHello() {
          if (kind === 1) return null;
          if (kind === 2) setImmediate(() => socket.destroy());
          return server;
        },
        onPlain: () => assert.fail("plain"),
        onSecure() {
          socket.owner = {
            onData() {},
            onDrain() {},
            onEnd: () => socket.end(),
            onClose: () => void ends.push("closed"),
          };
          if (kind === 3) socket.destroy();
        },
        onFailed: () => void ends.push("failed"),
      });
    });
    const gone: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      const raw = net.connect({ host: "127.0.0.1", port: listener.port, allowHalfOpen: i % 2 === 0 });
      gone.push(new Promise((resolve) => raw.on("close", resolve)));
      raw.on("error", () => {});
      raw.on("data", () => (i % 5 === 0 ? raw.resetAndDestroy() : raw.end()));
      raw.on("end", () => raw.end());
      raw.on("connect", () => {
        if (i % 5 === 1) raw.destroy();
        else if (i % 5 === 2) raw.end(HELLO.subarray(0, i));
        else if (i % 5 === 3) raw.end("\x16\x03\x01\x00\x05hello");
        else raw.write(HELLO);
      });
    }
    await Promise.all(gone);
    await listener.close();
    assert.ok(accepted > 0);
    assert.equal(ends.length, accepted);
  }
});

const SERVER: TlsServerOptions = {
  cert: pem("a-ec.pem"),
  key: pem("a-ec.key"),
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  ciphers: "",
  honorCipherOrder: false,
  requestCert: false,
  ca: "",
  tickets: true,
  sessionTimeout: 300,
  alpn: "",
};

/** The first message of a client of TLS 1.2, with one suite and one curve. */
const HELLO = Buffer.from(
  `1603010045010000410303${"07".repeat(32)}000002c02b01000016000a00040002001d000b00020100000d000400020403`,
  "hex",
);

function difference(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at] && at < a.length) at++;
  return `${a.length} and ${b.length} bytes; at ${at} ${JSON.stringify(a.slice(at, at + 80))}, not ${JSON.stringify(b.slice(at, at + 80))}`;
}
