/**
 * MD5, SHA-1 and SHA-256 for hosts without node:crypto, where Web Crypto answers only by promises. For short texts such as keys
 * and cookies; on Bun and Deno the runtime's own are used.
 * Source: RFC 1321, RFC 3174, RFC 6234, RFC 2104
 */

/** Of a text with one character per byte. */
export function md5(text: string): Uint8Array {
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (const words of blocks(bytesOf(text), true)) {
    let [a, b, c, d] = state as [number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      let f: number;
      let g: number;
      if (round === 0) [f, g] = [(b & c) | (~b & d), i];
      else if (round === 1) [f, g] = [(d & b) | (~d & c), (5 * i + 1) & 15];
      else if (round === 2) [f, g] = [b ^ c ^ d, (3 * i + 5) & 15];
      else [f, g] = [c ^ (b | ~d), (7 * i) & 15];
      const sum = (a + f + MD5_SINES[i]! + words[g]!) | 0;
      [a, d, c, b] = [d, c, b, (b + rotate(sum, MD5_SHIFTS[round]![i & 3]!)) | 0];
    }
    add(state, [a, b, c, d]);
  }
  return bytesOfWords(state, true);
}

/** Of a text with one character per byte. */
export function sha1(text: string): Uint8Array {
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const w = new Int32Array(80);
  for (const words of blocks(bytesOf(text), false)) {
    w.set(words);
    for (let i = 16; i < 80; i++) w[i] = rotate(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1);
    let [a, b, c, d, e] = state as [number, number, number, number, number];
    for (let i = 0; i < 80; i++) {
      let f: number;
      if (i < 20) f = ((b & c) | (~b & d)) + 0x5a827999;
      else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
      else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
      else f = (b ^ c ^ d) + 0xca62c1d6;
      [e, d, c, b, a] = [d, c, rotate(b, 30), a, (rotate(a, 5) + f + e + w[i]!) | 0];
    }
    add(state, [a, b, c, d, e]);
  }
  return bytesOfWords(state, false);
}

export function hmacSha256(key: string, text: string): Uint8Array {
  let bytes = bytesOf(key);
  if (bytes.length > 64) bytes = sha256(bytes);
  const inner = new Uint8Array(64 + text.length).fill(0x36, 0, 64);
  const outer = new Uint8Array(96).fill(0x5c, 0, 64);
  for (let i = 0; i < bytes.length; i++) {
    inner[i]! ^= bytes[i]!;
    outer[i]! ^= bytes[i]!;
  }
  inner.set(bytesOf(text), 64);
  outer.set(sha256(inner), 64);
  return sha256(outer);
}

export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

function sha256(bytes: Uint8Array): Uint8Array {
  const state = SHA256_START.slice();
  const w = new Int32Array(64);
  for (const words of blocks(bytes, false)) {
    w.set(words);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = rotate(x, 25) ^ rotate(x, 14) ^ (x >>> 3);
      const s1 = rotate(y, 15) ^ rotate(y, 13) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    const v = state.slice();
    for (let i = 0; i < 64; i++) {
      const [a, b, c, d, e, f, g, h] = v as [number, number, number, number, number, number, number, number];
      const s1 = rotate(e, 26) ^ rotate(e, 21) ^ rotate(e, 7);
      const one = (h + s1 + ((e & f) ^ (~e & g)) + SHA256_ROOTS[i]! + w[i]!) | 0;
      const s0 = rotate(a, 30) ^ rotate(a, 19) ^ rotate(a, 10);
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      v.pop();
      v[4] = e; // below: the list moves on by one
      v.unshift((one + two) | 0);
      v[4] = (d + one) | 0;
    }
    add(state, v);
  }
  return bytesOfWords(state, false);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** The padded message in blocks of sixteen words. */
function* blocks(bytes: Uint8Array, littleEndian: boolean): Generator<Int32Array> {
  const length = (((bytes.length + 8) >> 6) + 1) << 6;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  const high = Math.floor(bytes.length / 2 ** 29);
  view.setUint32(littleEndian ? length - 4 : length - 8, high, littleEndian);
  view.setUint32(littleEndian ? length - 8 : length - 4, (bytes.length << 3) >>> 0, littleEndian);
  for (let at = 0; at < length; at += 64) {
    yield Int32Array.from({ length: 16 }, (_, i) => view.getInt32(at + 4 * i, littleEndian));
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function add(state: number[], more: readonly number[]): void {
  for (let i = 0; i < state.length; i++) state[i] = (state[i]! + more[i]!) | 0;
}

function bytesOfWords(words: readonly number[], littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setInt32(4 * i, word, littleEndian);
  });
  return bytes;
}

const MD5_SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
];
const MD5_SINES = Array.from({ length: 64 }, (_, i) => Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))));

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < 64; n++) if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);
/** The first 32 bits of the fraction. */
const fraction = (x: number): number => Math.floor((x - Math.floor(x)) * 2 ** 32);
const SHA256_START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const SHA256_ROOTS = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
