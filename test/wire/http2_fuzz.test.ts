/** Frames of HTTP/2 in disorder, by chance with a fixed seed: nothing throws, and nothing is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionCount } from "../../modules/http/open_connections.ts";
import * as f from "../../plugins/http2/frame.ts";
import { VirtualClock } from "../support/clock.ts";
import { block, frame, get, headers, openHttp2, post, setting, u32 } from "../support/http2.ts";
import { makeServer, settle } from "../support/server.ts";

const ROUNDS = 1500;
const chance = new VirtualClock();
const below = (limit: number): number => Math.floor(chance.random() * limit);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
const stream = (): number => pick([0, 1, 1, 1, 3, 3, 5, 7, 2]);

const MAKERS: readonly (() => string)[] = [
  () => headers(stream(), get("/none"), below(2) === 0),
  () => headers(stream(), post("/b/x", ...(below(3) === 0 ? ["content-length", "5"] : [])), false),
  () => headers(stream(), ["x-trailer", "v"], below(2) === 0),
  () => headers(stream(), [":method", "CONNECT", ":protocol", "websocket", ...get("/ws/x").slice(2)], false),
  () => frame(f.HEADERS, below(256), stream(), block(get("/b/y"))),
  () => frame(f.CONTINUATION, below(2) * f.END_HEADERS, stream(), block(["a", "b"])),
  () => frame(f.DATA, pick([0, 0, f.END_STREAM, f.PADDED]), stream(), "x".repeat(below(300))),
  () => frame(f.RST_STREAM, 0, stream(), u32(below(12))),
  () => frame(f.WINDOW_UPDATE, 0, stream(), u32(pick([0, 1, 1000, 0x7fffffff]))),
  () => frame(f.SETTINGS, 0, 0, setting(1 + below(8), pick([0, 1, 10, 65_535, 0x7fffffff]))),
  () => frame(f.PING, below(2), 0, "12345678"),
  () => frame(f.PRIORITY, 0, stream(), `${u32(below(8))}\x01`),
  () => frame(f.GOAWAY, 0, 0, u32(0) + u32(0)),
  () => frame(below(256), below(256), below(10), "y".repeat(below(20))),
];

function mutated(text: string): string {
  if (below(6) !== 0) return text;
  const at = below(text.length);
  return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
}

const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
  "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nabc",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n",
  "nonsense",
];

test(`${ROUNDS} connections of frames in disorder`, { timeout: 60_000 }, async () => {
  const before = connectionCount();
  const server = makeServer(`
    Protocols h2c http/1.1
    H2WebSockets On
    H2MaxStreamErrors 0
    ProxyPass /b/ http://127.0.0.1:9/ disablereuse=On
    ProxyPass /ws/ ws://127.0.0.1:9/ disablereuse=On
  `);
  for (let round = 0; round < ROUNDS; round++) {
    const peer = openHttp2(server, below(4) === 0 ? setting(4, below(10)) : "");
    const frames = Array.from({ length: 1 + below(12) }, () => mutated(pick(MAKERS)()));
    const wire = frames.join("");
    for (let at = 0; at < wire.length; ) {
      const size = 1 + below(below(3) === 0 ? 10 : 2000);
      peer.socket.feed(wire.slice(at, at + size));
      at += size;
      if (below(3) === 0) await settle();
    }
    await settle();
    for (;;) {
      const backend = await server.backend().catch(() => null);
      if (backend === null) break;
      if (!backend.closed && below(8) !== 0) backend.feed(pick(ANSWERS));
      if (below(3) === 0) backend.destroy();
    }
    await settle();
    if (below(4) === 0) server.clock.advance(below(70_000));
    peer.read(); // throws if a frame is not whole
    const crashed = server.errors.find((line) => /request failed|handler failed|TypeError|\bhook\b/.test(line));
    assert.equal(crashed, undefined);
    if (below(2) === 0) peer.socket.owner.onEnd();
    peer.socket.destroy();
    await settle();
  }
  server.clock.advance(400_000);
  await settle();
  assert.equal(connectionCount(), before);
  server.end();
});
