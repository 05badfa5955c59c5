/**
 * For backends: tells a balancer how busy this one is, by UDP or HTTP, for `ProxySet lbmethod=heartbeat`. Stands alone: it
 * loads nothing else of sluice.
 *
 *     const beat = heartbeat({ to: "udp://239.0.0.1:27999" });
 *     Bun.serve({ fetch: beat.fetch((request) => new Response("hello")) }); // with Hono: app.use(beat.hono)
 */
import { LagMeter, readySlots, SAMPLE_MS } from "./load.ts";
import { DEFAULT_PORT, formatHeartbeat } from "./message.ts";

export interface HeartbeatOptions {
  /** "udp://ADDRESS:PORT" of a HeartbeatListen, or the URL of a `SetHandler heartbeat`. */
  readonly to: string;
  /** Requests that this backend serves well at once. @default 100 */
  readonly capacity?: number;
  /** @default 1000, as httpd's; the balancer lets go of a backend after 10 seconds of silence */
  readonly intervalMs?: number;
  /** Where it serves; for people who read the table, as members are told apart by address alone. @default 80 */
  readonly port?: number;
  /** A beat could not be sent; the next one is tried all the same. @default nothing: a balancer may be away for a while */
  readonly onError?: (error: Error) => void;
}

interface Transport {
  send(text: string): Promise<void>;
  close(): void;
}

/** Counts requests, from the call of the handler until it has answered, and sends beats until it is stopped. */
export class HeartbeatSender {
  /** Requests under way. */
  busy = 0;
  /** Hono middleware. */
  readonly hono: (context: unknown, next: () => Promise<void>) => Promise<void>;
  private readonly options: HeartbeatOptions;
  private readonly lag = new LagMeter(performance.now());
  private readonly transport: Promise<Transport>;
  private readonly timers: ReturnType<typeof setInterval>[];

  constructor(options: HeartbeatOptions) {
    this.options = options;
    const url = new URL(options.to);
    const byUdp = url.protocol === "udp:" && url.hostname !== "" && url.port !== "";
    if (!byUdp && !/^https?:$/.test(url.protocol)) {
      throw new TypeError(`"${options.to}" is neither udp://ADDRESS:PORT nor an http URL`);
    }
    this.transport = byUdp ? openUdp(url) : Promise.resolve({ send: (text: string) => post(url, text), close() {} });
    this.transport.catch((error: unknown) => this.failed(error));
    this.hono = (_context, next) => this.during(next);
    this.timers = [
      setInterval(() => this.lag.sample(performance.now()), SAMPLE_MS),
      setInterval(() => void this.beat(), options.intervalMs ?? 1000),
    ];
    // A backend that has nothing else to do may end.
    for (const timer of this.timers) (timer as { unref?(): void }).unref?.();
  }

  /** The same handler, counted. */
  fetch<A extends unknown[], R>(handler: (...args: A) => R | Promise<R>): (...args: A) => Promise<R> {
    return (...args) => this.during(async () => handler(...args));
  }

  /** Sends a beat now, besides those that are due. */
  beat(): Promise<void> {
    const { capacity = 100, port = DEFAULT_PORT } = this.options;
    const ready = readySlots(capacity, this.busy, this.lag.take(performance.now()));
    return this.send(formatHeartbeat({ ready, busy: this.busy, port }));
  }

  /** Says that nothing more is wanted, and ends. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.send(formatHeartbeat({ ready: 0, busy: this.busy, port: this.options.port ?? DEFAULT_PORT }));
    await this.transport.then(
      ({ close }) => close(),
      () => {},
    );
  }

  private async during<R>(call: () => Promise<R>): Promise<R> {
    this.busy++;
    try {
      return await call();
    } finally {
      this.busy--;
    }
  }

  private async send(text: string): Promise<void> {
    try {
      await (await this.transport).send(text);
    } catch (error) {
      this.failed(error);
    }
  }

  private failed(error: unknown): void {
    this.options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }
}

/** @throws TypeError if `to` is no address for heartbeats */
export function heartbeat(options: HeartbeatOptions): HeartbeatSender {
  return new HeartbeatSender(options);
}

/** A beat that hangs must not hold up those after it. */
const POST_TIMEOUT_MS = 5000;

async function post(url: URL, body: string): Promise<void> {
  const response = await fetch(url, { method: "POST", body, signal: AbortSignal.timeout(POST_TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
}

async function openUdp({ hostname, port }: URL): Promise<Transport> {
  const dgram = await import("node:dgram");
  const address = hostname.replace(/^\[|\]$/g, "");
  const socket = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.unref();
  const send = (text: string) =>
    new Promise<void>((resolve, reject) => {
      socket.send(text, Number(port), address, (error) => (error ? reject(error) : resolve()));
    });
  return { send, close: () => void socket.close() };
}
