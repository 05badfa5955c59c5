/** The examples of RFC 7541, and blocks that cannot be read. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../../modules/core/bytes.ts";
import { CompressionError, HpackDecoder } from "../../../../plugins/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../../../plugins/http2/hpack_encoder.ts";

function decode(decoder: HpackDecoder, hex: string): string[] {
  const bytes = Buffer.from(hex.replace(/\s/g, ""), "hex") as unknown as Bytes;
  const fields: string[] = [];
  decoder.decode(bytes, 0, bytes.length, { onField: (name, value) => void fields.push(`${name}: ${value}`) });
  return fields;
}

const REQUESTS = [
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
  [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
];

test("HpackDecoder reads appendix C.3, without a Huffman code", () => {
  const decoder = new HpackDecoder(1000);
  assert.deepEqual(
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ].map((hex) => decode(decoder, hex)),
    REQUESTS,
  );
});

test("HpackDecoder reads appendix C.4, with it", () => {
  const decoder = new HpackDecoder(1000);
  assert.deepEqual(
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ].map((hex) => decode(decoder, hex)),
    REQUESTS,
  );
});

test("HpackDecoder reads appendix C.6, whose table of 256 bytes drops entries", () => {
  const decoder = new HpackDecoder(1000);
  decode(decoder, "3fe1 01"); // 256
  const dates = (second: number) => `date: Mon, 21 Oct 2013 20:13:${second} GMT`;
  const first = decode(
    decoder,
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
     8f0b 97c8 e9ae 82ae 43d3`,
  );
  assert.deepEqual(first, [":status: 302", "cache-control: private", dates(21), "location: https://www.example.com"]);
  assert.deepEqual(decode(decoder, "4883 640e ffc1 c0bf"), [
    ":status: 307",
    "cache-control: private",
    dates(21),
    "location: https://www.example.com",
  ]);
  assert.deepEqual(
    decode(
      decoder,
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ),
    [
      ":status: 200",
      "cache-control: private",
      dates(22),
      "location: https://www.example.com",
      "content-encoding: gzip",
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ],
  );
});

test("HpackDecoder refuses what cannot be read", () => {
  const bad = [
    ["80", "index 0"],
    ["be", "an entry that is not there"],
    ["00 01", "a name that breaks off"],
    ["00 01 61 05 62", "a value that breaks off"],
    ["ff ff ff ff ff 0f", "an integer without end"],
    ["82 20", "a size behind a field"],
    ["3f e2 1f", "a table of 4097 bytes"],
    ["00 82 1f ff 01 61", "padding of more than seven bits"],
    ["00 81 18 01 61", "padding with a zero"],
    ["00 84 ff ff ff ff 01 61", "the end mark"],
  ];
  for (const [hex, what] of bad) {
    assert.throws(() => decode(new HpackDecoder(1000), hex!), CompressionError, what);
  }
});

test("HpackDecoder tells no more fields than their limit allows, and stays in step", () => {
  const decoder = new HpackDecoder(100);
  // A field of 39 bytes that is kept, then named three times.
  assert.equal(decode(decoder, "40 03 616161 04 62626262 be be be").length, 2);
  assert.equal(decoder.listBytes, 4 * 39);
  assert.deepEqual(decode(decoder, "be"), ["aaa: bbbb"]);
});

test("HpackEncoder's blocks are read back, are smaller the second time, and follow a change of the table", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(1e6);
  const trip = (fields: string[][]): number => {
    encoder.begin();
    for (const [name, value] of fields) encoder.add(name!, value!);
    const bytes = encoder.end();
    const found = decode(decoder, Buffer.from(bytes).toString("hex"));
    assert.deepEqual(
      found,
      fields.map(([name, value]) => `${name}: ${value}`),
    );
    return bytes.length;
  };
  const response = [
    [":status", "200"],
    ["server", "Apache/2.4.71 (sluice)"],
    ["content-type", "text/plain; charset=utf-8"],
    ["set-cookie", "a=1"],
    ["content-length", "12345"],
    ["x-long", "v".repeat(1000)],
    ["x-latin", "caf\xe9"],
  ];
  const first = trip(response);
  assert.ok(trip(response) < first - 50);
  for (let i = 0; i < 500; i++)
    trip([
      [":status", "200"],
      ["x-other", `value ${i}`],
      ["server", "Apache/2.4.71 (sluice)"],
    ]);
  encoder.limitTable(0);
  encoder.limitTable(100);
  trip(response);
  trip([["server", "Apache/2.4.71 (sluice)"]]);
  encoder.limitTable(4096);
  trip(response);
  trip(response);
});
