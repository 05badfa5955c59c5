import assert from "node:assert/strict";
import { test } from "node:test";
import { INCOMPLETE, PLAIN_HTTP, parseClientHello } from "../../../modules/net/client_hello.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const u16 = (n: number): number[] => [n >> 8, n & 255];
const vector = (size: 1 | 2, body: number[]): number[] => [...(size === 1 ? [body.length] : u16(body.length)), ...body];
const extension = (type: number, body: number[]): number[] => [...u16(type), ...vector(2, body)];

const sni = (name: string): number[] => extension(0, vector(2, [0, ...vector(2, [...bytesOf(name)])]));
const schemes = (...list: number[]): number[] => extension(13, vector(2, list.flatMap(u16)));
const versions = (...list: number[]): number[] => extension(43, vector(1, list.flatMap(u16)));

function hello(suites: number[], ...extensions: number[][]): number[] {
  const body = [
    3,
    3,
    ...Array<number>(32).fill(7),
    0,
    ...vector(2, suites.flatMap(u16)),
    1,
    0,
    ...vector(2, extensions.flat()),
  ];
  return [1, 0, ...u16(body.length), ...body];
}

const records = (message: number[], size = 16_384): Uint8Array => {
  const out: number[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.slice(at, at + size);
    out.push(22, 3, 1, ...u16(part.length), ...part);
  }
  return Uint8Array.from(out);
};

test("the name, in lower case, and whether ECDSA will do", () => {
  const tls13 = hello([0x1301], sni("Shop.Test"), schemes(0x0804, 0x0403), versions(0x0304, 0x0303));
  assert.deepEqual(parseClientHello(records(tls13)), { serverName: "shop.test", ecdsa: true, protocols: [] });
  const rsaOnly = hello([0x1301], sni("a"), schemes(0x0804, 0x0401), versions(0x0304));
  assert.deepEqual(parseClientHello(records(rsaOnly)), { serverName: "a", ecdsa: false, protocols: [] });
  const tls12 = hello([0xc02b, 0xc02f], schemes(0x0403));
  assert.deepEqual(parseClientHello(records(tls12)), { serverName: "", ecdsa: true, protocols: [] });
  const noSuite = hello([0xc02f], schemes(0x0403));
  assert.deepEqual(parseClientHello(records(noSuite)), { serverName: "", ecdsa: false, protocols: [] });
});

test("the protocols that it would speak, in its order", () => {
  const names = ["h2", "http/1.1"].flatMap((name) => vector(1, [...bytesOf(name)]));
  const message = hello([0x1301], extension(16, vector(2, names)), sni("a"));
  assert.deepEqual(parseClientHello(records(message)), {
    serverName: "a",
    ecdsa: false,
    protocols: ["h2", "http/1.1"],
  });
});

test("cut anywhere it is incomplete; over many records it is whole", () => {
  const message = hello([0x1301], sni("a.test"));
  const whole = records(message);
  for (let end = 0; end < whole.length; end++) assert.equal(parseClientHello(whole.subarray(0, end)), INCOMPLETE);
  for (const size of [1, 7, 100]) {
    assert.deepEqual(parseClientHello(records(message, size)), { serverName: "a.test", ecdsa: false, protocols: [] });
  }
});

test("plain HTTP by its methods, and nothing else", () => {
  for (const text of ["GET / HTTP/1.1", "POST /", "HEAD /", "PUT /"]) {
    assert.equal(parseClientHello(bytesOf(text)), PLAIN_HTTP);
    assert.equal(parseClientHello(bytesOf(text.slice(0, 2))), INCOMPLETE);
  }
  for (const text of ["SSH-2.0", "OPTIONS ", "GETX", "\x80\x2e\x01"]) {
    assert.deepEqual(parseClientHello(bytesOf(text)), { serverName: "", ecdsa: false, protocols: [] });
  }
});

test("lengths that lie ask for nothing, and end", () => {
  const nobody = { serverName: "", ecdsa: false, protocols: [] };
  assert.deepEqual(parseClientHello(Uint8Array.of(22, 3, 1, 0xff, 0xff)), nobody);
  assert.deepEqual(parseClientHello(Uint8Array.of(22, 3, 1, 0, 0)), nobody);
  assert.deepEqual(parseClientHello(records([2, 0, 0, 0])), nobody);
  assert.deepEqual(parseClientHello(records([1, 0xff, 0xff, 0xff])), nobody);
  for (let seed = 1; seed < 300; seed++) {
    const message = hello([0x1301], sni("a.test"), schemes(0x0403), versions(0x0304));
    const at = 4 + ((seed * 7919) % (message.length - 4));
    message[at] = (seed * 31) & 255;
    assert.notEqual(parseClientHello(records(message)), PLAIN_HTTP);
  }
});
