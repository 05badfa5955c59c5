/**
 * What hostile or broken backends answer to `GET /x`, and what must come of it (the notation is that of
 * test/support/hostile.ts): the client's answers, then whether the next request to the backend came on the same connection
 * ("reused") or on one of its own ("fresh"). None of them may get a byte of the case's answer.
 *
 * `httpd` is what httpd 2.4.71 did with the same answer, where it is something else: recorded from a running one.
 */
import { type Answer, chunked, close, early, head, ok, pour, reset, respond } from "../../support/backend.ts";

export interface BackendCase {
  readonly name: string;
  /** What it would do to whom. */
  readonly why: string;
  readonly answer: Answer;
  readonly outcome: string;
  readonly httpd?: string;
  /** @default GET */
  readonly method?: string;
  /** Fields of the client's answers that are told. */
  readonly gives?: readonly string[];
}

export interface BackendGroup {
  readonly group: string;
  readonly cases: readonly BackendCase[];
}

type Row = [
  name: string,
  why: string,
  answer: Answer,
  outcome: string,
  more?: Pick<BackendCase, "httpd" | "method" | "gives">,
];

function group(name: string, rows: readonly Row[]): BackendGroup {
  return {
    group: name,
    cases: rows.map(([title, why, answer, outcome, more]) => ({ name: title, why, answer, outcome, ...more })),
  };
}

const POISON = ok("poison");
const SPLIT = "what is left over answers somebody else's request";
const LENGTHS = "two hops that read two lengths disagree where the next answer begins";
const CHUNKS = "a chunk that two parsers end at different bytes hides an answer";
const FIELDS = "what is no field here may be one to the client";
const FLOOD = "memory and time of the proxy, for as long as the backend likes";
const CUT = "half an answer must not look whole";
const raw = (line: string, ...fields: string[]): string => `${[line, ...fields].join("\r\n")}\r\n\r\n`;
const chunk = (body: string): Answer => [`${head(200, "Transfer-Encoding: chunked")}${body}`, close];

export const BACKEND_CASES: readonly BackendGroup[] = [
  group("lengths", [
    [
      "two that differ",
      LENGTHS,
      [`${head(200, "Content-Length: 5", "Content-Length: 11")}hello${POISON}`, close],
      "502 after; fresh",
      { httpd: '200 "hello" after; fresh' },
    ],
    [
      "the same twice",
      LENGTHS,
      `${head(200, "Content-Length: 5", "Content-Length: 5")}hello`,
      '200 {content-length: 5} "hello" after; reused',
      { gives: ["content-length"] },
    ],
    ["a list", LENGTHS, [`${head(200, "Content-Length: 5, 5")}hello`, close], "502 after; fresh"],
    ["negative", LENGTHS, [`${head(200, "Content-Length: -5")}hello`, close], "502 after; fresh"],
    ["signed", LENGTHS, [`${head(200, "Content-Length: +5")}hello`, close], "502 after; fresh"],
    ["in hex", LENGTHS, [`${head(200, "Content-Length: 0x5")}hello`, close], "502 after; fresh"],
    ["with text behind", LENGTHS, [`${head(200, "Content-Length: 5x")}hello`, close], "502 after; fresh"],
    ["empty", LENGTHS, [`${head(200, "Content-Length: ")}hello`, close], "502 after; fresh"],
    ["beyond 2^64", LENGTHS, [`${head(200, "Content-Length: 18446744073709551621")}hello`, close], "502 after; fresh"],
    [
      "leading zeros",
      "a number all the same",
      `${head(200, "Content-Length: 0005")}hello`,
      '200 {content-length: 5} "hello" after; reused',
      { gives: ["content-length"] },
    ],
    [
      "beside chunks",
      LENGTHS,
      `${head(200, "Content-Length: 3", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`,
      '200 {transfer-encoding: chunked} "hello" after; fresh',
      { gives: ["content-length", "transfer-encoding"] },
    ],
    [
      "beside chunks, an answer behind",
      SPLIT,
      `${head(200, "Content-Length: 3", "Transfer-Encoding: chunked")}0\r\n\r\n${POISON}`,
      "200 after; fresh",
    ],
    [
      "beside a coding that is unknown",
      LENGTHS,
      [`${head(200, "Content-Length: 3", "Transfer-Encoding: x")}hello`, close],
      '200 "hello" after; fresh',
    ],
    [
      "named by Connection",
      LENGTHS,
      `${head(200, "Content-Length: 5", "Connection: Content-Length")}hello`,
      '200 {content-length: 5} "hello" after; reused',
      { httpd: "waits for a length", gives: ["content-length"] },
    ],
    ["more bytes than it says", SPLIT, `${head(200, "Content-Length: 5")}hello${POISON}`, '200 "hello" after; fresh'],
    ["an answer behind a whole one", SPLIT, `${ok("hello")}${POISON}`, '200 "hello" after; fresh'],
    ["a CRLF behind a whole one", "old servers do", [ok("hello"), "\r\n"], '200 "hello" after; reused'],
    [
      "a FIN behind a whole one",
      "an idle connection that is gone must not take a request",
      [ok("hello"), close],
      '200 "hello" after; fresh',
    ],
    [
      "a reset behind a whole one",
      "an idle connection that is gone must not take a request",
      [ok("hello"), reset],
      '200 "hello" after; fresh',
    ],
    ["a body behind 204", SPLIT, `${head(204, "Content-Length: 6")}poison`, "204 after; fresh"],
    ["an answer behind 204", SPLIT, `${head(204)}${POISON}`, "204 after; fresh"],
    ["a body behind 304", SPLIT, `${head(304, "Content-Length: 6")}poison`, "304 after; fresh"],
    [
      "chunks behind 304",
      SPLIT,
      `${head(304, "Transfer-Encoding: chunked")}6\r\npoison\r\n0\r\n\r\n`,
      "304 after; fresh",
    ],
    ["a body for HEAD", SPLIT, ok("poison"), "200 after; fresh", { method: "HEAD" }],
    ["chunks for HEAD", SPLIT, chunked(["poison"]), "200 after; fresh", { method: "HEAD" }],
    [
      "a length for HEAD",
      "the client's to know",
      head(200, "Content-Length: 99"),
      "200 {content-length: 99} after; reused",
      { method: "HEAD", gives: ["content-length"] },
    ],
    [
      "no length at all",
      "the end of the connection is the end of the body",
      [`${head(200)}hello`, close],
      '200 "hello" after; fresh',
    ],
    ["no length at all, reset", CUT, [`${head(200)}hello`, reset], '200 "hello" cut; fresh'],
  ]),

  group("chunks", [
    ["text as size", CHUNKS, chunk("xyz\r\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["a negative size", CHUNKS, chunk("-5\r\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["0x before the size", CHUNKS, chunk("0x5\r\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["a blank before the size", CHUNKS, chunk(" 5\r\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["17 digits", CHUNKS, chunk("10000000000000005\r\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["a bare LF behind the size", CHUNKS, chunk("5\nhello\r\n0\r\n\r\n"), "502 after; fresh"],
    ["a bare LF behind the data", CHUNKS, chunk("5\r\nhello\n0\r\n\r\n"), '200 "hello" cut; fresh'],
    ["more data than its size", CHUNKS, chunk("5\r\nhello!\r\n0\r\n\r\n"), '200 "hello" cut; fresh'],
    ["a bad second chunk", CUT, chunk("5\r\nhello\r\nzz\r\npoison\r\n0\r\n\r\n"), '200 "hello" cut; fresh'],
    ["cut in the size", CUT, chunk("5\r\nhello\r\n5"), '200 "hello" cut; fresh'],
    ["cut in the data", CUT, chunk("9\r\nhello"), '200 "hello" cut; fresh'],
    ["cut behind the data", CUT, chunk("5\r\nhello\r\n"), '200 "hello" cut; fresh'],
    ["cut before the empty line", CUT, chunk("5\r\nhello\r\n0\r\n"), '200 "hello" cut; fresh'],
    ["an extension", "not passed on", chunk("5;a=b\r\nhello\r\n0\r\n\r\n"), '200 "hello" after; fresh'],
    [
      "trailers",
      "not passed on: they must not become fields",
      `${head(200, "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\nX: 1\r\nContent-Length: 3\r\n\r\n`,
      '200 "hello" after; reused',
      { gives: ["x", "content-length"] },
    ],
    [
      "trailers without end",
      FLOOD,
      chunk(`0\r\n${"X: 1\r\n".repeat(2000)}`),
      "200 cut; fresh",
      { httpd: "502 after; fresh" },
    ],
    [
      "an extension without end",
      FLOOD,
      chunk(`5;${"a".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`),
      "200 cut; fresh",
      { httpd: "502 after; fresh" },
    ],
    [
      "an answer behind the last chunk",
      SPLIT,
      `${head(200, "Transfer-Encoding: chunked")}0\r\n\r\n${POISON}`,
      "200 after; fresh",
    ],
    [
      "twice chunked",
      CHUNKS,
      [`${head(200, "Transfer-Encoding: chunked, chunked")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 {transfer-encoding: chunked} "hello" after; fresh',
      { gives: ["transfer-encoding"] },
    ],
    [
      "gzip, chunked",
      CHUNKS,
      [`${head(200, "Transfer-Encoding: gzip, chunked")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 {transfer-encoding: chunked} "hello" after; fresh',
      { gives: ["transfer-encoding"] },
    ],
    [
      "chunked, gzip",
      CHUNKS,
      [`${head(200, "Transfer-Encoding: chunked, gzip")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 {transfer-encoding: chunked} "5\\r\\nhello\\r\\n0\\r\\n\\r\\n" after; fresh',
      { gives: ["transfer-encoding"] },
    ],
    [
      "chunked in two fields",
      CHUNKS,
      [`${head(200, "Transfer-Encoding: gzip", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 {transfer-encoding: chunked} "5\\r\\nhello\\r\\n0\\r\\n\\r\\n" after; fresh',
      { gives: ["transfer-encoding"] },
    ],
    [
      "xchunked",
      CHUNKS,
      [`${head(200, "Transfer-Encoding: xchunked")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 "5\\r\\nhello\\r\\n0\\r\\n\\r\\n" after; fresh',
    ],
    [
      "chunks by HTTP/1.0",
      CHUNKS,
      [`${raw("HTTP/1.0 200 OK", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`, close],
      '200 "hello" after; fresh',
    ],
  ]),

  group("status line", [
    [
      "none: HTTP/0.9",
      "text is no head",
      ["<b>hello</b>\r\nX: 1\r\n\r\n", close],
      '200 "<b>hello</b>X: 1\\r\\n\\r\\n" after; fresh',
      { gives: ["x"] },
    ],
    ["an empty line before it", "tolerated, once", `\r\n${ok("hello")}`, '200 "hello" after; reused'],
    ["empty lines before it", FLOOD, ["\r\n".repeat(50), ok("hello"), close], "502 after; fresh"],
    ["HTTP/2.0", "another protocol", [raw("HTTP/2.0 200 OK", "Content-Length: 0"), close], "502 after; fresh"],
    ["HTTP/0.9", "another protocol", [raw("HTTP/0.9 200 OK", "Content-Length: 0"), close], "502 after; fresh"],
    [
      "two digits of status",
      "not a status line",
      [raw("HTTP/1.1 20 OK", "Content-Length: 0"), close],
      '200 "HTTP/1.1 20 OKContent-Length: 0\\r\\n\\r\\n" after; fresh',
    ],
    [
      "status 000",
      "no status",
      [raw("HTTP/1.1 000 OK", "Content-Length: 0"), close],
      "502 after; fresh",
      { httpd: "text; fresh" },
    ],
    [
      "status 099",
      "no status",
      [raw("HTTP/1.1 099 OK", "Content-Length: 0"), close],
      "502 after; fresh",
      { httpd: "text; fresh" },
    ],
    ["status 999", "passed as it is", raw("HTTP/1.1 999 Odd", "Content-Length: 0"), "999 after; reused"],
    ["no reason", "passed as it is", `${raw("HTTP/1.1 200", "Content-Length: 5")}hello`, '200 "hello" after; reused'],
    [
      "a bare CR in the reason",
      FIELDS,
      [`${raw("HTTP/1.1 200 O\rX: 1", "Content-Length: 5")}hello`, close],
      '200 "hello" after; fresh',
      { gives: ["x"] },
    ],
    ["NUL in the reason", FIELDS, [raw("HTTP/1.1 200 O\0K", "Content-Length: 0"), close], "502 after; fresh"],
    [
      "a control byte in the reason",
      FIELDS,
      [`${raw("HTTP/1.1 200 O\x1b[2JK", "Content-Length: 5")}hello`, close],
      '200 "hello" after; fresh',
    ],
    [
      "angles in a reason that gets a page",
      "the page would run them",
      [raw("HTTP/1.1 2x0 <script>", "Content-Length: 0"), close],
      '200 "HTTP/1.1 2x0 <script>Content-Length: 0\\r\\n\\r\\n" after; fresh',
    ],
    [
      "a reason beyond responsefieldsize",
      FLOOD,
      [raw(`HTTP/1.1 200 ${"x".repeat(20_000)}`, "Content-Length: 0"), close],
      "502 after; fresh",
    ],
    ["no end of it", FLOOD, [`HTTP/1.1 200 ${"x".repeat(100_000)}`, close], "502 after; fresh"],
    ["nothing at all", "no answer is a failure, told as such", [close], "502 after; fresh"],
    ["a reset", "no answer is a failure, told as such", [reset], "502 after; fresh"],
  ]),

  group("fields", [
    ["no colon", FIELDS, [raw("HTTP/1.1 200 OK", "Content-Length: 0", "field"), close], "502 after; fresh"],
    [
      "a second status line",
      "ignored",
      `${raw("HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "Content-Length: 5")}hello`,
      '200 "hello" after; reused',
    ],
    ["a blank in the name", FIELDS, [raw("HTTP/1.1 200 OK", "X Y: 1", "Content-Length: 0"), close], "500; fresh"],
    [
      "a blank before the colon",
      LENGTHS,
      [`${raw("HTTP/1.1 200 OK", "Content-Length : 5")}hello`, close],
      "500; fresh",
    ],
    ["no name", FIELDS, [raw("HTTP/1.1 200 OK", ": 1", "Content-Length: 0"), close], "500; fresh"],
    [
      "a bare CR in a value",
      FIELDS,
      [raw("HTTP/1.1 200 OK", "X: 1\rY: 2", "Content-Length: 0"), close],
      "500; fresh",
      { gives: ["x", "y"] },
    ],
    ["NUL in a value", FIELDS, [raw("HTTP/1.1 200 OK", "X: 1\x002", "Content-Length: 0"), close], "502 after; fresh"],
    [
      "a control byte in a value",
      FIELDS,
      [raw("HTTP/1.1 200 OK", "X: \x07", "Content-Length: 0"), close],
      "500; fresh",
    ],
    [
      "bare LFs",
      "httpd takes them for line ends; the client gets CRLF",
      "HTTP/1.1 200 OK\nX: 1\nContent-Length: 5\n\nhello",
      '200 {x: 1} "hello" after; reused',
      { gives: ["x"] },
    ],
    [
      "a fold",
      "one line for the client",
      `${raw("HTTP/1.1 200 OK", "X: 1", " 2", "Content-Length: 5")}hello`,
      '200 {x: 1 2} "hello" after; reused',
      { gives: ["x"] },
    ],
    [
      "a folded Content-Length",
      LENGTHS,
      [`${raw("HTTP/1.1 200 OK", "Content-Length: 5", " 0")}hello`, close],
      "502 after; fresh",
    ],
    [
      "a fold before the first field",
      FIELDS,
      [raw("HTTP/1.1 200 OK", " X: 1", "Content-Length: 0"), close],
      "500; fresh",
      { gives: ["x"] },
    ],
    [
      "bytes beyond ASCII in a value",
      "passed as they are",
      `${raw("HTTP/1.1 200 OK", "X: \xe9\xff", "Content-Length: 5")}hello`,
      '200 {x: \u00e9\u00ff} "hello" after; reused',
      { gives: ["x"] },
    ],
    [
      "hop-by-hop fields",
      "they end here",
      ok(
        "hello",
        "Connection: X-A",
        "X-A: 1",
        "Keep-Alive: 9",
        "TE: x",
        "Trailer: X",
        "Proxy-Connection: x",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
      ),
      '200 "hello" after; reused',
      { gives: ["x-a", "keep-alive", "te", "trailer", "proxy-connection", "proxy-authenticate", "upgrade"] },
    ],
    [
      "Connection: close",
      "its connection, not the client's",
      [ok("hello", "Connection: close"), close],
      '200 "hello" after; fresh',
      { gives: ["connection"] },
    ],
    [
      "Set-Cookie named by Connection",
      "the backend's right",
      ok("hello", "Connection: Set-Cookie", "Set-Cookie: a=1"),
      '200 "hello" after; reused',
      { gives: ["set-cookie"] },
    ],
    [
      "Location to a host of its own",
      "only its own URLs are mapped",
      respond(302, "", "Location: http://evil.test/x"),
      "302 {location: http://evil.test/x} after; reused",
      { gives: ["location"] },
    ],
    ["Location with a bare CR", FIELDS, [respond(302, "", "Location: /x\rX: 1"), close], "500; fresh"],
    [
      "Set-Cookie whose path is a lie",
      "the last is the one that counts",
      respond(200, "", "Set-Cookie: a=1; Path=/; Path=/x"),
      "200 {set-cookie: a=1; Path=/; Path=/b/} after; reused",
      { gives: ["set-cookie"] },
    ],
    [
      "a value beyond responsefieldsize",
      FLOOD,
      [raw("HTTP/1.1 200 OK", `X: ${"x".repeat(20_000)}`, "Content-Length: 0"), close],
      "502 after; fresh",
    ],
    [
      "a value beyond it in folds",
      FLOOD,
      [raw("HTTP/1.1 200 OK", `X: 1${`\r\n ${"x".repeat(1000)}`.repeat(20)}`, "Content-Length: 0"), close],
      "502 after; fresh",
    ],
    [
      "a thousand fields",
      "httpd limits lines, not their number",
      `${raw("HTTP/1.1 200 OK", ...Array.from({ length: 1000 }, (_, i) => `X-${i}: 1`), "Content-Length: 5")}hello`,
      '200 "hello" after; reused',
    ],
    [
      "fields without end",
      FLOOD,
      ["HTTP/1.1 200 OK\r\n", "X-Flood: 0123456789\r\n".repeat(200_000), close],
      "502 after; fresh",
    ],
    ["cut in the head", CUT, ["HTTP/1.1 200 OK\r\nContent-Le", close], "502 after; fresh"],
    ["reset in the head", CUT, ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", reset], "502 after; fresh"],
    [
      "__proto__ and constructor as names",
      "fields are no properties of an object",
      ok("hello", "__proto__: 1", "constructor: 2"),
      '200 {__proto__: 1; constructor: 2} "hello" after; reused',
      { gives: ["__proto__", "constructor"] },
    ],
  ]),

  group("interim answers", [
    [
      "103, then the answer",
      "passed on",
      `${head(103, "Link: </a>")}${ok("hello")}`,
      '103 {link: </a>} 200 "hello" after; reused',
      { gives: ["link"] },
    ],
    ["100 that nobody asked for", "ends here", `${head(100)}${ok("hello")}`, '200 "hello" after; reused'],
    [
      "9 of them",
      "passed on",
      `${head(103).repeat(9)}${ok("hello")}`,
      '103 103 103 103 103 103 103 103 103 200 "hello" after; reused',
    ],
    [
      "10 of them",
      FLOOD,
      [`${head(103).repeat(10)}${ok("hello")}`, close],
      "103 103 103 103 103 103 103 103 103 103 502 after; fresh",
    ],
    [
      "thousands of them",
      FLOOD,
      [head(103).repeat(5000), close],
      "103 103 103 103 103 103 103 103 103 103 502 after; fresh",
    ],
    [
      "103 with a length",
      LENGTHS,
      `${head(103, "Content-Length: 6")}${ok("hello")}`,
      '103 200 {content-length: 5} "hello" after; reused',
      { httpd: '103 {content-length: 6} 200 {content-length: 5} "hello" after; reused', gives: ["content-length"] },
    ],
    [
      "103 with chunks",
      LENGTHS,
      `${head(103, "Transfer-Encoding: chunked")}${ok("hello")}`,
      '103 200 "hello" after; reused',
      { httpd: '103 {transfer-encoding: chunked} 200 "hello" after; reused', gives: ["transfer-encoding"] },
    ],
    [
      "103 with an illegal field",
      FIELDS,
      [`${head(103, "X: 1\rY: 2")}${ok("hello")}`, close],
      '200 "hello" after; fresh',
      { httpd: '103 {x: 1\rY: 2} 200 "hello" after; fresh', gives: ["x", "y"] },
    ],
    [
      "103 with a bare CR in its reason",
      FIELDS,
      [`${raw("HTTP/1.1 103 E\rX: 1")}${ok("hello")}`, close],
      '103 200 "hello" after; fresh',
    ],
    ["103 and no answer", CUT, [head(103), close], "103 502 after; fresh"],
    [
      "101 unasked",
      "a tunnel that nobody checks",
      [`${head(101, "Upgrade: x", "Connection: Upgrade")}tunnel`, close],
      "502 after; fresh",
    ],
    ["101 without Upgrade", "a tunnel that nobody checks", [`${head(101)}tunnel`, close], "502 after; fresh"],
    ["199", "an interim answer like any other", `${head(199)}${ok("hello")}`, '199 200 "hello" after; reused'],
  ]),

  group("time and size", [
    [
      "an answer before the request was read",
      "an answer all the same",
      [early, ok("hello"), close],
      '200 "hello" after; fresh',
    ],
    ["a body cut short", CUT, [`${head(200, "Content-Length: 99")}hello`, close], '200 "hello" cut; fresh'],
    ["a body reset", CUT, [`${head(200, "Content-Length: 99")}hello`, reset], '200 "hello" cut; fresh'],
    ["a megabyte of junk behind an answer", FLOOD, [ok("hello"), pour(1_000_000), close], '200 "hello" after; fresh'],
    [
      "a megabyte of junk instead of an answer",
      "HTTP/0.9: passed on as it comes",
      [pour(1_000_000), close],
      "200 [1000000 bytes] after; fresh",
      { httpd: "200 [976191 bytes] after; fresh" },
    ],
    [
      "byte by byte",
      "the same answer",
      [..."HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
      '200 "hello" after; reused',
    ],
  ]),
];
