/** The error log: levels, formats, what a line tells of a request. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeServer, settle, type TestServer } from "../../support/server.ts";

const DOWN = 'ProxyPass "/" "http://127.0.0.1:9/"';
const GET = 'GET /x HTTP/1.1\r\nHost: www.example\r\nReferer: http://r/"\\\r\nX-A: a"b\\c\r\n\r\n';

/** One request whose backend closes at once: AH01102, AH01105, AH00898. */
async function failing(conf: string, request = GET): Promise<TestServer> {
  const server = makeServer(`${conf}\n${DOWN}`);
  server.connect().feed(request);
  const backend = await server.backend();
  backend.destroy();
  await settle();
  return server;
}

const has = (server: TestServer, text: string): boolean => server.errors.some((line) => line.includes(text));

describe("the error log", () => {
  it("names level, module, client, number and referer, and escapes what a client sent", async () => {
    const { errors } = await failing("");
    assert.match(
      errors.find((line) => line.includes("AH01102"))!,
      /^\[\w{3} Nov 20 \d\d:00:00\.000000 2026\] \[proxy_http:error\] \[pid 1:tid 1\] \[client 192\.0\.2\.1:4321\] AH01102: error reading status line from remote server 127\.0\.0\.1:9, referer: http:\/\/r\/"\\\\\n$/,
    );
  });

  it("has no line of a client's own making", async () => {
    const { errors } = await failing("", 'GET /%0a%0d"\\ HTTP/1.1\r\nHost: a\r\n\r\n');
    const line = errors.find((text) => text.includes("AH00898"))!;
    assert.ok(line.includes('returned by /\\n\\r"\\\\\n'), line);
  });
});

describe("LogLevel", () => {
  it("holds for modules, and in a section for its requests", async () => {
    assert.equal(has(await failing("LogLevel crit"), "AH01102"), false);
    assert.equal(has(await failing("LogLevel crit proxy_http:error"), "AH01102"), true);
    const section = 'LogLevel crit\n<Location "/x">\nLogLevel proxy_http:error\n</Location>';
    assert.equal(has(await failing(section), "AH01102"), true);
    assert.equal(has(await failing(section), "AH00898"), false);
    assert.equal(has(await failing(section.replace("/x", "/y")), "AH01102"), false);
  });

  it("of a virtual host is put on top of the main server's; a bare level resets those of modules", async () => {
    const inVhost = (level: string) =>
      `LogLevel crit proxy_http:error\n<VirtualHost *:80>\nServerName a\nLogLevel ${level}\n${DOWN}\n</VirtualHost>`;
    assert.equal(has(await failing(inVhost("proxy:debug")), "AH01102"), true);
    assert.equal(has(await failing(inVhost("crit")), "AH01102"), false);
  });

  it("is refused for a level or module that is none, in a section too", () => {
    assert.throws(
      () => makeServer("<Location />\nLogLevel proxy:loud\n</Location>"),
      /^ConfigError: proxy:loud: Log level/,
    );
    assert.throws(() => makeServer("LogLevel nosuch:debug"), /Cannot find module nosuch/);
  });
});

describe("ErrorLogFormat", () => {
  const lines = async (conf: string): Promise<string[]> => (await failing(`LogLevel error\n${conf}`)).errors;

  it("makes fields: one with an empty item is left out with its blank", async () => {
    const found = await lines(
      'ErrorLogFormat "%{cu}t|%-m:%l [pid %P:tid %T] %7F: %E: [client\\ %a] %M% ,\\ referer\\ %{Referer}i %{none}e x%{none}ex y\\ z"',
    );
    assert.match(
      found[0]!,
      /^2026-11-20 \d\d:00:00\.000000\|proxy_http:error \[pid 1:tid 1\] \[client 192\.0\.2\.1:4321\] AH01102: [^,]*, referer http:\/\/r\/"\\\\ y z\n$/,
    );
  });

  it("has all items: addresses, ids, fields, notes, variables, names, times", async () => {
    const found = await lines(
      'ErrorLogFormat "%a|%{c}a|%A|%k|%v|%V|%{X-A}i|%-{none}i|%-{none}n|%-{none}e|%-E|%-F|%%|%{%Y}t|%M"\n',
    );
    assert.ok(
      found[0]!.startsWith(
        '192.0.2.1:4321|192.0.2.1:4321|192.0.2.9:80|0|test.example|www.example|a"b\\\\c|-|-|-|-|-|%|2026|AH01102: ',
      ),
      found.join(""),
    );
  });

  it("writes of a request and a connection once, before their first message; + leaves out lines", async () => {
    const found = await lines(`
      ErrorLogFormat "%M %L"
      ErrorLogFormat connection "conn %{c}L %a"
      ErrorLogFormat request "req %L of %{c}L %{X-A}i"
      ErrorLogFormat request "no %+{None}i"`);
    const conn = /^conn (\S{11}) 192/.exec(found[0]!)![1]!;
    const request = /^req (\S{11}) of (\S+) a"b/.exec(found[1]!)!;
    assert.equal(request[2], conn);
    assert.deepEqual(
      found.slice(2).map((line) => line.trimEnd().split(" ").at(-1)),
      [request[1], request[1]],
    );
  });

  it("is refused with httpd's words", () => {
    for (const [args, text] of [
      ['"x"', "main ErrorLogFormat must contain message format string '%M'"],
      ['"%+a %M"', "The '+' flag cannot be used in the main error log format"],
      ['request "%Q"', "Unrecognized error log format directive %Q"],
      ['loud "%M"', "ErrorLogFormat type must be one of request, connection"],
      ['"%M %{x"', "Ran off end of error log format parsing args to some directive"],
    ] as const) {
      assert.throws(() => makeServer(`ErrorLogFormat ${args}`), { message: text }, args);
    }
  });
});
