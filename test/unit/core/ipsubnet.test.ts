import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIp, IpSubnet, parseIp, parseIpSubnet, sameIp } from "../../../modules/core/ipsubnet.ts";

test("parseIp() and formatIp(): the usual text of an address", () => {
  const same: [string, string][] = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["fe80::1:2", "fe80::1:2"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"],
  ];
  for (const [text, usual] of same) {
    const words = parseIp(text);
    assert.ok(words, text);
    assert.equal(formatIp(words), usual);
  }
});

test("parseIp(): what is no address", () => {
  const texts =
    "|1|1.2.3|1.2.3.4.5|256.1.1.1|01.2.3.4|1.2.3.4 | 1.2.3.4|a.b.c.d|1.2.3.4:80|:|:::|1::2::3|12345::|::g|1:2:3:4:5:6:7".split(
      "|",
    );
  texts.push(
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "[::1]",
    "::1%lo",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.256",
    ":1",
    "1:",
  );
  for (const text of texts) assert.equal(parseIp(text), null, text);
});

test("IpSubnet.has(): addresses, partial addresses, bits, masks, both families", () => {
  const yes: [string, string][] = [
    ["10.1.2.3", "10.1.2.3"],
    ["10", "10.255.0.1"],
    ["10.1.", "10.1.255.255"],
    ["127.0.0.0/8", "127.9.9.9"],
    ["10.1.2.3/16", "10.1.0.0"],
    ["192.168.0.0/255.255.0.0", "192.168.200.1"],
    ["1.2.3.4/32", "1.2.3.4"],
    ["128.0.0.0/1", "255.0.0.1"],
    ["2001:db8::/32", "2001:db8:ffff::1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:db8::8000/113", "2001:db8::ffff"],
    ["10.0.0.0/8", "::ffff:10.1.1.1"],
  ];
  const no: [string, string][] = [
    ["10.1.2.3", "10.1.2.4"],
    ["10.1", "10.2.0.0"],
    ["127.0.0.0/8", "128.0.0.1"],
    ["128.0.0.0/1", "127.255.255.255"],
    ["2001:db8::/32", "2001:db9::"],
    ["2001:db8::8000/113", "2001:db8::7fff"],
    ["::/96", "10.1.1.1"],
    ["10.0.0.0/8", ""],
    ["10.0.0.0/8", "10"],
  ];
  for (const [net, ip] of yes) assert.ok((parseIpSubnet(net) as IpSubnet).has(ip), `${net} ${ip}`);
  for (const [net, ip] of no) assert.ok(!(parseIpSubnet(net) as IpSubnet).has(ip), `${net} ${ip}`);
});

test("parseIpSubnet(): errors are those of apr", () => {
  const errors: Record<string, string> = {
    "a.b": "no address",
    "host/8": "no address",
    "1.2.3.4.5": "bad address",
    "300.1": "bad address",
    ".": "bad address",
    "10.1/16": "bad address",
    "0.0.0.0/0": "bad mask",
    "10.0.0.0/33": "bad mask",
    "10.0.0.0/": "bad mask",
    "::/129": "bad mask",
    "::1/255.0.0.0": "bad mask",
  };
  for (const [text, error] of Object.entries(errors)) assert.equal(parseIpSubnet(text), error, text);
  assert.ok(parseIpSubnet("010.0.0.1") instanceof IpSubnet, "octets may have a zero in front, as a network may");
});

test("sameIp(): whatever the spelling", () => {
  assert.ok(sameIp("::1", "0::1") && sameIp("::ffff:1.2.3.4", "1.2.3.4") && sameIp("x", "x"));
  assert.ok(!sameIp("1.2.3.4", "1.2.3.5") && !sameIp("x", "y") && !sameIp("::1", "1.0.0.0"));
});
