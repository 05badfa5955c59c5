/**
 * WebSockets by the runtime: how Bun and Deno switch a request, and what they make of messages and closes.
 */

import { ABNORMAL, NO_STATUS, type WebSocketOwner, type WebSocketPeer } from "../core/web_socket.ts";
import { MAX_WEB_SOCKET_MESSAGE } from "../http/http_config.ts";

/** How a host switches a request to a WebSocket. */
export interface WebSocketHost {
  /**
   * @param fields those of the 101, without the handshake's own
   * @throws Error if the host refuses
   */
  upgrade(request: Request, protocol: string, fields: Headers, owner: WebSocketOwner): UpgradedWebSocket;
}

export interface UpgradedWebSocket {
  readonly peer: WebSocketPeer;
  /** What the handler must answer; Bun wants nothing. */
  readonly response: Response | undefined;
}

// Bun

/** What is used of Bun's ServerWebSocket. Not by its own name: who uses the package on Deno or Node has no types of Bun. */
interface BunSocket {
  readonly data: BunPeer;
  getBufferedAmount(): number;
  send(data: string | Uint8Array<ArrayBuffer>): number;
  pause(): void;
  resume(): void;
  ping(data: Uint8Array<ArrayBuffer>): number;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

class BunPeer implements WebSocketPeer {
  socket: BunSocket | null = null;
  readonly owner: WebSocketOwner;

  constructor(owner: WebSocketOwner) {
    this.owner = owner;
  }

  get queuedBytes(): number {
    return this.socket?.getBufferedAmount() ?? 0;
  }

  send(data: string | Uint8Array): void {
    this.socket?.send(data as string | Uint8Array<ArrayBuffer>);
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  ping(data: Uint8Array): void {
    this.socket?.ping(data as Uint8Array<ArrayBuffer>);
  }

  close(code: number, reason: string): void {
    if (code === ABNORMAL) this.socket?.terminate();
    else if (code === NO_STATUS) this.socket?.close();
    else this.socket?.close(code, reason);
  }
}

/** For `Bun.serve({ websocket })`. */
export const bunWebSocket = {
  idleTimeout: 0, // the relay has a time-out of its own
  sendPings: false,
  maxPayloadLength: MAX_WEB_SOCKET_MESSAGE,
  backpressureLimit: 2 * MAX_WEB_SOCKET_MESSAGE,
  open(socket: BunSocket) {
    socket.data.socket = socket;
  },
  message(socket: BunSocket, data: string | Uint8Array) {
    socket.data.owner.onMessage(data);
  },
  ping(socket: BunSocket, data: Uint8Array) {
    socket.data.owner.onPing(data);
  },
  close(socket: BunSocket, code: number, reason: string) {
    socket.data.owner.onClose(code, reason);
  },
};

/** The part of Bun's server that switches requests. */
export interface BunUpgrader {
  upgrade(request: Request, options: { headers: Headers; data: BunPeer }): boolean;
}

/** @param server must have been started with `websocket: bunWebSocket` */
export function bunWebSocketHost(server: BunUpgrader): WebSocketHost {
  return {
    upgrade(request, protocol, fields, owner) {
      const peer = new BunPeer(owner);
      if (protocol !== "") fields.set("Sec-WebSocket-Protocol", protocol);
      if (!server.upgrade(request, { headers: fields, data: peer })) throw new Error("Bun.serve refuses the upgrade");
      return { peer, response: undefined };
    },
  };
}

// Deno

class DenoPeer implements WebSocketPeer {
  private readonly socket: WebSocket;
  /** Until the response has left the socket is not open. */
  private early: (string | Uint8Array)[] | null = [];
  private earlyBytes = 0;
  private closeEarly: (() => void) | null = null;

  constructor(socket: WebSocket, owner: WebSocketOwner) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.opened();
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) =>
      owner.onMessage(typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = ({ code, reason }) => owner.onClose(code === 0 ? ABNORMAL : code, reason);
    socket.onerror = () => {}; // a close follows
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount + this.earlyBytes;
  }

  send(data: string | Uint8Array): void {
    if (this.early === null) this.socket.send(data as string | Uint8Array<ArrayBuffer>);
    else {
      this.early.push(data);
      this.earlyBytes += data.length;
    }
  }

  /** Deno 2.9.5 sends none. */
  ping(): void {}

  close(code: number, reason: string): void {
    const close = () => {
      if (code === NO_STATUS) this.socket.close();
      else this.socket.close(code === ABNORMAL ? 1011 : code, reason);
    };
    if (this.early === null) close();
    else this.closeEarly = close;
  }

  private opened(): void {
    const early = this.early ?? [];
    this.early = null;
    this.earlyBytes = 0;
    for (const data of early) this.send(data);
    this.closeEarly?.();
  }
}

export const denoWebSocketHost: WebSocketHost = {
  upgrade(request, protocol, fields, owner) {
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol, idleTimeout: 0 });
    for (const [name, value] of fields) response.headers.append(name, value);
    return { peer: new DenoPeer(socket, owner), response };
  },
};
