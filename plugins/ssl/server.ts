/**
 * A virtual host's side of TLS: its certificates, protocols and suites, checked and prepared when the configuration is built.
 * Source: httpd modules/ssl/ssl_engine_init.c
 */
import type { X509Certificate } from "node:crypto";
import {
  alpnFor,
  alpnOf,
  type ClientHello,
  configError,
  type DirectiveSource,
  getModuleConfig,
  type HttpConfig,
  http,
  type Module,
  type ProcessRec,
  type ServerRec,
  type TlsServer,
} from "../../modules/mod.ts";
import { selectSuites, unwantedSuites } from "./ciphers.ts";
import type { PemAt, SslConfig } from "./config.ts";
import { certificatesOf, certificateTexts, keyText, privateKeyOf } from "./pem.ts";
import { withinLimits } from "./protocols.ts";
import type { Certificate } from "./verify.ts";

type KeyType = "rsa" | "ec";

interface Pair {
  readonly type: KeyType;
  readonly certificate: Certificate;
  /** PEM, with the chain. */
  readonly cert: string;
  readonly key: string;
}

/** A certificate, and who shows it: for each protocol that ALPN can end in a server of its own. */
interface Shown {
  readonly tls: ReadonlyMap<string, TlsServer>;
  readonly certificate: Certificate;
}

export class SslServer {
  readonly server: ServerRec;
  readonly conf: SslConfig;
  /** The authorities that clients' certificates may come from. */
  readonly roots: readonly Certificate[];
  /** By type of key; there is one at least. */
  readonly pairs: ReadonlyMap<KeyType, Shown>;
  private readonly http: HttpConfig;

  constructor(server: ServerRec, conf: SslConfig, roots: readonly Certificate[], pairs: SslServer["pairs"]) {
    this.server = server;
    this.conf = conf;
    this.roots = roots;
    this.pairs = pairs;
    this.http = getModuleConfig(server.config, http);
  }

  /** ECDSA if there is a certificate and the client can check it; the protocol by Protocols. */
  choose(hello: ClientHello): { readonly tls: TlsServer; readonly certificate: Certificate } {
    const { pairs } = this;
    const shown = (hello.ecdsa ? pairs.get("ec") : pairs.get("rsa")) ?? pairs.get("rsa") ?? pairs.get("ec")!;
    return { tls: shown.tls.get(alpnFor(this.http, hello.protocols))!, certificate: shown.certificate };
  }
}

const servers = new WeakMap<ServerRec, SslServer>();

/** What TLS a server speaks to its clients; undefined: none. */
export function sslServerOf(server: ServerRec): SslServer | undefined {
  return servers.get(server);
}

/** check_config: prepares every server with SSLEngine on. @throws ConfigError */
export function buildSslServers(process: ProcessRec, module: Module<SslConfig>): void {
  for (const server of process.servers) {
    const conf = getModuleConfig(server.config, module);
    if (conf.engine !== "on") continue;
    servers.set(server, build(process, server, conf));
    server.speaksTls = true;
  }
}

/** From the next handshake on the server is what `conf` says. @throws ConfigError: it is what it was */
export function rebuildSslServer(server: ServerRec, conf: SslConfig): void {
  servers.set(server, build(server.process, server, conf));
}

function build(process: ProcessRec, server: ServerRec, conf: SslConfig): SslServer {
  const at = conf.engineAt!;
  const name = `${server.hostname}:${server.port || 443}`;
  const limits = process.sockets.tlsLimits;
  if (conf.certFiles.length === 0) {
    throw configError(
      at,
      `AH02572: Failed to configure at least one certificate and key for ${name} [Hint: SSLCertificateFile]`,
    );
  }
  const pairs = new Map<KeyType, Pair>();
  conf.certFiles.forEach((file, i) => {
    const found = readPair(file, conf.keyFiles[i], conf.chainFile);
    pairs.set(found.type, found);
  });
  const protocols = withinLimits(conf.protocols, limits);
  if (protocols === null) throw configError(at, noProtocols(limits.name));
  const ciphers = suitesOf(conf, conf.ciphersAt ?? at);
  const unwanted = unwantedSuites(
    limits.fixedSuites,
    {
      older: ciphers === "" ? null : ciphers.split(":"),
      tls13: conf.ciphers13 === "" ? null : conf.ciphers13.split(":"),
    },
    { tls12: protocols.min !== "TLSv1.3", tls13: protocols.max === "TLSv1.3" },
    new Set(pairs.keys()),
  );
  if (unwanted.length > 0) {
    throw configError(
      conf.ciphersAt ?? at,
      `SSLCipherSuite leaves out ${unwanted.join(" ")}, which ${limits.name} offers always`,
    );
  }
  const log = process.log;
  if (conf.honorCipherOrder && !limits.serverOrder)
    log.warn("ssl", "", `SSLHonorCipherOrder has no effect on ${limits.name}: the client's order counts (${name})`);
  if (!conf.tickets && !limits.ticketsOff)
    log.warn("ssl", "", `SSLSessionTickets off has no effect on ${limits.name} (${name})`);
  if (conf.verifyClient !== "none" && conf.ca.length === 0)
    log.warn(
      "ssl",
      "AH01897",
      "Init: Oops, you want to request client authentication, but no CAs are known for verification!?  [Hint: SSLCACertificate*]",
    );
  const roots = conf.ca.flatMap((file) => certificatesAt(file));
  const names = (conf.caNames.length > 0 ? conf.caNames : conf.ca).map((file) => file.text).join("\n");
  const prepared = new Map<KeyType, Shown>();
  const protocolNames = ["", ...alpnOf(getModuleConfig(server.config, http))];
  for (const pair of pairs.values()) {
    const options = {
      cert: pair.cert,
      key: pair.key,
      minVersion: protocols.min,
      maxVersion: protocols.max,
      ciphers,
      honorCipherOrder: conf.honorCipherOrder,
      requestCert: conf.verifyClient !== "none",
      ca: conf.verifyClient === "none" ? "" : names,
      tickets: conf.tickets,
      sessionTimeout: conf.sessionTimeout,
    };
    try {
      const tls = new Map(protocolNames.map((alpn) => [alpn, process.sockets.tlsServer({ ...options, alpn })]));
      prepared.set(pair.type, { tls, certificate: pair.certificate });
    } catch (error) {
      throw configError(at, `Failed to set up TLS for ${name}: ${(error as Error).message}`);
    }
  }
  return new SslServer(server, conf, roots, prepared);
}

export function noProtocols(host: string): string {
  return `AH02231: No SSL protocols available [hint: SSLProtocol]: ${host} has none of those that are asked for`;
}

/** The suites up to TLS 1.2 as the host wants them; "": its own. */
export function suitesOf(conf: { readonly ciphers: string }, at: DirectiveSource): string {
  if (conf.ciphers === "") return "";
  const suites = selectSuites(conf.ciphers);
  if (suites.length === 0) throw configError(at, `AH01898: Unable to configure permitted SSL ciphers: ${conf.ciphers}`);
  return suites.join(":");
}

/** A certificate with its key, which may stand in the certificate's own file. */
function readPair(file: PemAt, keyFile: PemAt | undefined, chain: PemAt | undefined): Pair {
  const [certificate] = certificatesAt(file);
  if (certificate === undefined)
    throw configError(file.at, `AH02561: Failed to configure certificate, check ${file.path}: no certificate in it`);
  const from = keyFile ?? file;
  const key = keyText(from.text);
  if (key === null) {
    throw configError(
      from.at,
      `AH02579: Init: Private key not found in ${from.path}${keyFile === undefined ? " [Hint: SSLCertificateKeyFile]" : ""}`,
    );
  }
  const mismatch = checkKey(certificate.x509, key, file.path, from.path);
  if (mismatch !== null) throw configError(from.at, mismatch);
  const texts = certificateTexts(file.text);
  if (chain !== undefined) texts.splice(1, texts.length, ...certificateTexts(chain.text));
  const type = certificate.x509.publicKey.asymmetricKeyType === "rsa" ? "rsa" : "ec";
  return { type, certificate, cert: texts.join(""), key };
}

/** What is wrong with a key, or null. Deno takes one that does not belong to its certificate, and fails at each handshake. */
export function checkKey(certificate: X509Certificate, key: string, certPath: string, keyPath: string): string | null {
  try {
    const parsed = privateKeyOf(key);
    if (certificate.checkPrivateKey(parsed)) return null;
  } catch {
    return `AH02564: Failed to configure encrypted (?) private key, check ${keyPath}`;
  }
  return `AH02565: Certificate and private key from ${certPath} and ${keyPath} do not match`;
}

/** @throws ConfigError */
export function certificatesAt(file: PemAt): Certificate[] {
  try {
    return certificatesOf(file.text);
  } catch (error) {
    throw configError(
      file.at,
      `AH02561: Failed to configure certificate, check ${file.path}: ${(error as Error).message}`,
    );
  }
}
