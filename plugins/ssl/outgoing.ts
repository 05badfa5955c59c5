/**
 * TLS to backends: what the directives of a request's scope say, and what a backend's certificate must prove.
 * Source: httpd modules/ssl/mod_ssl.c ssl_engine_set, ssl_hook_pre_connection; ssl_engine_io.c ssl_io_filter_handshake
 */
import { isIP } from "node:net";
import {
  type BackendTls,
  configError,
  type DirectiveSource,
  type ErrorLog,
  getModuleConfig,
  getProxyConfig,
  HOST,
  hostName,
  type Module,
  mergeRaw,
  OK,
  type ProcessRec,
  type ProxyAttempt,
  type ProxyUrl,
  type RequestRec,
  type Status,
  type TlsClientOptions,
  type TlsInfo,
} from "../../modules/mod.ts";
import { selectSuites, unwantedSuites } from "./ciphers.ts";
import type { SslConfig } from "./config.ts";
import { type Texts, withTexts } from "./files.ts";
import { matchesHost } from "./names.ts";
import { certificateTexts, keyText } from "./pem.ts";
import { withinLimits } from "./protocols.ts";
import { certificatesAt, checkKey, noProtocols, suitesOf } from "./server.ts";
import { type Certificate, certificateOf, SERVER_AUTH, verifyChain } from "./verify.ts";
import { altNames, type CertificateFields } from "./x509.ts";

const COMMON_NAME = "2.5.4.3";
/** Names come from clients where ProxyPreserveHost is On: identities beyond so many begin anew. */
const MAX_IDENTITIES = 256;

/** What one scope says; shared by all requests of it. */
interface Scope {
  readonly conf: SslConfig;
  readonly roots: readonly Certificate[];
  readonly base: Omit<TlsClientOptions, "serverName">;
  /** By the name that is asked for. */
  readonly identities: Map<string, Identity>;
}

let scopes = new WeakMap<SslConfig, Scope>();
/** What stands in files that have changed since a configuration was read. */
const latest = new WeakMap<ProcessRec, Texts>();

/** ssl_bind_outgoing: sets `attempt.tls`. */
export function bindOutgoing(r: RequestRec, conf: SslConfig, url: ProxyUrl, attempt: ProxyAttempt): Status {
  if (!conf.proxyEngine) {
    r.log.debug("ssl", "AH10272", `SSL Proxy requested for ${r.server.hostname} but not enabled for us.`);
    r.log.error("core", "AH01961", "failed to enable ssl support [Hint: if using mod_ssl, see SSLProxyEngine]");
    return 500;
  }
  const scope = scopeOf(r.server.process, conf);
  const clientHost = getProxyConfig(r.perDirConfig).preserveHost ? r.headersIn.getId(HOST) : undefined;
  const name = (clientHost === undefined ? url.host : hostName(clientHost)).toLowerCase();
  attempt.tls = identity(scope, name);
  return OK;
}

function scopeOf(process: ProcessRec, conf: SslConfig): Scope {
  const known = scopes.get(conf);
  if (known !== undefined) return known;
  const scope = makeScope(process, conf);
  scopes.set(conf, scope);
  return scope;
}

function identity(scope: Scope, name: string): Identity {
  const known = scope.identities.get(name);
  if (known !== undefined) return known;
  if (scope.identities.size >= MAX_IDENTITIES) scope.identities.clear();
  const made = new Identity(scope, name);
  scope.identities.set(name, made);
  return made;
}

/** check_config: files, suites and protocols of every scope that has them. @throws ConfigError */
export function checkOutgoing(process: ProcessRec, confs: readonly SslConfig[]): void {
  for (const conf of confs) checkScope(process, conf);
}

/** What servers and <Proxy> sections say. */
export function scopeConfigs(process: ProcessRec, module: Module<SslConfig>): SslConfig[] {
  const confs: SslConfig[] = [];
  for (const server of process.servers) {
    confs.push(getModuleConfig(server.config, module));
    for (const section of server.proxies) {
      if (section.raw[module.index] === undefined) continue;
      const outer = server.isVirtual ? [process.servers[0]!.raw, server.raw] : [server.raw];
      confs.push(module.config.parse(mergeRaw(module, [...outer, section.raw])));
    }
  }
  return confs;
}

/** From here on identities are made of what files say now. @throws ConfigError: they are what they were */
export function renewOutgoing(process: ProcessRec, confs: readonly SslConfig[], now: Texts): void {
  for (const conf of confs) checkScope(process, withTexts(conf, now));
  latest.set(process, new Map(now));
  scopes = new WeakMap();
}

function checkScope(process: ProcessRec, conf: SslConfig): void {
  if (!conf.proxyEngine) return;
  const at = conf.ciphersAt ?? ({ name: "SSLProxyEngine", file: "", line: 0 } as DirectiveSource);
  const limits = process.sockets.tlsLimits;
  const protocols = withinLimits(conf.proxyProtocols, limits);
  if (protocols === null) throw configError(conf.proxyProtocolsAt ?? at, noProtocols(limits.name));
  const ciphers = suitesOf({ ciphers: conf.proxyCiphers }, at);
  const unwanted = unwantedSuites(
    limits.fixedSuites,
    { older: split(ciphers), tls13: split(conf.proxyCiphers13) },
    { tls12: protocols.min !== "TLSv1.3", tls13: protocols.max === "TLSv1.3" },
    new Set(["rsa", "ec"] as const),
  );
  if (unwanted.length > 0)
    throw configError(at, `SSLProxyCipherSuite leaves out ${unwanted.join(" ")}, which ${limits.name} offers always`);
  for (const file of conf.proxyCa) certificatesAt(file);
  const { machine } = conf;
  if (machine === undefined) return;
  const wrong = checkKey(certificatesAt(machine)[0]!.x509, keyText(machine.text)!, machine.path, machine.path);
  if (wrong !== null) throw configError(machine.at, wrong);
}

function split(list: string): readonly string[] | null {
  return list === "" ? null : list.split(":");
}

/** `checkOutgoing` has seen all of it. */
function makeScope(process: ProcessRec, read: SslConfig): Scope {
  const texts = latest.get(process);
  const conf = texts === undefined ? read : withTexts(read, texts);
  const limits = process.sockets.tlsLimits;
  const protocols = withinLimits(conf.proxyProtocols, limits);
  if (protocols === null) throw new Error(noProtocols(limits.name));
  const { machine, machineChain } = conf;
  return {
    conf,
    roots: conf.proxyCa.flatMap((file) => certificatesAt(file)),
    base: {
      cert: machine === undefined ? "" : certificateTexts(`${machine.text}\n${machineChain?.text ?? ""}`).join(""),
      key: machine === undefined ? "" : keyText(machine.text)!,
      minVersion: protocols.min,
      maxVersion: protocols.max,
      ciphers: conf.proxyCiphers === "" ? "" : selectSuites(conf.proxyCiphers).join(":"),
    },
    identities: new Map(),
  };
}

class Identity implements BackendTls {
  readonly options: TlsClientOptions;
  private readonly scope: Scope;
  private readonly name: string;

  constructor(scope: Scope, name: string) {
    this.scope = scope;
    this.name = name;
    // RFC 6066 section 3: an address is no name.
    this.options = { ...scope.base, serverName: isIP(name) === 0 ? name : "" };
  }

  check(tls: TlsInfo, log: ErrorLog, nowMs: number): string | null {
    const { conf, roots } = this.scope;
    const der = tls.peerChain[0];
    if (der === undefined) return "no certificate";
    let fields: CertificateFields;
    try {
      ({ fields } = certificateOf(der));
    } catch {
      return "a certificate that cannot be read";
    }
    if (conf.proxyVerify !== "none") {
      const wrong = verifyChain(tls.peerChain, roots, conf.proxyVerifyDepth, SERVER_AUTH, nowMs);
      if (wrong !== null && !(conf.proxyVerify === "optional_no_ca" && wrong.untrustedOnly)) {
        log.error("ssl", "AH02039", `Certificate Verification: Error (${wrong.code}): ${wrong.text}`);
        return wrong.text;
      }
    }
    if (conf.checkPeerExpire && (nowMs < fields.notBefore || nowMs > fields.notAfter)) {
      log.warn("ssl", "AH02004", "SSL Proxy: Peer certificate is expired");
      return "expired";
    }
    const names = fields.subject.filter(({ oid }) => oid === COMMON_NAME).map(({ value }) => value);
    const { checkPeerName, checkPeerCn } = conf;
    // As httpd has it: who switches the one off that is not the default has switched both off.
    if (checkPeerName !== false && (checkPeerCn !== false || checkPeerName === true)) {
      if ([...altNames(fields, 2), ...names].some((written) => matchesHost(written, this.name))) return null;
      log.error("ssl", "AH02411", `SSL Proxy: Peer certificate does not match for hostname ${this.name}`);
      return "name mismatch";
    }
    if (checkPeerCn === true && names[0]?.toLowerCase() !== this.name) {
      const text = `SSL Proxy: Peer certificate CN mismatch: Certificate CN: ${names[0] ?? ""} Requested hostname: ${this.name}`;
      log.warn("ssl", "AH02005", text);
      return "CN mismatch";
    }
    return null;
  }
}
