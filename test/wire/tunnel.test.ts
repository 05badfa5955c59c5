/** Upgrades through the whole program: the handshake's bytes, then a tunnel, its ends and its memory. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  type Backend,
  type BackendConnection,
  early,
  fin,
  Gate,
  head,
  ok,
  respond,
  type Step,
  startBackend,
  tunnel,
} from "../support/backend.ts";
import { type Client, connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend();
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Front fetch 127.0.0.1:PORT2
    ServerName front.test
    LogLevel debug
    CustomLog DIR/access.log "%U %>s"
    ProxyPass "/ws/" "ws://${backend.authority}/ws/" max=1
    ProxyPass "/up/" "${backend.url}/up/" upgrade=websocket
    ProxyPass "/any/" "${backend.url}/any/" upgrade=ANY
    ProxyPass "/plain/" "${backend.url}/plain/"
    Timeout 1
    ProxyPass "/long/" "ws://${backend.authority}/long/" timeout=3
    <Proxy "balancer://app">
      BalancerMember "ws://${backend.authority}/member" route=a
      ProxySet stickysession=S
    </Proxy>
    ProxyPass "/bal/" "balancer://app/"
    ProxyPass "/whole/" "ws://${backend.authority}/whole/" timeout=30
    <Location "/whole/">
      SetEnv proxy-nohalfclose 1
    </Location>
    <Location "/raw/">
      ProxyWebsocketFallbackToProxyHttp Off
      ProxyPass "ws://${backend.authority}/raw/"
    </Location>
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const ASK = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: abc",
  "Sec-WebSocket-Protocol: chat, other",
];
const SWITCH = head(101, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: chat");
const echo: Step = tunnel((bytes, connection) => void connection.write(bytes));

type Front = "net" | "fetch";
/** The fetch front of Bun has no bytes for a tunnel. */
const FRONTS: readonly Front[] = "Deno" in globalThis ? ["net", "fetch"] : ["net"];
const connectTo = (front: Front): Promise<Client> => connectClient(front === "net" ? sluice.port : sluice.ports[1]!);

async function opened(target: string, answer: readonly Step[], front: Front = "net"): Promise<Client> {
  backend.routes = { ...backend.routes, [target]: answer };
  const client = await connectTo(front);
  const response = await client.get(target, ...ASK);
  assert.equal(response.status, 101);
  return client;
}

const lastConnection = () => backend.connections.at(-1)!;

test("the handshake passes as it is, and bytes behind either head are not lost", async () => {
  backend.routes = { ...backend.routes, "/ws/a": [early, `${SWITCH}greeting`, echo] };
  await using client = await connectClient(sluice.port);
  void client.send(`GET /ws/a?x=1 HTTP/1.1\r\nHost: h\r\n${ASK.join("\r\n")}\r\n\r\nearly`);
  const response = await client.response();
  assert.equal(response.status, 101);
  assert.equal(
    response.head,
    "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: chat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  await client.until(() => client.tunnelled === "greetingearly", "the echo");
  const { head: asked } = backend.requests.at(-1)!;
  assert.match(asked, /^GET \/ws\/a\?x=1 HTTP\/1.1\r\n/);
  assert.match(asked, /\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Protocol: chat, other\r\n/);
  assert.match(asked, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
});

test("the backend's FIN is passed on, and the client may still send", async () => {
  await using client = await opened("/ws/half2", [early, SWITCH, tunnel(), "bye", fin]);
  await client.untilEnded();
  assert.equal(client.tunnelled, "bye");
  await client.send("after");
  client.end();
  await backend.until(() => lastConnection().tunnelled === "after" && lastConnection().ended, "what came after");
  await client.untilClosed();
});

test("101 that nobody asked for, or of another protocol, is 502", async () => {
  for (const [target, fields] of [
    ["/plain/x", ASK],
    ["/up/x", []],
    ["/any/x", ["Upgrade: h2c", "Connection: Upgrade"]],
    ["/any/x", ["Upgrade: websocket, h2c", "Connection: Upgrade"]],
  ] as const) {
    backend.routes = { ...backend.routes, [target]: [early, SWITCH] };
    await using client = await connectClient(sluice.port);
    const response = await client.get(target, ...fields);
    assert.equal(response.status, 502, `${target} ${fields[0]}`);
    assert.match(response.text, /Unexpected Upgrade: websocket/);
  }
});

test("a request body goes first, all of it, however early the backend switches", async () => {
  backend.routes = { ...backend.routes, "/up/body": [early, SWITCH, tunnel()] };
  await using client = await connectClient(sluice.port);
  const part = "b".repeat(20_000);
  void client.send(`POST /up/body HTTP/1.1\r\nHost: h\r\n${ASK.join("\r\n")}\r\nContent-Length: 40000\r\n\r\n${part}`);
  await backend.until(() => lastConnection().received.includes("bbbb"), "the first half");
  assert.equal(client.responses.length, 0);
  void client.send(`${part}frame`);
  assert.equal((await client.response()).status, 101);
  await backend.until(() => lastConnection().received.endsWith("frame"), "what follows the body");
  assert.equal(lastConnection().received.match(/b+(?=frame)/)![0].length, 40_000);
});

test("fallback Off: a backend that says nothing at all is a 502, in the log", async () => {
  backend.routes = { ...backend.routes, "/raw/nothing": [early, fin] };
  await using client = await connectClient(sluice.port);
  void client.send(`GET /raw/nothing HTTP/1.1\r\nHost: h\r\n${ASK.join("\r\n")}\r\n\r\n`);
  await client.untilEnded();
  assert.equal(client.received, "");
  client.raw.end();
  await sluice.untilFile("access.log", "/raw/nothing 502");
});

test("fallback Off: the backend's answer is passed on as it is; no Upgrade: no mapping", async () => {
  const odd = "HTTP/1.1 403 Nope\r\nX-Odd : 1\r\n\r\nraw";
  backend.routes = { ...backend.routes, "/raw/x": [early, odd, tunnel(), fin] };
  await using client = await connectClient(sluice.port);
  void client.send(`GET /raw/x HTTP/1.1\r\nHost: h\r\n${ASK.join("\r\n")}\r\n\r\nmore`);
  await client.untilEnded();
  assert.equal(client.received, odd);
  await backend.until(
    () => lastConnection().received.endsWith("more") || lastConnection().tunnelled === "more",
    "more",
  );
  await using plain = await connectClient(sluice.port);
  assert.equal((await plain.get("/raw/x")).status, 404);
  const other = await plain.get("/raw/x", "Upgrade: h2c", "Connection: Upgrade");
  assert.deepEqual([other.status, other.field("upgrade")], [426, "WebSocket"]);
});

/** Resident memory of the program, MB. */
function residentMb(): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8"));
  return Number(found![1]) / 1024;
}

for (const front of FRONTS) {
  test(`${front}: the client's FIN is passed on, and the backend may still answer`, async () => {
    const gate = new Gate();
    await using client = await opened("/ws/half", [early, SWITCH, tunnel(), gate.step, "late", fin], front);
    void client.send("last words");
    client.end();
    const connection = lastConnection();
    await connection.untilEnded();
    assert.equal(connection.tunnelled, "last words");
    gate.open();
    await client.untilEnded();
    assert.equal(client.tunnelled, "late");
    await sluice.untilLog(/AH10223: tunnel ended: closed; 10 bytes to the backend, 4 to the client/);
  });

  test(`${front}: proxy-nohalfclose: the end of one side is the end`, async () => {
    const gate = new Gate();
    await using client = await opened("/whole/x", [early, SWITCH, tunnel(), gate.step, "nobody hears this"], front);
    client.end();
    await client.untilEnded();
    await lastConnection().untilEnded();
    assert.equal(client.tunnelled, "");
    gate.open();
  });

  test(`${front}: a place in the pool is held as long as the tunnel, and its connection is used by nobody after`, async () => {
    const before = backend.connections.length;
    const first = await opened("/ws/place", [early, SWITCH, echo], front);
    backend.routes = { ...backend.routes, "/ws/next": ok("next") };
    await using second = await connectTo(front);
    const answer = second.get("/ws/next");
    void first.send("still here");
    await first.until(() => first.tunnelled === "still here", "the echo");
    assert.equal(backend.connections.length, before + 1, "max=1 is one connection");
    first.destroy();
    assert.equal((await answer).text, "next");
    assert.equal(backend.connections.length, before + 2);
  });

  test(`${front}: a reset on one side ends the other`, async () => {
    await using client = await opened("/ws/reset", [early, SWITCH, tunnel((_bytes, c) => c.reset())], front);
    void client.send("x");
    await client.untilEnded();
    const gone = await opened("/ws/reset2", [early, SWITCH, echo], front);
    const connection = lastConnection();
    gone.reset();
    await connection.untilEnded();
  });

  test(`${front}: 16 MB both ways at once, byte for byte`, async () => {
    const size = 16 * 1024 * 1024;
    const up = Buffer.alloc(
      size,
      (() => {
        const seed = Buffer.alloc(65_521);
        for (let i = 0; i < seed.length; i++) seed[i] = (i * 31 + (i >> 8)) & 255;
        return seed;
      })(),
    );
    const down = Buffer.from(up).reverse();
    let connection!: BackendConnection;
    await using client = await opened(
      "/up/big",
      [
        early,
        SWITCH,
        tunnel(),
        async (own) => {
          connection = own;
          for (let at = 0; at < size; at += 1 << 20) await own.write(down.subarray(at, at + (1 << 20)));
        },
      ],
      front,
    );
    for (let at = 0; at < size; at += 1 << 20) await client.send(up.subarray(at, at + (1 << 20)));
    await client.until(() => client.tunnelledBytes >= size, "16 MB at the client");
    await backend.until(() => connection.tunnelledBytes >= size, "16 MB at the backend");
    assert.ok(Buffer.from(client.tunnelled, "latin1").equals(down));
    assert.ok(Buffer.from(connection.tunnelled, "latin1").equals(up));
  });

  for (const slow of ["client", "backend"] as const) {
    test(`${front}: a ${slow} that does not read holds the other up, not our memory`, async () => {
      const piece = Buffer.alloc(1 << 20, "z");
      const gate = new Gate();
      let sent = 0;
      const pourDown: Step = async (connection) => {
        await gate.reached();
        for (let i = 0; i < 200 && sent < 200; i++, sent++) await connection.write(piece);
      };
      await using client = await opened(
        `/any/slow-${slow}`,
        slow === "client" ? [early, SWITCH, tunnel(), pourDown] : [early, SWITCH, tunnel(), (c) => void c.raw.pause()],
        front,
      );
      const base = residentMb();
      const stuck = async (count: () => number): Promise<void> => {
        for (let last = -1; last !== count(); ) {
          last = count();
          await new Promise((resolve) => setTimeout(resolve, 300));
        }
      };
      if (slow === "client") {
        client.pause();
        void gate.step();
      } else {
        void (async () => {
          for (; sent < 200; sent++) await client.send(piece);
        })();
      }
      await stuck(() => sent);
      assert.ok(sent < 40, `${sent} MB were taken for a reader that reads nothing`);
      assert.ok(residentMb() - base < 60, `memory grew by ${Math.round(residentMb() - base)} MB`);
      client.destroy();
      lastConnection().raw.resume();
      await lastConnection().untilEnded();
    });
  }

  test(`${front}: silence ends a tunnel after the longer of Timeout and the worker's timeout; traffic in either direction is none`, async () => {
    const start = Date.now();
    await using short = await opened("/up/idle", [early, SWITCH, echo], front);
    await using long = await opened("/long/idle", [early, SWITCH, echo], front);
    await short.untilEnded();
    const first = Date.now() - start;
    assert.ok(first >= 900 && first < 2500, `Timeout 1 ended it after ${first} ms`);
    assert.equal(long.ended, false);
    await long.untilEnded();
    assert.ok(Date.now() - start >= 2900, "timeout=3 is longer than Timeout");
    await sluice.untilLog(/tunnel ended: idle time-out \(proxy\)/);
  });

  test(`${front}: a refused upgrade is an answer like any other: status, body, keep-alive`, async () => {
    backend.routes = {
      ...backend.routes,
      "/up/no": respond(403, "not today", "Upgrade: websocket", "Connection: Upgrade"),
      "/up/other": respond(403, "no", "Upgrade: h2c"),
    };
    await using client = await connectTo(front);
    const first = await client.get("/up/no", ...ASK);
    assert.deepEqual(
      [first.status, first.text, first.field("upgrade"), first.field("connection")],
      [403, "not today", "websocket", front === "net" ? "Upgrade" : undefined],
    );
    const second = await client.get("/up/other", ...ASK);
    assert.deepEqual([second.status, second.field("upgrade"), second.field("connection")], [403, undefined, undefined]);
  });

  test(`${front}: through a balancer, by the session's route`, async () => {
    backend.routes = { ...backend.routes, "/member/chat": [early, SWITCH, echo] };
    await using client = await connectTo(front);
    const response = await client.get("/bal/chat", ...ASK, "Cookie: S=1.a");
    assert.equal(response.status, 101);
    void client.send("ping");
    await client.until(() => client.tunnelled === "ping", "the echo");
  });

  test(`${front}: a graceful stop waits for tunnels`, async () => {
    await using own = await startSluice(`
    Listen 127.0.0.1:PORT
    Front ${front}
    ProxyPass "/ws/" "ws://${backend.authority}/ws/"
  `);
    backend.routes = { ...backend.routes, "/ws/stop": [early, SWITCH, echo] };
    await using client = await connectClient(own.port);
    assert.equal((await client.get("/ws/stop", ...ASK)).status, 101);
    own.signal("SIGWINCH");
    await own.untilLog("shutting down gracefully");
    void client.send("goes on");
    await client.until(() => client.tunnelled === "goes on", "the echo");
    client.destroy();
    assert.equal(await own.exited, 0);
  });
}
