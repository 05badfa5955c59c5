/**
 * SSLProtocol's words → a range of protocols.
 * Source: httpd modules/ssl/ssl_engine_config.c ssl_cmd_protocol_parse
 */
import type { TlsLimits, TlsVersion } from "../../modules/mod.ts";

export const VERSIONS: readonly TlsVersion[] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

export interface Protocols {
  readonly min: TlsVersion;
  readonly max: TlsVersion;
}

/** What is spoken without SSLProtocol. httpd says "all -SSLv3", and today's OpenSSL makes the same of it. */
export const DEFAULT_PROTOCOLS: Protocols = { min: "TLSv1.2", max: "TLSv1.3" };

/** @returns the text of an error, in httpd's words where it has some */
export function parseProtocols(directive: string, words: readonly string[]): Protocols | string {
  let chosen = new Set<string>();
  for (const word of words) {
    const action = /^[+-]/.exec(word)?.[0] ?? "";
    const name = word.slice(action.length).toLowerCase();
    let named: string[];
    if (name === "sslv2") {
      if (action === "-") continue;
      return `${directive}: SSLv2 is no longer supported`;
    }
    if (name === "all") named = ["sslv3", ...VERSIONS];
    else if (name === "sslv3") named = ["sslv3"];
    else {
      const version = VERSIONS.find((known) => known.toLowerCase() === name);
      if (version === undefined) return `${directive}: Illegal protocol '${word.slice(action.length)}'`;
      named = [version];
    }
    if (action === "-") for (const version of named) chosen.delete(version);
    else if (action === "+") for (const version of named) chosen.add(version);
    else chosen = new Set(named);
  }
  const versions = VERSIONS.filter((version) => chosen.has(version));
  if (versions.length === 0) return `${directive}: No SSL protocols available`;
  const min = versions[0]!;
  const max = versions.at(-1)!;
  const whole = VERSIONS.indexOf(max) - VERSIONS.indexOf(min) + 1;
  if (versions.length !== whole)
    return `${directive}: protocols must follow each other: ${versions.join(" ")} leaves one out`;
  return { min, max };
}

/** The part of a range that a host can speak; null: none. */
export function withinLimits({ min, max }: Protocols, limits: TlsLimits): Protocols | null {
  const oldest = VERSIONS.indexOf(limits.oldest);
  if (VERSIONS.indexOf(max) < oldest) return null;
  return { min: VERSIONS[Math.max(VERSIONS.indexOf(min), oldest)]!, max };
}
