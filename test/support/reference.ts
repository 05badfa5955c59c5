/**
 * What bytes mean by RFC 9112, read slowly and strictly, on legs of its own: the judge of the fuzzer.
 * A server may refuse what is read here. It may not take what is not.
 */

export interface ReferenceRequest {
  readonly method: string;
  /** Without scheme and host. */
  readonly target: string;
  /** 0.9: the answer has no head. */
  readonly simple: boolean;
  /** Lower case. */
  readonly names: ReadonlySet<string>;
  readonly body: string;
}

export interface ReferenceRequests {
  readonly requests: readonly ReferenceRequest[];
  /** What is behind them: nothing, something that is no request, or the beginning of one. */
  readonly rest: "nothing" | "bad" | "cut";
  /** It begins as a HEAD: a refusal has no body. */
  readonly restIsHead: boolean;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

class Bad extends Error {}
class Cut extends Error {}

/** Bytes as latin-1, and where reading stands. */
class Source {
  at = 0;
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get left(): number {
    return this.text.length - this.at;
  }

  /** Up to CRLF, which is read over. A line with a bare CR or LF is none. */
  line(): string {
    const lf = this.text.indexOf("\n", this.at);
    const line = this.text.slice(this.at, lf < 0 ? undefined : lf);
    if (lf < 0) {
      if (/\r./.test(line)) throw new Bad("bare CR");
      throw new Cut();
    }
    if (!line.endsWith("\r") || line.indexOf("\r") < line.length - 1) throw new Bad("bare CR or LF");
    this.at = lf + 1;
    return line.slice(0, -1);
  }

  take(count: number): string {
    if (this.left < count) throw new Cut();
    this.at += count;
    return this.text.slice(this.at - count, this.at);
  }

  /** Name and value pairs up to the empty line; folds are joined by a blank. */
  fields(): [name: string, value: string][] {
    const fields: [string, string][] = [];
    for (let line = this.line(); line !== ""; line = this.line()) {
      if (!VALUE.test(line)) throw new Bad("control byte");
      const fold = /^[ \t]/.test(line);
      const last = fields.at(-1);
      if (fold && last === undefined) throw new Bad("fold of nothing");
      if (fold) last![1] = `${last![1]} ${trim(line)}`.trimStart();
      else {
        const colon = line.indexOf(":");
        const name = line.slice(0, Math.max(colon, 0));
        if (!TOKEN.test(name)) throw new Bad("name");
        fields.push([name.toLowerCase(), trim(line.slice(colon + 1))]);
      }
    }
    return fields;
  }

  chunks(): string {
    let body = "";
    for (;;) {
      const line = this.line();
      const size = /^([0-9a-fA-F]{1,16})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1];
      if (size === undefined) throw new Bad("chunk size");
      const length = Number.parseInt(size, 16);
      if (length === 0) {
        this.fields();
        return body;
      }
      body += this.take(length);
      if (this.text.slice(this.at, this.at + 2) !== "\r\n") {
        if ("\r\n".startsWith(this.text.slice(this.at))) throw new Cut();
        throw new Bad("behind a chunk");
      }
      this.at += 2;
    }
  }
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

function valuesOf(fields: readonly [string, string][], name: string): string[] {
  return fields.filter(([key]) => key === name).map(([, value]) => value);
}

export function readRequests(bytes: string): ReferenceRequests {
  const source = new Source(bytes);
  const requests: ReferenceRequest[] = [];
  let restIsHead = false;
  try {
    for (;;) {
      while (source.text.startsWith("\r\n", source.at)) source.at += 2;
      restIsHead = source.text.startsWith("HEAD ", source.at);
      if (source.left === 0) return { requests, rest: "nothing", restIsHead };
      requests.push(readRequest(source));
    }
  } catch (error) {
    if (error instanceof Bad) return { requests, rest: "bad", restIsHead };
    if (error instanceof Cut) return { requests, rest: "cut", restIsHead };
    throw error;
  }
}

function readRequest(source: Source): ReferenceRequest {
  const [, method, target, version] =
    /^([^\0-\x20]+) ([^\0-\x20\x7f]+)(?: HTTP\/([1-9]\.\d))?$/.exec(source.line()) ?? [];
  if (method === undefined || target === undefined || !TOKEN.test(method)) throw new Bad("request line");
  const path = target.replace(/^https?:\/\/[^/?#]*(?=[/?]|$)/i, "");
  const common = { method, target: path.startsWith("/") || path === "*" ? path : `/${path}` };
  if (version === undefined) {
    if (method !== "GET") throw new Bad("simple request");
    return { ...common, simple: true, names: new Set(), body: "" };
  }
  const fields = source.fields();
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (hosts.length === 0 && version !== "1.0")) throw new Bad("Host");
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (lengths.length > 1 || !lengths.every((length) => /^\d+$/.test(length))) throw new Bad("Content-Length");
  let body = "";
  if (codings.length > 0) {
    if (version === "1.0" || codings.length > 1 || codings[0]!.toLowerCase() !== "chunked") throw new Bad("coding");
    body = source.chunks();
  } else if (lengths.length === 1) body = source.take(Number(lengths[0]));
  return { ...common, simple: false, names: new Set(fields.map(([name]) => name)), body };
}

export interface ReferenceResponse {
  readonly status: number;
  readonly body: string;
  /** false: the connection ended before it did. */
  readonly complete: boolean;
  /** The connection ends with it, by its own words. */
  readonly closes: boolean;
}

/**
 * The final answers in what a client received until the end of its connection. Interim ones are read over.
 * @param asked of which these are the answers: one to HEAD has no body, one to a simple request no head
 * @throws Error what is no answer
 */
export function readResponses(bytes: string, { requests, restIsHead }: ReferenceRequests): ReferenceResponse[] {
  const source = new Source(bytes);
  const responses: ReferenceResponse[] = [];
  try {
    while (source.left > 0) {
      const request = requests[responses.length];
      if (request?.simple || source.text.startsWith("<!DOCTYPE", source.at)) {
        const body = source.take(source.left);
        responses.push({ status: /<title>(\d+)/.test(body) ? 400 : 200, body, complete: true, closes: true });
        break;
      }
      const bodiless = request === undefined ? restIsHead && "maybe" : request.method === "HEAD";
      const response = readResponse(source, bodiless);
      if (response !== null) responses.push(response);
    }
  } catch (error) {
    if (!(error instanceof Cut)) throw new Error(`no answer at ${source.at}: ${(error as Error).message}`);
    responses.push({ status: 0, body: "", complete: false, closes: true });
  }
  return responses;
}

/** @param head it answers a HEAD; "maybe": who refuses a bad request line need not know that it is one */
function readResponse(source: Source, head: boolean | "maybe"): ReferenceResponse | null {
  const line = source.line();
  if (!VALUE.test(line)) throw new Bad(`control byte in ${JSON.stringify(line)}`);
  const status = Number(/^HTTP\/1\.1 ([1-9]\d\d) /.exec(line)?.[1]);
  if (Number.isNaN(status)) throw new Bad(`status line ${JSON.stringify(line)}`);
  const fields = source.fields();
  const codings = valuesOf(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length + lengths.length > 1 && !head) throw new Bad("two ways to frame");
  if (status < 200) {
    if (codings.length + lengths.length > 0) throw new Bad("an interim answer with a body");
    return null;
  }
  const closes = valuesOf(fields, "connection").some((value) => /\bclose\b/i.test(value));
  const bodiless = head === "maybe" ? !source.text.startsWith("<!DOCTYPE", source.at) : head;
  if (bodiless || status === 204 || status === 304) return { status, body: "", complete: true, closes };
  if (codings.length === 1) {
    if (codings[0] !== "chunked") throw new Bad("coding");
    return { status, body: source.chunks(), complete: true, closes };
  }
  if (lengths.length === 1) {
    if (!/^\d+$/.test(lengths[0]!)) throw new Bad("Content-Length");
    return { status, body: source.take(Number(lengths[0])), complete: true, closes };
  }
  return { status, body: source.take(source.left), complete: true, closes: true };
}
