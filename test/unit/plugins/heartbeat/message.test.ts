import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseTarget } from "../../../../plugins/heartbeat/address.ts";
import { LagMeter, readySlots } from "../../../../plugins/heartbeat/load.ts";
import { formatHeartbeat, parseHeartbeat } from "../../../../plugins/heartbeat/message.ts";
import { parseStorage, StorageFile, writeStorage } from "../../../../plugins/heartbeat/storage.ts";
import { HeartbeatTable } from "../../../../plugins/heartbeat/table.ts";
import { VirtualClock } from "../../../support/clock.ts";

describe("parseHeartbeat()", () => {
  for (const [text, expected] of [
    ["v=1&ready=50&busy=0", { ready: 50, busy: 0, port: 80 }],
    ["v=1&ready=5&busy=2&port=8080", { ready: 5, busy: 2, port: 8080 }],
    ["v&busy&ready", { ready: 1, busy: 1, port: 80 }],
    ["busy=1&busy=2&ready=3x&v=1&other=9", { ready: 3, busy: 2, port: 80 }],
    ["v=1&%72eady=%35&busy=+7", { ready: 5, busy: 7, port: 80 }],
    ["v=1&ready=-5&busy=x", { ready: 0, busy: 0, port: 80 }],
    ["ready=5&busy=1", null],
    ["v=1&ready=5", null],
    ["v=1&busy=5", null],
    ["", null],
    ["%zz=%&v=1&ready=1&busy=1", { ready: 1, busy: 1, port: 80 }],
  ] as const) {
    it(text || "nothing", () => assert.deepEqual(parseHeartbeat(text, true), expected));
  }

  it("by POST needs no version", () => {
    assert.deepEqual(parseHeartbeat("ready=5&busy=1", false), { ready: 5, busy: 1, port: 80 });
  });

  it("reads what formatHeartbeat() writes, which is what httpd sends", () => {
    assert.equal(formatHeartbeat({ ready: 50, busy: 0, port: 80 }), "v=1&ready=50&busy=0");
    const beat = { ready: 7, busy: 3, port: 3001 };
    assert.deepEqual(parseHeartbeat(formatHeartbeat(beat), true), beat);
  });
});

describe("the storage file", () => {
  it("is written whole, for others to read only, and read again when it changed", () => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-hb-"));
    const path = join(dir, "hb.dat");
    const file = new StorageFile(path);
    assert.equal(file.read(), null);
    writeStorage(path, [["10.0.0.1", { ready: 5, busy: 2, lastSeen: 1.9, port: 80 }]]);
    assert.equal(readFileSync(path, "utf8"), "10.0.0.1 &ready=5&busy=2&lastseen=1&port=80\n");
    assert.equal(statSync(path).mode & 0o777, 0o444);
    const first = file.read()!;
    assert.deepEqual(first.get("10.0.0.1"), { ready: 5, busy: 2, lastSeen: 1, port: 80 });
    assert.equal(file.read(), first);
    writeStorage(path, []);
    assert.equal(file.read()!.size, 0);
    rmSync(path);
    assert.equal(file.read(), null);
    writeFileSync(path, "10.0.0.2 &ready=1\n");
    assert.deepEqual([...file.read()!.keys()], ["10.0.0.2"]);
    rmSync(dir, { recursive: true });
  });

  it("comments and lines without a space are skipped, the last line of an address rules", () => {
    const entries = parseStorage("# x &ready=1\nnothing\n::1 &ready=1&busy=2\n::1 busy=9&lastseen=3&port=81\n\n");
    assert.deepEqual([...entries], [["::1", { ready: 0, busy: 9, lastSeen: 3, port: 81 }]]);
  });
});

describe("HeartbeatTable", () => {
  const beat = { ready: 1, busy: 0, port: 80 };

  it("ages what it knows, forgets after 30 seconds, and makes room so", () => {
    const clock = new VirtualClock();
    const table = new HeartbeatTable(clock, 2);
    assert.equal(table.add("a", beat), true);
    clock.advance(20_000);
    assert.equal(table.add("b", beat), true);
    assert.equal(table.add("c", beat), false);
    assert.equal(table.entries.get("a")!.lastSeen, 20);
    clock.advance(10_001);
    assert.equal(table.add("c", beat), true);
    assert.deepEqual([...table.entries.keys()], ["b", "c"]);
  });

  it("takes over what another one knows, as old as it is", () => {
    const clock = new VirtualClock();
    const before = new HeartbeatTable(clock, 10);
    before.add("a", beat);
    clock.advance(5000);
    const table = new HeartbeatTable(clock, 10);
    table.takeOver(before);
    assert.equal(table.entries.get("a")!.lastSeen, 5);
  });
});

describe("LagMeter and readySlots()", () => {
  it("the worst lateness since it was asked last, also of a loop that stands still", () => {
    const lag = new LagMeter(0);
    lag.sample(100);
    lag.sample(250);
    lag.sample(351);
    assert.equal(lag.take(351), 50);
    assert.equal(lag.take(400), 0);
    assert.equal(lag.take(1451), 1000);
  });

  it("an event loop that is late has less to offer, and never nothing while there is room", () => {
    assert.equal(readySlots(100, 0, 0), 100);
    assert.equal(readySlots(100, 20, 0), 80);
    assert.equal(readySlots(100, 20, 50), 40);
    assert.equal(readySlots(100, 99, 5000), 1);
    assert.equal(readySlots(100, 100, 0), 0);
    assert.equal(readySlots(100, 150, 0), 0);
  });
});

describe("parseTarget()", () => {
  for (const [text, expected] of [
    ["239.0.0.1:27999", { host: "239.0.0.1", port: 27999 }],
    ["localhost:1", { host: "localhost", port: 1 }],
    ["[::1]:2", { host: "::1", port: 2 }],
    ["foo", "No port provided in address"],
    ["127.0.0.1", "No port provided in address"],
    ["27999", "No host provided in address"],
    [":27999", "Unable to parse address."],
    ["239.0.0.1:99999", "Unable to parse address."],
    ["239.0.0.1:0", "Unable to parse address."],
  ] as const) {
    it(text, () => assert.deepEqual(parseTarget(text, "address"), expected));
  }
});
