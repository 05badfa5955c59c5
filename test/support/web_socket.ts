/** A WebSocket server on the runtime that runs the test, and a client that waits for what comes. */
import { within } from "./message.ts";

export type WebSocketMessage = string | Uint8Array;

/** A connection at the server, as seen by a script. */
export interface ServerSocket {
  send(data: WebSocketMessage): void;
  close(code?: number, reason?: string): void;
  /** Bun alone. */
  ping?(data: string): void;
}

export interface WebSocketScript {
  /** Answers a Response to refuse. */
  request?(request: Request): Response | undefined;
  protocol?: string;
  open?(socket: ServerSocket): void;
  message?(socket: ServerSocket, data: WebSocketMessage): void;
  ping?(data: string): void;
  close?(code: number, reason: string): void;
}

export interface WebSocketServer extends AsyncDisposable {
  readonly port: number;
}

export function startWebSocketServer(script: WebSocketScript): WebSocketServer {
  return "Deno" in globalThis ? onDeno(script) : onBun(script);
}

function offers(request: Request, { protocol }: WebSocketScript): boolean {
  return (
    protocol !== undefined && (request.headers.get("sec-websocket-protocol") ?? "").split(/, */).includes(protocol)
  );
}

function onBun(script: WebSocketScript): WebSocketServer {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, self) {
      const refused = script.request?.(request);
      if (refused !== undefined) return refused;
      const headers = offers(request, script) ? { "Sec-WebSocket-Protocol": script.protocol! } : {};
      return self.upgrade(request, { headers }) ? undefined : new Response("no WebSocket", { status: 400 });
    },
    websocket: {
      backpressureLimit: 2 ** 28, // else more is dropped
      open: (socket) => script.open?.(socket as unknown as ServerSocket),
      message: (socket, data) => script.message?.(socket as unknown as ServerSocket, data),
      ping: (_socket, data) => script.ping?.(data.toString()),
      close: (_socket, code, reason) => script.close?.(code, reason),
    },
  });
  return { port: server.port!, [Symbol.asyncDispose]: () => server.stop(true) };
}

function onDeno(script: WebSocketScript): WebSocketServer {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const refused = script.request?.(request);
    if (refused !== undefined) return refused;
    if (request.headers.get("upgrade") === null) return new Response("no WebSocket", { status: 400 });
    const options = offers(request, script) ? { protocol: script.protocol! } : {};
    const { socket, response } = Deno.upgradeWebSocket(request, options);
    socket.binaryType = "arraybuffer";
    const side = socket as unknown as ServerSocket;
    socket.onopen = () => script.open?.(side);
    socket.onmessage = ({ data }) => script.message?.(side, typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = ({ code, reason }) => script.close?.(code, reason);
    return response;
  });
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class WebSocketClient {
  readonly socket: WebSocket;
  readonly closed: Promise<Closed>;
  private readonly messages: WebSocketMessage[] = [];
  private readonly waiting: ((data: WebSocketMessage) => void)[] = [];

  constructor(url: string, protocols: readonly string[] = [], headers: Readonly<Record<string, string>> = {}) {
    this.socket = new WebSocket(url, { protocols, headers } as unknown as string[]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      const message: WebSocketMessage = typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer);
      const next = this.waiting.shift();
      if (next === undefined) this.messages.push(message);
      else next(message);
    };
    this.socket.onerror = () => {};
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => resolve({ code: code === 0 ? 1006 : code, reason });
    });
  }

  opened(): Promise<void> {
    return within(
      new Promise((resolve, reject) => {
        this.socket.onopen = () => resolve();
        this.socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
      }),
      () => "an open WebSocket",
    );
  }

  next(): Promise<WebSocketMessage> {
    const message = this.messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return within(new Promise((resolve) => this.waiting.push(resolve)), () => "a message");
  }

  close(code?: number, reason?: string): void {
    this.socket.close(code, reason);
  }
}
