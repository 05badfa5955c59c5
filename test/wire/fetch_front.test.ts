/**
 * What the fetch front cannot keep, row by row of the table "Two fronts" in README.md: the same requests over both fronts, and
 * what came of them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import {
  type Backend,
  body,
  chunked,
  close,
  early,
  fin,
  Gate,
  head,
  ok,
  pour,
  startBackend,
  tunnel,
} from "../support/backend.ts";
import { type Client, connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

const onBun = "Bun" in globalThis;
let backend: Backend;
let net: Sluice;
let web: Sluice;

const conf = (front: string) => `
  Listen 127.0.0.1:PORT
  Front ${front}
  ServerName front.test
  LogLevel info
  KeepAliveTimeout 2
  ProxyTimeout 5
  ProxyPass /never/ !
  ProxyPass /manager !
  <Location "/manager">
    SetHandler balancer-manager
    Require all granted
    LimitRequestBody 20
  </Location>
  ProxyPass /switch/ ${backend.url}/switch/ upgrade=ANY
  ProxyPass / ${backend.url}/`;

before(async () => {
  backend = await startBackend({
    "/twice": ok("x", "X-Own: 1", "X-Own: 2", "Set-Cookie: a=1", "Set-Cookie: b=2"),
    "/hints": `${head(103, "Link: </a.css>")}${ok("late")}`,
    "/reason": head(404, "Content-Length: 0").replace("404 Not Found", "404 Gone Fishing"),
    "/odd": head(799, "Content-Length: 0"),
    "/trailers": chunked(["abc"], "X-Sum: 1"),
    "/slow": [head(200, "Content-Length: 6"), "abc", () => new Promise((resolve) => setTimeout(resolve, 50)), "def"],
    "/up": [early, "HTTP/1.1 100 Continue\r\n\r\n", body, ok("x")],
    "/case": ok("x", "X-MiXeD: 1"),
    "/switch/": (request) =>
      request.field("upgrade") === undefined
        ? ok("no")
        : [early, head(101, "Upgrade: other", "Connection: Upgrade"), tunnel(), "bye", fin],
  });
  net = await startSluice(conf("net"));
  web = await startSluice(conf("fetch"));
});

after(async () => {
  await net?.stop();
  await web?.stop();
  await backend?.stop();
});

async function exchange(port: number, bytes: string, expected = 1): Promise<Client> {
  const client = await connectClient(port);
  client.send(bytes);
  for (let i = 0; i < expected; i++) await client.response().catch(() => {});
  client.raw.destroy();
  return client;
}

const get = (target: string, ...fields: string[]): string =>
  `GET ${target} HTTP/1.1\r\n${["Host: front.test", ...fields].join("\r\n")}\r\n\r\n`;

/** What is seen of a row's matter over one front. */
type Look = (port: number) => Promise<unknown>;

interface Row {
  readonly look: Look;
  readonly net: unknown;
  readonly bun: unknown;
  readonly deno: unknown;
}

const status = (client: Client): number | string => client.responses[0]?.status ?? "closed";
const seen = () => backend.requests.at(-1)!;

const rows: Readonly<Record<string, Row>> = {
  target: {
    look: async (port) => {
      const above = status(await exchange(port, get("/../up")));
      await exchange(port, get("/a/./b\\c"));
      return [above, seen().target];
    },
    net: [400, "/a/b%5Cc"],
    bun: [200, "/a/b/c"],
    deno: [400, "/a/b%5Cc"],
  },
  methods: {
    look: async (port) => status(await exchange(port, get("/m").replace("GET", "FROB"))),
    net: 200,
    bun: "closed",
    deno: 200,
  },
  "names of fields": {
    look: async (port) => {
      const client = await exchange(port, get("/case", "X-QuiTe: 1"));
      const sent = seen().fields.find(([name]) => name.toLowerCase() === "x-quite")![0];
      return [sent, client.responses[0]!.fields.find(([name]) => name.toLowerCase() === "x-mixed")![0]];
    },
    net: ["X-QuiTe", "X-MiXeD"],
    bun: ["x-quite", "X-MiXeD"],
    deno: ["x-quite", "x-mixed"],
  },
  "repeated fields": {
    look: async (port) => {
      const [response] = (await exchange(port, get("/twice"))).responses;
      return [response!.fieldAll("x-own"), response!.fieldAll("set-cookie")];
    },
    net: [
      ["1", "2"],
      ["a=1", "b=2"],
    ],
    bun: [["1, 2"], ["a=1", "b=2"]],
    deno: [["1, 2"], ["a=1", "b=2"]],
  },
  "Content-Length": {
    look: async (port) => (await exchange(port, get("/slow"))).responses[0]!.field("content-length") ?? "chunked",
    net: "6",
    bun: "chunked",
    deno: "6",
  },
  "keep-alive": {
    look: async (port) =>
      (await exchange(port, get("/k", "Connection: keep-alive"))).responses[0]!.field("keep-alive") ?? "none",
    net: "timeout=2, max=100",
    bun: "none",
    deno: "none",
  },
  "pipelined requests": {
    look: async (port) => (await exchange(port, get("/one") + get("/two"), 2)).responses.length,
    net: 2,
    bun: 0,
    deno: 2,
  },
  "interim responses": {
    look: async (port) => (await exchange(port, get("/hints"))).responses[0]!.interim.length,
    net: 1,
    bun: 0,
    deno: 0,
  },
  "reason phrases": {
    look: async (port) => (await exchange(port, get("/reason"))).responses[0]!.start[2],
    net: "Gone Fishing",
    bun: "Not Found",
    deno: "Not Found",
  },
  statuses: {
    look: async (port) => status(await exchange(port, get("/odd"))),
    net: 799,
    bun: 502,
    deno: 502,
  },
  "a GET with a body": {
    look: async (port) => {
      await exchange(port, `${get("/g", "Content-Length: 3")}abc`);
      return seen().text;
    },
    net: "abc",
    bun: "",
    deno: "",
  },
  "100 Continue": {
    look: async (port) => {
      const request = get("/up", "Content-Length: 3", "Expect: 100-continue").replace("GET", "POST");
      await exchange(port, `${request}abc`);
      return seen().field("expect") ?? "none";
    },
    net: "100-continue",
    bun: "none",
    deno: "none",
  },
  "bad heads": {
    look: async (port) =>
      (await exchange(port, get("/x", "Bad Name: 1"))).responses[0]?.field("content-type") ?? "none",
    net: "text/html; charset=iso-8859-1",
    bun: "none",
    deno: "none",
  },
  "no Host": {
    look: async (port) => status(await exchange(port, "GET / HTTP/1.1\r\n\r\n")),
    net: 400,
    bun: 400,
    deno: 200,
  },
  upgrades: {
    look: async (port) => {
      await using client = await connectClient(port);
      const { status, text } = await client.get("/switch/", "Upgrade: other", "Connection: Upgrade");
      if (status !== 101) return text;
      await client.untilEnded();
      await client.send("after");
      client.end();
      const connection = backend.connections.at(-1)!;
      await connection.untilEnded();
      return [client.tunnelled, connection.tunnelled];
    },
    net: ["bye", "after"],
    bun: "no",
    deno: ["bye", ""],
  },
};

for (const [name, row] of Object.entries(rows)) {
  test(`two fronts: ${name}`, async () => {
    assert.deepEqual(await row.look(net.port), row.net, "net");
    assert.deepEqual(await row.look(web.port), onBun ? row.bun : row.deno, "fetch");
  });
}

test("README.md has a row for each", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("\n## Two fronts\n")[1]?.split("\n## ")[0] ?? "";
  const listed = [...section.matchAll(/^\| ([^|]+?) \|/gm)].map(([, cell]) => cell!);
  assert.deepEqual(listed.slice(2), Object.keys(rows));
});

test("what the fetch front keeps: bodies as they come, both ways, and no faster than they are taken", async () => {
  const gate = new Gate();
  backend.routes = { ...backend.routes, "/pour": [head(200), "abc", gate.step, pour(40_000_000), close] };
  const client = await connectClient(web.port);
  client.send(get("/pour"));
  await client.until(() => client.responses[0]?.bodyLength === 3, "the first bytes");
  client.raw.pause();
  gate.open();
  const { raw } = seen().connection;
  let sent = -1;
  while (sent !== raw.bytesWritten - raw.writableLength) {
    sent = raw.bytesWritten - raw.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 200)); // until nothing moves: there is no event for that
  }
  assert.ok(sent < 35_000_000, `${sent} bytes were read for a client that takes nothing`);
  client.raw.resume();
  await client.response();
  assert.equal(client.responses[0]!.bodyLength, 40_000_003);
  client.raw.destroy();
});

test("what the fetch front keeps: a large request body, whole and with its length", async () => {
  const text = "0123456789".repeat(100_000);
  await exchange(web.port, `${get("/large", `Content-Length: ${text.length}`).replace("GET", "PUT")}${text}`);
  assert.equal(seen().field("content-length"), String(text.length));
  assert.equal(seen().text, text);
});

test("a client that leaves ends the request at the backend, before and behind the head", async () => {
  for (const path of ["/before", "/behind"]) {
    const gate = new Gate();
    const steps = path === "/before" ? [body, gate.step, head(200)] : [body, head(200), "abc", gate.step];
    backend.routes = { ...backend.routes, [path]: [...steps, pour(10_000_000)] };
    const client = await connectClient(web.port);
    client.send(get(path));
    await gate.reached();
    if (path === "/behind") await client.until(() => client.responses[0]?.bodyLength === 3, "the first bytes");
    const { connection } = seen();
    client.raw.destroy();
    await connection.untilEnded();
    gate.open();
  }
});

test("a body that breaks off does not look whole", async () => {
  backend.routes = { ...backend.routes, "/cut": [head(200, "Transfer-Encoding: chunked"), "3\r\nabc\r\n", close] };
  const client = await connectClient(web.port);
  client.send(get("/cut"));
  await client.until(() => client.closed || client.ended, "the end");
  assert.equal(client.responses[0]?.complete ?? false, false);
  client.raw.destroy();
});

test("Limit* hold: a long line 414, many or long fields 400", async () => {
  await using small = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName front.test
    LimitRequestLine 100
    LimitRequestFields 10
    LimitRequestFieldSize 60
    ProxyPass / ${backend.url}/`);
  assert.equal(status(await exchange(small.port, get(`/${"a".repeat(200)}`))), 414);
  assert.equal(status(await exchange(small.port, get("/", `X: ${"a".repeat(100)}`))), 400);
  assert.equal(status(await exchange(small.port, get("/", ...Array.from({ length: 12 }, (_, i) => `X-${i}: 1`)))), 400);
  assert.equal(status(await exchange(small.port, get("/"))), 200);
});

test("a body that comes too slowly: 408", async () => {
  await using strict = await startSluice(`
    Listen 127.0.0.1:PORT
    Front fetch
    ServerName front.test
    RequestReadTimeout body=1
    ProxyPass / ${backend.url}/`);
  const client = await connectClient(strict.port);
  client.send(`${get("/", "Content-Length: 10").replace("GET", "POST")}abc`);
  assert.equal((await client.response()).status, 408);
  client.raw.destroy();
});

test("a graceful reload: the request at hand ends as it began, new ones meet the new configuration", async () => {
  await using sluice = await startSluice(
    `Listen 127.0.0.1:PORT\nFront fetch\nServerName f\nProxyPass / ${backend.url}/old/`,
  );
  const gate = new Gate();
  backend.routes = { ...backend.routes, "/old/held": [body, gate.step, ok("held")] };
  const held = await connectClient(sluice.port);
  held.send(get("/held"));
  await gate.reached();
  sluice.writeConf(`Listen 127.0.0.1:PORT\nFront fetch\nServerName f\nProxyPass / ${backend.url}/new/`);
  sluice.signal("SIGUSR1");
  await sluice.untilLog(/resuming normal operations[\s\S]*resuming normal operations/);
  await exchange(sluice.port, get("/x"));
  assert.equal(seen().target, "/new/x");
  gate.open();
  assert.equal((await held.response()).text, "held");
  held.raw.destroy();
  assert.equal(await sluice.stop("SIGWINCH"), 0);
});

test("Front for one listener: the others stay on net", async () => {
  await using both = await startSluice(`
    Listen 127.0.0.1:PORT
    Listen 127.0.0.1:PORT2
    Front fetch 127.0.0.1:PORT2
    ServerName f
    ProxyPass / ${backend.url}/`);
  const interim = async (port: number) => (await exchange(port, get("/hints"))).responses[0]!.interim.length;
  assert.deepEqual([await interim(both.ports[0]!), await interim(both.ports[1]!)], [1, 0]);
});

test("LimitRequestBody holds for what a handler reads, by length and in chunks", async () => {
  const head = "POST /manager HTTP/1.1\r\nHost: front.test\r\nContent-Type: application/x-www-form-urlencoded\r\n";
  for (const { port } of [net, web]) {
    for (const [length, status] of [
      [20, 200],
      [21, 413],
    ] as const) {
      const form = "a=".padEnd(length, "b");
      for (const sent of [
        `${head}Content-Length: ${length}\r\n\r\n${form}`,
        `${head}Transfer-Encoding: chunked\r\n\r\n${length.toString(16)}\r\n${form}\r\n0\r\n\r\n`,
      ]) {
        assert.equal((await exchange(port, sent)).responses[0]!.status, status, sent);
      }
    }
  }
});
