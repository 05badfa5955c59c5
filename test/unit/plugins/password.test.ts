import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PasswordVerifier } from "../../../plugins/aaa/password.ts";
import { VirtualClock } from "../../support/clock.ts";

const LONG = "a long password, longer than sixty-four bytes so that the digest is repeated once";
/** Made by htpasswd, `openssl passwd` and crypt() of glibc. A character for each byte. */
const HASHES: [name: string, password: string, hash: string][] = [
  ["htpasswd -B, UTF-8", "p\xc3\xa4ssword", "$2y$04$85iaFYTmDemoO8NBtP/VY..PH2aHu2NWlEEvbb73vftjlXloRbAL2"],
  ["htpasswd -m", "pw", "$apr1$coFoHg.7$dhUStH8ThdjW9qKvHuZSO/"],
  ["htpasswd -m, empty", "", "$apr1$12345678$sHuPAw7VA9xjRbJz7zKV7/"],
  ["htpasswd -s", "pw", "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="],
  ["FakeBasicAuth in the manual, by MD5", "password", "$1$OXLyS...$Owx8s2/m9/gfkcRVXzgoE/"],
  ["openssl passwd -1", "pw", "$1$abc$Kb85XxsXB.VXinPhbS4431"],
  ["openssl passwd -5", "pw", "$5$abc$/LKlXd6vuvdFX3oWbf2vGk3DgflzzsvOtMZsiOxqqY5"],
  [
    "openssl passwd -6",
    LONG,
    "$6$0123456789abcdef$W5B3wowH9fxda.3CTxhTI8bHpoDBB0ky/H.xckHnwn/aVpzEl6VBVc3Doq4VwOsvYxk0O6hCRiebAwmrU0q9J1",
  ],
  [
    "crypt() with rounds, $6$",
    "pw",
    "$6$rounds=1000$s$SYR1YUA56xQAkK2UrCOtlUACtXpf4gyueA2DWBmbxjFM9xD5LGQwcxlcGB0qqJASk37BaHsNeLWKKMljmmIF80",
  ],
  ["crypt() with rounds, $5$", "pw", "$5$rounds=1234$s$DeihO651POVXx.VpUucfzl2yZc1OhmSXslt.ffydjYA"],
];

/** A clock whose timers fire by themselves: a pause in a hash is over at once. */
class EagerClock extends VirtualClock {
  pauses = 0;
  override setTimer(callback: () => void, ms: number): ReturnType<VirtualClock["setTimer"]> {
    this.pauses++;
    queueMicrotask(callback);
    return super.setTimer(() => {}, ms);
  }
}

describe("PasswordVerifier.verify()", () => {
  for (const [name, password, hash] of HASHES) {
    test(name, async () => {
      const verifier = new PasswordVerifier(new EagerClock());
      assert.equal(await verifier.verify(password, hash), "right");
      assert.equal(await verifier.verify(`${password}x`, hash), "wrong");
      assert.equal(await verifier.verify(password, `${hash.slice(0, -2)}zz`), "wrong");
    });
  }

  test("the hash by DES that the manual gives for FakeBasicAuth", async () => {
    const verifier = new PasswordVerifier(new EagerClock());
    assert.equal(await verifier.verify("password", "xxj31ZMTZzkVA"), "right");
    assert.equal(await verifier.verify("passwor", "xxj31ZMTZzkVA"), "wrong");
  });

  test("kinds that are not supported, and what is no hash at all", async () => {
    const verifier = new PasswordVerifier(new EagerClock());
    for (const hash of ["pw", "", "rl.3StKT.4T8M", "$y$j9T$x$y", "$7$x", "$"]) {
      assert.equal(await verifier.verify("pw", hash), "unknown", hash);
    }
  });

  test("broken hashes are wrong, not an exception", async () => {
    const verifier = new PasswordVerifier(new EagerClock());
    for (const hash of ["$2y$", "$2y$04$short", "$2y$99$85iaFYTmDemoO8NBtP/VY..PH2aHu2NWlEEvbb73vftjlXloRbAL2"]) {
      assert.equal(await verifier.verify("pw", hash), "wrong", hash);
    }
    for (const hash of ["$apr1$", "$1$", "$5$", "$6$", "$6$rounds=$", "{SHA}"]) {
      assert.equal(await verifier.verify("pw", hash), "wrong", hash);
    }
  });

  test("a hash leaves the event loop room", async () => {
    const clock = new EagerClock();
    await new PasswordVerifier(clock).verify("pw", "$5$abc$/LKlXd6vuvdFX3oWbf2vGk3DgflzzsvOtMZsiOxqqY5");
    assert.equal(clock.pauses, 19);
  });

  test("crypt() takes no password longer than that of the system: SHA-crypt is quadratic in it", async () => {
    const clock = new EagerClock();
    assert.equal(await new PasswordVerifier(clock).verify("x".repeat(512), "$6$abc$x"), "wrong");
    assert.equal(clock.pauses, 0);
  });

  test("what was right is known for a minute, what was wrong is not; equal checks are one", async () => {
    const clock = new EagerClock();
    const verifier = new PasswordVerifier(clock);
    const [, , hash] = HASHES[1]!;
    const work = async (password: string) => {
      const before = clock.pauses;
      await verifier.verify(password, hash);
      return clock.pauses - before;
    };
    const both = await Promise.all([verifier.verify("pw", hash), verifier.verify("pw", hash)]);
    assert.deepEqual([both, clock.pauses], [["right", "right"], 3]);
    assert.equal(verifier.verify("pw", hash), "right");
    assert.deepEqual([await work("no"), await work("no")], [3, 3]);
    clock.advance(59_999);
    assert.equal(verifier.verify("pw", hash), "right");
    clock.advance(1);
    assert.equal(await work("pw"), 3);
  });
});
