/**
 * TLS on the fetch front: what the server of the runtime is told, and what it cannot hold. It does not show what a handshake
 * found: of a request one knows that it came by TLS, and of a client that it was asked.
 */
import {
  type ConnRec,
  type CoreConfig,
  configError,
  core,
  type DirectiveSource,
  frontOf,
  frontTlsLimits,
  getModuleConfig,
  http,
  type ListenSpec,
  type ProcessRec,
  type RequestRec,
  type ServerRec,
  type TlsHost,
  type TlsInfo,
  type TlsServerOptions,
  vhostNamed,
  vhostsOf,
} from "../../modules/mod.ts";
import { unwantedSuites } from "./ciphers.ts";
import { rememberConn, type SslConn } from "./connection.ts";
import { withinLimits } from "./protocols.ts";
import { type SslServer, sslServerOf } from "./server.ts";

/** A chain may be as long as OpenSSL takes it at all. */
const MOST_DEPTH = 100;

/** listener_tls */
export function tlsHosts(vhosts: readonly ServerRec[]): TlsHost[] | null {
  if (sslServerOf(vhosts[0]!) === undefined) return null;
  return vhosts.flatMap((server) => {
    const ssl = sslServerOf(server);
    return ssl === undefined ? [] : [{ names: namesOf(server, vhosts), certificates: optionsOf(ssl) }];
  });
}

/** One for each type of key; ALPN is the runtime's. */
function optionsOf({ pairs }: SslServer): TlsServerOptions[] {
  return [...pairs.values()].map(({ tls }) => tls.get("")!.options);
}

/** Those by which a client comes to this host, not to one before it. */
function namesOf(server: ServerRec, vhosts: readonly ServerRec[]): string[] {
  const exact = [server.hostname.toLowerCase(), ...server.names].filter(
    (name) => vhostNamed(vhosts, name) === server && !/^[\d.]+$|:/.test(name),
  );
  return [...new Set([...exact, ...server.wildNames])];
}

/** check_config. @throws ConfigError */
export function checkFetchFronts(process: ProcessRec): void {
  const conf: CoreConfig = getModuleConfig(process.servers[0]!.config, core);
  for (const spec of conf.listen) if (frontOf(conf, spec) === "fetch") checkListener(process, spec);
}

function checkListener(process: ProcessRec, spec: ListenSpec): void {
  const limits = frontTlsLimits;
  const vhosts = vhostsOf(process.servers, spec.address, spec.port);
  const first = sslServerOf(vhosts[0]!);
  if (first === undefined) return;
  const refuse = (at: DirectiveSource | undefined, text: string): never => {
    throw configError(at ?? first.conf.engineAt!, `${text} (Front fetch, port ${spec.port})`);
  };
  if (spec.unix !== "") refuse(undefined, "SSLEngine: Front fetch speaks TLS on ports, not on unix sockets");
  const { protocols, protocolsAt } = getModuleConfig(vhosts[0]!.config, http);
  if (protocols.includes("h3") && !limits.http3) refuse(protocolsAt, `Protocols h3: ${limits.name} has no HTTP/3`);
  const hosts = vhosts.map(sslServerOf).filter((ssl) => ssl !== undefined);
  for (const ssl of hosts) {
    checkHost(ssl, refuse);
    checkClients(ssl, first, refuse);
    checkSwitches(ssl, first, refuse);
    if (!limits.manyCertificates) checkAlike(ssl, first, refuse);
  }
}

type Refuse = (at: DirectiveSource | undefined, text: string) => never;

function checkHost({ conf, server, pairs }: SslServer, refuse: Refuse): void {
  const { name, ranges, oldest, fixedSuites } = frontTlsLimits;
  const protocols = withinLimits(conf.protocols, frontTlsLimits);
  if (protocols === null) refuse(conf.protocolsAt, `SSLProtocol: ${name} speaks nothing older than ${oldest}`);
  const whole = protocols!.min === oldest && protocols!.max === "TLSv1.3";
  if (!ranges && !whole) refuse(conf.protocolsAt, `SSLProtocol: ${name} speaks ${oldest} and TLSv1.3, always`);
  if (!ranges && (conf.ciphers !== "" || conf.ciphers13 !== "")) {
    refuse(conf.ciphersAt, `SSLCipherSuite: ${name} has suites of its own, always`);
  }
  const tls13 = conf.ciphers13 === "" ? null : conf.ciphers13.split(":");
  const unwanted = unwantedSuites(
    fixedSuites,
    { older: null, tls13 },
    { tls12: false, tls13: true },
    new Set(pairs.keys()),
  );
  if (unwanted.length > 0) {
    refuse(conf.ciphersAt, `SSLCipherSuite leaves out ${unwanted.join(" ")}, which ${name} offers always`);
  }
  if (conf.strictSni) refuse(undefined, `SSLStrictSNIVHostCheck: ${name} does not show the name in SNI`);
  if (conf.sniPolicy === "strict") refuse(undefined, `SSLVHostSNIPolicy strict: ${name} does not show the name in SNI`);
  const odd = server.wildNames.find((glob) => !/^\*\.[^*?]+$/.test(glob));
  if (odd !== undefined)
    refuse(undefined, `ServerAlias ${odd}: ${name} chooses certificates by names and *.names only`);
}

/** A request does not show with which host the handshake was: what is asked of clients must be the same for all. */
function checkClients({ conf }: SslServer, first: SslServer, refuse: Refuse): void {
  const { name, verifiesClients } = frontTlsLimits;
  if (authorities(conf) !== authorities(first.conf)) {
    refuse(
      conf.verifyClientAt ?? first.conf.verifyClientAt,
      "SSLVerifyClient must be the same for all hosts of a port",
    );
  }
  if (conf.verifyClient === "none") return;
  if (!verifiesClients) refuse(conf.verifyClientAt, `SSLVerifyClient: ${name} asks no client for a certificate`);
  if (conf.verifyClient !== "require") {
    refuse(conf.verifyClientAt, `SSLVerifyClient ${conf.verifyClient}: ${name} does not show whether a client has one`);
  }
  if (conf.verifyDepth < MOST_DEPTH) {
    refuse(
      conf.verifyClientAt,
      `SSLVerifyClient: ${name} takes chains of any length: set SSLVerifyDepth ${MOST_DEPTH}`,
    );
  }
  if (conf.userName !== "") refuse(undefined, `SSLUserName: ${name} does not show the certificates of clients`);
}

/** SNI chooses certificate and suites on Bun 1.4.4; what else there is of TLS is settled before. */
function checkSwitches({ conf }: SslServer, first: SslServer, refuse: Refuse): void {
  const { name, ranges } = frontTlsLimits;
  if (!ranges) return;
  const same = `must be the same for all hosts of a port: ${name} settles it before SNI`;
  const { protocols, protocolsAt, honorCipherOrder, tickets } = conf;
  if (protocols.min !== first.conf.protocols.min || protocols.max !== first.conf.protocols.max) {
    refuse(protocolsAt ?? first.conf.protocolsAt, `SSLProtocol ${same}`);
  }
  if (honorCipherOrder !== first.conf.honorCipherOrder) refuse(conf.engineAt, `SSLHonorCipherOrder ${same}`);
  if (tickets !== first.conf.tickets) refuse(conf.engineAt, `SSLSessionTickets ${same}`);
}

function authorities({ verifyClient, ca }: SslServer["conf"]): string {
  return verifyClient === "none" ? "none" : `${verifyClient} ${ca.map(({ path }) => path).join(" ")}`;
}

function checkAlike(ssl: SslServer, first: SslServer, refuse: Refuse): void {
  const { name } = frontTlsLimits;
  const texts = new Set([...optionsOf(first), ...optionsOf(ssl)].map(({ cert }) => cert));
  if (texts.size === 1) return;
  refuse(ssl.conf.certFiles.at(-1)?.at, `SSLCertificateFile: ${name} has one certificate for all hosts of a port`);
}

/** Nothing of a handshake is shown. */
const UNSEEN: TlsInfo = { protocol: "", cipher: "", resumed: null, serverName: "", alpn: "", peerChain: [] };

/** What is known of a request that came by TLS to a server of the runtime; undefined: nothing, or it did not. */
export function fetchConn(r: RequestRec): SslConn | undefined {
  const conn: ConnRec = r.conn;
  if (!conn.secure) return undefined;
  const ssl = sslServerOf(r.server) ?? sslServerOf(conn.vhosts[0]!);
  if (ssl === undefined) return undefined;
  const { certificate } = ssl.choose({ serverName: "", ecdsa: true, protocols: [] });
  const verified = ssl.conf.verifyClient === "require" ? "SUCCESS" : "NONE";
  return rememberConn(conn, { ssl, met: r.server, tls: UNSEEN, certificate, client: null, verified });
}
