/**
 * A handler written for fetch, as a handler of the server: pages and APIs, never what is proxied.
 */
import type { Bytes } from "../core/bytes.ts";
import type { BodyConsumer, RequestRec } from "../core/records.ts";
import { DONE, type Status } from "../core/status.ts";
import { serverOrigin } from "../server/server_name.ts";

/**
 * Answers a request by `fetch`. Body and answer are held in memory as a whole.
 * @param path what `fetch` sees as the path
 * @param maxBytes longest body; more is answered with 413
 */
export async function answerByFetch(
  r: RequestRec,
  path: string,
  maxBytes: number,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<Status> {
  const body = r.method === "GET" || r.method === "HEAD" ? null : await readBody(r, maxBytes);
  if (typeof body === "number") return body;
  const headers = new Headers();
  for (const [name, value] of r.headersIn) headers.append(name, value);
  const url = `${serverOrigin(r)}${path}${r.args === null ? "" : `?${r.args}`}`;
  const response = await fetch(new Request(url, { method: r.method, headers, body }));
  const bytes = new Uint8Array(await response.arrayBuffer());
  r.status = response.status;
  for (const [name, value] of response.headers) r.headersOut.add(name, value);
  r.headersOut.unset("Content-Length");
  r.out.begin(bytes.length);
  if (bytes.length > 0) r.out.writeText(latin1(bytes));
  r.out.end();
  return DONE;
}

/** One character per byte. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

function readBody(r: RequestRec, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | Status> {
  return new Promise((resolve) => {
    r.body.read(new WholeBody(maxBytes, resolve));
  });
}

class WholeBody implements BodyConsumer {
  private readonly maxBytes: number;
  private readonly done: (result: Uint8Array<ArrayBuffer> | Status) => void;
  private readonly pieces: Bytes[] = [];
  private size = 0;

  constructor(maxBytes: number, done: (result: Uint8Array<ArrayBuffer> | Status) => void) {
    this.maxBytes = maxBytes;
    this.done = done;
  }

  onBody(bytes: Bytes): void {
    this.size += bytes.length;
    if (this.size <= this.maxBytes) this.pieces.push(bytes);
    else this.done(413);
  }

  onBodyEnd(): void {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.done(whole);
  }

  onBodyError(status: Status): void {
    this.done(status);
  }
}
