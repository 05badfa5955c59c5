/**
 * crypt() with MD5, in the forms of httpd ($apr1$) and of the system ($1$).
 * Source: apr crypto/apr_md5.c, apr_md5_encode, after P.-H. Kamp
 */
import { createHash } from "node:crypto";
import { encode24, inSlices, type Pause } from "./crypt64.ts";

const ROUNDS = 1000;
const MOST_SALT = 8;

/** The hash of `password` with the kind and the salt of `hash`, which begins with $apr1$ or $1$. */
export async function md5Crypt(password: Uint8Array, hash: string, pause: Pause): Promise<string> {
  const [, prefix, salt] = /^(\$(?:apr1|1)\$)([^$]*)/.exec(hash) as unknown as [string, string, string];
  const shortSalt = salt.slice(0, MOST_SALT);
  const md5 = (...parts: (Uint8Array | string)[]) => {
    const digest = createHash("md5");
    for (const part of parts) typeof part === "string" ? digest.update(part, "latin1") : digest.update(part);
    return digest.digest();
  };
  const inner = md5(password, shortSalt, password);
  const parts: (Uint8Array | string)[] = [password, prefix, shortSalt];
  for (let left = password.length; left > 0; left -= 16) parts.push(inner.subarray(0, Math.min(16, left)));
  for (let bits = password.length; bits > 0; bits >>>= 1) {
    parts.push((bits & 1) === 1 ? "\0" : password.subarray(0, 1));
  }
  let final = md5(...parts);
  await inSlices(
    ROUNDS,
    (i) => {
      const digest = createHash("md5");
      digest.update(i % 2 === 1 ? password : final);
      if (i % 3 !== 0) digest.update(shortSalt, "latin1");
      if (i % 7 !== 0) digest.update(password);
      digest.update(i % 2 === 1 ? final : password);
      final = digest.digest();
    },
    pause,
  );
  let text = "";
  for (let i = 0; i < 5; i++) text += encode24(final[i]!, final[i + 6]!, final[i === 4 ? 5 : i + 12]!);
  return `${prefix}${shortSalt}$${text}${encode24(0, 0, final[11]!, 2)}`;
}
