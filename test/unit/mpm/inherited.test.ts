import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { describe, it } from "node:test";
import { Inherited, type InheritedSocket, takeInherited } from "../../../modules/mpm/inherited.ts";
import { inodeOf, listeningTcp, ownSockets } from "../../../modules/mpm/proc_net.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

const socket = (fd: number, address: string, port: number, unix = "", name = ""): InheritedSocket => ({
  fd,
  address,
  port,
  unix,
  name,
});
const generation = (text: string) => new TestGeneration(text, new VirtualClock()).process;
const check = (text: string, ...sockets: InheritedSocket[]) => new Inherited(sockets).check(generation(text));

describe("Inherited", () => {
  for (const [listen, handed] of [
    ["127.0.0.1:80", socket(3, "127.0.0.1", 80)],
    ["80", socket(3, "::", 80)],
    ["*:80", socket(3, "0.0.0.0", 80)],
    ["0.0.0.0:80", socket(3, "0.0.0.0", 80)],
    ["[::1]:80", socket(3, "::1", 80)],
    ["[0:0:0::1]:80", socket(3, "::1", 80)],
    ["unix:/run/s", socket(3, "", 0, "/run/s")],
  ] as const) {
    it(`Listen ${listen} is ${handed.unix || handed.address}`, () => check(`Listen ${listen}`, handed));
  }

  for (const [listen, handed] of [
    ["127.0.0.1:80", socket(3, "127.0.0.1", 81)],
    ["127.0.0.1:80", socket(3, "0.0.0.0", 80)],
    ["80", socket(3, "127.0.0.1", 80)],
    ["0.0.0.0:80", socket(3, "::", 80)],
    ["unix:/run/s", socket(3, "", 0, "/run/t")],
  ] as const) {
    it(`Listen ${listen} is not ${handed.unix || `${handed.address}:${handed.port}`}`, () =>
      assert.throws(() => check(`Listen ${listen}`, handed), /Listen \S+: no such socket was handed over/));
  }

  it("refuses a socket that no Listen is for, and the second one of an address", () => {
    const more = socket(4, "127.0.0.1", 81, "", "admin");
    assert.throws(
      () => check("Listen 127.0.0.1:80", socket(3, "127.0.0.1", 80), more),
      /no Listen is for 127\.0\.0\.1:81 \(fd 4, admin\)/,
    );
    assert.throws(
      () => check("Listen 127.0.0.1:80", socket(3, "127.0.0.1", 80), socket(4, "127.0.0.1", 80)),
      /no Listen is for 127\.0\.0\.1:80 \(fd 4\)/,
    );
  });

  it("refuses Front fetch, whose servers take no socket", () => {
    assert.throws(() => check("Listen 127.0.0.1:80\nFront fetch", socket(3, "127.0.0.1", 80)), /Front fetch cannot/);
  });

  it("asks nothing where nothing was handed over", () => check("Listen 127.0.0.1:80"));
});

describe("takeInherited()", () => {
  it("hears what is for this process alone, and takes it out of the environment", () => {
    const env = { LISTEN_FDS: "1", LISTEN_PID: "7", LISTEN_FDNAMES: "web", HOME: "/" };
    assert.equal(takeInherited(env, 8).remark, "LISTEN_FDS is for process 7, this one is 8: it is ignored");
    assert.deepEqual(env, { HOME: "/" });
    assert.deepEqual(takeInherited(env, 8), new Inherited([]));
  });

  it("refuses what is no listening socket", () => {
    assert.throws(
      () => takeInherited({ LISTEN_FDS: "9000", LISTEN_PID: "7" }, 7),
      /fd \d+, which is no listening socket/,
    );
  });
});

describe("listeningTcp()", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    it(`knows a listener on ${host}, and who has it`, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as { port: number };
      const found = [...listeningTcp()!].find(([, socket]) => socket.port === port);
      assert.deepEqual(found?.[1], { address: host, port, unix: "" });
      const own = [...ownSockets()].find(([, inode]) => inode === found?.[0]);
      assert.equal(inodeOf(own![0]), found?.[0]);
      await closed(server);
    });
  }
});

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
