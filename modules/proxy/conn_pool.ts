/**
 * The connections of one worker: how many there may be, the idle ones, who waits for one, and the backend's addresses.
 * Source: httpd modules/proxy/proxy_util.c connection_constructor, ap_proxy_acquire_connection, connection_cleanup
 *
 * An exchange first gets a place (`reserve`, or in turn by `wait`), then within it an idle connection (`take`) or one that it
 * makes. Places in use and idle connections together never exceed `max`: only who finds no idle one makes a new one.
 */
import type { Timeout } from "../core/clock.ts";
import type { ProcessRec } from "../core/records.ts";
import type { SocketHost } from "../net/socket.ts";
import { type Backend, type BackendTls, type ConnectFailure, connectBackend } from "./backend.ts";
import type { ProxyWorker } from "./worker.ts";

/** Idle connections of identities that may never be asked for again; names of identities may come from clients. */
const MAX_STRANGERS = 64;

/** A place in the queue for a place. */
export class PoolWaiter implements Timeout {
  deadline = 0;
  slot = 0;
  private readonly pool: ConnPool;
  private readonly done: (granted: boolean) => void;

  constructor(pool: ConnPool, done: (granted: boolean) => void) {
    this.pool = pool;
    this.done = done;
  }

  grant(): void {
    this.pool.process.wheel.drop(this);
    this.done(true);
  }

  /** `acquire` has passed. */
  expire(): void {
    if (this.pool.leaveQueue(this)) this.done(false);
  }
}

export class ConnPool {
  readonly worker: ProxyWorker;
  readonly host: SocketHost;
  process: ProcessRec;
  /** All connections, idle ones included. */
  readonly open = new Set<Backend>();
  /** Exchanges that have a place. */
  inUse = 0;
  /** Most recently released last. */
  private readonly idle: Backend[] = [];
  private readonly queue: PoolWaiter[] = [];
  private closing = false;
  private addresses: readonly string[] | null = null;
  /** Wall clock, ms, at which `addresses` must be asked for again; 0: never. */
  private addressesUntil = 0;

  constructor(worker: ProxyWorker, host: SocketHost, owner: ProcessRec) {
    this.worker = worker;
    this.host = host;
    this.process = owner;
  }

  get idleCount(): number {
    return this.idle.length;
  }

  get waiting(): number {
    return this.queue.length;
  }

  /** Takes a place if there is one. */
  reserve(): boolean {
    if (this.inUse >= (this.worker.params.max || Number.POSITIVE_INFINITY)) return false;
    this.inUse++;
    return true;
  }

  /** Waits for a place, for `acquire` at most. Calls `done` once, unless `leaveQueue` is called before. */
  wait(done: (granted: boolean) => void): PoolWaiter {
    const waiter = new PoolWaiter(this, done);
    this.worker.meter?.waited();
    this.queue.push(waiter);
    const limit = this.worker.params.acquireMs;
    if (limit !== undefined) this.process.wheel.arm(waiter, limit);
    return waiter;
  }

  /** Answers whether it still waited. */
  leaveQueue(waiter: PoolWaiter): boolean {
    this.process.wheel.drop(waiter);
    const at = this.queue.indexOf(waiter);
    if (at < 0) return false;
    this.queue.splice(at, 1);
    return true;
  }

  /**
   * An idle connection that is alive and young enough, most recently used first; null: make one.
   * @param tls the identity that it must have
   */
  take(tls: BackendTls | null = null): Backend | null {
    const idle = this.idle;
    const ttl = this.worker.params.ttlMs;
    if (this.addressesUntil !== 0 && this.wallMs() >= this.addressesUntil) this.refresh();
    if (tls !== null) this.bringToEnd(tls);
    for (let backend = idle.pop(); backend !== undefined; backend = idle.pop()) {
      if (backend.tls !== tls) {
        this.keepStranger(backend);
        return null;
      }
      const tooOld = ttl !== undefined && this.process.clock.now() - backend.idleSince > ttl;
      const moved = this.addressesUntil !== 0 && this.addresses !== null && !this.addresses.includes(backend.address);
      if (!tooOld && !moved) return backend;
      backend.close();
    }
    return null;
  }

  /** The idle connections of one identity become the ones that were used last. */
  private bringToEnd(tls: BackendTls): void {
    const { idle } = this;
    if (idle.length === 0 || (idle[0]!.tls === tls && idle.at(-1)!.tls === tls)) return;
    idle.sort((a, b) => Number(a.tls === tls) - Number(b.tls === tls));
  }

  /** A connection of another identity stays, unless the one that is made instead leaves no room, or there are many. */
  private keepStranger(backend: Backend): void {
    const { idle } = this;
    idle.push(backend);
    const max = this.worker.params.max || Number.POSITIVE_INFINITY;
    if (idle.length + this.inUse > max || idle.length > MAX_STRANGERS) idle.shift()!.close();
  }

  /** Whether connections outlive their request at all. */
  get reusable(): boolean {
    const params = this.worker.params;
    return !params.disableReuse && params.addressTtlMs !== 0 && !this.closing;
  }

  /** Gives the place back, and the connection into the pool. */
  release(backend: Backend): void {
    if (this.reusable && !backend.closed) {
      const { ttlMs, smax } = this.worker.params;
      if (ttlMs !== undefined) {
        backend.idleSince = this.process.clock.now();
        const keep = smax > 0 ? smax : Number.POSITIVE_INFINITY;
        // The oldest come first.
        while (this.idle.length > 0 && this.idle.length + this.inUse > keep) {
          if (backend.idleSince - this.idle[0]!.idleSince <= ttlMs) break;
          this.idle.shift()!.close();
        }
      }
      backend.detach();
      this.idle.push(backend);
    } else backend.close();
    this.free();
  }

  /** Gives a place back; the connection, if there was one, is closed already. */
  free(): void {
    const next = this.queue.shift();
    if (next === undefined) this.inUse--;
    else next.grant();
  }

  /** An idle connection closed. */
  forget(backend: Backend): void {
    const at = this.idle.indexOf(backend);
    if (at >= 0) this.idle.splice(at, 1);
  }

  /** The backend ended an idle connection. */
  disconnected(): void {
    this.process.log.debug("proxy", "AH00951", `${this.worker.scheme}: backend socket is disconnected.`);
  }

  /** A connection had bytes that nobody asked for. */
  notEmpty(): void {
    this.process.log.info(
      "proxy",
      "AH03408",
      `${this.worker.scheme.toUpperCase()}: reusable backend connection is not empty: forcibly closed (${this.worker.hostPort})`,
    );
  }

  /**
   * The backend's addresses, from the cache while they hold. Rejects with a SocketError.
   * @param name the host to ask for: that of the worker, but for the generic worker
   */
  resolve(name: string): readonly string[] | Promise<readonly string[]> {
    const { worker } = this;
    if (worker.unixPath !== null) return (this.addresses ??= [worker.unixPath]);
    if (name !== worker.host) return this.host.lookup(name);
    if (this.addresses !== null && (this.addressesUntil === 0 || this.wallMs() < this.addressesUntil)) {
      return this.addresses;
    }
    return this.lookup();
  }

  /** Whether `resolve` would answer from the cache. */
  get addressesCached(): boolean {
    const { addressTtlMs, disableReuse } = this.worker.params;
    if (addressTtlMs === undefined || addressTtlMs < 0) return !disableReuse;
    return addressTtlMs > 0;
  }

  /** Connects; when all addresses fail and they were cached, asks once more and tries those that changed. */
  async connect(
    name: string,
    port: number,
    timeoutMs: number,
    tls: BackendTls | null = null,
    handshakeMs = timeoutMs,
  ): Promise<Backend | ConnectFailure> {
    const cached = this.addresses;
    const addresses = await this.resolve(name);
    const log = this.process.log;
    const tryAll = (all: readonly string[]) => connectBackend(this, all, port, timeoutMs, log, tls, handshakeMs);
    const result = await tryAll(addresses);
    if (
      "pool" in result ||
      result.inHandshake ||
      this.worker.unixPath !== null ||
      cached === null ||
      addresses !== cached
    )
      return result;
    let again: readonly string[];
    try {
      again = await this.lookup();
    } catch {
      return result;
    }
    const fresh = again.filter((address) => !addresses.includes(address));
    return fresh.length === 0 ? result : tryAll(fresh);
  }

  /** The worker is gone, or the server stops: idle connections close now, the others after their request. */
  close(): void {
    this.closing = true;
    for (const backend of this.idle.splice(0)) backend.close();
  }

  /** Ends all connections, whatever they are at. Answers how many were. */
  cut(): number {
    const busy = this.open.size - this.idle.length;
    this.close();
    for (const { socket } of this.open) socket.destroy();
    return busy;
  }

  /** Asks anew while what there is still serves; connections to addresses that are gone are closed when they are met. */
  private refresh(): void {
    this.addressesUntil += this.worker.params.addressTtlMs ?? 0;
    this.lookup().catch(() => {});
  }

  private async lookup(): Promise<readonly string[]> {
    const { scheme, host } = this.worker;
    const addresses = await this.host.lookup(host);
    this.process.log.debug("proxy", "AH10479", `${scheme}: ${host} resolved to ${addresses.join(" ")}`);
    if (this.addressesCached) {
      const ttl = this.worker.params.addressTtlMs ?? -1;
      // All children forget at the same moments: the multiples of the ttl.
      this.addressesUntil = ttl > 0 ? (Math.floor(this.wallMs() / ttl) + 1) * ttl : 0;
      this.addresses = addresses;
    }
    return addresses;
  }

  private wallMs(): number {
    return this.process.clock.wallUs() / 1000;
  }
}
