/**
 * One question to the service of AuthForward: a GET on a pooled connection, and its answer, bounded in time and size.
 */
import {
  type Backend,
  type BackendUser,
  type Bytes,
  ChunkDecoder,
  CONTENT_LENGTH,
  type ConnectFailure,
  type ConnPool,
  connectionTokens,
  describeSocketError,
  type HeaderTable,
  HTTP_09,
  HTTP_10,
  hasNoBody,
  isChunked,
  joinBytes,
  type PoolWaiter,
  parseContentLength,
  parseResponseHead,
  ResponseHead,
  type ResponseWatcher,
  type SocketError,
  type Status,
  type Timeout,
  TRANSFER_ENCODING,
} from "../../modules/mod.ts";

/** An answer that is larger is none. */
const MOST_HEAD_BYTES = 65_536;
const MOST_BODY_BYTES = 65_536;
const CHUNK_LIMITS = { fieldSize: 8190, fields: 100 };

/** What the service answered. */
export interface ServiceAnswer {
  readonly status: Status;
  readonly phrase: string;
  readonly headers: HeaderTable;
  readonly body: Bytes;
}

/** Why there is no answer, and what the client gets instead: 502, 503, 504. */
export interface ServiceFailure {
  readonly failed: Status;
  readonly cause: string;
}

type State = "head" | "length" | "chunked" | "untilClose" | "ended";

export class Question implements BackendUser, ResponseWatcher, Timeout {
  deadline = 0;
  slot = 0;
  private readonly pool: ConnPool;
  /** What is asked, to its empty line. */
  private readonly asked: string;
  private readonly head = new ResponseHead();
  private readonly resolve: (result: ServiceAnswer | ServiceFailure) => void;
  private settled = false;
  private waiter: PoolWaiter | null = null;
  private reserved = false;
  private backend: Backend | null = null;
  private state: State = "head";
  private pending: Bytes | null = null;
  private body: Bytes | null = null;
  private left = 0;
  private decoder: ChunkDecoder | null = null;
  private keepAlive = true;

  private constructor(pool: ConnPool, asked: string, resolve: (result: ServiceAnswer | ServiceFailure) => void) {
    this.pool = pool;
    this.asked = asked;
    this.resolve = resolve;
  }

  /**
   * @param head the request, to its empty line
   * @param limitMs for all of it
   * @param started is given the question, so that it can be given up
   */
  static ask(
    pool: ConnPool,
    head: string,
    limitMs: number,
    started: (question: Question) => void,
  ): Promise<ServiceAnswer | ServiceFailure> {
    return new Promise((resolve) => {
      const question = new Question(pool, head, resolve);
      started(question);
      pool.process.wheel.arm(question, limitMs);
      if (pool.reserve()) question.placed();
      else question.waiter = pool.wait((granted) => question.queued(granted));
    });
  }

  private queued(granted: boolean): void {
    this.waiter = null;
    if (granted) this.placed();
    else this.fail(503, "no free connection");
  }

  private placed(): void {
    this.reserved = true;
    const idle = this.pool.take();
    if (idle !== null) this.send(idle);
    else this.connect();
  }

  private connect(): void {
    const { worker } = this.pool;
    const timeoutMs = Math.max(1, this.deadline - this.pool.process.clock.now());
    this.pool.connect(worker.host, worker.port, timeoutMs).then(
      (result) => this.connected(result),
      () => this.fail(503, `DNS lookup failure for: ${worker.host}`),
    );
  }

  private connected(result: Backend | ConnectFailure): void {
    if (!("pool" in result)) {
      this.fail(result.timedOut ? 504 : 503, result.cause);
      return;
    }
    if (this.settled) result.close();
    else {
      this.send(result);
      result.socket.resume();
    }
  }

  private send(backend: Backend): void {
    this.backend = backend;
    this.head.reset();
    backend.attach(this);
    if (backend.closed) {
      this.backend = null;
      this.connect();
    } else backend.socket.write(this.asked);
  }

  // The socket's events

  onData(bytes: Bytes, start: number, end: number): void {
    if (this.state !== "head") this.readBody(bytes, start, end);
    else if (this.pending === null) this.readHead(bytes, start, end);
    else {
      const all = joinBytes(this.pending, bytes, start, end);
      this.readHead(all, 0, all.length);
    }
  }

  onDrain(): void {}

  onEnd(): void {
    this.closed(null);
  }

  onClose(error: SocketError | null): void {
    if (this.backend !== null) this.backend.closed = true;
    this.closed(error);
  }

  /** Not used: there is one limit for all of it. */
  onTimeout(): void {}

  private closed(error: SocketError | null): void {
    const { backend } = this;
    if (this.settled || backend === null) return;
    if (this.state === "untilClose" && error === null) this.finish();
    else if (this.state === "head" && this.pending === null && backend.served > 0) {
      // It was idle for too long for the service: once more, on a new connection.
      backend.close();
      this.backend = null;
      this.connect();
    } else this.fail(502, error === null ? "the connection closed in the answer" : describeSocketError(error));
  }

  // The answer

  private readHead(bytes: Bytes, start: number, end: number): void {
    const { head } = this;
    let at = start;
    for (;;) {
      const taken = parseResponseHead(bytes, at, end, this.pool.worker.params.responseFieldSize, "IsError", head);
      if (taken === 0) {
        if (end - at > MOST_HEAD_BYTES) this.fail(502, "the head of the answer is too large");
        else this.pending = joinBytes(null, bytes, at, end);
        return;
      }
      if (taken < 0 || head.protocol === HTTP_09 || head.illegal || head.status === 101) {
        this.fail(502, "the answer is no HTTP");
        return;
      }
      at += taken;
      if (head.status >= 200) break;
      head.reset();
      if (at === end) {
        this.pending = null;
        return;
      }
    }
    this.pending = null;
    this.state = this.framing();
    if (this.state === "ended") this.lastByte(at === end);
    else if (at < end) this.readBody(bytes, at, end);
  }

  private framing(): State {
    const { status, headers, protocol } = this.head;
    const coding = headers.getId(TRANSFER_ENCODING);
    const length = headers.getId(CONTENT_LENGTH);
    this.keepAlive = protocol !== HTTP_10 && !(coding !== undefined && length !== undefined);
    for (const value of headers.getAll("Connection")) {
      connectionTokens(value, (token) => {
        if (token.toLowerCase() === "close") this.keepAlive = false;
      });
    }
    if (hasNoBody(status)) return "ended";
    if (coding !== undefined) {
      if (!isChunked(coding)) return "untilClose";
      this.decoder = new ChunkDecoder(CHUNK_LIMITS);
      return "chunked";
    }
    if (length === undefined) return "untilClose";
    this.left = parseContentLength(length);
    if (this.left > 0) return "length";
    if (this.left < 0) this.fail(502, "the answer has a bad Content-Length");
    return "ended";
  }

  private readBody(bytes: Bytes, start: number, end: number): void {
    if (this.state === "length") {
      const stop = Math.min(end, start + this.left);
      this.left -= stop - start;
      this.keep(bytes, start, stop);
      if (this.left === 0) this.lastByte(stop === end);
    } else if (this.state === "chunked") {
      const decoder = this.decoder!;
      const taken = decoder.decode(bytes, start, end, this);
      if (decoder.error !== null) this.fail(502, `the answer is malformed: ${decoder.error}`);
      else if (decoder.done) this.lastByte(start + taken === end);
    } else if (this.state === "untilClose") this.keep(bytes, start, end);
  }

  onChunkData(bytes: Bytes, start: number, end: number): void {
    this.keep(bytes, start, end);
  }

  private keep(bytes: Bytes, start: number, end: number): void {
    if ((this.body?.length ?? 0) + end - start > MOST_BODY_BYTES) this.fail(502, "the answer is too large");
    else this.body = joinBytes(this.body, bytes, start, end);
  }

  /** @param clean nothing follows */
  private lastByte(clean: boolean): void {
    this.keepAlive &&= clean;
    this.finish();
  }

  // The ends

  private finish(): void {
    if (this.settled) return;
    const { status, phrase, headers } = this.head;
    const whole = this.state !== "untilClose";
    this.settle({ status, phrase, headers, body: this.body ?? joinBytes(null, EMPTY, 0, 0) }, whole && this.keepAlive);
  }

  private fail(failed: Status, cause: string): void {
    if (!this.settled) this.settle({ failed, cause }, false);
  }

  private settle(result: ServiceAnswer | ServiceFailure, reusable: boolean): void {
    this.settled = true;
    this.state = "ended";
    this.pool.process.wheel.drop(this);
    const { backend, pool } = this;
    this.backend = null;
    if (this.waiter !== null) pool.leaveQueue(this.waiter);
    if (backend !== null && reusable) {
      backend.served++;
      pool.release(backend);
    } else {
      backend?.close();
      if (this.reserved) pool.free();
    }
    this.resolve(result);
  }

  /** The time is up. */
  expire(): void {
    this.fail(504, "no answer in time");
  }

  onClientDrain(): void {}

  onClientGone(): void {
    this.fail(502, "the client left");
  }
}

const EMPTY = new Uint8Array(0);
