/**
 * A password against a hash of a password file, in the forms that htpasswd writes.
 * Source: apr-util crypto/apr_passwd.c, apr_password_validate
 *
 * A hash is made to be slow. A browser sends its password with each request, so what was right is known for a while; what was
 * wrong is not. Neither passwords nor hashes are kept: only a keyed digest of both.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import bcrypt from "bcryptjs";
import type { Clock } from "../../modules/mod.ts";
import type { Pause } from "./crypt64.ts";
import { md5Crypt } from "./md5_crypt.ts";
import { shaCrypt } from "./sha_crypt.ts";

/** How long a password that was right needs no hashing. */
const KNOWN_MS = 60_000;
const MOST_KNOWN = 1000;
/** crypt() of the system takes no longer ones. SHA-crypt is quadratic in it. Source: libxcrypt, CRYPT_MAX_PASSPHRASE_SIZE */
const MOST_CRYPT_BYTES = 511;

/** With a cost from 4 to 31. */
const BCRYPT = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/** "unknown": the hash is of a kind that is not supported. */
export type PasswordVerdict = "right" | "wrong" | "unknown";

export class PasswordVerifier {
  private readonly clock: Clock;
  private readonly key = randomBytes(32);
  /** Digest → until when it is known to be right. The oldest come first. */
  private readonly known = new Map<string, number>();
  /** Digest → the check that is under way: a browser asks for ten things at once. */
  private readonly running = new Map<string, Promise<PasswordVerdict>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param password a character for each byte */
  verify(password: string, hash: string): PasswordVerdict | Promise<PasswordVerdict> {
    const digest = createHmac("sha256", this.key).update(`${hash}\0${password}`, "latin1").digest("base64");
    const until = this.known.get(digest);
    if (until !== undefined) {
      if (until > this.clock.now()) return "right";
      this.known.delete(digest);
    }
    let running = this.running.get(digest);
    if (running === undefined) {
      running = check(password, hash, this.pause).finally(() => this.running.delete(digest));
      this.running.set(digest, running);
    }
    return running.then((verdict) => {
      if (verdict === "right") this.remember(digest);
      return verdict;
    });
  }

  private remember(digest: string): void {
    this.known.delete(digest);
    this.known.set(digest, this.clock.now() + KNOWN_MS);
    if (this.known.size > MOST_KNOWN) this.known.delete(this.known.keys().next().value!);
  }

  private readonly pause: Pause = () =>
    new Promise((resolve) => {
      this.clock.setTimer(resolve, 0);
    });
}

/** "password" by DES crypt, which is otherwise not known: the manual of SSLOptions FakeBasicAuth gives every user this one. */
const FAKE_PASSWORD = "xxj31ZMTZzkVA";

async function check(password: string, hash: string, pause: Pause): Promise<PasswordVerdict> {
  const bytes = Uint8Array.from(password, (c) => c.charCodeAt(0));
  if (/^\$2[aby]\$/.test(hash)) {
    if (!BCRYPT.test(hash)) return "wrong"; // damaged; bcryptjs would throw
    // bcryptjs takes text and makes UTF-8 of it: bytes that are none are no password that anybody set.
    return verdict(await bcrypt.compare(new TextDecoder().decode(bytes), hash));
  }
  if (hash.startsWith("$apr1$")) return same(await md5Crypt(bytes, hash, pause), hash);
  if (hash.startsWith("{SHA}")) return same(`{SHA}${createHash("sha1").update(bytes).digest("base64")}`, hash);
  if (hash === FAKE_PASSWORD) return verdict(password === "password");
  if (!/^\$[156]\$/.test(hash)) return "unknown";
  if (bytes.length > MOST_CRYPT_BYTES) return "wrong";
  return same(await (hash.startsWith("$1$") ? md5Crypt : shaCrypt)(bytes, hash, pause), hash);
}

function same(made: string, hash: string): PasswordVerdict {
  const encoder = new TextEncoder();
  const [a, b] = [encoder.encode(made), encoder.encode(hash)];
  return verdict(a.length === b.length && timingSafeEqual(a, b));
}

function verdict(right: boolean): PasswordVerdict {
  return right ? "right" : "wrong";
}
