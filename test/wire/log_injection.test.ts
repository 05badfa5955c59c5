/** What a client sends cannot become a line, or a field, of a log: bytes in at the front, the files' bytes out. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Backend, head, startBackend } from "../support/backend.ts";
import { connectClient } from "../support/client.ts";
import { type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
let sluice: Sluice;

before(async () => {
  backend = await startBackend(() => `${head(404, 'X-Reply: a"b\\c\t\xe9', "Content-Length: 0")}`);
  sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    ServerName front.test
    LogLevel debug
    LogFormat "%h [%r] [%U] [%q] [%{User-Agent}i] [%{Cookie}i] [%{sid}C] [%{X-Reply}o] [%V] %>s" all
    CustomLog DIR/access.log all
    CustomLog DIR/json.log json
    ProxyPass "/b/" "${backend.url}/"
    ProxyPass "/down/" "http://127.0.0.1:1/"
  `);
});

after(async () => {
  await sluice?.stop();
  await backend?.stop();
});

const FORGED = '127.0.0.1 [GET /forged HTTP/1.1] 200"';
const lines = (...all: string[]): string => `${all.join("\r\n")}\r\n\r\n`;

const HOSTILE: [name: string, bytes: string, shown: string][] = [
  [
    "an encoded line end in the path",
    lines(`GET /b/%0d%0a${FORGED.replaceAll(" ", "%20")} HTTP/1.1`, "Host: a"),
    "/b/\\r\\n127",
  ],
  ["a quote and a backslash in the target", lines('GET /b/"]\\ HTTP/1.1', "Host: a"), '/b/\\"]\\\\'],
  ["a quote in the query", lines('GET /b/?"x HTTP/1.1', "Host: a"), '?\\"x'],
  ["bytes beyond ASCII", lines("GET /b/\xff\x80 HTTP/1.1", "Host: a"), "/b/\\xff\\x80"],
  ["a bare LF in the request line", `GET /b/\n${FORGED}\r\nHost: a\r\n\r\n`, "[GET /b/"],
  ["a bare CR in the request line", `GET /b/\r${FORGED} HTTP/1.1\r\nHost: a\r\n\r\n`, "[GET /b/ 127"],
  ["an escape sequence in the request line", lines("GET /b/\x1b[2J HTTP/1.1", "Host: a"), "\\x1b[2J"],
  ["a NUL in the request line", lines("GET /b/\0x HTTP/1.1", "Host: a"), "\\x00x"],
  [
    "a quote, a tab and a backslash in a field",
    lines("GET /b/ HTTP/1.1", "Host: a", 'User-Agent: "\t\\x'),
    '[\\"\\t\\\\x]',
  ],
  ["a folded field", lines("GET /b/ HTTP/1.1", "Host: a", `User-Agent: a\r\n ${FORGED}`), '200\\"]'],
  ["bytes beyond ASCII in a cookie", lines("GET /b/ HTTP/1.1", "Host: a", 'Cookie: sid="\xe9\\'), '[\\"\\xe9\\\\]'],
  ["a field's bare LF", `GET /b/ HTTP/1.1\r\nHost: a\r\nUser-Agent: x\n${FORGED}\r\n\r\n`, "400"],
  ["a control byte in a field", lines("GET /b/ HTTP/1.1", "Host: a", "User-Agent: \x07"), "400"],
  ["an odd method", lines('G"T /b/ HTTP/1.1', "Host: a"), 'G\\"T'],
  [
    "a backend that is down, a forged path in the error log",
    lines("GET /down/%0a[forged] HTTP/1.1", "Host: a", 'Referer: "\\'),
    "503",
  ],
];

test("a line for each of the requests, in their order", async () => {
  for (const [, bytes] of HOSTILE) {
    await using client = await connectClient(sluice.port);
    void client.send(bytes);
    await client.response();
    client.end();
    await client.untilClosed();
  }
  await sluice.untilFile("access.log", new RegExp(`^(.*\\n){${HOSTILE.length}}$`));
});

HOSTILE.forEach(([name, , shown], i) => {
  test(`one line, of printable ASCII: ${name}`, () => {
    const line = sluice.file("access.log").split("\n")[i]!;
    assert.match(line, /^[\x20-\x7e]+$/);
    assert.match(line, /^127\.0\.0\.1 \[.*\] \d{3}$/);
    assert.ok(line.includes(shown), line);
  });
});

test("every line of the other logs is one of ours", async () => {
  for (const line of sluice.errorLog.trimEnd().split("\n")) {
    assert.match(
      line,
      /^\[\w{3} \w{3} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4}\] \[\w+:\w+\] \[pid \d+:tid \d+\] [\x20-\x7e]+$/,
    );
  }
  // Another file: it is written when it is written.
  await sluice.untilFile("json.log", new RegExp(`^(.*\\n){${HOSTILE.length}}$`));
  const entries = sluice
    .file("json.log")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(entries.length, HOSTILE.length);
});
