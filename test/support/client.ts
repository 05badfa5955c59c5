/**
 * A raw HTTP/1.1 client: sends the bytes it is given, reads what comes, well-formed or not.
 *
 *     await using client = await connectClient(port);
 *     client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
 *     const response = await client.response();
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { Conditions, framingOf, MessageReader, ResponseMessage } from "./message.ts";

export class Client implements AsyncDisposable {
  readonly raw: net.Socket;
  /** All final responses, in order; the last one may not be complete. */
  readonly responses: ResponseMessage[] = [];
  /** The server sent a FIN. */
  ended = false;
  closed = false;
  /** Code of the error that closed it, as ECONNRESET. */
  error: string | null = null;
  private readonly bytes: Buffer[] = [];
  private readonly inTunnel: Buffer[] = [];
  private readonly conditions = new Conditions();
  private interim: ResponseMessage[] = [];
  /** Methods of the requests that were sent and not answered yet: a HEAD's answer has no body. */
  private readonly methods: string[] = [];
  private taken = 0;

  constructor(raw: net.Socket) {
    this.raw = raw;
    const reader = new MessageReader((head) => new ResponseMessage(head), {
      framing: (response) => this.framing(response),
      head: (response) => {
        if (response.status >= 200 || response.status === 101) {
          response.interim = this.interim;
          this.interim = [];
          this.responses.push(response);
        } else this.interim.push(response);
      },
      done() {},
      tunnel: (bytes) => void this.inTunnel.push(bytes),
    });
    raw.on("data", (bytes: Buffer) => {
      this.bytes.push(bytes);
      reader.feed(bytes);
      this.conditions.changed();
    });
    raw.on("end", () => {
      this.ended = true;
      reader.finish();
      this.conditions.changed();
    });
    raw.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? "UNKNOWN";
    });
    raw.on("close", () => {
      this.closed = true;
      if (!this.ended) reader.finish();
      this.conditions.changed();
    });
  }

  /** All bytes that came, as latin-1. */
  get received(): string {
    return Buffer.concat(this.bytes).toString("latin1");
  }

  /** What came after a 101, or a 2xx to CONNECT, as latin-1. */
  get tunnelled(): string {
    return Buffer.concat(this.inTunnel).toString("latin1");
  }

  get tunnelledBytes(): number {
    return this.inTunnel.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** The 1xx that came, and no final response after them yet. */
  get interimSoFar(): readonly ResponseMessage[] {
    return this.interim;
  }

  /**
   * Sends bytes; strings as latin-1. Requests that begin here are noted by their method.
   * Resolves when the server has room for more, or is gone.
   */
  send(bytes: string | Uint8Array): Promise<void> {
    if (typeof bytes === "string") {
      for (const [, method] of bytes.matchAll(/(?:^|\r\n\r\n)([A-Z]+) \S+ HTTP\/1\.[01]\r?\n/g))
        this.methods.push(method!);
    }
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

  /** A request with Host, unless `fields` has one, and Content-Length, if there is a body. */
  request(method: string, target: string, fields: readonly string[] = [], body = ""): Promise<ResponseMessage> {
    const lines = [`${method} ${target} HTTP/1.1`, ...fields];
    if (!fields.some((line) => /^host:/i.test(line))) lines.splice(1, 0, "Host: test");
    if (body !== "" && !fields.some((line) => /^(content-length|transfer-encoding):/i.test(line))) {
      lines.push(`Content-Length: ${body.length}`);
    }
    void this.send(`${lines.join("\r\n")}\r\n\r\n${body}`);
    return this.response();
  }

  get(target: string, ...fields: string[]): Promise<ResponseMessage> {
    return this.request("GET", target, fields);
  }

  /**
   * The next final response, complete or cut off (`complete` is false). Rejects if the connection ends before its head.
   * Each call is for one response more.
   */
  async response(): Promise<ResponseMessage> {
    const response = await this.head(this.taken++);
    await this.until(() => response.complete || this.ended || this.closed, "the rest of a response");
    return response;
  }

  /** The head of response number `index`, from 0; its body is still coming in. */
  async head(index = this.taken): Promise<ResponseMessage> {
    await this.until(() => this.responses.length > index || this.ended || this.closed, `response ${index}`);
    const response = this.responses[index];
    if (response !== undefined) return response;
    throw new Error(`closed (${this.error ?? "FIN"}) before response ${index}; received ${this.tail()}`);
  }

  /** Resolves when the condition holds, or the text has come; looked at after every event. */
  until(what: string | RegExp | (() => boolean), label = String(what)): Promise<void> {
    const holds =
      typeof what === "function"
        ? what
        : (): boolean => (typeof what === "string" ? this.received.includes(what) : what.test(this.received));
    return this.conditions.until(holds, () => `${label} at the client; received ${this.tail()}`);
  }

  /** Resolves when the server has sent its FIN, or the connection is closed. */
  untilEnded(): Promise<void> {
    return this.until(() => this.ended || this.closed, "the server's FIN");
  }

  /** Resolves when the connection is closed. After a FIN alone it is not: call `end` too. */
  untilClosed(): Promise<void> {
    return this.until(() => this.closed, "the close");
  }

  /** Reads no more, until `resume`. */
  pause(): void {
    this.raw.pause();
  }
  resume(): void {
    this.raw.resume();
  }

  /** Sends a FIN; reading goes on. */
  end(): void {
    this.raw.end();
  }
  /** Closes with an RST. */
  reset(): void {
    this.raw.resetAndDestroy();
  }
  destroy(): void {
    this.raw.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.raw.destroy();
    await this.untilClosed();
  }

  private framing(response: ResponseMessage): "length" | "chunked" | "eof" | "none" | "tunnel" {
    const { status } = response;
    if (status === 101) return "tunnel";
    if (status < 200) return "none";
    const method = this.methods.shift();
    if (method === "CONNECT" && status < 300) return "tunnel";
    if (method === "HEAD" || status === 204 || status === 304) return "none";
    return framingOf(response, "eof");
  }

  private tail(): string {
    const { received } = this;
    return JSON.stringify(received.length > 400 ? `...${received.slice(-400)}` : received);
  }
}

/** @param to a port of 127.0.0.1, the path of a unix socket, or host and port */
export function connectClient(to: number | string | { host: string; port: number }): Promise<Client> {
  const where = typeof to === "string" ? { path: to } : typeof to === "number" ? { host: "127.0.0.1", port: to } : to;
  return new Promise((resolve, reject) => {
    const raw = net.connect({ ...where, allowHalfOpen: true, noDelay: true });
    raw.once("error", reject);
    raw.once("connect", () => {
      raw.off("error", reject);
      resolve(new Client(raw));
    });
  });
}

/** One request on a connection of its own. */
export async function fetchOnce(
  to: Parameters<typeof connectClient>[0],
  target: string,
  ...fields: string[]
): Promise<ResponseMessage> {
  await using client = await connectClient(to);
  return await client.get(target, ...fields, "Connection: close");
}
