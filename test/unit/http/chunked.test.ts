import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Bytes } from "../../../modules/core/bytes.ts";
import { ChunkDecoder, chunkHeader } from "../../../modules/http/chunked.ts";

const LIMITS = { fieldSize: 100, fields: 3 };

/** Decodes the text given in pieces; answers the data, what was taken in all, and the decoder. */
function decode(pieces: readonly string[]): { data: string; taken: number; decoder: ChunkDecoder } {
  const decoder = new ChunkDecoder(LIMITS);
  let data = "";
  let taken = 0;
  for (const piece of pieces) {
    const n = decoder.decode(Buffer.from(`zz${piece}5\r\n`, "latin1") as unknown as Bytes, 2, 2 + piece.length, {
      onChunkData(buf, start, end) {
        data += buf.latin1Slice(start, end);
      },
    });
    taken += n;
    if (decoder.done || decoder.error !== null) break;
    assert.equal(n, piece.length);
  }
  return { data, taken, decoder };
}

test("ChunkDecoder reads the same whatever the pieces", () => {
  const text = '5\r\nhello\r\n00a;x="y"\r\n, world!\r\n\r\n1 ; e\r\n.\r\n0\r\nX-T: 1 \r\nY:\r\n\r\n';
  for (let a = 0; a <= text.length; a++) {
    for (let b = a; b <= text.length; b += 7) {
      const { data, taken, decoder } = decode([text.slice(0, a), text.slice(a, b), `${text.slice(b)}NEXT`]);
      assert.deepEqual([data, taken, decoder.done, decoder.error], ["hello, world!\r\n.", text.length, true, null]);
      assert.deepEqual(decoder.trailers?.fields, ["X-T", "1", "Y", ""]);
    }
  }
  const single = decode([...text]);
  assert.ok(single.decoder.done);
  single.decoder.reset();
  assert.deepEqual([single.decoder.done, single.decoder.trailers], [false, null]);
});

test("ChunkDecoder refuses what could be read in two ways", () => {
  for (const bad of [
    "\r\n",
    "g\r\n",
    "-1\r\n",
    "+1\r\n",
    "0x1\r\n",
    " 1\r\n",
    "1 1\r\n",
    "1\n",
    "1\ra",
    "1;\0\r\n",
    "1;a\nb\r\n",
    "2\r\nabc",
    "1\r\na\n",
    "1\r\na\rb",
    `${"0".repeat(17)}\r\n`,
    "ffffffffffffffff\r\n",
    `1;${"x".repeat(100)}`,
    "0\r\nX\r\n",
    "0\r\n: a\r\n",
    "0\r\nX : a\r\n",
    "0\r\n X: a\r\n",
    "0\r\nX: a\nY: b\r\n",
    `0\r\nX: ${"x".repeat(100)}`,
    "0\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n",
    "0\r\n\rx",
  ]) {
    assert.notEqual(decode([bad]).decoder.error, null, JSON.stringify(bad));
    assert.notEqual(decode([...bad]).decoder.error, null, `split ${JSON.stringify(bad)}`);
  }
});

test("ChunkDecoder takes nothing after an error or the end", () => {
  const { decoder } = decode(["x"]);
  assert.equal(
    decoder.decode(Buffer.from("1\r\na\r\n") as unknown as Bytes, 0, 6, { onChunkData: () => assert.fail() }),
    0,
  );
  assert.equal(chunkHeader(16384), "4000\r\n");
});
