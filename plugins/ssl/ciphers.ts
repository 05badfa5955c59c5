/**
 * SSLCipherSuite's language → names of suites, so that both runtimes mean the same by it.
 * Source: OpenSSL ssl/ssl_ciph.c ssl_create_cipher_list; openssl-ciphers(1)
 */

interface Suite {
  readonly name: string;
  readonly bits: number;
  /** The words of the language that select it. */
  readonly words: ReadonlySet<string>;
}

/** Suites of TLS 1.3; they are named apart, by `SSLCipherSuite TLSv1.3`. */
export const TLS13_SUITES = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"];

/** In OpenSSL's order of preference; those that a runtime has. */
const SUITES: readonly Suite[] = [
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-SHA256",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
  "AES256-GCM-SHA384",
  "AES128-GCM-SHA256",
  "AES256-SHA",
  "AES128-SHA",
].map(suiteOf);

function suiteOf(name: string): Suite {
  const words = ["ALL", "HIGH", "DEFAULT", name];
  if (name.startsWith("ECDHE")) words.push("ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH");
  else words.push("RSA", "kRSA");
  if (name.includes("ECDSA")) words.push("ECDSA", "aECDSA");
  else words.push("aRSA");
  const aead = name.includes("GCM") || name.includes("CHACHA20");
  const bits = /AES128/.test(name) ? 128 : 256;
  if (name.includes("CHACHA20")) words.push("CHACHA20");
  else words.push("AES", `AES${bits}`);
  if (name.includes("GCM")) words.push("AESGCM");
  if (aead || name.endsWith("SHA256")) words.push("TLSv1.2");
  if (!aead && name.endsWith("SHA256")) words.push("SHA256");
  if (name.endsWith("-SHA")) words.push("SHA", "SHA1", name.startsWith("ECDHE") ? "TLSv1" : "SSLv3");
  return { name, bits, words: new Set(words) };
}

/** The key size of a suite in bits; 0: not known. */
export function cipherBits(name: string): number {
  const found = SUITES.find((suite) => suite.name === name);
  if (found !== undefined) return found.bits;
  if (!TLS13_SUITES.includes(name)) return 0;
  return name.includes("AES_128") ? 128 : 256;
}

/** The suites up to TLS 1.2 that a list selects, in its order. As in OpenSSL a word that selects nothing is no error. */
export function selectSuites(list: string): string[] {
  let chosen: Suite[] = [];
  let killed = new Set<Suite>();
  const rules = list.split(/[: ,]+/).filter((word) => word !== "");
  // DEFAULT and the distributions' PROFILE=SYSTEM have a meaning in front only.
  if (/^(DEFAULT|PROFILE=.*)$/.test(rules[0] ?? "")) rules[0] = "ALL";
  for (const rule of rules) {
    if (rule === "@STRENGTH") {
      chosen = [...chosen].sort((a, b) => b.bits - a.bits);
      continue;
    }
    if (rule.startsWith("@")) continue; // SECLEVEL: the runtimes allow nothing weaker anyway
    const sign = /^[!+-]/.exec(rule)?.[0] ?? "";
    const words = rule.slice(sign.length).split("+");
    const hit = (suite: Suite): boolean => words.every((word) => suite.words.has(word));
    if (sign === "!") killed = new Set([...killed, ...SUITES.filter(hit)]);
    if (sign === "!" || sign === "-") chosen = chosen.filter((suite) => !hit(suite));
    else if (sign === "+") chosen = [...chosen.filter((suite) => !hit(suite)), ...chosen.filter(hit)];
    else chosen.push(...SUITES.filter((suite) => hit(suite) && !chosen.includes(suite) && !killed.has(suite)));
  }
  return chosen.map((suite) => suite.name);
}

/** Suites that a host would offer though the lists leave them out, for these kinds of certificates. */
export function unwantedSuites(
  fixed: readonly string[],
  wanted: { readonly older: readonly string[] | null; readonly tls13: readonly string[] | null },
  protocols: { readonly tls12: boolean; readonly tls13: boolean },
  keys: ReadonlySet<"rsa" | "ec">,
): string[] {
  return fixed.filter((name) => {
    if (TLS13_SUITES.includes(name)) return protocols.tls13 && wanted.tls13 !== null && !wanted.tls13.includes(name);
    if (!keys.has(name.includes("ECDSA") ? "ec" : "rsa")) return false;
    return protocols.tls12 && wanted.older !== null && !wanted.older.includes(name);
  });
}
