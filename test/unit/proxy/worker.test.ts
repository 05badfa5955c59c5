import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProxyBalancer } from "../../../modules/proxy/balancer.ts";
import {
  DISABLED,
  IGNORE_ERRORS,
  IN_ERROR,
  ProxyWorker,
  parseStatus,
  STOPPED,
  sharesStruct,
  workerStruct,
} from "../../../modules/proxy/worker.ts";
import { parseWorkerUrl, type WorkerUrl } from "../../../modules/proxy/worker_url.ts";

const member = (url = "http://h") => {
  const worker = new ProxyWorker(parseWorkerUrl(url) as WorkerUrl, "member");
  worker.initialize();
  return worker;
};

describe("parseWorkerUrl()", () => {
  for (const [text, name, host, port] of [
    ["http://LocalHost:80/Path/", "http://localhost/Path/", "localhost", 80],
    ["HTTPS://h:8443", "https://h:8443", "h", 8443],
    ["wss://h:443/x", "wss://h/x", "h", 443],
    ["http://[::1]:81/a", "http://[::1]:81/a", "::1", 81],
    ["ajp://h", "ajp://h", "h", 8009],
  ] as const) {
    it(`${text} is ${name}`, () => {
      const url = parseWorkerUrl(text) as WorkerUrl;
      assert.deepEqual([url.name, url.displayName, url.host, url.port, url.unixPath], [name, name, host, port, null]);
    });
  }

  it("unix: is shown, but no part of the name", () => {
    const url = parseWorkerUrl("unix:/run/a.sock|http://App/x") as WorkerUrl;
    assert.deepEqual([url.name, url.unixPath], ["http://app/x", "/run/a.sock"]);
    assert.equal(url.displayName, "unix:/run/a.sock|http://app/x");
    assert.equal((parseWorkerUrl("unix:s|http:", "/run/") as WorkerUrl).displayName, "unix:/run/s|http://localhost");
    assert.equal((parseWorkerUrl("unix:/s|http://") as WorkerUrl).name, "http://localhost");
  });

  it("refuses what is not absolute or has no port", () => {
    assert.equal(parseWorkerUrl("h:80/x:"), "URL must be absolute!: h:80/x:");
    assert.equal(parseWorkerUrl("/x"), "URL must be absolute!: /x");
    assert.equal(parseWorkerUrl("unix:/s|x"), 'uses an invalid "unix:" URL');
    assert.equal(parseWorkerUrl("http://h:x/"), "Unable to parse URL: http://h:x/");
    assert.equal(parseWorkerUrl("http://h:70000/"), "Unable to parse URL: http://h:70000/");
  });
});

describe("status", () => {
  it("parseStatus(): letters, signs that hold, errors", () => {
    assert.deepEqual(parseStatus("hd"), { on: 0x120, off: 0 });
    assert.deepEqual(parseStatus("+H-DE"), { on: 0x100, off: 0xa0 });
    assert.deepEqual(parseStatus("-D", { on: 0x20, off: 0 }), { on: 0, off: 0x20 });
    for (const bad of ["+", "D+", "X", "+-D", "D "]) assert.equal(parseStatus(bad), null, bad);
  });

  it("flags: httpd's order, Ok when usable", () => {
    const worker = member();
    assert.equal(worker.flags, "Init Ok ");
    for (const [letters, text] of [
      ["N", "Init Drn Ok "],
      ["E", "Init Err "],
      ["H", "Init Stby Ok "],
      ["D", "Init Dis "],
      ["IUSRFC", "Init Ign Shut Stop Spar Free HcFl "],
    ] as const) {
      const bits = parseStatus(letters)!.on;
      worker.setStatus(bits);
      assert.equal(worker.flags, text);
      worker.clearStatus(bits);
    }
    assert.equal(new ProxyWorker(parseWorkerUrl("http://h") as WorkerUrl, "member").flags, "??? ");
  });
});

describe("retry()", () => {
  it("leaves the error strictly after `retry`", () => {
    const worker = member();
    assert.equal(worker.retry(5), "not in error");
    assert.equal(worker.setError(1000), true);
    assert.equal(worker.retry(61_000), "too soon");
    assert.equal(worker.retry(61_000.5), "marked for retry");
    assert.deepEqual([worker.isUsable, worker.s.retries], [true, 1]);
    worker.connected();
    assert.equal(worker.s.retries, 0);
  });

  it("S keeps it; I lets it go at once, and setError() does nothing", () => {
    const worker = member();
    worker.setStatus(IN_ERROR | STOPPED);
    assert.equal(worker.retry(1e15), "stopped");
    worker.clearStatus(STOPPED);
    worker.s.errorTimeMs = 1e15;
    worker.setStatus(IGNORE_ERRORS);
    assert.equal(worker.retry(0), "marked for retry");
    assert.equal(worker.setError(1), false);
    assert.equal(worker.has(IN_ERROR), false);
  });

  it("an error of the configuration is gone at the first look", () => {
    const worker = member();
    worker.setStatus(IN_ERROR);
    assert.equal(worker.retry(Date.UTC(2026, 0)), "marked for retry");
  });
});

describe("ProxyWorker", () => {
  it("initialize() makes max=5 smax=9 min=7 into 5/5/5", () => {
    const worker = new ProxyWorker(parseWorkerUrl("http://h") as WorkerUrl, "member");
    Object.assign(worker.params, { max: 5, smax: 9, min: 7 });
    worker.initialize();
    assert.deepEqual([worker.params.max, worker.params.smax, worker.params.min], [5, 5, 5]);
  });

  it("busy never falls below 0", () => {
    const worker = member();
    worker.incrementBusy();
    worker.decrementBusy();
    worker.decrementBusy();
    assert.equal(worker.s.busy, 0);
  });

  it("forgetChild() takes back what a child had at hand, and its election, and nothing of others", () => {
    const first = member();
    const second = member();
    second.s = first.s;
    first.shares = second.shares = sharesStruct.slotAt(new ArrayBuffer(sharesStruct.sizeBytes), 0);
    second.child = 1;
    for (const worker of [first, second, second]) worker.incrementBusy();
    first.s.election = 2;
    assert.equal(first.forgetChild(0), 1);
    assert.deepEqual([first.s.busy, first.s.election], [2, 2]);
    assert.equal(first.forgetChild(1), 2);
    assert.deepEqual([first.s.busy, first.s.election], [0, 0]);
    assert.equal(first.forgetChild(1), 0);
  });

  it("a member that is added takes a place for what its children have at hand, and leaves it when it goes", () => {
    const balancer = new ProxyBalancer("balancer://b", [member()]);
    const place = sharesStruct.slotAt(new ArrayBuffer(sharesStruct.sizeBytes), 0);
    const shares = () => [place.child0, place.child1];
    const slot = workerStruct.slotAt(new ArrayBuffer(workerStruct.sizeBytes), 0);
    balancer.spareSlots = [slot];
    balancer.spareShares = [place];
    balancer.child = 1;
    const added = member();
    assert.equal(balancer.add(added), null);
    added.incrementBusy();
    assert.deepEqual(shares(), [0, 1]);
    balancer.remove(added);
    assert.deepEqual([shares(), slot.busy], [[0, 0], 0]);
    added.decrementBusy();
    assert.deepEqual(shares(), [0, 0]);
    assert.equal(balancer.spareShares[0], place);
  });

  it("a member that another child has added keeps what was counted since; it is cleared by who removes it first", () => {
    const slot = workerStruct.slotAt(new ArrayBuffer(workerStruct.sizeBytes), 0);
    const [here, there] = ["here", "there"].map((name) => {
      const balancer = new ProxyBalancer(`balancer://${name}`, [member()]);
      balancer.spareSlots = [slot];
      return balancer;
    }) as [ProxyBalancer, ProxyBalancer];
    const [one, other] = [member(), member()];
    one.setStatus(DISABLED);
    other.setStatus(DISABLED);
    assert.equal(here.add(one), null);
    one.clearStatus(DISABLED);
    one.s.elected = 10;
    assert.equal(there.add(other, false), null);
    assert.deepEqual([other.s.elected, other.flags], [10, "Init Ok "]);
    here.remove(one);
    assert.equal(here.add(one), null);
    one.s.elected = 5;
    there.remove(other, false);
    assert.equal(one.s.elected, 5);
  });
});
