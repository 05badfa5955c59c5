/**
 * crypt() with SHA-256 ($5$) and SHA-512 ($6$).
 * Source: U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6
 */
import { createHash } from "node:crypto";
import { encode24, inSlices, type Pause } from "./crypt64.ts";

const DEFAULT_ROUNDS = 5000;
const LEAST_ROUNDS = 1000;
const MOST_ROUNDS = 999_999_999;
const MOST_SALT = 16;

/** The hash of `password` with the kind, the rounds and the salt of `hash`, which begins with $5$ or $6$. */
export async function shaCrypt(password: Uint8Array, hash: string, pause: Pause): Promise<string> {
  const [, prefix, written, rest] = /^(\$[56]\$)(?:rounds=(\d+)\$)?([^$]*)/.exec(hash) as unknown as string[];
  const rounds = Math.min(MOST_ROUNDS, Math.max(LEAST_ROUNDS, Number(written ?? DEFAULT_ROUNDS)));
  const algorithm = prefix === "$5$" ? "sha256" : "sha512";
  const sha = (...parts: Uint8Array[]) => {
    const digest = createHash(algorithm);
    for (const part of parts) digest.update(part);
    return digest.digest();
  };
  const salt = latin1(rest!.slice(0, MOST_SALT));
  const other = sha(password, salt, password);
  const parts: Uint8Array[] = [password, salt, repeat(other, password.length)];
  for (let bits = password.length; bits > 0; bits >>>= 1) parts.push((bits & 1) === 1 ? other : password);
  let final: Uint8Array = sha(...parts);
  const p = repeat(sha(...Array.from({ length: password.length }, () => password)), password.length);
  const s = repeat(sha(...Array.from({ length: 16 + final[0]! }, () => salt)), salt.length);
  await inSlices(
    rounds,
    (i) => {
      const digest = createHash(algorithm);
      digest.update(i % 2 === 1 ? p : final);
      if (i % 3 !== 0) digest.update(s);
      if (i % 7 !== 0) digest.update(p);
      digest.update(i % 2 === 1 ? final : p);
      final = digest.digest();
    },
    pause,
  );
  const setting = written === undefined ? "" : `rounds=${rounds}$`;
  return `${prefix}${setting}${rest!.slice(0, MOST_SALT)}$${encode(final)}`;
}

/** The walk through the digest rotates its thirds, one way for each size. */
function encode(digest: Uint8Array): string {
  const long = digest.length === 64;
  const third = long ? 21 : 10;
  let [a, b, c] = [0, third, 2 * third];
  let text = "";
  for (let i = 0; i < third; i++) {
    text += encode24(digest[a]!, digest[b]!, digest[c]!);
    [a, b, c] = long ? [b + 1, c + 1, a + 1] : [c + 1, a + 1, b + 1];
  }
  return text + (long ? encode24(0, 0, digest[63]!, 2) : encode24(0, digest[31]!, digest[30]!, 3));
}

/** `bytes` over and over, `length` of them. */
function repeat(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += bytes.length) out.set(bytes.subarray(0, Math.min(bytes.length, length - at)), at);
  return out;
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
