/**
 * Unix sockets on Deno, by Deno.connect and Deno.listen. Below node:net Deno closes each descriptor of a unix socket twice
 * (2.9.5, all of them, seen by strace): if another thread has opened a file in between, that one is closed, be it a listener,
 * a client of another child, or what an event loop waits with. Can go when it closes them once. (TLS on a unix socket, which
 * Deno.startTls does not take, and one that was handed over to the program still go by node:net: there is no other way.)
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import { DenoConnSocket } from "./deno_conn.ts";
import { descriptors } from "./descriptors.ts";
import { nobody } from "./node_socket.ts";
import type { Accept, Listener, Socket, SocketError, SocketOwner } from "./socket.ts";
import { asBytes, joinSmall } from "./system.ts";

/** A unix socket has no address that the program could use. */
const NOWHERE = { remoteAddress: "", remotePort: 0, localAddress: "", localPort: 0 };
const NO_ROOM: SocketError = { code: "EMFILE", message: "no descriptor is left" };
/** After an accept that failed, as for want of descriptors. */
const ACCEPT_AGAIN_MS = 250;

class DenoUnixSocket extends DenoConnSocket {
  private readonly accepted: boolean;
  private readonly onGone: () => void;
  private finished = false;

  constructor(conn: Deno.UnixConn | null, owner: SocketOwner, accepted: boolean, onGone = () => {}) {
    super(conn, NOWHERE, owner);
    this.accepted = accepted;
    this.onGone = onGone;
    this.paused = false;
    descriptors.opened(accepted);
  }

  connected(conn: Deno.UnixConn): void {
    if (this.closed) {
      conn.close();
      return;
    }
    this.owner.onConnect?.();
    if (this.closed) conn.close();
    else this.opened(conn);
  }

  refused(error: unknown): void {
    this.failed(error);
  }

  startReading(): void {
    this.readOn();
  }

  override writev(parts: readonly (string | Uint8Array)[]): boolean {
    const small = joinSmall(parts);
    return small === null ? super.writev(parts) : this.write(small);
  }

  override keep(bytes: Bytes, start: number, end: number): Bytes {
    return asBytes(Buffer.from(bytes.subarray(start, end)));
  }

  protected override alloc(size: number): Bytes {
    return asBytes(Buffer.allocUnsafeSlow(size));
  }

  protected override encode(text: string): Uint8Array {
    return Buffer.from(text, "latin1");
  }

  protected override finish(): void {
    (this.conn as Deno.UnixConn).closeWrite().then(() => {
      this.finished = true;
      if (this.peerEnded) this.close(null);
    }, this.failed);
  }

  protected override deliver(size: number | null): void {
    super.deliver(size);
    if (size === null && this.finished) this.close(null);
  }

  protected override close(error: SocketError | null): void {
    if (this.closed) return;
    descriptors.closed(this.accepted);
    this.onGone();
    super.close(error);
  }
}

export function connectDenoUnix(path: string, owner: SocketOwner): Socket {
  const room = descriptors.canConnect;
  const socket = new DenoUnixSocket(null, owner, false);
  if (room) {
    Deno.connect({ transport: "unix", path }).then(
      (conn) => socket.connected(conn),
      (error) => socket.refused(error),
    );
  } else socket.refused(NO_ROOM);
  return socket;
}

/** Rejects with an Error with `code`. */
export async function listenDenoUnix(path: string, accept: Accept, shed?: () => void): Promise<Listener> {
  const server = Deno.listen({ transport: "unix", path });
  let open = 0;
  let closing = false;
  let allClosed = (): void => {};
  const gone = (): void => {
    if (--open === 0) allClosed();
  };
  const next = (): void => {
    if (!closing) server.accept().then(take, failed);
  };
  const failed = (): void => {
    if (!closing) setTimeout(next, ACCEPT_AGAIN_MS);
  };
  const take = (conn: Deno.UnixConn): void => {
    next();
    if (closing || !descriptors.canAccept) {
      conn.close();
      if (!closing) shed?.();
      return;
    }
    open++;
    const socket = new DenoUnixSocket(conn, nobody, true, gone);
    accept(socket);
    socket.startReading();
  };
  next();
  return {
    port: 0,
    plainOnly: true,
    async close() {
      closing = true;
      server.close();
      if (open > 0) await new Promise<void>((resolve) => (allClosed = resolve));
    },
  };
}
