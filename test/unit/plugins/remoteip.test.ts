import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type IpSubnet, parseIpSubnet } from "../../../modules/core/ipsubnet.ts";
import { readForwarded, type TrustedProxy } from "../../../plugins/remoteip/forwarded.ts";
import { parseProxyHeader } from "../../../plugins/remoteip/proxy_header.ts";

const proxy = (text: string, internal: boolean): TrustedProxy => ({
  subnet: parseIpSubnet(text) as IpSubnet,
  internal,
});

describe("readForwarded()", () => {
  const internal = [proxy("127.0.0.1", true), proxy("10.0.0.0/8", true)];
  const external = [proxy("127.0.0.1", false), proxy("203.0.113.9", false)];
  const read = (list: string, trusted: TrustedProxy[], peer = "127.0.0.1") => {
    const found = readForwarded(list, peer, trusted);
    return found === null ? null : [found.client, found.rest, found.proxies.join(" ")];
  };

  test("stops at the first address that is no trusted proxy", () => {
    assert.deepEqual(read("203.0.113.5", internal), ["203.0.113.5", null, ""]);
    assert.deepEqual(read("198.51.100.1, 203.0.113.5, 10.1.1.1", internal), ["203.0.113.5", "198.51.100.1", ""]);
    assert.deepEqual(read("junk, 203.0.113.5", internal), ["203.0.113.5", "junk", ""]);
    assert.equal(read("203.0.113.5", internal, "192.0.2.1"), null);
  });

  test("only an internal proxy may name a private address", () => {
    assert.deepEqual(read("192.168.1.1", internal), ["192.168.1.1", null, ""]);
    for (const ip of [
      "192.168.1.1",
      "127.0.0.1",
      "10.0.0.1",
      "169.254.1.1",
      "172.16.0.1",
      "::1",
      "fe80::1",
      "fd00::1",
    ]) {
      assert.equal(read(ip, external), null, ip);
      assert.equal(read(ip, [], "192.0.2.1"), null, ip);
    }
    assert.deepEqual(read("2001:db8::1", external), ["2001:db8::1", null, "127.0.0.1"]);
  });

  test("an external proxy cannot make the next one internal", () => {
    const both = [proxy("127.0.0.1", false), proxy("203.0.113.9", true)];
    assert.deepEqual(read("10.0.0.1, 203.0.113.9", both), ["203.0.113.9", "10.0.0.1", "127.0.0.1"]);
  });

  test("proxies passed are recorded, the nearest first, without the internal ones", () => {
    assert.deepEqual(read("1.1.1.1, 8.8.8.8, 203.0.113.9", external), ["8.8.8.8", "1.1.1.1", "127.0.0.1 203.0.113.9"]);
  });

  test("what is no address ends the walk: names are not looked up, ports not cut off", () => {
    for (const text of [
      "",
      " ",
      "junk",
      "localhost",
      "203.0.113.5:80",
      "[2001:db8::1]",
      "203.0.113.5,",
      "1",
      "010.0.0.1",
    ]) {
      assert.equal(read(text, internal), null, text);
    }
  });
});

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const v2 = (versionCommand: number, family: number, body: string, length = body.length) =>
  `${SIGNATURE}${String.fromCharCode(versionCommand, family, length >> 8, length & 255)}${body}`;
const V4 = "\xcb\x00\x71\x05\x0a\x00\x00\x01\x04\xd2\x00\x50"; // 203.0.113.5:1234
const V6 = `\x20\x01\x0d\xb8${"\0".repeat(11)}\x01${"\0".repeat(15)}\x01\x04\xd2\x00\x50`;

describe("parseProxyHeader()", () => {
  const CLIENT = { ip: "203.0.113.5", port: 1234 };
  const GOOD: [name: string, header: string, client: unknown][] = [
    ["TCP4", "PROXY TCP4 203.0.113.5 10.0.0.1 1234 80\r\n", CLIENT],
    ["TCP6", "PROXY TCP6 2001:DB8:0::1 ::1 1234 80\r\n", { ip: "2001:db8::1", port: 1234 }],
    ["UNKNOWN", "PROXY UNKNOWN\r\n", null],
    ["UNKNOWN with more", "PROXY UNKNOWN a b c\r\n", null],
    ["v2, IPv4", v2(0x21, 0x11, V4), CLIENT],
    ["v2, IPv6", v2(0x21, 0x21, V6), { ip: "2001:db8::1", port: 1234 }],
    ["v2 with TLVs", v2(0x21, 0x11, `${V4}\x03\0\x04abcd`), CLIENT],
    ["v2 LOCAL", v2(0x20, 0x00, ""), null],
    ["v2 LOCAL with addresses", v2(0x20, 0x11, V4), null],
  ];
  for (const [name, header, client] of GOOD) {
    test(`${name}: however it is cut, and whatever follows`, () => {
      for (let i = 1; i < header.length; i++) assert.equal(parseProxyHeader(header.slice(0, i)), "more", String(i));
      const want = { length: header.length, client };
      assert.deepEqual(parseProxyHeader(header), want);
      assert.deepEqual(parseProxyHeader(`${header}GET / HTTP/1.1\r\n\r\n`), want);
      assert.deepEqual(parseProxyHeader(header + header), want);
    });
  }

  const BAD: [name: string, header: string][] = [
    ["a request", "GET / HTTP/1.1\r\n"],
    ["one wrong letter", "PROXy"],
    ["TLS", "\x16\x03\x01"],
    ["a wrong signature", "\r\n\r\n\0\r\nQUIX"],
    ["lower case", "proxy tcp4 1.1.1.1 2.2.2.2 1 2\r\n"],
    ["another family", "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"],
    ["UNKNOWN glued", "PROXY UNKNOWNX\r\n"],
    ["no ports", "PROXY TCP4 1.1.1.1 2.2.2.2\r\n"],
    ["one port", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"],
    ["a word too many", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"],
    ["two blanks", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"],
    ["a large port", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"],
    ["a signed port", "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n"],
    ["an address that is none", "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n"],
    ["a name", "PROXY TCP4 localhost 2.2.2.2 1 2\r\n"],
    ["IPv6 as TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n"],
    ["IPv4 as TCP6", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"],
    ["a bare LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET / HTTP/1.1\r\n"],
    ["no end", `PROXY UNKNOWN ${"x".repeat(200)}`],
    ["too long a line", `PROXY UNKNOWN ${"x".repeat(92)}\r\n`],
    ["v2 of version 1", v2(0x11, 0x11, V4)],
    ["v2 of version 3", v2(0x31, 0x11, V4)],
    ["v2 of another command", v2(0x22, 0x11, V4)],
    ["v2 UDP", v2(0x21, 0x12, V4)],
    ["v2 unix", v2(0x21, 0x31, "\0".repeat(216))],
    ["v2 unspecified", v2(0x21, 0x00, "")],
    ["v2 too short for its addresses", v2(0x21, 0x11, V4.slice(1))],
    ["v2 too short for IPv6", v2(0x21, 0x21, V4)],
    ["v2 that announces a lot", v2(0x21, 0x11, "", 65535)],
  ];
  for (const [name, header] of BAD) {
    test(`refuses ${name}`, () => {
      const parsed = parseProxyHeader(header);
      assert.ok(typeof parsed === "object" && "error" in parsed, JSON.stringify(parsed));
    });
  }
});
