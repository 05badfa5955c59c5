/**
 * A scripted HTTP/1.1 backend: it records what it gets, byte by byte, and answers in steps, right or wrong.
 *
 *     await using backend = await startBackend({
 *       "/": ok("hello"),
 *       "/slow": [head(200, "Content-Length: 4"), "ab", gate.step, "cd"],
       "/dead": [early, reset],
 *     });
 *
 * An answer is a list of steps: bytes to send, or a function such as `close`, `reset`, `stall`, `gate.step`. It starts when the
 * request is complete; after `early` it goes on from the head. Paths that no answer is for get a 200 that tells the target.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { Conditions, framingOf, MessageReader, RequestMessage } from "./message.ts";

export type Step =
  | string
  | Uint8Array
  | ((connection: BackendConnection, request: BackendRequest) => void | Promise<void>);
/** Bytes as latin-1, steps, or what makes them for a request. */
export type Answer = string | readonly Step[] | ((request: BackendRequest) => Answer | Promise<Answer>);
/** By path, without the query; "*": every other path. */
export type Routes = Readonly<Record<string, Answer>>;

export interface BackendOptions {
  /** Path of a unix socket, instead of a port. */
  readonly unix?: string;
  /** An address to listen on. @default 127.0.0.1 */
  readonly address?: string;
  readonly port?: number;
  /** Runs when a connection is accepted, before anything is read: `[reset]`, `[close]`, `[pause, gate.step, resume]`. */
  readonly onConnection?: readonly Step[];
  /** false: bodies are counted, not kept. @default true */
  readonly keepBodies?: boolean;
}

/** A point where an answer waits for the test: `gate.step` in the list; the test awaits `reached()` and calls `open()`. */
export class Gate {
  private readonly arrival = Promise.withResolvers<void>();
  private readonly opening = Promise.withResolvers<void>();
  readonly step = async (): Promise<void> => {
    this.arrival.resolve();
    await this.opening.promise;
  };

  reached(): Promise<void> {
    return this.arrival.promise;
  }
  open(): void {
    this.opening.resolve();
  }
}

// Steps.

/** As the first step: answer from the head on, without waiting for the body. */
export const early: Step = () => {};
/** Waits for the request's body. If that is cut off, nothing after it runs. */
export const body: Step = (_connection, request) => request.done;
/** Sends what is queued and closes. Nothing after it runs. */
export const close: Step = (connection) => connection.close();
/** Sends a FIN and goes on reading. */
export const fin: Step = (connection) => void connection.raw.end();
/** Closes with an RST. */
export const reset: Step = (connection) => connection.reset();
/** Never goes on. The connection stays open, and reads. */
export const stall: Step = () => new Promise(() => {});
/** Reads no more, until `resume`. */
export const pause: Step = (connection) => void connection.raw.pause();
export const resume: Step = (connection) => void connection.raw.resume();
/** What comes from now on is no HTTP: it goes to `receive`, and to `connection.tunnelled`. After a 101 or a 2xx to CONNECT. */
export function tunnel(receive: (bytes: Buffer, connection: BackendConnection) => void = () => {}): Step {
  return (connection) => connection.openTunnel(receive);
}
/** Sends `length` bytes of "x" no faster than the peer reads them. */
export function pour(length: number): Step {
  return async (connection) => {
    const piece = Buffer.alloc(65_536, "x");
    for (let left = length; left > 0 && !connection.closed; left -= piece.length) {
      await connection.write(left < piece.length ? piece.subarray(0, left) : piece);
    }
  };
}

// Answers. `fields` are lines such as "Connection: close".

export function ok(text: string, ...fields: string[]): string {
  return respond(200, text, ...fields);
}

export function respond(status: number, text: string, ...fields: string[]): string {
  return `${head(status, `Content-Length: ${text.length}`, ...fields)}${text}`;
}

/** A head alone. */
export function head(status: number, ...fields: string[]): string {
  return `${[`HTTP/1.1 ${status} ${REASONS[status] ?? "Status"}`, ...fields].join("\r\n")}\r\n\r\n`;
}

export function chunked(parts: readonly string[], ...trailers: string[]): string {
  const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  return `${head(200, "Transfer-Encoding: chunked")}${chunks}0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`;
}

/** Says `claimed` bytes, sends fewer, and closes. */
export function short(text: string, claimed: number): Step[] {
  return [head(200, `Content-Length: ${claimed}`), text, close];
}

/** A body that only the close ends. */
export function untilClose(text: string, ...fields: string[]): Step[] {
  return [head(200, "Connection: close", ...fields), text, close];
}

export class BackendRequest extends RequestMessage {
  connection!: BackendConnection;
  private readonly ending = Promise.withResolvers<void>();
  /** When the body is there, or cut off: `complete` tells. */
  readonly done: Promise<void> = this.ending.promise;

  /** For the backend. */
  over(): void {
    this.ending.resolve();
  }
}

export class BackendConnection {
  readonly raw: net.Socket;
  readonly requests: BackendRequest[] = [];
  /** The peer sent a FIN. */
  ended = false;
  closed = false;
  /** Code of the error that closed it, as ECONNRESET. */
  error: string | null = null;
  private readonly backend: Backend;
  private readonly bytes: Buffer[] = [];
  private readonly inTunnel: Buffer[] = [];
  private receive: ((bytes: Buffer, connection: BackendConnection) => void) | null = null;
  private turn: Promise<void> = Promise.resolve();

  constructor(backend: Backend, raw: net.Socket, options: BackendOptions) {
    this.backend = backend;
    this.raw = raw;
    const reader = new MessageReader((text) => new BackendRequest(text), {
      framing: (request) => framingOf(request, "none"),
      head: (request) => this.accept(request),
      done: (request) => {
        request.over();
        backend.changed();
      },
      tunnel() {},
    });
    raw.on("data", (bytes: Buffer) => {
      if (options.keepBodies !== false) this.bytes.push(bytes);
      if (this.receive === null) reader.feed(bytes);
      else {
        this.inTunnel.push(bytes);
        this.receive(bytes, this);
      }
      backend.changed();
    });
    raw.on("end", () => {
      this.ended = true;
      reader.finish();
      // Like a server: what hangs up is closed, unless an answer is still under way.
      void this.turn.then(() => raw.end());
      backend.changed();
    });
    raw.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? "UNKNOWN";
    });
    raw.on("close", () => {
      this.closed = true;
      reader.finish();
      backend.changed();
    });
    if (options.onConnection !== undefined) this.turn = this.run(options.onConnection, new BackendRequest(""));
  }

  /** All bytes that came, as latin-1. */
  get received(): string {
    return Buffer.concat(this.bytes).toString("latin1");
  }

  /** What came after `tunnel`, as latin-1. */
  get tunnelled(): string {
    return Buffer.concat(this.inTunnel).toString("latin1");
  }

  get tunnelledBytes(): number {
    return this.inTunnel.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Resolves when the peer has room for more, or is gone. */
  write(bytes: string | Uint8Array): Promise<void> {
    const { raw } = this;
    if (raw.destroyed || raw.writableEnded) return Promise.resolve();
    if (typeof bytes === "string" ? raw.write(bytes, "latin1") : raw.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => {
      const go = (): void => {
        raw.off("drain", go);
        raw.off("close", go);
        resolve();
      };
      raw.on("drain", go);
      raw.on("close", go);
    });
  }

  close(): void {
    this.raw.destroySoon();
  }

  reset(): void {
    this.raw.resetAndDestroy();
  }

  openTunnel(receive: (bytes: Buffer, connection: BackendConnection) => void): void {
    this.receive = receive;
  }

  /** Resolves when the peer has sent its FIN, or the connection is closed. */
  untilEnded(): Promise<void> {
    return this.backend.until(() => this.ended || this.closed, "the end of a connection");
  }

  untilClosed(): Promise<void> {
    return this.backend.until(() => this.closed, "the close of a connection");
  }

  private accept(request: BackendRequest): void {
    request.connection = this;
    this.requests.push(request);
    this.backend.requests.push(request);
    this.backend.changed();
    this.turn = this.turn.then(() => this.answer(request));
  }

  private async answer(request: BackendRequest): Promise<void> {
    let answer = this.backend.answerFor(request);
    while (typeof answer === "function") answer = await answer(request);
    const steps = typeof answer === "string" ? [answer] : answer;
    await this.run(steps[0] === early ? steps : [body, ...steps], request);
  }

  private async run(steps: readonly Step[], request: BackendRequest): Promise<void> {
    for (const step of steps) {
      if (this.closed || this.raw.destroyed) return;
      if (typeof step === "function") await step(this, request);
      else await this.write(step);
      if (step === body && !request.complete) return;
    }
  }
}

export class Backend implements AsyncDisposable {
  /** Change it at any time. */
  routes: Routes;
  readonly connections: BackendConnection[] = [];
  /** Of all connections, in the order of their heads. */
  readonly requests: BackendRequest[] = [];
  port = 0;
  private readonly server: net.Server;
  private readonly conditions = new Conditions();

  constructor(routes: Routes, options: BackendOptions) {
    this.routes = routes;
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
      this.connections.push(new BackendConnection(this, raw, options));
      this.changed();
    });
  }

  /** "127.0.0.1:port" */
  get authority(): string {
    return `127.0.0.1:${this.port}`;
  }
  get url(): string {
    return `http://${this.authority}`;
  }

  /** The request number `index`, from 0, when its head is there. */
  async request(index = 0): Promise<BackendRequest> {
    await this.until(() => this.requests.length > index, `request ${index}`);
    return this.requests[index]!;
  }

  /** The connection number `index`, from 0, when it is accepted. */
  async connection(index = 0): Promise<BackendConnection> {
    await this.until(() => this.connections.length > index, `connection ${index}`);
    return this.connections[index]!;
  }

  /** Resolves when the condition holds; looked at after every event of any connection. */
  until(holds: () => boolean, what = "a condition"): Promise<void> {
    return this.conditions.until(holds, () => `${what} at the backend; it has ${this.summary()}`);
  }

  changed(): void {
    this.conditions.changed();
  }

  answerFor(request: BackendRequest): Answer {
    return this.routes[request.path] ?? this.routes["*"] ?? ok(`${request.method} ${request.target}`);
  }

  listen(options: BackendOptions): Promise<void> {
    const where =
      options.unix !== undefined
        ? { path: options.unix }
        : { port: options.port ?? this.port, host: options.address ?? "127.0.0.1" };
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(where, () => {
        this.server.off("error", reject);
        const address = this.server.address();
        if (address !== null && typeof address === "object") this.port = address.port;
        resolve();
      });
    });
  }

  /** Listens no more; connections go on. */
  refuse(): void {
    this.server.close();
  }

  /** Closes everything. */
  async stop(): Promise<void> {
    this.server.close();
    for (const connection of this.connections) connection.raw.destroy();
    await this.until(() => this.connections.every((connection) => connection.closed), "the close of all connections");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private summary(): string {
    const heads = this.requests.map((request) => JSON.stringify(request.head.split("\r\n", 1)[0]));
    return `${this.connections.length} connections, requests: ${heads.join(", ") || "none"}`;
  }
}

export async function startBackend(routes: Routes | Answer = {}, options: BackendOptions = {}): Promise<Backend> {
  const isAnswer = typeof routes === "string" || typeof routes === "function" || Array.isArray(routes);
  const backend = new Backend(isAnswer ? { "*": routes as Answer } : (routes as Routes), options);
  await backend.listen(options);
  return backend;
}

/** Ports that no system gives out by itself: what it gives out, a client of another test may have in a moment. */
const [LEAST_PORT, MOST_PORT] = [10_000, 22_000];

/** A port that nobody listens on, now: for backends that refuse, and for servers that need a number beforehand. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LEAST_PORT + Math.floor(Math.random() * (MOST_PORT - LEAST_PORT));
    const server = net.createServer();
    const bound = await new Promise<boolean>((resolve) => {
      server.on("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!bound) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  103: "Early Hints",
  200: "OK",
  204: "No Content",
  206: "Partial Content",
  302: "Found",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
};
