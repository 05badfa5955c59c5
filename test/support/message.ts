/**
 * A lax HTTP/1.x reader for tests, on its own legs: it shares no code with what it tests, and takes wrong messages as they are.
 */
import { Buffer } from "node:buffer";

export type Framing = "length" | "chunked" | "eof" | "none";

/** The head of a request or a response, and its body as it comes in. */
export class Message {
  /** Start line without CRLF, split at its first two spaces: method, target, version; or version, status, reason. */
  readonly start: readonly [string, string, string];
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The head's bytes as latin-1, with the empty line. */
  readonly head: string;
  framing: Framing = "none";
  /** false: cut off, or not all there yet. */
  complete = false;
  /** Bytes of body that came, chunk framing excluded; counted also when `body` is not kept. */
  bodyLength = 0;
  /** The chunks, as they were cut by the sender. */
  readonly chunks: Buffer[] = [];
  readonly trailers: [name: string, value: string][] = [];
  readonly parts: Buffer[] = [];

  constructor(head: string) {
    const lines = head.split(/\r?\n/);
    const [, a = "", b = "", c = ""] = /^([^ ]*) ?([^ ]*) ?(.*)$/.exec(lines[0] ?? "") ?? [];
    this.start = [a, b, c];
    this.head = head;
    this.fields = lines.slice(1, -2).map(splitField);
  }

  /** The values of a field joined by ", ", as a recipient may; undefined if there is none. */
  field(name: string): string | undefined {
    const all = this.fieldAll(name);
    return all.length === 0 ? undefined : all.join(", ");
  }

  fieldAll(name: string): string[] {
    return this.fields.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  }

  get body(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** The body as latin-1. */
  get text(): string {
    return this.body.toString("latin1");
  }
}

export class RequestMessage extends Message {
  get method(): string {
    return this.start[0];
  }
  get target(): string {
    return this.start[1];
  }
  /** The target up to its query. */
  get path(): string {
    return this.target.split("?", 1)[0]!;
  }
}

export class ResponseMessage extends Message {
  /** The 1xx that came before it. */
  interim: ResponseMessage[] = [];

  get status(): number {
    return Number(this.start[1]);
  }
  get reason(): string {
    return this.start[2];
  }
}

/** The events of a reader, in the order of the bytes. */
export interface MessageEvents<M extends Message> {
  /** How the body of a message is framed; `none` for no body. */
  framing(message: M): Framing | "tunnel";
  head(message: M): void;
  /** Also of a message that the end of the connection cut off: then it is not complete. */
  done(message: M): void;
  /** Bytes after a message that turned the connection into a tunnel. */
  tunnel(bytes: Buffer): void;
}

/** Bytes in, messages out. Never fails: what cannot be read is a message that is not complete. */
export class MessageReader<M extends Message> {
  private readonly make: (head: string) => M;
  private readonly events: MessageEvents<M>;
  private readonly keepBodies: boolean;
  private pending: Buffer = Buffer.alloc(0);
  private state: "head" | "fixed" | "size" | "chunk" | "chunk-end" | "trailers" | "eof" | "tunnel" | "bad" = "head";
  private left = 0;
  private chunk: Buffer[] = [];
  private message: M | null = null;

  constructor(make: (head: string) => M, events: MessageEvents<M>, keepBodies = true) {
    this.make = make;
    this.events = events;
    this.keepBodies = keepBodies;
  }

  feed(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    while (this.pending.length > 0 && this.step());
  }

  /** The peer sends no more. */
  finish(): void {
    const { message } = this;
    if (message === null) return;
    this.message = null;
    message.complete = this.state === "eof";
    this.state = "bad";
    this.events.done(message);
  }

  private step(): boolean {
    switch (this.state) {
      case "head":
        return this.readHead();
      case "fixed":
        this.addBody(this.take(Math.min(this.left, this.pending.length)));
        if (this.left === 0) this.complete();
        return true;
      case "size": {
        const line = this.line();
        if (line === null) return false;
        this.left = Number.parseInt(line, 16);
        if (Number.isNaN(this.left)) this.state = "bad";
        else this.state = this.left === 0 ? "trailers" : "chunk";
        return true;
      }
      case "chunk": {
        const part = this.take(Math.min(this.left, this.pending.length));
        if (this.keepBodies) this.chunk.push(part);
        this.addBody(part);
        if (this.left === 0) {
          if (this.keepBodies) this.message!.chunks.push(Buffer.concat(this.chunk.splice(0)));
          this.state = "chunk-end";
        }
        return true;
      }
      case "chunk-end": {
        const line = this.line();
        if (line === null) return false;
        this.state = line === "" ? "size" : "bad";
        return true;
      }
      case "trailers": {
        const line = this.line();
        if (line === null) return false;
        if (line === "") this.complete();
        else this.message!.trailers.push(splitField(line));
        return true;
      }
      case "eof":
        this.addBody(this.take(this.pending.length));
        return true;
      case "tunnel":
        this.events.tunnel(this.take(this.pending.length));
        return true;
      case "bad":
        this.take(this.pending.length);
        return false;
    }
  }

  private readHead(): boolean {
    const text = this.pending.toString("latin1");
    const found = /\r?\n\r?\n/.exec(text);
    if (found === null) return false;
    const message = this.make(text.slice(0, found.index + found[0].length));
    this.take(found.index + found[0].length);
    this.message = message;
    const framing = this.events.framing(message);
    message.framing = framing === "tunnel" ? "none" : framing;
    this.left = framing === "length" ? Number(message.fieldAll("content-length")[0]) : 0;
    this.state = "bad"; // if the listener throws
    this.events.head(message);
    if (framing === "tunnel") {
      this.complete();
      this.state = "tunnel";
    } else if (framing === "none" || (framing === "length" && this.left === 0)) this.complete();
    else this.state = framing === "length" ? "fixed" : framing === "chunked" ? "size" : "eof";
    return true;
  }

  private complete(): void {
    const message = this.message!;
    this.message = null;
    this.state = "head";
    message.complete = true;
    this.events.done(message);
  }

  private addBody(part: Buffer): void {
    this.left -= part.length;
    this.message!.bodyLength += part.length;
    if (this.keepBodies) this.message!.parts.push(part);
  }

  private take(length: number): Buffer {
    const taken = this.pending.subarray(0, length);
    this.pending = this.pending.subarray(length);
    return taken;
  }

  private line(): string | null {
    const at = this.pending.indexOf(10);
    return at < 0
      ? null
      : this.take(at + 1)
          .toString("latin1")
          .replace(/\r?\n$/, "");
  }
}

/** The framing that the fields tell, for a message that may have a body; Transfer-Encoding wins. */
export function framingOf(message: Message, otherwise: Framing): Framing {
  if (/(^|,)\s*chunked\s*$/i.test(message.field("transfer-encoding") ?? "")) return "chunked";
  return message.field("content-length") === undefined ? otherwise : "length";
}

/** Waits for a promise, but not for ever: a test that hangs says on what. `what` is asked only then. */
export async function within<T>(promise: Promise<T>, what: () => string, ms = 10_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Promises of conditions, looked at again after each `changed`. */
export class Conditions {
  private waiting: { holds: () => boolean; resolve: () => void }[] = [];

  until(holds: () => boolean, what: () => string): Promise<void> {
    if (holds()) return Promise.resolve();
    return within(new Promise((resolve) => this.waiting.push({ holds, resolve })), what);
  }

  changed(): void {
    this.waiting = this.waiting.filter(({ holds, resolve }) => {
      if (!holds()) return true;
      resolve();
      return false;
    });
  }
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(":");
  return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")];
}
