import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TimerWheel } from "../../../modules/core/clock.ts";
import { ErrorLog } from "../../../modules/core/error_log.ts";
import type { ProcessRec } from "../../../modules/core/records.ts";
import type { SocketHost } from "../../../modules/net/socket.ts";
import type { Backend } from "../../../modules/proxy/backend.ts";
import { ConnPool } from "../../../modules/proxy/conn_pool.ts";
import { ProxyWorker, type WorkerParams } from "../../../modules/proxy/worker.ts";
import { parseWorkerUrl, type WorkerUrl } from "../../../modules/proxy/worker_url.ts";
import { VirtualClock } from "../../support/clock.ts";

/** A connection as far as the pool knows one. */
class FakeBackend {
  closed = false;
  idleSince = 0;
  readonly address: string;
  readonly name: string;
  constructor(name: string, address = "10.0.0.1") {
    this.name = name;
    this.address = address;
  }
  close(): void {
    this.closed = true;
  }
  detach(): void {}
  readonly tls = null;
}

class PoolFixture {
  readonly clock = new VirtualClock();
  readonly wheel = new TimerWheel(this.clock);
  readonly pool: ConnPool;
  addresses = ["10.0.0.1"];
  lookups = 0;

  constructor(params: Partial<WorkerParams> = {}) {
    const worker = new ProxyWorker(parseWorkerUrl("http://app.test") as WorkerUrl, "member");
    Object.assign(worker.params, params);
    worker.initialize();
    const host = {
      lookup: async () => {
        this.lookups++;
        return this.addresses;
      },
    } as unknown as SocketHost;
    const log = new ErrorLog({ write: () => {} }, () => this.clock.wallUs(), 1);
    const process = { clock: this.clock, wheel: this.wheel, log } as unknown as ProcessRec;
    this.pool = new ConnPool(worker, host, process);
  }

  /** A request that makes a connection of its own and gives it back. */
  use(backend: FakeBackend): void {
    assert.ok(this.pool.reserve());
    this.release(backend);
  }

  release(backend: FakeBackend): void {
    this.pool.release(backend as unknown as Backend);
  }

  take(): string | null {
    const taken = this.pool.take() as unknown as FakeBackend | null;
    return taken === null ? null : taken.name;
  }
}

describe("max and acquire", () => {
  it("who waits gets a place in the order of arrival", () => {
    const f = new PoolFixture({ max: 2 });
    assert.deepEqual([f.pool.reserve(), f.pool.reserve(), f.pool.reserve()], [true, true, false]);
    let order = "";
    for (const name of "abcd") f.pool.wait((granted) => (order += granted ? name : name.toUpperCase()));
    for (let i = 0; i < 4; i++) f.pool.free();
    assert.equal(order, "abcd");
    assert.deepEqual([f.pool.inUse, f.pool.waiting], [2, 0]);
    f.pool.free();
    f.pool.free();
    assert.equal(f.pool.inUse, 0);
  });

  it("who leaves the queue holds up nobody, and who waited `acquire` is refused alone", () => {
    const f = new PoolFixture({ max: 1, acquireMs: 300 });
    f.pool.reserve();
    let order = "";
    const waits = (name: string) => f.pool.wait((granted) => (order += granted ? name : name.toUpperCase()));
    waits("a");
    const b = waits("b");
    f.clock.advance(250);
    waits("c");
    assert.equal(f.pool.leaveQueue(b), true);
    assert.equal(f.pool.leaveQueue(b), false);
    f.clock.advance(250);
    assert.equal(order, "A");
    f.pool.free();
    assert.equal(order, "Ac");
    f.clock.advance(10_000);
    assert.equal(order, "Ac", "it has its place and is not refused any more");
    assert.equal(f.pool.inUse, 1);
  });

  it("without `acquire` one waits for ever", () => {
    const f = new PoolFixture({ max: 1 });
    f.pool.reserve();
    let granted: boolean | null = null;
    f.pool.wait((answer) => {
      granted = answer;
    });
    f.clock.advance(1e9);
    assert.equal(granted, null);
    f.pool.free();
    assert.equal(granted, true);
  });
});

describe("ttl and smax", () => {
  it("the connection released last is taken first", () => {
    const f = new PoolFixture();
    for (const name of "abc") assert.ok(f.pool.reserve(), name);
    for (const name of "abc") f.release(new FakeBackend(name));
    assert.deepEqual([f.take(), f.take(), f.take(), f.take()], ["c", "b", "a", null]);
  });

  it("one that was idle for longer than ttl is closed and not used, also below smax", () => {
    const f = new PoolFixture({ ttlMs: 1000, smax: 10 });
    const old = new FakeBackend("old");
    f.use(old);
    f.clock.advance(1000);
    assert.equal(f.take(), "old");
    f.use(old);
    f.clock.advance(1001);
    assert.equal(f.take(), null);
    assert.equal(old.closed, true);
  });

  it("a release closes those above smax that were idle for longer than ttl, the oldest first", () => {
    const f = new PoolFixture({ ttlMs: 1000, smax: 2, max: 10 });
    const backends = [..."abcd"].map((name) => new FakeBackend(name));
    for (const backend of backends) {
      f.use(backend);
      f.clock.advance(400);
    }
    // idle for 1600, 1200, 800, 400 ms
    f.use(new FakeBackend("e"));
    assert.deepEqual(
      backends.map((backend) => backend.closed),
      [true, true, false, false],
    );
    assert.equal(f.pool.idleCount, 3);
  });

  it("without ttl nothing is closed for its age", () => {
    const f = new PoolFixture({ smax: 1, max: 10 });
    const backends = [..."abc"].map((name) => new FakeBackend(name));
    for (const backend of backends) assert.ok(f.pool.reserve(), backend.name);
    for (const backend of backends) f.release(backend);
    f.clock.advance(1e9);
    assert.deepEqual([f.pool.idleCount, f.take()], [3, "c"]);
  });
});

describe("addressttl", () => {
  it("by default the address is asked for once", async () => {
    const f = new PoolFixture();
    await f.pool.resolve("app.test");
    f.clock.advance(1e9);
    await f.pool.resolve("app.test");
    assert.equal(f.lookups, 1);
  });

  it("N: asked for again after a multiple of N; connections to an address that is gone are closed when met", async () => {
    const f = new PoolFixture({ addressTtlMs: 10_000 });
    assert.deepEqual(await f.pool.resolve("app.test"), ["10.0.0.1"]);
    const backend = new FakeBackend("a");
    f.use(backend);
    f.clock.advance(9999);
    assert.equal(f.take(), "a");
    f.use(backend);
    f.addresses = ["10.0.0.2"];
    f.clock.advance(1);
    // What there is still serves while the answer is on its way.
    assert.equal(f.take(), "a");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(f.lookups, 2);
    f.use(backend);
    assert.equal(f.take(), null);
    assert.equal(backend.closed, true);
    assert.deepEqual(await f.pool.resolve("app.test"), ["10.0.0.2"]);
  });

  it("0, or disablereuse without it: asked for each time, and no connection is kept", async () => {
    for (const params of [{ addressTtlMs: 0 }, { disableReuse: true }]) {
      const f = new PoolFixture(params);
      await f.pool.resolve("app.test");
      await f.pool.resolve("app.test");
      assert.equal(f.lookups, 2);
      const backend = new FakeBackend("a");
      f.use(backend);
      assert.deepEqual([backend.closed, f.take()], [true, null]);
    }
  });
});
