/**
 * Many WebSockets through a proxy, whose messages must come back byte for byte while half of the peers read slowly: of each four
 * sockets one has a slow client, and one a slow backend.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { BINARY, CLOSE, FrameReader, type FrameSink, frameHead, PING, PONG } from "./frames.ts";

export interface LoadOptions {
  /** Of the proxy. */
  readonly port: number;
  readonly sockets: number;
  /** Messages of each size on each socket, one after the other, each way. */
  readonly small: number;
  readonly large: number;
  /** Bytes. */
  readonly smallSize: number;
  readonly largeSize: number;
  /** Large messages under way at one time. */
  readonly inFlight: number;
}

export interface LoadResult {
  /** Messages that came back whole. */
  readonly echoed: number;
  /** What went wrong; none is the good answer. */
  readonly errors: readonly string[];
  readonly ms: number;
}

/** A slow reader takes so many bytes, then rests. */
const SIP_BYTES = 262_144;
const SIP_REST_MS = 5;
const LONGEST = 16 * 1024 * 1024;
/** No part of it looks like another one at once. */
const PATTERN = Buffer.alloc(LONGEST + 65_536);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = (i * 31 + (i >> 7) + (i >> 16) * 7) & 255;

const HANDSHAKE = [
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Accept: ",
].join("\r\n");
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Reads in sips if it is slow. */
function reading(socket: net.Socket, slow: boolean, read: (bytes: Buffer) => void): void {
  let taken = 0;
  socket.on("data", (bytes: Buffer) => {
    read(bytes);
    if (!slow) return;
    taken += bytes.length;
    if (taken < SIP_BYTES) return;
    taken = 0;
    socket.pause();
    setTimeout(() => socket.resume(), SIP_REST_MS);
  });
}

/** A backend that sends each frame back while it comes, and reads no faster than it can send. */
export async function startEcho(): Promise<{ port: number; close(): void }> {
  const { createHash } = await import("node:crypto");
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    let head = "";
    const frames = new FrameReader(echoTo(socket));
    const onHead = (bytes: Buffer): void => {
      head += bytes.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onHead);
      const key = /^sec-websocket-key: *(\S+)/im.exec(head)![1]!;
      const accept = createHash("sha1")
        .update(key + GUID)
        .digest("base64");
      socket.write(`${HANDSHAKE}${accept}\r\n\r\n`);
      reading(socket, /^GET \S*slow-backend/.test(head), (part) => frames.read(part));
    };
    socket.on("data", onHead);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function echoTo(socket: net.Socket): FrameSink {
  let opcode = 0;
  socket.on("drain", () => socket.resume());
  const send = (bytes: Buffer): void => {
    if (!socket.write(bytes)) socket.pause();
  };
  return {
    begin(code, length, fin) {
      opcode = code;
      send(frameHead(code === PING ? PONG : code, length, false, fin));
    },
    payload: (bytes) => send(Buffer.from(bytes)),
    end() {
      if (opcode === CLOSE) socket.end();
    },
  };
}

/** Resolves when all messages are back, or nothing can come any more. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const started = performance.now();
  const turns = new Turns(options.inFlight);
  const errors: string[] = [];
  let echoed = 0;
  await Promise.all(
    Array.from({ length: options.sockets }, async (_, index) => {
      const peer = new Peer(index, options.port);
      try {
        await peer.open();
        for (let i = 0; i < options.small; i++) {
          await peer.echo(options.smallSize, index * 131 + i);
          echoed++;
        }
        for (let i = 0; i < options.large; i++) {
          await turns.take();
          try {
            await peer.echo(options.largeSize, index * 131 + i);
            echoed++;
          } finally {
            turns.give();
          }
          await peer.echo(options.smallSize, i);
        }
        await peer.close();
      } catch (error) {
        errors.push(`socket ${index}${peer.kind}: ${(error as Error).message}`);
        peer.destroy();
      }
    }),
  );
  return { echoed, errors, ms: performance.now() - started };
}

/** Who may have a large message under way. */
class Turns {
  private left: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.left = count;
  }

  async take(): Promise<void> {
    if (this.left > 0) this.left--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  give(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.left++;
    else next();
  }
}

class Peer implements FrameSink {
  /** Who of the two is slow. */
  readonly kind: "" | "-slow-client" | "-slow-backend";
  private readonly socket: net.Socket;
  private readonly frames = new FrameReader(this);
  private opened: (() => void) | null = null;
  private failed: (error: Error) => void = () => {};
  private back: (() => void) | null = null;
  /** Of the message that is awaited: where it begins in the pattern, how long it is, how much has come. */
  private from = 0;
  private size = 0;
  private got = 0;
  private opcode = 0;
  private fin = true;
  private closing = false;

  constructor(index: number, port: number) {
    this.kind = index % 4 === 1 ? "-slow-client" : index % 4 === 3 ? "-slow-backend" : "";
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", (error) => this.failed(error));
    this.socket.on("close", () => this.ended());
    this.socket.write(
      `GET /${index}${this.kind} HTTP/1.1\r\nHost: load.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    let head = Buffer.alloc(0);
    const onHead = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.socket.off("data", onHead);
      const line = head.toString("latin1", 0, head.indexOf("\r\n"));
      if (!line.startsWith("HTTP/1.1 101 ")) this.failed(new Error(line));
      reading(this.socket, this.kind === "-slow-client", (part) => this.frames.read(part));
      this.opened?.();
    };
    this.socket.on("data", onHead);
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.opened = resolve;
      this.failed = reject;
    });
  }

  /** Sends a message and resolves when the same is back. */
  echo(size: number, seed: number): Promise<void> {
    this.from = (seed * 257) % 65_536;
    this.size = size;
    this.got = 0;
    return new Promise((resolve, reject) => {
      this.back = resolve;
      this.failed = reject;
      this.socket.write(
        Buffer.concat([frameHead(BINARY, size, true), PATTERN.subarray(this.from, this.from + Math.min(size, 1024))]),
      );
      if (size > 1024) this.socket.write(PATTERN.subarray(this.from + 1024, this.from + size));
    });
  }

  async close(): Promise<void> {
    this.closing = true;
    this.socket.write(Buffer.concat([frameHead(CLOSE, 2, true), Buffer.from([3, 232])]));
    if (!this.socket.destroyed) await new Promise((resolve) => this.socket.once("close", resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }

  begin(opcode: number, _length: number, fin: boolean): void {
    this.opcode = opcode;
    this.fin = fin;
  }

  payload(bytes: Buffer): void {
    if (this.opcode >= CLOSE) {
      if (this.opcode === CLOSE && !this.closing)
        this.failed(new Error(`closed: ${bytes.readUInt16BE(0)} ${bytes.subarray(2)}`));
      return;
    }
    const start = this.from + this.got;
    this.got += bytes.length;
    if (this.got <= this.size && PATTERN.compare(bytes, 0, bytes.length, start, start + bytes.length) === 0) return;
    this.failed(new Error(`wrong bytes near ${this.got - bytes.length} of ${this.size}`));
  }

  end(): void {
    if (this.opcode >= CLOSE) {
      if (this.opcode === CLOSE) this.socket.end();
      return;
    }
    if (!this.fin) return;
    if (this.got === this.size) this.back?.();
    else this.failed(new Error(`${this.got} bytes of ${this.size}`));
  }

  private ended(): void {
    if (!this.closing) this.failed(new Error("closed"));
  }
}
