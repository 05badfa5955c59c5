/** mod_log_config: what is written of a request, and when. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeServer, settle, type TestServer } from "../../support/server.ts";

/** Answers what the log `a` has after these requests, each on a connection of its own, to a server without backends. */
function logged(conf: string, ...requests: string[]): string {
  const server = makeServer(conf);
  for (const request of requests) server.connect().feed(request);
  server.end();
  return server.logs.a ?? "";
}

const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, "Host: www.example:81", ...fields, "", ""].join("\r\n");

const ESCAPED: [name: string, format: string, request: string, line: string][] = [
  ["a quote in the request line", "%r", get('/a"b'), 'GET /a\\"b HTTP/1.1'],
  ["a backslash in the request line", "%r", get("/a\\b"), "GET /a\\\\b HTTP/1.1"],
  ["bytes beyond ASCII", "%r %U", get("/\xe9\x80"), "GET /\\xe9\\x80 HTTP/1.1 /\\xe9\\x80"],
  ["an encoded line break in the path", "%U", get("/a%0d%0ab%1b%7f"), "/a\\r\\nb\\x1b\\x7f"],
  ["an encoded NUL ends the path", "%U %>s", get("/a%00b"), "/a 404"],
  ["a quote in the query", "%q", get('/a?"'), '?\\"'],
  ["a tab and a quote in a field", "%{X}i", get("/", 'X: a\tb"c\\'), 'a\\tb\\"c\\\\'],
  [
    "a control byte in a field: refused, and not written as it is",
    "%r %>s",
    get("/", "X: a\x1bb"),
    "GET / HTTP/1.1 400",
  ],
  ["a bare CR in the request line", "%r %>s", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b 400"],
  ["too many blanks in the request line", "%r|%m|%U|%q", "GET  /x?y  HTTP/1.1\r\n\r\n", "GET /x?y HTTP/1.1|GET|/x|?y"],
  ["a request line without a target", "%r|%m|%U|%H", "BAD\r\nHost: a\r\n\r\n", "BAD|BAD|/|HTTP/1.0"],
  ["a refused field", "%r|%U|%q", "GET http://h/x?y HTTP/1.1\r\nX Y: z\r\n\r\n", "GET http://h/x?y HTTP/1.1|/x|?y"],
  ["a bare LF in the request line", "%r %>s", "GET /a\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a 400"],
  ["a cookie", "%{sid}C", get("/", 'Cookie: a=1; SID = "x y\\ ; z'), '\\"x y\\\\'],
  ["the host that the client names", "%V", get("/").replace("www.example:81", "a_b.example"), "a_b.example"],
  ["a password", "%r", "GET http://u:secret@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://u:XXXXXXXX@h/ HTTP/1.1"],
];

describe("LogFormat", () => {
  for (const [name, format, request, line] of ESCAPED) {
    it(`writes one line: ${name}`, () => {
      assert.equal(logged(`CustomLog a "${format}"`, request), `${line}\n`);
    });
  }

  it("writes what was asked, of whom and by whom", () => {
    const conf =
      'CustomLog a "%a %{c}a %h %A %p %{remote}p %{local}p %v %V %m %U%q %H %s %>s %b %B %l %u %k %X %P %{x}P"';
    assert.equal(
      logged(conf, get("/x?y")),
      "192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.9 80 4321 80 test.example www.example GET /x?y HTTP/1.1 404 404 244 244 - - 0 + 1 x\n",
    );
  });

  it("writes - for what is not there", () => {
    assert.equal(
      logged('CustomLog a "%{X}i %{X}o %{X}e %{X}n %{X}C %f %R %L %{X}^ti %^FB"', get("/")),
      "- - - - - - - - - -\n",
    );
  });

  it("writes times: of the begin and the end, as words and by strftime, and the duration in each unit", async () => {
    const server = makeServer(`
      CustomLog a "%{%Y-%m-%d}t %{begin:sec}t %{end:msec}t %{msec_frac}t %{end:usec_frac}t %D %T %{ms}T %{us}T %{h}T"
      ProxyPass / http://127.0.0.1:9/
    `);
    server.clock.advance(7);
    server.connect().feed(get("/"));
    const backend = await server.backend();
    server.clock.advance(1234);
    backend.feed("HTTP/1.1 204 No\r\n\r\n");
    await settle();
    server.end();
    assert.equal(server.logs.a, "2026-11-20 1795168800 1795168801241 007 241000 1234000 1 1234 1234000 h\n");
  });

  it("takes % modifiers: statuses, original, final", () => {
    assert.equal(
      logged('CustomLog a "%404{Host}i %!404{Host}i %200,500U %!200,500U %<s %>s %%"', get("/x")),
      "www.example:81 - - /x 404 404 %\n",
    );
  });

  it("takes the escapes of the format itself", () => {
    assert.equal(logged("CustomLog a '%m\\tx\\\\y\\z'", get("/")), "GET\tx\\y\\z\n");
  });

  it("knows common, combined and CLF, and what a file calls so instead", () => {
    const combined =
      /^192\.0\.2\.1 - - \[20\/Nov\/2026:\d\d:00:00 [+-]\d{4}\] "GET \/ HTTP\/1\.1" 404 244 "-" "curl"\n$/;
    assert.match(logged("CustomLog a combined", get("/", "User-Agent: curl")), combined);
    assert.equal(logged('LogFormat "mine %m" combined\nCustomLog a Combined', get("/")), "mine GET\n");
    assert.equal(logged('LogFormat "last %m"\nTransferLog a', get("/")), "last GET\n");
    assert.equal(logged("CustomLog a nosuchname", get("/")), "nosuchname\n");
  });

  it("is refused with httpd's words", () => {
    for (const [line, text] of [
      ['LogFormat "%Z"', "Unrecognized LogFormat directive %Z"],
      ['CustomLog a "%^zz"', "Unrecognized LogFormat directive %^zz"],
      ['LogFormat "%{x"', "Ran off end of LogFormat parsing args to some directive"],
      ['LogFormat "%{x}"', "Ran off end of LogFormat parsing args to some directive"],
      ["CustomLog a b c", "error in condition clause"],
      ["CustomLog a b env=", "missing environment variable name"],
      ["CustomLog a", "CustomLog takes two or three arguments, a file name"],
    ] as const) {
      assert.throws(
        () => makeServer(line),
        (error: Error) => error.message.startsWith(text),
        line,
      );
    }
  });
});

describe("CustomLog", () => {
  const VHOSTS = `
    LogFormat "main %U" f
    CustomLog m f
    GlobalLog g f
    <VirtualHost *:80>
      ServerName a.test
    </VirtualHost>
    <VirtualHost *:80>
      ServerName b.test
      LogFormat "b %U" f
      CustomLog b f
      CustomLog m "b in m"
    </VirtualHost>`;

  it("of a virtual host stands in for the main server's; GlobalLog is written always", () => {
    const server = makeServer(VHOSTS);
    for (const host of ["a.test", "b.test"]) server.connect().feed(`GET /${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    server.end();
    assert.deepEqual(server.logs, { m: "main /a.test\nb in m\n", g: "main /a.test\nmain /b.test\n", b: "b /b.test\n" });
  });

  it("with env= is written if the variable is there, with env=! if not", () => {
    const conf = `
      <LocationMatch "^/(?<hit>x)">
      </LocationMatch>
      CustomLog a "with %U" env=MATCH_HIT
      CustomLog a "without %U" env=!MATCH_HIT`;
    assert.equal(logged(conf, get("/x"), get("/y")), "with /x\nwithout /y\n");
  });

  it("is written within 300 ms, or at once when much is gathered, and at the end", () => {
    const server = makeServer('CustomLog a "%U"');
    const written = (): string => server.logs.a!;
    server.connect().feed(get("/1"));
    assert.equal(written(), "");
    server.clock.advance(300);
    assert.equal(written(), "/1\n");
    for (let i = 0; i < 20; i++) server.connect().feed(get(`/${"x".repeat(4000)}`));
    const gathered = written();
    assert.ok(gathered.length > 65_000 && gathered.length < 80_000);
    server.end();
    assert.equal(written().split("\n").length, 22);
  });

  it("with BufferedLogs is written within five seconds", () => {
    const server = makeServer('BufferedLogs On\nCustomLog a "%U"');
    server.connect().feed(get("/1"));
    server.clock.advance(4000);
    assert.equal(server.logs.a, "");
    server.clock.advance(1300);
    assert.equal(server.logs.a, "/1\n");
  });

  it("tells of a request once, after its end, a client's that left too", async () => {
    const server = makeServer('CustomLog a "%U %X %>s %O"\nProxyPass / http://127.0.0.1:9/');
    const client = server.connect();
    client.feed(get("/left"));
    await server.backend();
    client.destroy();
    await settle();
    server.end();
    assert.equal(server.logs.a, "/left X 200 0\n");
  });
});

describe("the nickname json", () => {
  const CONF = `
    CustomLog a json
    <Proxy balancer://app>
      BalancerMember http://m1 route=one retry=60
      BalancerMember http://m2 route=two
      ProxySet stickysession=SID
    </Proxy>
    ProxyPass /app balancer://app/`;

  const entries = (server: TestServer) =>
    server.logs
      .a!.trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("tells of balancer, member, route, session, attempts, times and the end", async () => {
    const server = makeServer(CONF);
    const client = server.connect();
    client.feed(get("/app/x?y", "Cookie: SID=a.two", 'Referer: "x'));
    server.clock.advance(5);
    const backend = await server.backend();
    server.clock.advance(20);
    backend.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await settle();
    server.end();
    assert.deepEqual(entries(server), [
      {
        time: "2026-11-20T10:00:00.000Z",
        client: "192.0.2.1",
        vhost: "test.example",
        method: "GET",
        target: "/app/x?y",
        protocol: "HTTP/1.1",
        host: "www.example:81",
        status: 200,
        bytes: 2,
        referer: '"x',
        balancer: "balancer://app",
        member: "http://m2",
        route: "two",
        sticky: "kept",
        attempts: 1,
        connectMs: 5,
        firstByteMs: 25,
        backendMs: 25,
        totalMs: 25,
        end: "complete",
      },
    ]);
  });

  it("tells who ended a request early, where and why", async () => {
    const server = makeServer(`${CONF}\nProxyTimeout 3`);
    server.connect().feed(get("/app/a"));
    (await server.backend()).destroy();
    await settle();
    const client = server.connect();
    client.feed(get("/app/b"));
    await server.backend();
    client.destroy();
    await settle();
    server.connect().feed(get("/app/c"));
    await server.backend();
    server.clock.advance(3400);
    await settle();
    server.connect().feed(get("/nothing"));
    server.end();
    const ends = entries(server).map(({ status, end, stage, cause, sticky }) => [status, end, stage, cause, sticky]);
    assert.deepEqual(ends, [
      [502, "backend", "read-head", "closed before the status line", "new"],
      [200, "client", "read-body", "client left", "new"],
      [502, "backend", "read-head", "read timeout", "new"],
      [404, "complete", undefined, undefined, undefined],
    ]);
  });

  it("costs nothing where it is not used: no times are taken", () => {
    assert.equal(makeServer(CONF.replace("a json", "a combined")).process.takesTimes, false);
    assert.equal(makeServer(CONF).process.takesTimes, true);
  });
});
