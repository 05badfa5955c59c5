import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { HTTP_09, HTTP_10, HTTP_11 } from "../../../modules/http/head.ts";
import { parseRequestHead, RequestHead, type RequestLimits, requestHeads } from "../../../modules/http/request_head.ts";

const REQUEST_LIMITS: Readonly<RequestLimits> = { requestLine: 8190, fieldSize: 8190, fields: 100 };

/** The text in the middle of a buffer of token characters, so that a read past the end shows. */
function bytes(text: string, before = 3): Bytes {
  return Buffer.from(`${"a".repeat(before)}${text}${"a".repeat(40)}`, "latin1") as unknown as Bytes;
}

function request(text: string, limits = REQUEST_LIMITS): { n: number; head: RequestHead } {
  const head = new RequestHead();
  return { n: parseRequestHead(bytes(text), 3, 3 + text.length, limits, head), head };
}

/** The same, the bytes arriving one by one and the buffer moving each time. */
function dribbled(text: string, limits = REQUEST_LIMITS, step = 1): { n: number; head: RequestHead } {
  const head = new RequestHead();
  let n = 0;
  for (let end = step; n === 0 && end - step < text.length; end += step) {
    const part = text.slice(0, end);
    const at = end % 5;
    n = parseRequestHead(bytes(part, at), at, at + part.length, limits, head);
  }
  return { n, head };
}

const GET = "GET /a?b=c HTTP/1.1\r\n";

test("parseRequestHead() reads line and fields and says what it took", () => {
  const text = `${GET}Host: h.test\r\nX-A:  1 \t\r\nX-Empty:\r\nX-Blank: \t \r\n\r\nGET`;
  const { n, head } = request(text);
  assert.equal(n, text.length - 3);
  assert.deepEqual(
    [head.method, head.target, head.protocol, head.requestLine],
    ["GET", "/a?b=c", HTTP_11, "GET /a?b=c HTTP/1.1"],
  );
  assert.deepEqual(head.headers.fields, ["Host", "h.test", "X-A", "1", "X-Empty", "", "X-Blank", ""]);
});

test("parseRequestHead() merges repeated fields at the first, Cookie too", () => {
  const { head } = request(`${GET}cookie: a=1\r\nX: 1\r\nCookie: b=2\r\nx: \r\nX: 3\r\n\r\n`);
  assert.deepEqual(head.headers.fields, ["cookie", "a=1, b=2", "X", "1, , 3"]);
});

test("parseRequestHead() joins folded lines with one space", () => {
  const { head, n } = request(`${GET}X: a  \r\n \t b \r\n\tc\r\nY:\r\n z\r\nX: q\r\n  r\r\n\r\n`);
  assert.ok(n > 0);
  assert.deepEqual(head.headers.fields, ["X", "a b c, q r", "Y", "z"]);
  assert.equal(request(`${GET} X: a\r\n\r\n`).head.ah, "AH03442");
  assert.equal(request(`${GET}X: a\r\n  \r\n\r\n`).head.ah, "AH03443");
});

test("parseRequestHead() versions and simple requests", () => {
  for (const [line, protocol] of [
    ["GET / HTTP/1.0", HTTP_10],
    ["GET / HTTP/1.1", HTTP_11],
    ["GET / HTTP/1.2", HTTP_11],
    ["GET / HTTP/2.0", HTTP_11],
    ["FOO * HTTP/1.1", HTTP_11],
  ] as const) {
    const { n, head } = request(`${line}\r\n\r\n`);
    assert.equal(n, line.length + 4, line);
    assert.equal(head.protocol, protocol, line);
  }
  const simple = request("GET /x\r\nmore");
  assert.equal(simple.n, 8);
  assert.deepEqual([simple.head.protocol, simple.head.target, simple.head.requestLine], [HTTP_09, "/x", "GET /x"]);
  assert.equal(request("POST /x\r\n").n, -400);
});

test("parseRequestHead() skips ten empty lines, not eleven", () => {
  assert.ok(request(`${"\r\n".repeat(10)}${GET}\r\n`).n > 0);
  assert.equal(request(`${"\r\n".repeat(11)}${GET}\r\n`).n, -400);
  assert.equal(request(`\n${GET}\r\n`).n, -400);
});

const BAD = [
  "GET  / HTTP/1.1\r\n\r\n",
  "GET /  HTTP/1.1\r\n\r\n",
  "GET / HTTP/1.1 \r\n\r\n",
  "GET / http/1.1\r\n\r\n",
  "GET / HTTP/0.9\r\n\r\n",
  "GET / HTTP/11\r\n\r\n",
  "GET / HTTP/1.10\r\n\r\n",
  "GET / HTTP/a.1\r\n\r\n",
  "GET / HTTP/1.1\n\r\n",
  "GET /\n",
  "GET /#f HTTP/1.1\r\n\r\n",
  "GET /\0 HTTP/1.1\r\n\r\n",
  "GET\t/ HTTP/1.1\r\n\r\n",
  "GET /\t HTTP/1.1\r\n\r\n",
  "GET /\x7f HTTP/1.1\r\n\r\n",
  "G{T / HTTP/1.1\r\n\r\n",
  " GET / HTTP/1.1\r\n\r\n",
  "GET\r\n\r\n",
  "GET \r\n\r\n",
  "GET / \r\n\r\n",
  ...[
    "NoColon\r\n",
    ": v\r\n",
    "X : v\r\n",
    "X\t: v\r\n",
    "X: a\nY: b\r\n",
    "X: a\0b\r\n",
    "X: a\rb\r\n",
    "X: \x01\r\n",
    "X: \x7f\r\n",
    "X\0: a\r\n",
    "(X): a\r\n",
    "X\u00e9: a\r\n",
    "\rX: a\r\n",
    "X: a\r\r\n",
    "Host: a\r\nHost: b\r\n",
    "host: a\r\nHOST: a\r\n",
    "Content-Length: 3\r\nContent-Length: 3\r\n",
    "Content-Length: 3\r\nX: 1\r\ncontent-length: 4\r\n",
  ].map((fields) => `${GET}${fields}\r\n`),
];

test("parseRequestHead() refuses what httpd refuses, in one piece and byte by byte", () => {
  for (const text of BAD) {
    assert.equal(request(text).n, -400, JSON.stringify(text));
    assert.notEqual(request(text).head.reason, "", JSON.stringify(text));
    assert.equal(dribbled(text).n, -400, `dribbled ${JSON.stringify(text)}`);
  }
  // a bare LF is seen at once, though it is the last byte
  assert.equal(request(`${GET}X: a\n`).n, -400);
});

test("parseRequestHead() limits: 8191 accepted, 8192 refused, ended or not", () => {
  const line = (n: number): string => `GET /${"x".repeat(n - 14)} HTTP/1.1`;
  assert.equal(line(8191).length, 8191);
  assert.ok(request(`${line(8191)}\r\n\r\n`).n > 0);
  assert.equal(request(`${line(8192)}\r\n\r\n`).n, -414);
  assert.equal(request("G".repeat(8191)).n, 0);
  assert.equal(request("G".repeat(8192)).n, -414);
  assert.equal(request(`GET /#${"G".repeat(8192)}\r\n`).n, -414);
  const field = (n: number): string => `X: ${"x".repeat(n - 3)}`;
  assert.ok(request(`${GET}${field(8191)}\r\n\r\n`).n > 0);
  for (const text of [`${field(8192)}\r\n\r\n`, "x".repeat(8192), field(8192)]) {
    const { n, head } = request(GET + text);
    assert.deepEqual([n, head.note], [-400, "Size of a request header field exceeds server limit."]);
    assert.equal(dribbled(GET + text, REQUEST_LIMITS, 100).n, -400);
  }
  assert.equal(request(`${GET}${field(8191)}`).n, 0);
  assert.equal(request(`${GET}${field(8191)}\r`).n, 0);
  assert.equal(request(`${GET}X: ${"x".repeat(5000)}\r\nX: ${"x".repeat(5000)}\r\n\r\n`).head.ah, "AH00560");
  assert.equal(request(`${GET}X: ${"x".repeat(5000)}\r\n ${"x".repeat(5000)}\r\n\r\n`).head.ah, "AH00562");
});

test("parseRequestHead() counts field lines: 100 accepted, 101 refused, 0 is no limit", () => {
  const fields = (n: number): string => Array.from({ length: n }, (_, i) => `X-${i}: ${i}\r\n`).join("");
  assert.equal(request(`${GET}${fields(100)}\r\n`).head.headers.size, 100);
  for (const parse of [request, dribbled]) {
    const { n, head } = parse(`${GET}${fields(101)}\r\n`);
    assert.deepEqual(
      [n, head.note, head.requestLine],
      [-400, "The number of request header fields exceeds this server's limit.", GET.trim()],
    );
  }
  const all = request(`${GET}${fields(500)}\r\n`, { ...REQUEST_LIMITS, fields: 0 });
  assert.equal(all.head.headers.size, 500);
  assert.deepEqual(all.head.headers.fields.slice(-2), ["X-499", "499"]);
});

test("parseRequestHead() reads the same whatever the pieces", () => {
  const fields = Array.from({ length: 70 }, (_, i) => `X-${i}: ${i}\r\n`).join("");
  for (const text of [
    `\r\n\r\n${GET}Host: h\r\nX: a\r\n b\r\n\tc\r\nCookie: a\r\nCookie: b\r\nY:\r\n d\r\n\r\n`,
    `POST / HTTP/1.0\r\n\r\n`,
    `GET /x\r\n`,
    `${GET}${fields}X-69: again\r\n fold\r\n\r\n`,
  ]) {
    const whole = request(text);
    assert.equal(whole.n, text.length);
    const seen = (head: RequestHead): unknown[] => [
      head.method,
      head.target,
      head.protocol,
      head.requestLine,
      head.headers.fields,
      head.headers.ids,
    ];
    for (let split = 0; split <= text.length; split++) {
      const head = new RequestHead();
      let n = parseRequestHead(bytes(text.slice(0, split)), 3, 3 + split, REQUEST_LIMITS, head);
      if (split < text.length) {
        assert.equal(n, 0, `${split}`);
        n = parseRequestHead(bytes(text, 7), 7, 7 + text.length, REQUEST_LIMITS, head);
      }
      assert.equal(n, text.length, `${split}`);
      assert.deepEqual(seen(head), seen(whole.head), `${split}`);
    }
    const slow = dribbled(text);
    assert.equal(slow.n, text.length);
    assert.deepEqual(seen(slow.head), seen(whole.head));
  }
});

test("parseRequestHead() can be used again after reset(), and leaves the last table alone", () => {
  const head = new RequestHead();
  const text = `${GET}Host: a\r\n\r\n`;
  parseRequestHead(bytes(text), 3, 3 + text.length, REQUEST_LIMITS, head);
  const first = head.headers;
  head.reset();
  assert.equal(parseRequestHead(bytes(text), 3, 3 + text.length, REQUEST_LIMITS, head), text.length);
  assert.notEqual(head.headers, first);
  assert.deepEqual(first.fields, ["Host", "a"]);
});

test("a head that is lent again knows nothing of the last, whose table stays as it was, if it was empty, too", () => {
  for (const text of [`${GET}Host: a\r\n\r\n`, "GET /x?y HTTP/1.0\r\n\r\n", "GET /x\r\n", "bad\r\n\r\n"]) {
    const head = requestHeads.lend();
    parseRequestHead(bytes(text), 3, 3 + text.length, REQUEST_LIMITS, head);
    const { headers } = head;
    requestHeads.giveBack(head);
    const again = requestHeads.lend();
    assert.equal(again, head);
    assert.notEqual(again.headers, headers);
    assert.deepEqual(again, new RequestHead());
    requestHeads.giveBack(again);
  }
});
