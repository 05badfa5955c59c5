/**
 * Sockets of paper: what is written to them is kept, and what they deliver was written by hand. Nothing leaves the machine.
 */

import type { Bytes } from "../core/bytes.ts";
import { latin1Bytes } from "../core/bytes.ts";
import { readFirstBytes } from "../net/first_bytes.ts";
import type {
  ConnectOptions,
  Socket,
  SocketError,
  SocketHost,
  SocketOwner,
  TlsAcceptor,
  TlsInfo,
} from "../net/socket.ts";

const NOBODY: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

export class PaperSocket implements Socket {
  owner: SocketOwner = NOBODY;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly queuedBytes = 0;
  readonly receivedBytes = 0;
  tls: TlsInfo | null = null;
  /** It is a client of this name that speaks TLS; null: it speaks plain HTTP. */
  secureFor: string | null = null;
  /** All that was written. */
  text = "";
  /** Told when it is closed. */
  onClosed = (): void => {};
  private closed = false;
  private readonly written: (socket: PaperSocket) => void;

  /** @param written is told after each write */
  constructor(
    ends: Pick<Socket, "remoteAddress" | "remotePort" | "localAddress" | "localPort">,
    written: (socket: PaperSocket) => void,
  ) {
    this.remoteAddress = ends.remoteAddress;
    this.remotePort = ends.remotePort;
    this.localAddress = ends.localAddress;
    this.localPort = ends.localPort;
    this.written = written;
  }

  write(data: string | Uint8Array): boolean {
    if (this.closed) return true;
    if (typeof data === "string") this.text += data;
    else for (const byte of data) this.text += String.fromCharCode(byte);
    this.written(this);
    return true;
  }

  writev(parts: readonly (string | Uint8Array)[]): boolean {
    for (const part of parts) this.write(part);
    return true;
  }

  /** The peer says this. */
  deliver(text: string): void {
    if (!this.closed) this.owner.onData(latin1Bytes(text), 0, text.length);
  }

  keep(bytes: Bytes, start: number, end: number): Bytes {
    return latin1Bytes(bytes.latin1Slice(start, end));
  }

  lend(bytes: Bytes, start: number, end: number): Bytes {
    return this.keep(bytes, start, end);
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClosed();
    void Promise.resolve().then(() => this.owner.onClose(null));
  }

  setKeepAlive(): void {}
}

/** What somebody wanted of the network. */
export type Wish = (what: string) => void;

/**
 * A host whose connections are paper.
 * @param answer what a backend says to a request, once its head is complete
 * @param wish told of look-ups, which fail, and of connections
 */
export function paperHost(real: SocketHost, answer: (head: string) => string, wish: Wish): SocketHost {
  const refuse = (what: string): Promise<never> => {
    wish(what);
    const error: SocketError = { code: "ENOTFOUND", message: "nothing is looked up here" };
    return Promise.reject(error);
  };
  return {
    ...real,
    connect: (options, owner) => connect(options, owner, answer),
    // A backend's name need not be known for its request to be shown.
    lookup: (name) => (/^[\d.]+$|:/.test(name) ? Promise.resolve([name]) : Promise.resolve(["192.0.2.1"])),
    acceptTls,
    readFirst: readFirstBytes,
    reverse: (address) => refuse(`the name of ${address}`),
    datagram: ({ address, port }) => refuse(`UDP on ${address}:${port}`),
    listen: ({ address, port }) => refuse(`a listener on ${address}:${port}`),
  };
}

/** A handshake of which nothing is known but the name. */
function handshake(serverName: string): TlsInfo {
  return { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", resumed: false, serverName, alpn: "", peerChain: [] };
}

function acceptTls(socket: Socket, acceptor: TlsAcceptor): void {
  const client = socket as PaperSocket;
  const name = client.secureFor;
  if (name === null) {
    acceptor.onPlain();
    return;
  }
  if (acceptor.onHello({ serverName: name, ecdsa: true, protocols: [] }) === null) {
    client.destroy();
    return;
  }
  client.tls = handshake(name);
  acceptor.onSecure();
}

function connect({ address, port, tls }: ConnectOptions, owner: SocketOwner, answer: (head: string) => string): Socket {
  const ends = { remoteAddress: address, remotePort: port, localAddress: "", localPort: 0 };
  let answered = false;
  const socket = new PaperSocket(ends, ({ text }) => {
    const end = text.indexOf("\r\n\r\n");
    if (answered || end < 0) return;
    answered = true;
    const head = text.slice(0, end);
    void Promise.resolve().then(() => socket.deliver(answer(head)));
  });
  socket.owner = owner;
  void Promise.resolve().then(() => {
    socket.owner.onConnect?.();
    if (!tls) return;
    socket.tls = handshake(tls.serverName);
    socket.owner.onSecure?.();
  });
  return socket;
}
