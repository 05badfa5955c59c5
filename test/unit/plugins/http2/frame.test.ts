import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../../modules/core/bytes.ts";
import { FloodGuard } from "../../../../plugins/http2/flood.ts";
import { FrameReader, type FrameSink } from "../../../../plugins/http2/frame.ts";
import { VirtualClock } from "../../../support/clock.ts";

const bytesOf = (text: string) => Buffer.from(text, "latin1") as unknown as Bytes;

class Sink implements FrameSink {
  reading = true;
  tooLarge = false;
  readonly frames: string[] = [];

  onFrame(type: number, flags: number, stream: number, bytes: Bytes, start: number, end: number): void {
    this.frames.push(`${type} ${flags} ${stream} ${bytes.latin1Slice(start, end)}`);
  }

  onTooLarge(): void {
    this.tooLarge = true;
  }
}

test("FrameReader cuts frames, however the bytes come", () => {
  const wire = "\0\0\x03\x00\x01\0\0\0\x01abc\0\0\0\x04\x01\0\0\0\0\0\0\x02\x08\x00\x80\0\0\x05xy";
  const frames = ["0 1 1 abc", "4 1 0 ", "8 0 5 xy"];
  for (let size = 1; size <= wire.length; size++) {
    const sink = new Sink();
    const reader = new FrameReader((length) => bytesOf("\0".repeat(length)));
    for (let at = 0; at < wire.length; at += size) {
      const part = `##${wire.slice(at, at + size)}##`;
      reader.read(bytesOf(part), 2, part.length - 2, sink);
    }
    assert.deepEqual(sink.frames, frames);
    assert.equal(reader.pending, 0);
  }
});

test("FrameReader takes 16384 bytes of payload and not one more, and stops when it is told to", () => {
  for (const cut of [3, 9, 20]) {
    const sink = new Sink();
    const reader = new FrameReader((length) => bytesOf("\0".repeat(length)));
    const wire = `\0\x40\0\0\0\0\0\0\x01${"a".repeat(16_384)}\0\x40\x01\0\0\0\0\0\x01aaaaaaaaaaaaaaaaaaaaaa`;
    const at = 9 + 16_384 + cut;
    reader.read(bytesOf(wire.slice(0, at)), 0, at, sink);
    reader.read(bytesOf(wire.slice(at)), 0, wire.length - at, sink);
    assert.equal(sink.frames.length, 1);
    assert.ok(sink.tooLarge);
  }
  const sink = new Sink();
  sink.reading = false;
  new FrameReader((length) => bytesOf("\0".repeat(length))).read(bytesOf("\0\0\0\x04\0\0\0\0\0"), 0, 9, sink);
  assert.deepEqual(sink.frames, []);
});

test("FloodGuard allows a burst, then a rate", () => {
  const clock = new VirtualClock();
  const guard = new FloodGuard(clock);
  const burst = (kind: "control" | "reset" | "window"): number => {
    for (let count = 0; ; count++) if (!guard.allows(kind)) return count;
  };
  assert.equal(burst("reset"), 200);
  clock.advance(1000);
  assert.equal(burst("reset"), 33);
  clock.advance(3_600_000);
  assert.equal(burst("reset"), 200);
  assert.equal(burst("window"), 1000);
  guard.sentData();
  assert.equal(burst("window"), 2);
  assert.equal(burst("control"), 200);
  guard.sentData();
  assert.equal(burst("control"), 1);
});
