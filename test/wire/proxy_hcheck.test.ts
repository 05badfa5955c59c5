/** Probes: what a member gets, and what its answer means. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../modules/core/clock.ts";
import { HC_FAIL } from "../../modules/mod.ts";
import { limitSockets } from "../../modules/net/node.ts";
import { probeRequest, startProbe } from "../../plugins/proxy_hcheck/probe.ts";
import {
  type Answer,
  type Backend,
  chunked,
  freePort,
  head,
  ok,
  reset,
  respond,
  short,
  stall,
  startBackend,
  untilClose,
} from "../support/backend.ts";
import { VirtualClock } from "../support/clock.ts";
import { TestGeneration } from "../support/generation.ts";
import { CERTS, pem, startTlsBackend } from "../support/tls.ts";

interface Probed {
  readonly passed: boolean;
  readonly reason: string;
  /** Of the connection, once it is closed. */
  readonly received: string;
}

async function probe(url: string, settings: string, before = ""): Promise<{ passed: boolean; reason: string }> {
  const text = `${before}\n<Proxy balancer://app>\nBalancerMember "${url}" ${settings}\n</Proxy>`;
  const g = new TestGeneration(text, systemClock);
  const worker = g.balancer().members[0]!;
  const finding = await startProbe(worker, worker.check!, g.balancer().name, g.process).done;
  g.process.wheel.stop();
  return finding;
}

async function ask(answer: Answer, settings: string, path = "", before = ""): Promise<Probed> {
  await using backend = await startBackend({ "*": answer });
  const finding = await probe(backend.url + path, settings, before);
  const connection = await backend.connection();
  await connection.untilEnded();
  return { ...finding, received: withoutPort(backend, connection.received) };
}

const withoutPort = (backend: Backend, text: string) => text.replaceAll(String(backend.port), "PORT");

describe("a probe sends", () => {
  const HOST = "\r\nHost: 127.0.0.1:PORT\r\n\r\n";
  for (const [settings, path, line] of [
    ["hcmethod=OPTIONS hcuri=/x", "/app", "OPTIONS * HTTP/1.0"],
    ["hcmethod=OPTIONS11", "", "OPTIONS * HTTP/1.1"],
    ["hcmethod=HEAD hcuri=/h", "/app", "HEAD /app//h HTTP/1.0"],
    ["hcmethod=HEAD11 hcuri=h", "/app", "HEAD /app/h HTTP/1.1"],
    ["hcmethod=GET", "/app", "GET /app HTTP/1.0"],
    ["hcmethod=GET hcuri=x", "/app/", "GET /app//x HTTP/1.0"],
    ["hcmethod=get11 hcuri=x", "/", "GET //x HTTP/1.1"],
    ["hcmethod=GET hcuri=/root", "", "GET /root HTTP/1.0"],
  ] as const) {
    it(`${line} for ${path || "no path"} with ${settings}, and no other field`, async () => {
      assert.equal((await ask(respond(200, ""), settings, path)).received, line + HOST);
    });
  }

  it("the address of IPv6 in brackets", () => {
    const text = "<Proxy balancer://app>\nBalancerMember http://[::1]/a hcmethod=GET hcuri=b\n</Proxy>";
    const worker = new TestGeneration(text, systemClock).balancer().members[0]!;
    assert.equal(probeRequest(worker, worker.check!), "GET /a/b HTTP/1.0\r\nHost: [::1]:80\r\n\r\n");
  });

  it("nothing by TCP", async () => {
    const { passed, reason, received } = await ask([stall], "hcmethod=TCP");
    assert.deepEqual([passed, reason, received], [true, "connected", ""]);
  });

  it("the same over a unix socket", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-hc-"));
    const unix = join(dir, "s");
    {
      await using backend = await startBackend({ "*": ok("") }, { unix });
      const { passed } = await probe(`unix:${unix}|http://app.test/base`, "hcmethod=GET hcuri=x");
      assert.equal(passed, true);
      assert.equal((await backend.connection()).received, "GET /base/x HTTP/1.0\r\nHost: app.test:80\r\n\r\n");
    }
    rmSync(dir, { recursive: true });
  });
});

describe("a probe passes or fails", () => {
  for (const [name, answer, settings, expected] of [
    ["200", ok("fine"), "hcmethod=GET", [true, "status 200"]],
    ["399", respond(399, ""), "hcmethod=GET", [true, "status 399"]],
    ["400", respond(400, ""), "hcmethod=GET", [false, "status 400"]],
    ["503", respond(503, "busy"), "hcmethod=HEAD", [false, "status 503"]],
    ["an interim answer first", head(103) + ok("x"), "hcmethod=GET11", [true, "status 200"]],
    ["204 without a body", head(204), "hcmethod=GET", [true, "status 204"]],
    ["chunks", chunked(["a", "b"]), "hcmethod=GET11", [true, "status 200"]],
    ["a body until the close", untilClose("all"), "hcmethod=GET", [true, "status 200"]],
    ["a body cut short", short("part", 100), "hcmethod=GET", [false, "closed in the body"]],
    ["that body of a HEAD, which is none", head(200, "Content-Length: 100"), "hcmethod=HEAD", [true, "status 200"]],
    ["bad chunks", [head(200, "Transfer-Encoding: chunked"), "zz\r\n"], "hcmethod=GET", [false, /^bad body: /]],
    ["no HTTP", ["SSH-2.0-x\r\n\r\n"], "hcmethod=GET", [false, "no status line"]],
    ["a line without colon", ["HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"], "hcmethod=GET", [false, /^bad head: /]],
    ["a reset", [reset], "hcmethod=GET", [false, "(104)Connection reset by peer"]],
    ["silence", [stall], "hcmethod=GET timeout=200ms", [false, "no answer in time"]],
    ["a head in drops", ["HTTP/1.1 20", stall], "hcmethod=GET timeout=200ms", [false, "no answer in time"]],
  ] as [string, Answer, string, [boolean, string | RegExp]][]) {
    it(name, async () => {
      const { passed, reason } = await ask(answer, settings);
      assert.equal(passed, expected[0], reason);
      if (typeof expected[1] === "string") assert.equal(reason, expected[1]);
      else assert.match(reason, expected[1]);
    });
  }

  it("nobody listens: why, and at which step", async () => {
    const port = await freePort();
    const { passed, reason } = await probe(`http://127.0.0.1:${port}`, "hcmethod=TCP");
    assert.deepEqual([passed, reason], [false, "connect: (111)Connection refused"]);
  });

  it("a name that has no address", async () => {
    const { passed, reason } = await probe("http://no-such-host.invalid", "hcmethod=TCP");
    assert.equal(passed, false);
    assert.match(reason, /^address: /);
  });
});

describe("a probe over TLS", () => {
  const asked = async (options: Parameters<typeof startTlsBackend>[0], settings: string, section: string) => {
    // Another certificate, another name: Deno's client would go on with the session of the first.
    const name = options === undefined ? "127.0.0.1" : "localhost";
    await using backend = await startTlsBackend(options, undefined, name);
    const text = `<Proxy balancer://app>
        BalancerMember "https://${name}:${backend.port}" ${settings}
        ${section}
      </Proxy>`;
    const g = new TestGeneration(text, systemClock);
    const worker = g.balancer().members[0]!;
    const { passed, reason } = await startProbe(worker, worker.check!, g.balancer().name, g.process).done;
    g.process.wheel.stop();
    return `${passed} ${reason}`;
  };
  const GET = "hcmethod=GET hcuri=/h";
  const TRUSTED = `SSLProxyEngine on\nSSLProxyVerify require\nSSLProxyCACertificateFile ${CERTS}/ca.pem`;

  it("speaks as the <Proxy> section says, and checks the certificate as traffic does", async () => {
    assert.equal(await asked(undefined, GET, TRUSTED), "true status 200");
    const stranger = { cert: pem("stranger.pem"), key: pem("stranger.key") };
    assert.match(await asked(stranger, GET, TRUSTED), /^false TLS: /);
    assert.match(await asked(stranger, "hcmethod=TCP", TRUSTED), /^true connected$/);
  });

  it("fails without SSLProxyEngine", async () => {
    assert.match(await asked(undefined, GET, ""), /^false TLS to backends is not enabled/);
  });
});

describe("without a descriptor for a connection", () => {
  it("a check says nothing of the member: its counts stay, the log tells", async () => {
    const clock = new VirtualClock();
    const text = `<Proxy balancer://app>
        BalancerMember "http://127.0.0.1:1" hcmethod=TCP hcinterval=1 hcfails=2
      </Proxy>`;
    const g = new TestGeneration(text, clock).start();
    const worker = g.balancer().members[0]!;
    const look = async (text: string): Promise<void> => {
      const before = g.logged(text).length;
      clock.advance(1200);
      while (g.logged(text).length === before) await new Promise((resolve) => setImmediate(resolve));
    };
    try {
      await look("failed: connect: (111)");
      limitSockets(0);
      for (let i = 0; i < 3; i++) await look("could not be made: connect: (24)Too many open files");
      assert.deepEqual([worker.check!.failed, worker.has(HC_FAIL)], [1, false]);
      limitSockets(Number.POSITIVE_INFINITY);
      await look("DISABLING");
      assert.equal(worker.has(HC_FAIL), true);
    } finally {
      limitSockets(Number.POSITIVE_INFINITY);
      g.end();
    }
  });
});

describe("hcexpr decides alone", () => {
  const well = ok("all is Well", "X-State: good", "Content-Type: text/plain");
  for (const [expr, answer, settings, passed] of [
    ["%{REQUEST_STATUS} =~ /^[234]/", respond(404, ""), "hcmethod=HEAD", true],
    ["%{REQUEST_STATUS} -eq 200", respond(204, ""), "hcmethod=HEAD", false],
    ["hc('body') =~ /Well/", well, "hcmethod=GET", true],
    ["hc('BODY') =~ /ill/", well, "hcmethod=GET", false],
    ["%{HC_BODY} == 'ab'", chunked(["a", "b"]), "hcmethod=GET11", true],
    ["%{hc_other} == ''", chunked(["a", "b"]), "hcmethod=GET11", true],
    ["hc('body') == ''", well, "hcmethod=HEAD", true],
    ["hc('head') == ''", well, "hcmethod=GET", true],
    ["resp('x-state') == 'good' && %{CONTENT_TYPE} == 'text/plain'", well, "hcmethod=GET", true],
    ["%{REQUEST_METHOD} == 'GET' && %{SERVER_PROTOCOL} == 'HTTP/1.1'", well, "hcmethod=GET11", true],
    ["%{REQUEST_METHOD} == 'OPTIONS' && %{SERVER_PROTOCOL} == 'HTTP/1.0'", well, "hcmethod=OPTIONS", true],
    ["%{TIME_YEAR} -gt 2000 && tolower(hc('body')) == 'all is well'", well, "hcmethod=GET", true],
    ["req('Host') == '' && %{HTTP_HOST} == '' && %{REQUEST_URI} == ''", well, "hcmethod=GET", true],
    ["true", respond(500, "down"), "hcmethod=GET", true],
    ["false", well, "hcmethod=GET", false],
    ["file('/no/such/file') == ''", well, "hcmethod=GET", false],
    ["false", [stall], "hcmethod=TCP", true],
  ] as [string, Answer, string, boolean][]) {
    it(`${expr} with ${settings}`, async () => {
      const finding = await ask(answer, `${settings} hcexpr=It`, "", `ProxyHCExpr it {${expr}}`);
      assert.equal(finding.passed, passed, finding.reason);
    });
  }

  it("and its result is part of the reason", async () => {
    const { reason } = await ask(respond(500, ""), "hcmethod=GET hcexpr=up", "", "ProxyHCExpr up {true}");
    assert.equal(reason, "up is true, status 500");
  });

  it("refuses what is no expression, in httpd's words", () => {
    const generation = (expr: string) => () => new TestGeneration(`ProxyHCExpr a ${expr}`, systemClock);
    assert.throws(generation("{%{NOPE} == 1}"), {
      message: `Could not parse expression "%{NOPE} == 1": Variable 'NOPE' does not exist`,
    });
    assert.throws(generation("{foo bar}"), { message: /^Could not parse expression "foo bar": syntax error/ });
  });
});
