/**
 * The SSL_* variables.
 * Source: httpd modules/ssl/ssl_engine_vars.c ssl_var_lookup; ssl_engine_kernel.c ssl_hook_Fixup
 */
import { type ConnRec, type RequestRec, requestSubject } from "../../modules/mod.ts";
import { cipherBits } from "./ciphers.ts";
import { type SslConn, sslConnOf } from "./connection.ts";
import { algorithmName, NAME_PARTS, oneLine, rfc2253, timeText } from "./names.ts";
import type { Certificate } from "./verify.ts";
import { altNames, type NameAttribute } from "./x509.ts";

const DAY_MS = 86_400_000;
const VERSION = "mod_ssl/2.4.71";

/** Set by SSLOptions StdEnvVars; those of the client's certificate only if there is one. */
const STANDARD = [
  "SSL_VERSION_INTERFACE",
  "SSL_VERSION_LIBRARY",
  "SSL_PROTOCOL",
  "SSL_SECURE_RENEG",
  "SSL_COMPRESS_METHOD",
  "SSL_CIPHER",
  "SSL_CIPHER_EXPORT",
  "SSL_CIPHER_USEKEYSIZE",
  "SSL_CIPHER_ALGKEYSIZE",
  "SSL_CLIENT_VERIFY",
  "SSL_CLIENT_M_VERSION",
  "SSL_CLIENT_M_SERIAL",
  "SSL_CLIENT_V_START",
  "SSL_CLIENT_V_END",
  "SSL_CLIENT_V_REMAIN",
  "SSL_CLIENT_S_DN",
  "SSL_CLIENT_I_DN",
  "SSL_CLIENT_A_KEY",
  "SSL_CLIENT_A_SIG",
  "SSL_CLIENT_CERT_RFC4523_CEA",
  "SSL_SERVER_M_VERSION",
  "SSL_SERVER_M_SERIAL",
  "SSL_SERVER_V_START",
  "SSL_SERVER_V_END",
  "SSL_SERVER_S_DN",
  "SSL_SERVER_I_DN",
  "SSL_SERVER_A_KEY",
  "SSL_SERVER_A_SIG",
  "SSL_SESSION_RESUMED",
];

/** A variable as %{NAME}s and expressions ask for it; null: there is none of that name, or it is not set. */
export function sslVariable(r: RequestRec, name: string): string | null {
  const conf = sslConnOf(r.conn);
  if (name === "HTTPS") return r.conn.secure ? "on" : "off";
  if (name === "SSL_VERSION_INTERFACE") return VERSION;
  if (name === "SSL_VERSION_LIBRARY") return r.server.process.sockets.tlsLimits.name;
  // Those of requests are known by this way, too.
  if (!name.startsWith("SSL_")) return requestSubject(r).variable(name) || null;
  if (conf === undefined || conf.tls === null) return null;
  return variable(conf, name, legacyNames(conf), nowMs(r.conn));
}

function legacyNames(conf: SslConn): boolean {
  return conf.ssl.conf.options.has("LegacyDNStringFormat");
}

function nowMs(conn: ConnRec): number {
  return conn.process.clock.wallUs() / 1000;
}

function variable(conn: SslConn, name: string, legacy: boolean, now: number): string | null {
  const tls = conn.tls!;
  switch (name) {
    case "SSL_VERSION_INTERFACE":
      return VERSION;
    case "SSL_VERSION_LIBRARY":
      return conn.ssl.server.process.sockets.tlsLimits.name;
    case "SSL_PROTOCOL":
      return tls.protocol || null;
    case "SSL_SECURE_RENEG":
      return "true";
    case "SSL_COMPRESS_METHOD":
      return "NULL";
    case "SSL_CIPHER":
      return tls.cipher || null;
    case "SSL_CIPHER_EXPORT":
      return "false";
    case "SSL_CIPHER_USEKEYSIZE":
    case "SSL_CIPHER_ALGKEYSIZE":
      return tls.cipher === "" ? null : String(cipherBits(tls.cipher));
    case "SSL_SESSION_RESUMED":
      return tls.resumed === null ? null : tls.resumed ? "Resumed" : "Initial";
    case "SSL_TLS_SNI":
      return tls.serverName === "" ? null : tls.serverName;
    case "SSL_CLIENT_VERIFY":
      return conn.verified;
  }
  if (name.startsWith("SSL_SERVER_")) return ofCertificate(conn.certificate, name.slice(11), legacy, now);
  if (!name.startsWith("SSL_CLIENT_") || conn.client === null) return null;
  const chain = /^SSL_CLIENT_CERT_CHAIN_(\d+)$/.exec(name);
  if (chain !== null) {
    const der = sentChain(conn)[Number(chain[1])];
    return der === undefined ? null : pem(der);
  }
  return ofCertificate(conn.client, name.slice(11), legacy, now);
}

/** What the client sent behind its own certificate. Bun shows the trusted authority, too, that it found behind that. */
function sentChain(conn: SslConn): readonly Uint8Array[] {
  const chain = conn.tls!.peerChain.slice(1);
  const isRoot = (der: Uint8Array) => conn.ssl.roots.some(({ x509 }) => pem(x509.raw) === pem(der));
  return chain.filter((der) => !isRoot(der));
}

/** @param part what follows SSL_CLIENT_ or SSL_SERVER_ */
function ofCertificate({ fields, x509 }: Certificate, part: string, legacy: boolean, now: number): string | null {
  switch (part) {
    case "M_VERSION":
      return String(fields.version);
    case "M_SERIAL":
      return fields.serial;
    case "V_START":
      return timeText(fields.notBefore);
    case "V_END":
      return timeText(fields.notAfter);
    case "V_REMAIN":
      return String(Math.max(0, Math.floor((fields.notAfter - now) / DAY_MS)));
    case "A_KEY":
      return algorithmName(fields.keyOid);
    case "A_SIG":
      return algorithmName(fields.signatureOid);
    case "CERT":
      return pem(x509.raw);
    case "CERT_RFC4523_CEA":
      return `{ serialNumber ${BigInt(`0x${fields.serial}`)}, issuer rdnSequence:"${rfc2253(fields.issuer)}" }`;
    case "S_DN":
      return legacy ? oneLine(fields.subject) : rfc2253(fields.subject);
    case "I_DN":
      return legacy ? oneLine(fields.issuer) : rfc2253(fields.issuer);
  }
  const name = /^([SI])_DN_([A-Za-z]+?)(?:_(\d+))?(?:_RAW)?$/.exec(part);
  if (name !== null) return attribute(name[1] === "S" ? fields.subject : fields.issuer, name[2]!, Number(name[3] ?? 0));
  const san = /^SAN_(EMAIL|DNS)_(\d+)$/.exec(part.toUpperCase());
  return san === null ? null : (altNames(fields, san[1] === "DNS" ? 2 : 1)[Number(san[2])] ?? null);
}

function attribute(name: readonly NameAttribute[], part: string, index: number): string | null {
  // %{...}s and expressions know names in capitals alone.
  const oid = NAME_PARTS[part === "EMAIL" ? "Email" : part];
  return oid === undefined ? null : (name.filter((entry) => entry.oid === oid)[index]?.value ?? null);
}

function pem(der: Uint8Array): string {
  let text = "";
  for (const byte of der) text += String.fromCharCode(byte);
  return `-----BEGIN CERTIFICATE-----\n${btoa(text).replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

/** What SSLOptions puts into the environment of each request. */
export function setSslEnv(r: RequestRec, conn: SslConn, standard: boolean, certificates: boolean): void {
  const now = nowMs(r.conn);
  const legacy = legacyNames(conn);
  const set = (name: string): void => {
    const value = variable(conn, name, legacy, now);
    if (value !== null) r.setEnv(name, value);
  };
  if (standard) {
    STANDARD.forEach(set);
    nameParts(r, "SSL_SERVER", conn.certificate);
    if (conn.client !== null) nameParts(r, "SSL_CLIENT", conn.client);
  }
  if (!certificates) return;
  set("SSL_SERVER_CERT");
  r.setEnv("SSL_CLIENT_CERT", variable(conn, "SSL_CLIENT_CERT", legacy, now) ?? "");
  if (conn.client !== null) for (let i = 0; i < sentChain(conn).length; i++) set(`SSL_CLIENT_CERT_CHAIN_${i}`);
}

/** SSL_CLIENT_S_DN_CN and its like; a second one of a kind has _1 behind it. */
function nameParts(r: RequestRec, prefix: string, { fields }: Certificate): void {
  for (const [side, name] of [
    ["S", fields.subject],
    ["I", fields.issuer],
  ] as const) {
    for (const [part, oid] of Object.entries(NAME_PARTS)) {
      if (part === "SP") continue; // the old spelling of ST
      const values = name.filter((entry) => entry.oid === oid);
      for (const [i, { value }] of values.entries())
        r.setEnv(`${prefix}_${side}_DN_${part}${i === 0 ? "" : `_${i}`}`, value);
    }
  }
  for (const [kind, tag] of [
    ["Email", 1],
    ["DNS", 2],
  ] as const)
    for (const [i, value] of altNames(fields, tag).entries()) r.setEnv(`${prefix}_SAN_${kind}_${i}`, value);
}
