/**
 * The answer's way from the backend to the client: status line, interim answers, fields, body.
 * Long, and one class: a parser of one connection's bytes, in the order in which they come.
 * Source: httpd modules/proxy/mod_proxy_http.c ap_proxy_http_process_response
 */
import {
  type Backend,
  type BackendUser,
  type Bytes,
  type ChunkConsumer,
  ChunkDecoder,
  CONNECTION,
  CONTENT_LENGTH,
  connectionTokens,
  describeSocketError,
  HeaderTable,
  HTTP_09,
  HTTP_10,
  hasNoBody,
  joinBytes,
  latin1Bytes,
  overridesError,
  parseContentLength,
  parseResponseHead,
  type ResponseHead,
  reasonPhrase,
  responseHeaders,
  responseHeads,
  reverseMapHeaders,
  type SocketError,
  TRANSFER_ENCODING,
  UPGRADE,
  WWW_AUTHENTICATE,
} from "../../modules/mod.ts";
import type { Exchange } from "./exchange.ts";

const MODULE = "proxy_http";
/** Source: httpd modules/proxy/mod_proxy.h AP_MAX_INTERIM_RESPONSES */
const MAX_INTERIM = 10;
/** Characters of a field that is too long, for the log. */
const SHOWN_OF_FIELD = 80;
/** Of a body that ProxyErrorOverride replaces so much is read to keep the connection. */
const DISCARD_BYTES = 65_536;
/** httpd limits lines, not their number: without an end to the head a backend could fill our memory. */
const MAX_HEAD_BYTES = 1024 * 1024;
const CHUNK_LIMITS = { fieldSize: 8190, fields: 100 };

const HEAD = 0;
const LENGTH = 1;
const CHUNKED = 2;
const UNTIL_CLOSE = 3;
const ENDED = 4;

export class ResponseIn implements BackendUser, ChunkConsumer {
  private readonly exchange: Exchange;
  private readonly backend: Backend;
  private state: number = HEAD;
  /** Of the answer that comes in; null: nothing of it is here. */
  private head: ResponseHead | null = null;
  /** Bytes of a head that is not complete. */
  private pending: Bytes | null = null;
  private interims = 0;
  private left = 0;
  private decoder: ChunkDecoder | null = null;
  private keepAlive = true;
  /** ProxyErrorOverride: the client gets our page, this body nobody. */
  private discarding = false;
  private discarded = 0;
  private paused = false;
  /** Where the data of the chunks of one read begins and ends: moved together, so that they leave in one write. */
  private dataStart = -1;
  private dataEnd = -1;

  constructor(exchange: Exchange, backend: Backend) {
    this.exchange = exchange;
    this.backend = backend;
  }

  onData(bytes: Bytes, start: number, end: number): void {
    if (this.state === HEAD) {
      this.exchange.answered();
      if (this.pending === null) this.readHead(bytes, start, end, bytes);
      else {
        const all = joinBytes(this.pending, bytes, start, end);
        this.readHead(all, 0, all.length, null);
      }
      return;
    }
    if (!this.paused && this.exchange.requestSent) this.backend.arm(this.exchange.timeoutMs);
    this.readBody(bytes, start, end);
  }

  onDrain(): void {
    this.exchange.onDrain();
  }

  onEnd(): void {
    this.ended(null);
  }

  onClose(error: SocketError | null): void {
    this.backend.closed = true;
    this.ended(error);
  }

  onTimeout(): void {
    if (this.discarding) this.exchange.release(false);
    else if (this.state === HEAD && this.head?.started) this.badHead("timeout in the head");
    else this.exchange.onTimeout(this.state !== HEAD);
  }

  private ended(error: SocketError | null): void {
    const { exchange } = this;
    if (this.state === ENDED) return;
    if (this.discarding) exchange.release(false);
    else if (this.state === UNTIL_CLOSE && error === null) this.done(false);
    else if (this.state !== HEAD)
      exchange.truncated(error === null ? "closed in the body" : describeSocketError(error));
    else if (this.head?.started) this.badHead("closed in the head");
    else exchange.noStatusLine(false);
  }

  private badHead(cause: string): void {
    const { r, worker } = this.exchange;
    this.state = ENDED;
    worker.s.read += this.head!.lineLength;
    r.log.warn(MODULE, "AH10404", `Error reading headers from backend: ${cause}`, r);
    this.badFields(cause);
  }

  private badFields(cause: string): void {
    const { r } = this.exchange;
    const version = this.head?.protocol === HTTP_10 ? "1.0" : "1.1";
    const long = this.head?.tooLong ?? null;
    if (long !== null) {
      const limit = this.exchange.worker.params.responseFieldSize;
      const text = `header size is over the limit allowed by ResponseFieldSize (${limit} bytes). Bad response header`;
      r.log.warn(MODULE, "AH10124", `${text}: '${long.slice(0, SHOWN_OF_FIELD)}[...]'`, r);
    }
    r.log.warn(MODULE, "AH01106", `bad HTTP/${version} header returned by ${r.uri} (${r.method})`, r);
    this.exchange.badAnswer(502, "", cause);
  }

  // ---- the head

  /** @param source the socket's buffer; null: bytes of our own */
  private readHead(bytes: Bytes, start: number, end: number, source: Bytes | null): void {
    const head = this.head ?? responseHeads.lend();
    this.head = head;
    if (!this.readHeads(bytes, start, end, source, head)) return;
    this.head = null;
    responseHeads.giveBack(head);
  }

  /** Interim answers, and the one behind them. True: `head` is needed no more. */
  private readHeads(bytes: Bytes, start: number, end: number, source: Bytes | null, head: ResponseHead): boolean {
    const { exchange, backend } = this;
    const { responseFieldSize } = exchange.worker.params;
    let at = start;
    for (;;) {
      const taken = parseResponseHead(bytes, at, end, responseFieldSize, exchange.conf.badHeader, head);
      if (taken === 0) {
        if (end - at > MAX_HEAD_BYTES) {
          this.badHead("head too large");
          return true;
        }
        this.pending = source === null && at === 0 ? bytes : joinBytes(null, bytes, at, end);
        backend.arm(exchange.waiting100 ? (exchange.worker.params.pingMs ?? exchange.timeoutMs) : exchange.timeoutMs);
        return false;
      }
      if (taken < 0) {
        this.state = ENDED;
        exchange.worker.s.read += head.lineLength;
        if (head.reason === "") this.badFields("bad head");
        else exchange.badAnswer(502, head.reason, "bad head");
        return true;
      }
      const headStart = at;
      at += taken;
      this.pending = null;
      exchange.worker.s.read += head.lineLength;
      if (head.status < 100 || head.status >= 200) {
        this.final(bytes, head.protocol === HTTP_09 ? headStart : at, end, at);
        return true;
      }
      if (head.status === 101) {
        this.upgraded(at < end ? backend.socket.keep(bytes, at, end) : null);
        return true;
      }
      if (!this.interim()) return true;
      head.reset();
      if (at === end) return true;
    }
  }

  /** Passes a 1xx on; false: the exchange is over. */
  private interim(): boolean {
    const { exchange } = this;
    const head = this.head!;
    const { r } = exchange;
    const { status, headers } = head;
    const policy = r.getEnv("proxy-interim-response")?.toLowerCase();
    let pass = status !== 100 || exchange.clientExpects;
    if (policy === "rfc") pass = true;
    else if (policy === "suppress") pass = false;
    else if (policy !== undefined) {
      pass = false;
      r.log.warn(MODULE, "AH01109", `undefined proxy interim response policy: ${policy}`, r);
    }
    if (pass && !head.illegal) {
      headers.unsetId(CONTENT_LENGTH);
      responseHeaders(r, exchange.conf, headers);
      reverseMapHeaders(r, exchange.conf, headers);
      r.out.interim(status, head.phrase, headers);
    }
    if (++this.interims >= MAX_INTERIM) {
      this.state = ENDED;
      exchange.badAnswer(
        502,
        `Too many (${MAX_INTERIM}) interim responses from origin server`,
        "too many interim responses",
      );
      return false;
    }
    if (status === 100 && exchange.waiting100) exchange.sendBody();
    else if (exchange.requestSent) this.backend.arm(exchange.timeoutMs);
    return !exchange.finished;
  }

  /** 101: the answer to our wish, or none that can be used. */
  private upgraded(early: Bytes | null): void {
    const { exchange } = this;
    const { headers, phrase } = this.head!;
    const got = headers.getId(UPGRADE);
    const wanted = exchange.upgrade;
    this.state = ENDED;
    if (wanted === "" || got === undefined || got.toLowerCase() !== wanted.toLowerCase()) {
      const reason = `Unexpected Upgrade: ${got ?? "n/a"} (expecting ${wanted || "n/a"})`;
      exchange.badAnswer(502, reason, "unexpected 101");
      return;
    }
    if (this.head!.illegal) {
      exchange.badAnswer(502, "", "illegal field");
      return;
    }
    if (exchange.waiting100) exchange.sendBody();
    if (!exchange.requestSent) {
      // The rest of the request goes first: it is no part of what the new protocol carries.
      this.backend.socket.pause();
      exchange.onRequestSent = () => this.switchOver(phrase, headers, got, early);
    } else this.switchOver(phrase, headers, got, early);
  }

  private switchOver(phrase: string, headers: HeaderTable, protocol: string, early: Bytes | null): void {
    const { exchange } = this;
    responseHeaders(exchange.r, exchange.conf, headers);
    reverseMapHeaders(exchange.r, exchange.conf, headers);
    headers.addId(CONNECTION, "Connection", "Upgrade");
    headers.addId(UPGRADE, "Upgrade", protocol);
    exchange.r.out.interim(101, phrase, headers);
    exchange.tunnel(early);
  }

  /** @param at the first byte of the body */
  private final(bytes: Bytes, from: number, end: number, afterHead: number): void {
    const { exchange } = this;
    const { r, conf } = exchange;
    const head = this.head!;
    const { headers, status } = head;
    exchange.attempt.status = status;
    r.noteSource = exchange.attempt;
    if (exchange.attempt.electedAtMs >= 0) exchange.attempt.answered(r.conn.process.clock.now());
    if (head.ignored !== null) this.tellIgnored(head, head.ignored);
    if (head.illegal) {
      this.state = ENDED;
      r.log.error("http", "AH02429", "Response header name or value contains invalid characters, aborting request", r);
      r.conn.closing = true;
      exchange.badAnswer(500, "", "illegal field");
      return;
    }

    const length = this.bodyLength();
    if (length === -2) {
      this.state = ENDED;
      exchange.badBody("bad Content-Length");
      return;
    }
    this.left = length;
    let at = from;
    if (this.state === UNTIL_CLOSE && head.protocol === HTTP_09) {
      // The line was text: it begins the body, without its end.
      at = afterHead;
    }

    if (exchange.waiting100) {
      // A client that waits for 100 and gets an error sends no body (httpd answers 500 here).
      const wants = !r.expecting100 || (status >= 200 && status < 300);
      if (this.keepAlive && wants && this.state !== UNTIL_CLOSE) exchange.sendBody();
      if (exchange.finished) return;
    }
    if (!exchange.requestSent) this.backend.disarm();

    if (overridesError(conf, status)) {
      this.override(bytes, at, end);
      return;
    }

    if (!r.headerOnly && !hasNoBody(status) && overridesError(conf, r.status)) {
      // An ErrorDocument that comes from a backend, too: the error must not become a success.
      r.statusLine = null;
    } else {
      r.status = status;
      const phrase = head.phrase;
      r.statusLine = head.protocol !== HTTP_09 && phrase !== reasonPhrase(status) ? `${status} ${phrase}` : null;
    }
    const headCoding = r.method === "HEAD" ? headers.getId(TRANSFER_ENCODING) : undefined;
    const offered = headers.getId(UPGRADE);
    if (head.protocol !== HTTP_09) responseHeaders(r, conf, headers);
    if (offered !== undefined && exchange.mayUpgrade(offered)) {
      headers.addId(CONNECTION, "Connection", "Upgrade");
      headers.addId(UPGRADE, "Upgrade", offered);
    }
    reverseMapHeaders(r, conf, headers);
    if (headCoding !== undefined) headers.setId(TRANSFER_ENCODING, "Transfer-Encoding", headCoding);
    r.headersOut = headers;
    let announced = r.method === "HEAD" ? headLength(headers) : length;

    if (this.state === ENDED) {
      this.leftover(bytes, at, end);
      exchange.release(this.keepAlive);
      r.out.begin(announced);
      r.out.end();
      exchange.finishNow();
      return;
    }
    if (this.state === CHUNKED && at < end) {
      const first = this.probe(bytes, at, end);
      if (first === "bad") return;
      if (first === "empty") announced = 0;
    }
    if (this.state === UNTIL_CLOSE && head.protocol === HTTP_09) {
      r.out.begin(-1);
      const line = latin1Bytes(head.line);
      if (line.length > 0) this.pass(line, 0, line.length, false);
    } else r.out.begin(announced);
    if (at < end) this.readBody(bytes, at, end);
    else {
      r.out.flush();
      if (exchange.requestSent) this.backend.arm(exchange.timeoutMs);
    }
  }

  private tellIgnored({ startBody, headers }: ResponseHead, lines: readonly string[]): void {
    const { r, worker } = this.exchange;
    for (const line of startBody ? lines.slice(0, -1) : lines)
      r.log.warn(MODULE, "AH01100", `Ignoring bogus HTTP header returned by ${worker.hostPort}: ${line}`, r);
    if (!startBody) return;
    const by = `returned by ${r.uri} (${r.method})`;
    if (headers.size === 0) r.log.warn(MODULE, "AH01099", `No HTTP headers ${by}`, r);
    else r.log.warn(MODULE, "AH01098", `Starting body due to bogus non-header in headers ${by}`, r);
  }

  /** Sets `state` and `keepAlive`; answers the length, -1: not known, -2: the Content-Length is none. */
  private bodyLength(): number {
    const { r } = this.exchange;
    const head = this.head!;
    const { headers, status } = head;
    const coding = headers.getId(TRANSFER_ENCODING);
    const lengthAt = headers.indexOfId(CONTENT_LENGTH);
    this.keepAlive = head.protocol !== HTTP_10 && head.protocol !== HTTP_09;
    for (let i = headers.indexOfId(CONNECTION); i >= 0; i = headers.indexOfId(CONNECTION, i + 1)) {
      if (!headers.valueIs(i, "keep-alive") && saysClose(headers.valueAt(i))) this.keepAlive = false;
    }
    if (coding !== undefined && lengthAt >= 0) {
      headers.unsetId(CONTENT_LENGTH);
      this.keepAlive = false;
    }
    if (hasNoBody(status)) {
      headers.unsetId(CONTENT_LENGTH);
      this.state = ENDED;
      return 0;
    }
    if (r.method === "HEAD") {
      this.state = ENDED;
      return 0;
    }
    let length = -1;
    if (coding === undefined && lengthAt >= 0) {
      length = headers.numberAt(lengthAt);
      if (length < 0 || (headers.indexOfId(CONTENT_LENGTH, lengthAt + 1) >= 0 && !joinLengths(headers))) return -2;
    }
    if (coding !== undefined) {
      const last = coding
        .slice(coding.lastIndexOf(",") + 1)
        .trim()
        .toLowerCase();
      if (last === "chunked") {
        this.state = CHUNKED;
        this.decoder = new ChunkDecoder(CHUNK_LIMITS);
      } else this.state = UNTIL_CLOSE;
    } else if (length >= 0) this.state = length === 0 ? ENDED : LENGTH;
    else this.state = UNTIL_CLOSE;
    if (this.state === UNTIL_CLOSE || head.startBody) this.keepAlive = false;
    return length;
  }

  /**
   * The first chunk, before the head is passed on. "bad", malformed from its first byte on: the client can still get a page.
   * "empty": the body has ended, its length is known.
   */
  private probe(bytes: Bytes, at: number, end: number): "bad" | "empty" | "data" {
    const decoder = new ChunkDecoder(CHUNK_LIMITS);
    let data = false;
    decoder.decode(bytes, at, end < at + 64 ? end : at + 64, {
      onChunkData() {
        data = true;
      },
    });
    if (decoder.done && !data) return "empty";
    if (decoder.error === null || data) return "data";
    this.state = ENDED;
    this.exchange.r.headersOut = new HeaderTable();
    this.exchange.r.status = 200;
    this.exchange.r.statusLine = null;
    this.exchange.badBody(decoder.error);
    return "bad";
  }

  /** ProxyErrorOverride: the page is ours, of the backend's answer remain status, reason and challenge. */
  private override(bytes: Bytes, at: number, end: number): void {
    const { exchange } = this;
    const { r } = exchange;
    const head = this.head!;
    const { status } = head;
    if (head.phrase !== reasonPhrase(status)) r.statusLine = `${status} ${head.phrase}`;
    const challenges =
      status === 401 && head.headers.hasId(WWW_AUTHENTICATE) ? head.headers.getAll("WWW-Authenticate") : [];
    for (const value of challenges) (r.errHeadersOut ??= new HeaderTable()).add("WWW-Authenticate", value);
    if (this.state === ENDED) {
      this.leftover(bytes, at, end);
      exchange.release(this.keepAlive);
    } else if (!this.keepAlive || this.left > DISCARD_BYTES || !exchange.requestSent) exchange.release(false);
    else {
      this.discarding = true;
      this.backend.arm(exchange.timeoutMs);
      if (at < end) this.readBody(bytes, at, end);
    }
    exchange.override(status);
  }

  // ---- the body

  private readBody(bytes: Bytes, start: number, end: number): void {
    const { exchange } = this;
    if (this.state === LENGTH) {
      const stop = end - start < this.left ? end : start + this.left;
      this.left -= stop - start;
      const last = this.left === 0;
      if (last) {
        this.state = ENDED;
        this.leftover(bytes, stop, end);
      }
      this.pass(bytes, start, stop, last);
    } else if (this.state === CHUNKED) {
      const decoder = this.decoder!;
      this.dataStart = this.dataEnd = -1;
      const taken = decoder.decode(bytes, start, end, this);
      const last = decoder.done;
      if (last) {
        this.state = ENDED;
        this.leftover(bytes, start + taken, end);
        if (decoder.trailers !== null) exchange.r.out.trailers = decoder.trailers;
      }
      if (this.dataStart >= 0) this.pass(bytes, this.dataStart, this.dataEnd, last);
      else if (last) this.done(true);
      if (decoder.error !== null) {
        this.state = ENDED;
        if (this.discarding) exchange.release(false);
        else if (!exchange.finished) exchange.truncated(decoder.error);
      }
    } else if (this.state === UNTIL_CLOSE) this.pass(bytes, start, end, false);
  }

  onChunkData(bytes: Bytes, start: number, end: number): void {
    if (this.dataStart < 0) {
      this.dataStart = start;
      this.dataEnd = end;
      return;
    }
    bytes.copyWithin(this.dataEnd, start, end);
    this.dataEnd += end - start;
  }

  private pass(bytes: Bytes, start: number, end: number, last: boolean): void {
    const { exchange } = this;
    if (this.discarding) {
      this.discarded += end - start;
      if (last) this.done(true);
      else if (this.discarded > DISCARD_BYTES) {
        this.state = ENDED;
        exchange.release(false);
      }
      return;
    }
    exchange.worker.s.read += end - start;
    const { out } = exchange.r;
    const socket = this.backend.socket;
    // `write` is told the socket: it alone can say whether these bytes outlive the call.
    const room = out.write(bytes, start, end, socket);
    if (last) {
      this.done(true);
      return;
    }
    if (exchange.finished || this.paused) return;
    if (!room) {
      this.paused = true;
      socket.pause();
      this.backend.disarm();
    } else if (exchange.requestSent) this.backend.arm(exchange.timeoutMs);
  }

  /** The client has room again. */
  resume(): void {
    if (this.exchange.finished || !this.paused) return;
    this.paused = false;
    this.backend.socket.resume();
    if (this.exchange.requestSent) this.backend.arm(this.exchange.timeoutMs);
  }

  /** The last byte was read and handed on. */
  private done(whole: boolean): void {
    const { exchange } = this;
    this.state = ENDED;
    exchange.release(whole && this.keepAlive);
    if (this.discarding) return;
    exchange.r.out.end();
    exchange.finishNow();
  }

  /** Bytes behind the answer: no further answer shall begin with them. One CRLF is tolerated, as on an idle connection. */
  private leftover(bytes: Bytes, at: number, end: number): void {
    if (at >= end || (end - at === 2 && bytes[at] === 13 && bytes[at + 1] === 10)) return;
    this.keepAlive = false;
    this.exchange.pool.notEmpty();
  }
}

/** Which of several lengths rules is for nobody to guess (RFC 9112 section 6.3); httpd takes the first and sends all of them. */
function joinLengths(headers: HeaderTable): boolean {
  const [first, ...others] = headers.getAll("Content-Length");
  if (others.some((text) => text !== first)) return false;
  headers.setId(CONTENT_LENGTH, "Content-Length", first!);
  return true;
}

function saysClose(value: string): boolean {
  if (value === "Keep-Alive") return false;
  let close = false;
  connectionTokens(value, (token) => {
    if (token.length === 5 && token.toLowerCase() === "close") close = true;
  });
  return close;
}

/** What begin() is told for HEAD: nothing is sent, the field passes. */
function headLength(headers: HeaderTable): number {
  const text = headers.getId(CONTENT_LENGTH);
  return text === undefined ? -1 : parseContentLength(text);
}
