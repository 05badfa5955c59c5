import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseTarget } from "../../../../plugins/heartbeat/address.ts";
import { LagMeter, readySlots } from "../../../../plugins/heartbeat/load.ts";
import { formatHeartbeat, parseHeartbeat } from "../../../../plugins/heartbeat/message.ts";
import { writeStorage } from "../../../../plugins/heartbeat/storage.ts";
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

const beat = { ready: 8, busy: 2, port: 81 };

describe("writeStorage()", () => {
  it("writes the file whole, as httpd does, for others to read only", () => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-hb-"));
    const path = join(dir, "hb.dat");
    const clock = new VirtualClock();
    const table = new HeartbeatTable(clock, 10);
    table.add("10.0.0.1", beat);
    table.add("::1", { ready: 8, busy: 0, port: 80 });
    clock.advance(1900);
    writeStorage(path, table);
    writeStorage(path, table);
    assert.equal(
      readFileSync(path, "utf8"),
      "10.0.0.1 &ready=8&busy=2&lastseen=1&port=81\n::1 &ready=8&busy=0&lastseen=1&port=80\n",
    );
    assert.equal(statSync(path).mode & 0o777, 0o444);
    rmSync(dir, { recursive: true });
  });
});

describe("HeartbeatTable", () => {
  it("ages what it knows, forgets after 30 seconds, and makes room so", () => {
    const clock = new VirtualClock();
    const table = new HeartbeatTable(clock, 2);
    assert.equal(table.add("a", beat), true);
    clock.advance(20_000);
    assert.equal(table.add("b", beat), true);
    assert.equal(table.add("c", beat), false);
    assert.equal(table.hosts().get("a")!.lastSeen, 20);
    clock.advance(10_000);
    assert.equal(table.add("c", beat), true);
    assert.deepEqual([...table.hosts().keys()], ["b", "c"]);
    table.add("b", { ...beat, ready: 1 });
    assert.deepEqual([table.hosts().get("b")!.ready, table.hosts().get("b")!.lastSeen], [1, 0]);
  });

  it("offers a quarter of the places of who has nothing to do yet", () => {
    const table = new HeartbeatTable(new VirtualClock(), 2);
    table.add("new", { ready: 9, busy: 0, port: 80 });
    table.add("old", { ready: 9, busy: 1, port: 80 });
    assert.deepEqual(
      [...table.hosts().values()].map(({ ready, busy }) => [ready, busy]),
      [
        [2, 0],
        [9, 1],
      ],
    );
  });

  it("answers the same map until something is heard or a second has passed", () => {
    const clock = new VirtualClock();
    const table = new HeartbeatTable(clock, 2);
    table.add("a", beat);
    const first = table.hosts();
    clock.advance(999);
    assert.equal(table.hosts(), first);
    clock.advance(1);
    const second = table.hosts();
    assert.notEqual(second, first);
    assert.deepEqual([first.get("a")!.lastSeen, second.get("a")!.lastSeen], [0, 1]);
    table.add("a", beat);
    assert.equal(table.hosts().get("a")!.lastSeen, 0);
  });

  it("takes over what another one knows, as old as it is", () => {
    const clock = new VirtualClock();
    const before = new HeartbeatTable(clock, 10);
    before.add("a", beat);
    clock.advance(5000);
    const table = new HeartbeatTable(clock, 10);
    table.takeOver(before);
    assert.equal(table.hosts().get("a")!.lastSeen, 5);
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
