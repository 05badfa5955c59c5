/** The sockets that are there for speed against those of node:net alone: the same bytes, whatever is sent and however it is cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../modules/core/clock.ts";
import type { ProcessRec } from "../../modules/core/records.ts";
import { NetFront } from "../../modules/front/net.ts";
import { nodeSockets, plainSockets } from "../../modules/net/node.ts";
import type { SocketHost } from "../../modules/net/socket.ts";
import { type Backend, type BackendRequest, body, freePort, type Step, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { TestGeneration } from "../support/generation.ts";
import { Chance } from "../support/mutate.ts";

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
async function play(port: number, backend: Backend, script: Script): Promise<{ back: string[]; got: string[] }> {
  const first = backend.requests.length;
  const client = await connectClient(port);
  const chance = new Chance(script.seed);
  for (const piece of script.pieces) {
    void client.send(piece);
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

async function serving(host: SocketHost, backend: Backend): Promise<{ port: number; end(): void }> {
  const port = await freePort();
  const generation = new TestGeneration(
    `Listen 127.0.0.1:${port}\nServerName front.test\nProxyPass "/" "${backend.url}/"`,
    systemClock,
    [],
    host,
  ).start();
  const front = new NetFront(host, (): ProcessRec => generation.process);
  assert.deepEqual(await front.open(generation.process), []);
  front.gate.open();
  return {
    port,
    end() {
      front.close();
      generation.end();
    },
  };
}

test("the same bytes by both kinds of sockets, over random requests", async () => {
  await using backend = await startBackend(answer);
  const fast = await serving(nodeSockets, backend);
  const plain = await serving(plainSockets, backend);
  const seed = Date.now() % 1_000_000_007;
  for (let round = 0; round < ROUNDS; round++) {
    const script = scriptOf(new Chance(seed + round));
    const one = await play(fast.port, backend, script);
    const other = await play(plain.port, backend, script);
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
});

function difference(a: string, b: string): string {
  let at = 0;
  while (a[at] === b[at] && at < a.length) at++;
  return `${a.length} and ${b.length} bytes; at ${at} ${JSON.stringify(a.slice(at, at + 80))}, not ${JSON.stringify(b.slice(at, at + 80))}`;
}
