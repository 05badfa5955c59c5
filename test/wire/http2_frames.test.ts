/** What RFC 9113 asks of a server, frame by frame; and what floods come to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "../../plugins/http2/frame.ts";
import { block, frame, get, type Http2Peer, headers, openHttp2, post, setting, u32 } from "../support/http2.ts";
import { makeServer, settle, type TestServer } from "../support/server.ts";

const CONF = `
  Protocols h2c http/1.1
  ProxyPass /b/ http://127.0.0.1:9/ disablereuse=On
`;

interface Case {
  readonly name: string;
  /** Lines more of the configuration. */
  readonly conf?: string;
  readonly settings?: string;
  readonly send: readonly string[];
  /** What comes back, as Http2Peer.read tells it. */
  readonly back: readonly string[];
  /** The connection is ended. @default whether GOAWAY came */
  readonly ended?: boolean;
}

const open = (id: number): string => headers(id, post("/b/x"), false);
const gone = (code: string, last = 0): string => `GOAWAY last=${last} ${code}`;
const PRIORITY = `${u32(0)}\x0f`;
const ASK = headers(1, get("/none"));
const ANSWER = ["HEADERS 1 404", /DATA 1 .* END_STREAM/.source];
const fields = (...list: string[]): string => headers(1, list);
const malformed = (name: string, ...list: string[]): Case => ({
  name,
  send: [fields(...list)],
  back: ["RST_STREAM 1 PROTOCOL_ERROR"],
});

const CASES: readonly Case[] = [
  // section 3.4
  {
    name: "a first frame that is no SETTINGS",
    settings: "none",
    send: [f.PREFACE, frame(f.PING, 0, 0, "12345678")],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "a preface that is not whole",
    settings: "none",
    send: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"],
    back: [],
    ended: true,
  },
  // 4.1, 4.2, 5.5
  {
    name: "a frame of a type that nobody knows",
    send: [frame(22, 255, 0, "whatever"), frame(22, 0, 7), ASK],
    back: ANSWER,
  },
  {
    name: "a frame of a type that nobody knows, within a header block",
    send: [frame(f.HEADERS, f.END_STREAM, 1, block(get("/"))), frame(22, 0, 1)],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "a frame that is larger than allowed",
    send: [open(1), frame(f.DATA, 0, 1, "a".repeat(16_385))],
    back: [gone("FRAME_SIZE_ERROR", 1)],
  },
  {
    name: "flags that a frame does not have, and a reserved bit",
    send: [frame(f.PING, 0xfe, 0x80000000, "12345678")],
    back: ["PING 0 ACK"],
  },
  // 4.3
  {
    name: "a header block that cannot be read",
    send: [frame(f.HEADERS, f.END_HEADERS | f.END_STREAM, 1, "\xff\xff\xff\xff\xff\xff")],
    back: [gone("COMPRESSION_ERROR")],
  },
  {
    name: "another stream's frame within a header block",
    send: [frame(f.HEADERS, f.END_STREAM, 1, block(get("/"))), headers(3, get("/"))],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "another stream's CONTINUATION",
    send: [frame(f.HEADERS, f.END_STREAM, 1, block(get("/"))), frame(f.CONTINUATION, f.END_HEADERS, 3)],
    back: [gone("PROTOCOL_ERROR")],
  },
  // 5.1
  { name: "idle: DATA", send: [frame(f.DATA, 0, 1, "x")], back: [gone("PROTOCOL_ERROR")] },
  { name: "idle: RST_STREAM", send: [frame(f.RST_STREAM, 0, 1, u32(8))], back: [gone("PROTOCOL_ERROR")] },
  { name: "idle: WINDOW_UPDATE", send: [frame(f.WINDOW_UPDATE, 0, 1, u32(8))], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "idle: CONTINUATION",
    send: [frame(f.CONTINUATION, f.END_HEADERS, 1, block(get("/")))],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "half closed: DATA",
    send: [headers(1, get("/b/x")), frame(f.DATA, 0, 1, "x")],
    back: ["RST_STREAM 1 STREAM_CLOSED"],
  },
  {
    name: "half closed: HEADERS",
    send: [headers(1, get("/b/x")), headers(1, get("/b/x"))],
    back: ["RST_STREAM 1 STREAM_CLOSED"],
  },
  {
    name: "half closed: WINDOW_UPDATE, PRIORITY",
    send: [headers(1, get("/none")), frame(f.WINDOW_UPDATE, 0, 1, u32(8)), frame(f.PRIORITY, 0, 1, PRIORITY)],
    back: ANSWER,
  },
  {
    name: "closed by RST_STREAM: DATA",
    send: [open(1), frame(f.RST_STREAM, 0, 1, u32(8)), frame(f.DATA, 0, 1, "x")],
    back: ["RST_STREAM 1 STREAM_CLOSED"],
  },
  {
    name: "closed by RST_STREAM: HEADERS",
    send: [open(1), frame(f.RST_STREAM, 0, 1, u32(8)), headers(1, get("/"))],
    back: [gone("STREAM_CLOSED", 1)],
  },
  {
    name: "closed by us: what was on its way",
    send: [
      headers(1, post("/b/x", "te", "x"), false),
      frame(f.DATA, 0, 1, "x"),
      frame(f.DATA, f.END_STREAM, 1, "y"),
      headers(3, get("/none")),
    ],
    back: ["RST_STREAM 1 PROTOCOL_ERROR", "HEADERS 3 404", "DATA 3 .* END_STREAM"],
  },
  { name: "a stream of even number", send: [headers(2, get("/"))], back: [gone("PROTOCOL_ERROR")] },
  { name: "a stream below the last one", send: [open(5), headers(3, get("/"))], back: [gone("STREAM_CLOSED", 5)] },
  {
    name: "more streams than allowed",
    conf: "H2MaxSessionStreams 2",
    send: [open(1), open(3), open(5), frame(f.RST_STREAM, 0, 1, u32(8)), headers(7, get("/none"))],
    back: ["RST_STREAM 5 REFUSED_STREAM", "HEADERS 7 404", "DATA 7 .* END_STREAM"],
  },
  // 5.3.1 of RFC 7540
  {
    name: "HEADERS that depend on themselves",
    send: [frame(f.HEADERS, f.END_HEADERS | f.END_STREAM | f.WITH_PRIORITY, 1, `${u32(1)}\x0f${block(get("/none"))}`)],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "HEADERS with priority and padding",
    send: [
      frame(
        f.HEADERS,
        f.END_HEADERS | f.END_STREAM | f.WITH_PRIORITY | f.PADDED,
        1,
        `\x03${PRIORITY}${block(get("/none"))}\0\0\0`,
      ),
    ],
    back: ANSWER,
  },
  {
    name: "PRIORITY that depends on itself",
    send: [frame(f.PRIORITY, 0, 1, `${u32(1)}\x0f`)],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  // 6
  { name: "DATA on stream 0", send: [frame(f.DATA, 0, 0, "x")], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "DATA with more padding than payload",
    send: [open(1), frame(f.DATA, f.PADDED, 1, "\x05abc")],
    back: [gone("PROTOCOL_ERROR", 1)],
  },
  { name: "HEADERS on stream 0", send: [headers(0, get("/"))], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "HEADERS with more padding than payload",
    send: [frame(f.HEADERS, f.PADDED | f.END_HEADERS, 1, "\xff\x82")],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "HEADERS with priority and no room for it",
    send: [frame(f.HEADERS, f.WITH_PRIORITY | f.END_HEADERS, 1, "\0\0")],
    back: [gone("PROTOCOL_ERROR")],
  },
  { name: "PRIORITY on stream 0", send: [frame(f.PRIORITY, 0, 0, PRIORITY)], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "PRIORITY of a wrong size",
    send: [frame(f.PRIORITY, 0, 1, "\0\0\0\0"), headers(3, get("/none"))],
    back: ["RST_STREAM 1 FRAME_SIZE_ERROR", "HEADERS 3 404", "DATA 3 .* END_STREAM"],
  },
  { name: "RST_STREAM on stream 0", send: [frame(f.RST_STREAM, 0, 0, u32(8))], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "RST_STREAM of a wrong size",
    send: [open(1), frame(f.RST_STREAM, 0, 1, "\0\0\0")],
    back: [gone("FRAME_SIZE_ERROR", 1)],
  },
  {
    name: "SETTINGS ACK with a payload",
    send: [frame(f.SETTINGS, f.ACK, 0, setting(1, 1))],
    back: [gone("FRAME_SIZE_ERROR")],
  },
  { name: "SETTINGS on a stream", send: [frame(f.SETTINGS, 0, 1, setting(1, 1))], back: [gone("PROTOCOL_ERROR")] },
  { name: "SETTINGS of a wrong size", send: [frame(f.SETTINGS, 0, 0, "\0\0\0")], back: [gone("FRAME_SIZE_ERROR")] },
  { name: "SETTINGS_ENABLE_PUSH of 2", settings: setting(2, 2), send: [], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "SETTINGS_INITIAL_WINDOW_SIZE of 2^31",
    settings: setting(4, 2 ** 31),
    send: [],
    back: [gone("FLOW_CONTROL_ERROR")],
  },
  {
    name: "SETTINGS_MAX_FRAME_SIZE below the least",
    settings: setting(5, 16_383),
    send: [],
    back: [gone("PROTOCOL_ERROR")],
  },
  {
    name: "SETTINGS_MAX_FRAME_SIZE beyond the most",
    settings: setting(5, 2 ** 24),
    send: [],
    back: [gone("PROTOCOL_ERROR")],
  },
  { name: "a setting that nobody knows", settings: setting(255, 1), send: [ASK], back: ANSWER },
  {
    name: "PUSH_PROMISE",
    send: [open(1), frame(f.PUSH_PROMISE, f.END_HEADERS, 1, u32(2) + block(get("/")))],
    back: [gone("PROTOCOL_ERROR", 1)],
  },
  { name: "PING", send: [frame(f.PING, 0, 0, "12345678")], back: ["PING 0 ACK"] },
  { name: "PING ACK is not answered", send: [frame(f.PING, f.ACK, 0, "12345678")], back: [] },
  { name: "PING on a stream", send: [frame(f.PING, 0, 1, "12345678")], back: [gone("PROTOCOL_ERROR")] },
  { name: "PING of a wrong size", send: [frame(f.PING, 0, 0, "1234567")], back: [gone("FRAME_SIZE_ERROR")] },
  { name: "GOAWAY on a stream", send: [frame(f.GOAWAY, 0, 1, u32(0) + u32(0))], back: [gone("PROTOCOL_ERROR")] },
  { name: "GOAWAY of a wrong size", send: [frame(f.GOAWAY, 0, 0, u32(0))], back: [gone("FRAME_SIZE_ERROR")] },
  {
    name: "GOAWAY, and what is at hand is still answered",
    send: [frame(f.GOAWAY, 0, 0, u32(0) + u32(0)), ASK],
    back: [...ANSWER, gone("NO_ERROR", 1)],
  },
  { name: "WINDOW_UPDATE of 0", send: [frame(f.WINDOW_UPDATE, 0, 0, u32(0))], back: [gone("PROTOCOL_ERROR")] },
  {
    name: "WINDOW_UPDATE of 0 on a stream",
    send: [open(1), frame(f.WINDOW_UPDATE, 0, 1, u32(0))],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "WINDOW_UPDATE of a wrong size",
    send: [frame(f.WINDOW_UPDATE, 0, 0, "\0\0\x01")],
    back: [gone("FRAME_SIZE_ERROR")],
  },
  {
    name: "WINDOW_UPDATE beyond 2^31-1",
    send: [frame(f.WINDOW_UPDATE, 0, 0, u32(0x7fffffff))],
    back: [gone("FLOW_CONTROL_ERROR")],
  },
  {
    name: "WINDOW_UPDATE beyond 2^31-1 on a stream",
    send: [open(1), frame(f.WINDOW_UPDATE, 0, 1, u32(0x7fffffff))],
    back: ["RST_STREAM 1 FLOW_CONTROL_ERROR"],
  },
  {
    name: "a stream's window beyond 2^31-1 by SETTINGS",
    send: [open(1), frame(f.WINDOW_UPDATE, 0, 1, u32(0x7fff0000)), frame(f.SETTINGS, 0, 0, setting(4, 0x20000))],
    back: [gone("FLOW_CONTROL_ERROR", 1)],
  },
  {
    name: "CONTINUATION, two of them",
    send: [
      frame(f.HEADERS, f.END_STREAM, 1, block(get("/none").slice(0, 4))),
      frame(f.CONTINUATION, 0, 1, block(get("/none").slice(4, 6))),
      frame(f.CONTINUATION, f.END_HEADERS, 1, block(get("/none").slice(6))),
    ],
    back: ANSWER,
  },
  {
    name: "CONTINUATION behind a block that has ended",
    send: [headers(1, post("/b/x"), false), frame(f.CONTINUATION, f.END_HEADERS, 1)],
    back: [gone("PROTOCOL_ERROR", 1)],
  },
  // 8
  {
    name: "trailers that do not end the stream",
    send: [open(1), headers(1, ["x-t", "v"], false)],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "trailers with a pseudo field",
    send: [open(1), headers(1, [":path", "/"])],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  malformed("a name with a capital", ...get("/", "X-Test", "ok")),
  malformed("a pseudo field that nobody knows", ...get("/").toSpliced(0, 0, ":test", "ok")),
  malformed("a pseudo field of responses", ...get("/").toSpliced(0, 0, ":status", "200")),
  malformed("a pseudo field behind others", "x-test", "ok", ...get("/")),
  malformed("Connection", ...get("/", "connection", "keep-alive")),
  malformed("Transfer-Encoding", ...get("/", "transfer-encoding", "chunked")),
  malformed("Upgrade", ...get("/", "upgrade", "h2c")),
  malformed("TE other than trailers", ...get("/", "te", "trailers, deflate")),
  malformed("an empty path", ...get("")),
  malformed("a path without its slash", ...get("none")),
  malformed("a path with a blank", ...get("/a b")),
  malformed("no method", ...get("/").slice(2)),
  malformed("no scheme", ":method", "GET", ":path", "/"),
  malformed("no path", ":method", "GET", ":scheme", "http"),
  malformed("a method that is none", ...get("/").with(1, "G T")),
  malformed("two methods", ":method", "GET", ...get("/")),
  malformed("two paths", ":path", "/", ...get("/")),
  malformed("a line break in a value", ...get("/", "x-test", "a\r\nb: c")),
  malformed("a NUL in a value", ...get("/", "x-test", "a\0")),
  malformed("a blank at a value's end", ...get("/", "x-test", "a ")),
  malformed("a line break in a path", ...get("/\r\nx")),
  malformed("an empty name", ...get("/", "", "x")),
  malformed("a Content-Length, and no body", ...get("/", "content-length", "1")),
  malformed("a Content-Length that is no number", ...get("/", "content-length", "+1")),
  malformed("two Content-Length that differ", ...get("/", "content-length", "0", "content-length", "1")),
  malformed("CONNECT with a path", ":method", "CONNECT", ":path", "/", ":authority", "a:1"),
  malformed(":protocol where it was not offered", ":method", "CONNECT", ":protocol", "websocket", ...get("/").slice(2)),
  {
    name: "a body that is longer than it was said",
    send: [headers(1, post("/b/x", "content-length", "2"), false), frame(f.DATA, f.END_STREAM, 1, "abc")],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "a body that is shorter than it was said",
    send: [
      headers(1, post("/b/x", "content-length", "4"), false),
      frame(f.DATA, 0, 1, "abc"),
      frame(f.DATA, f.END_STREAM, 1),
    ],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "CONNECT is not for us",
    send: [fields(":method", "CONNECT", ":authority", "a.test:1")],
    back: ["HEADERS 1 405", "DATA 1 .* END_STREAM"],
  },
  {
    name: "no host",
    send: [fields(":method", "GET", ":scheme", "http", ":path", "/none")],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "a host that is bad",
    send: [fields(...get("/none").with(7, "a b"))],
    back: ["RST_STREAM 1 PROTOCOL_ERROR"],
  },
  {
    name: "Host without :authority",
    send: [fields(...get("/none").slice(0, 6), "host", "test.example")],
    back: ANSWER,
  },
  {
    name: "a scheme that is not ours",
    send: [fields(...get("/none").with(3, "ftp"))],
    back: ["HEADERS 1 400", "DATA 1 .* END_STREAM"],
  },
  {
    name: "a fragment",
    send: [fields(...get("/none#x"))],
    back: ["HEADERS 1 400", "DATA 1 .* END_STREAM"],
  },
  // Limits of the configuration
  {
    name: "LimitRequestFields, by far",
    conf: "LimitRequestFields 3",
    send: [fields(...get("/none"), ...Array.from({ length: 104 }, () => ["a", "1"]).flat())],
    back: ["RST_STREAM 1 ENHANCE_YOUR_CALM"],
  },
  {
    name: "LimitRequestLine",
    conf: "LimitRequestLine 100",
    send: [fields(...get(`/${"a".repeat(100)}`))],
    back: ["HEADERS 1 414", "DATA 1 .* END_STREAM"],
  },
  {
    name: "LimitRequestFieldSize",
    conf: "LimitRequestFieldSize 100",
    send: [fields(...get("/none", "x-long", "a".repeat(95)))],
    back: ["HEADERS 1 431", "DATA 1 .* END_STREAM"],
  },
  {
    name: "LimitRequestFields",
    conf: "LimitRequestFields 3",
    send: [fields(...get("/none", "a", "1", "b", "1", "c", "1", "d", "1"))],
    back: ["HEADERS 1 431", "DATA 1 .* END_STREAM"],
  },
  {
    name: "fields beyond all limits",
    send: [
      frame(
        f.HEADERS,
        f.END_STREAM | f.END_HEADERS,
        1,
        `${block(get("/none"))}\x40\x01a\x7f\xa1\x1e${"v".repeat(4000)}${"\xbe".repeat(2000)}`,
      ),
      headers(3, get("/none")),
    ],
    back: ["HEADERS 1 431", "HEADERS 3 404", "DATA 1 .* END_STREAM", "DATA 3 .* END_STREAM"],
  },
  {
    name: "H2MaxStreamErrors",
    conf: "H2MaxStreamErrors 2",
    send: [1, 3, 5].map((id) => headers(id, get("/", "te", "x"))),
    back: [
      "RST_STREAM 1 PROTOCOL_ERROR",
      "RST_STREAM 3 PROTOCOL_ERROR",
      "RST_STREAM 5 PROTOCOL_ERROR",
      gone("PROTOCOL_ERROR", 5),
    ],
  },
  {
    name: "H2MaxStreamErrors 0",
    conf: "H2MaxStreamErrors 0",
    send: Array.from({ length: 20 }, (_, i) => headers(2 * i + 1, get("/", "te", "x"))),
    back: Array.from({ length: 20 }, (_, i) => `RST_STREAM ${2 * i + 1} PROTOCOL_ERROR`),
  },
  // Floods
  {
    name: "PING flood",
    send: [frame(f.PING, 0, 0, "12345678").repeat(1000)],
    back: [...Array(199).fill("PING 0 ACK"), gone("ENHANCE_YOUR_CALM")],
  },
  {
    name: "SETTINGS flood",
    send: [frame(f.SETTINGS, 0, 0, setting(4, 1000)).repeat(1000)],
    back: [gone("ENHANCE_YOUR_CALM")],
  },
  { name: "PRIORITY flood", send: [frame(f.PRIORITY, 0, 1, PRIORITY).repeat(1000)], back: [gone("ENHANCE_YOUR_CALM")] },
  {
    name: "a flood of frames that nobody knows",
    send: [frame(99, 0, 1).repeat(1000)],
    back: [gone("ENHANCE_YOUR_CALM")],
  },
  {
    name: "WINDOW_UPDATE flood",
    send: [frame(f.WINDOW_UPDATE, 0, 0, u32(1)).repeat(2000)],
    back: [gone("ENHANCE_YOUR_CALM")],
  },
  { name: "empty DATA flood", send: [open(1), frame(f.DATA, 0, 1).repeat(1000)], back: [gone("ENHANCE_YOUR_CALM", 1)] },
  {
    name: "padding alone flood",
    send: [open(1), frame(f.DATA, f.PADDED, 1, "\x05\0\0\0\0\0").repeat(1000)],
    back: [gone("ENHANCE_YOUR_CALM", 1)],
  },
  {
    name: "CONTINUATION flood, empty",
    send: [frame(f.HEADERS, f.END_STREAM, 1, block(get("/"))), frame(f.CONTINUATION, 0, 1).repeat(1000)],
    back: [gone("ENHANCE_YOUR_CALM")],
  },
  {
    name: "CONTINUATION flood, large",
    send: [
      frame(f.HEADERS, f.END_STREAM, 1, block(get("/"))),
      frame(f.CONTINUATION, 0, 1, "a".repeat(16_384)).repeat(9),
    ],
    back: [gone("ENHANCE_YOUR_CALM")],
  },
  {
    name: "rapid reset",
    send: Array.from(
      { length: 500 },
      (_, i) => headers(2 * i + 1, get("/b/x")) + frame(f.RST_STREAM, 0, 2 * i + 1, u32(8)),
    ),
    back: ["... GOAWAY last=401 ENHANCE_YOUR_CALM"],
  },
];

for (const {
  name,
  conf = "",
  settings = "",
  send,
  back,
  ended = back.some((line) => line.includes("GOAWAY")),
} of CASES) {
  test(name, async () => {
    const server = makeServer(CONF + conf);
    const peer = settings === "none" ? openRaw(server) : openHttp2(server, settings);
    peer.send(...send);
    await settle();
    const lines = peer.socket.written.startsWith("HTTP/1.1") ? [] : peer.read();
    if (back[0]?.startsWith("... ")) assert.equal(`... ${lines.at(-1)}`, back[0]);
    else {
      assert.equal(lines.length, back.length, lines.join("\n"));
      lines.forEach((line, i) => {
        assert.match(line, new RegExp(`^${back[i]}$`));
      });
    }
    assert.equal(peer.socket.ended, ended);
    peer.socket.destroy();
    await settle();
    server.end();
  });
}

function openRaw(server: TestServer): Http2Peer {
  const peer = openHttp2(makeServer(CONF));
  (peer as { socket: unknown }).socket = server.connect();
  return peer;
}
