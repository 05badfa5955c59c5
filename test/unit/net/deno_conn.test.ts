import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { latin1Bytes } from "../../../modules/core/bytes.ts";
import { type DenoConn, DenoConnSocket } from "../../../modules/net/deno_conn.ts";
import type { SocketError, SocketOwner } from "../../../modules/net/socket.ts";

/** A connection whose reads and writes the test ends. */
class ScriptedConn implements DenoConn {
  /** Sizes of the buffers that were read into. */
  readonly sizes: number[] = [];
  readonly written: string[] = [];
  closed = 0;
  private into: Uint8Array | null = null;
  private readDone: ((size: number | null | Promise<null>) => void) | null = null;
  private writeDone: { resolve: (size: number) => void; reject: (error: Error) => void; size: number } | null = null;

  read(into: Uint8Array): Promise<number | null> {
    assert.equal(this.readDone, null, "one read at a time");
    this.sizes.push(into.length);
    this.into = into;
    return new Promise((resolve) => (this.readDone = resolve));
  }

  write(bytes: Uint8Array): Promise<number> {
    assert.equal(this.writeDone, null, "one write at a time");
    this.written.push(String.fromCharCode(...bytes.subarray(0, 100)));
    return new Promise((resolve, reject) => (this.writeDone = { resolve, reject, size: bytes.length }));
  }

  close(): void {
    this.closed++;
  }

  get isReading(): boolean {
    return this.readDone !== null;
  }

  async deliver(text: string | null): Promise<void> {
    const done = this.readDone!;
    this.readDone = null;
    if (text !== null) this.into!.set(latin1Bytes(text));
    done(text === null ? null : text.length);
    await settle();
  }

  async failReading(error: Error): Promise<void> {
    this.readDone!(Promise.reject(error));
    this.readDone = null;
    await settle();
  }

  /** @param size how many bytes are taken; all of them if it is not given */
  async take(size?: number): Promise<void> {
    const { resolve, size: all } = this.writeDone!;
    this.writeDone = null;
    resolve(size ?? all);
    await settle();
  }

  async fail(error: Error): Promise<void> {
    const { reject } = this.writeDone!;
    this.writeDone = null;
    reject(error);
    await settle();
  }
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));
const HERE = { remoteAddress: "192.0.2.1", remotePort: 5, localAddress: "192.0.2.2", localPort: 80 };

class Events implements SocketOwner {
  readonly seen: string[] = [];
  onBytes: (bytes: Bytes, start: number, end: number) => void = () => {};
  error: SocketError | null = null;

  onData(bytes: Bytes, start: number, end: number): void {
    this.seen.push(end - start < 20 ? bytes.latin1Slice(start, end) : `${end - start} bytes`);
    this.onBytes(bytes, start, end);
  }
  onDrain(): void {
    this.seen.push("drain");
  }
  onEnd(): void {
    this.seen.push("end");
  }
  onClose(error: SocketError | null): void {
    this.error = error;
    this.seen.push("close");
  }
}

function make() {
  const conn = new ScriptedConn();
  const events = new Events();
  return { conn, events, socket: new DenoConnSocket(conn, HERE, events) };
}

describe("DenoConnSocket", () => {
  test("reads nothing before resume, and the end after the last byte", async () => {
    const { conn, events, socket } = make();
    assert.equal(conn.isReading, false);
    socket.resume();
    await conn.deliver("one");
    await conn.deliver("two");
    await conn.deliver(null);
    assert.deepEqual(events.seen, ["one", "two", "end"]);
    assert.equal(socket.receivedBytes, 6);
    assert.equal(conn.isReading, false);
  });

  test("pause holds what a read on its way brings, and reads no more", async () => {
    const { conn, events, socket } = make();
    socket.resume();
    socket.pause();
    await conn.deliver("held");
    assert.deepEqual(events.seen, []);
    assert.equal(conn.isReading, false);
    events.onBytes = () => socket.pause();
    socket.resume();
    assert.deepEqual(events.seen, ["held"]);
    assert.equal(conn.isReading, false, "paused again by who got it");
    socket.resume();
    socket.pause();
    await conn.deliver(null);
    assert.deepEqual(events.seen, ["held"]);
    socket.resume();
    assert.deepEqual(events.seen, ["held", "end"]);
  });

  test("pause and resume within onData leave one read on its way", async () => {
    const { conn, events, socket } = make();
    events.onBytes = () => {
      socket.pause();
      socket.resume();
    };
    socket.resume();
    await conn.deliver("one");
    await conn.deliver("two");
    assert.deepEqual(events.seen, ["one", "two"]);
    assert.equal(conn.isReading, true);
  });

  test("a buffer that is filled is followed by a large one, and that by a small one once little comes", async () => {
    const { conn, socket } = make();
    socket.resume();
    await conn.deliver("x".repeat(4096));
    await conn.deliver("x".repeat(65_536));
    await conn.deliver("few");
    assert.deepEqual(conn.sizes, [4096, 65_536, 65_536, 4096]);
  });

  test("what is kept stays as it is, whether the buffer went with it or not", async () => {
    const { conn, events, socket } = make();
    const kept: Bytes[] = [];
    events.onBytes = (bytes, start, end) => void kept.push(socket.keep(bytes, start, end));
    socket.resume();
    const large = "a".repeat(3000);
    await conn.deliver("small");
    await conn.deliver(large);
    await conn.deliver("z".repeat(4000));
    assert.deepEqual(
      kept.map((bytes) => bytes.latin1Slice()),
      ["small", large, "z".repeat(4000)],
    );
  });

  test("writes one after the other, the rest of one that was taken in part first, and tells of room", async () => {
    const { conn, events, socket } = make();
    assert.equal(socket.write("abc"), true);
    assert.equal(socket.write("d".repeat(65_536)), false);
    assert.equal(socket.write("last"), false);
    assert.equal(socket.queuedBytes, 65_543);
    await conn.take(2);
    await conn.take();
    await conn.take();
    assert.deepEqual(events.seen, []);
    await conn.take();
    assert.deepEqual(conn.written, ["abc", "c", "d".repeat(100), "last"]);
    assert.deepEqual(events.seen, ["drain"]);
    assert.equal(socket.queuedBytes, 0);
  });

  test("end closes once all is written; nothing is written after it", async () => {
    const { conn, events, socket } = make();
    socket.write("bye");
    socket.end();
    assert.equal(socket.write("lost"), true);
    assert.equal(conn.closed, 0);
    await conn.take();
    assert.equal(conn.closed, 1);
    assert.deepEqual(events.seen, ["close"]);
    assert.deepEqual(conn.written, ["bye"]);
  });

  test("destroy closes once, and onClose is the last event, not within the call", async () => {
    const { conn, events, socket } = make();
    socket.resume();
    socket.destroy();
    socket.destroy();
    assert.deepEqual(events.seen, []);
    await conn.deliver("late");
    assert.deepEqual(events.seen, ["close"]);
    assert.equal(conn.closed, 1);
  });

  test("TLS that ends without a word has ended; another failure of a read closes", async () => {
    const { conn, events, socket } = make();
    socket.resume();
    await conn.failReading(Object.assign(new Error("no close_notify"), { name: "UnexpectedEof" }));
    assert.deepEqual(events.seen, ["end"]);
    const other = make();
    other.socket.resume();
    await other.conn.failReading(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    assert.deepEqual(other.events.seen, ["close"]);
    assert.equal(other.events.error?.code, "ECONNRESET");
  });

  test("a failure closes, with its code", async () => {
    const { conn, events, socket } = make();
    socket.write("x");
    await conn.fail(Object.assign(new Error("broken"), { code: "EPIPE" }));
    assert.deepEqual(events.seen, ["close"]);
    assert.deepEqual(events.error, { code: "EPIPE", message: "broken" });
  });
});
