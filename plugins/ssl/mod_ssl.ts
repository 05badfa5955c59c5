/**
 * mod_ssl: TLS to clients and to backends.
 * Source: httpd modules/ssl/mod_ssl.c, ssl_engine_config.c
 */
import {
  ArgumentError,
  accessChecker,
  authChecker,
  authz,
  type CommandContext,
  checkConfig,
  checkUserId,
  childExit,
  childInit,
  defineModule,
  exprLookup,
  fixups,
  getModuleConfig,
  listenerTls,
  parseSslExpr,
  postReadRequest,
  preConnection,
  splitWords,
  sslBindOutgoing,
} from "../../modules/mod.ts";
import {
  checkAccess,
  checkStrict,
  checkUser,
  readRequest,
  requireSsl,
  requireVerified,
  setVariables,
} from "./access.ts";
import { TLS13_SUITES } from "./ciphers.ts";
import { OPTION_NAMES, type PemAt, type SslConfig, sslSchema, VERIFY_MODES } from "./config.ts";
import { preConnection as secureConnection } from "./connection.ts";
import { checkFetchFronts, tlsHosts } from "./fetch_front.ts";
import { bindOutgoing, checkOutgoing, scopeConfigs } from "./outgoing.ts";
import { certificateTexts, keyText, type PemFile, readPem, readPemDirectory } from "./pem.ts";
import { parseProtocols } from "./protocols.ts";
import { onRenewal, startRenewal, stopRenewal } from "./renewal.ts";
import { buildSslServers } from "./server.ts";
import { sslVariable } from "./vars.ts";

const NO_EFFECT = "accepted, without effect: ";
const RUNTIME = { noEffect: "sessions and randomness are the runtime's" };
/** In httpd, too. */
const SWITCHED_OFF = { noEffect: "what it is for is switched off, and cannot be switched on" };
/** What says how OCSP and stapling are done; that they are done is refused. */
const OCSP = [
  "SSLStaplingCache",
  "SSLStaplingResponderTimeout",
  "SSLStaplingReturnResponderErrors",
  "SSLStaplingStandardCacheTimeout",
  "SSLStaplingErrorCacheTimeout",
  "SSLStaplingFakeTryLater",
  "SSLStaplingForceURL",
  "SSLStaplingResponseMaxAge",
  "SSLStaplingResponseTimeSkew",
  "SSLOCSPDefaultResponder",
  "SSLOCSPOverrideResponder",
  "SSLOCSPResponderTimeout",
  "SSLOCSPResponseMaxAge",
  "SSLOCSPResponseTimeSkew",
  "SSLOCSPUseRequestNonce",
  "SSLOCSPNoVerify",
  "SSLOCSPProxyURL",
  "SSLOCSPResponderCertificateFile",
];
const ONE_IDENTITY = { differs: "one certificate, whatever authorities the backend names" };

const ssl = defineModule({
  name: "mod_ssl",
  config: sslSchema,
  append: ["certFiles", "keyFiles", "options", "require"],
  needs: ["sockets", "files"],
  commands: ({ flag, noArgs, take1, take12, take23, iterate, raw }) => [
    take1("SSLEngine", "server", setEngine, "SSL switch for the protocol engine ('on', 'off')"),
    take1("SSLCertificateFile", "server", pushFile("certFiles"), "SSL Server Certificate file ('/path/to/file' - PEM)"),
    take1(
      "SSLCertificateKeyFile",
      "server",
      pushFile("keyFiles"),
      "SSL Server Private Key file ('/path/to/file' - PEM)",
    ),
    take1("SSLCertificateChainFile", "server", setFile("chainFile"), "SSL Server CA Certificate Chain file (PEM)"),
    raw("SSLProtocol", "server", setProtocols("protocols"), "Enable or disable various SSL protocols"),
    take12("SSLCipherSuite", "any", setCiphers("ciphers"), "Colon-delimited list of permitted SSL Ciphers"),
    flag("SSLHonorCipherOrder", "server", "honorCipherOrder", "Use the server's cipher ordering preference"),
    take1("SSLVerifyClient", "any", setVerifyClient, "SSL Client verify type"),
    take1("SSLVerifyDepth", "any", setVerifyDepth, "SSL Client verify depth"),
    take1("SSLCACertificateFile", "server", addFile("ca"), "SSL CA Certificate file (PEM)"),
    take1("SSLCACertificatePath", "server", addDirectory("ca"), "SSL CA Certificate path (a directory of PEM files)"),
    take1("SSLCADNRequestFile", "server", addFile("caNames"), "SSL CA Distinguished Name file (PEM)"),
    take1("SSLCADNRequestPath", "server", addDirectory("caNames"), "SSL CA Distinguished Name path"),
    flag("SSLSessionTickets", "server", "tickets", "Enable or disable TLS session tickets"),
    take1("SSLSessionCache", "global", setSessionCache, `${NO_EFFECT}sessions are kept by the runtime`, RUNTIME),
    take1("SSLSessionCacheTimeout", "server", setSessionTimeout, "SSL Session Cache object lifetime (seconds)"),
    flag("SSLStrictSNIVHostCheck", "server", "strictSni", "Strict SNI virtual host checking"),
    take1("SSLVHostSNIPolicy", "global", setSniPolicy, "SSL VirtualHost SNI compatibility policy setting"),
    iterate("SSLOptions", "any", addOption, "Set one or more options to configure the SSL engine"),
    noArgs("SSLRequireSSL", "dir", (cmd) => cmd.set("requireSsl", true), "Require the SSL protocol"),
    raw("SSLRequire", "dir", addRequire, "Require a boolean expression to evaluate to true for granting access"),
    take1("SSLUserName", "any", "userName", "Set user name to SSL variable value"),
    take23("SSLRandomSeed", "global", setRandomSeed, `${NO_EFFECT}the runtime seeds itself`, RUNTIME),
    take1("SSLPassPhraseDialog", "global", setPassPhraseDialog, `${NO_EFFECT}encrypted private keys are refused`, {
      noEffect: "encrypted private keys are refused",
    }),
    take1("SSLCryptoDevice", "global", only("builtin"), "only 'builtin'"),
    take1("SSLFIPS", "global", only("off"), "only 'off'"),
    take1("SSLCompression", "server", only("off"), "only 'off'"),
    take1("SSLInsecureRenegotiation", "server", only("off"), "only 'off'"),
    take1("SSLUseStapling", "server", only("off"), "only 'off': the runtimes cannot staple"),
    take1("SSLOCSPEnable", "server", only("off"), "only 'off'"),
    take1("SSLCARevocationCheck", "server", only("none"), "only 'none': revocation lists are not read"),
    take1("SSLCARevocationFile", "server", checkFile, `${NO_EFFECT}SSLCARevocationCheck is none`, SWITCHED_OFF),
    take1("SSLCARevocationPath", "server", checkDirectory, `${NO_EFFECT}SSLCARevocationCheck is none`, SWITCHED_OFF),
    ...OCSP.map((name) => take1(name, "server", () => undefined, `${NO_EFFECT}OCSP is off`, SWITCHED_OFF)),
    take1("SSLRenegBufferSize", "dir", setRenegBuffer, `${NO_EFFECT}nothing is renegotiated`, {
      noEffect: "nothing is renegotiated",
    }),

    flag("SSLProxyEngine", "proxy", "proxyEngine", "SSL switch for the proxy protocol engine"),
    raw("SSLProxyProtocol", "proxy", setProtocols("proxyProtocols"), "SSL Proxy: enable or disable SSL protocols"),
    take12("SSLProxyCipherSuite", "proxy", setCiphers("proxyCiphers"), "SSL Proxy: list of permitted SSL ciphers"),
    take1("SSLProxyVerify", "proxy", setProxyVerify, "SSL Proxy: whether to verify the remote certificate"),
    take1("SSLProxyVerifyDepth", "proxy", setProxyDepth, "SSL Proxy: maximum certificate verification depth"),
    take1("SSLProxyCACertificateFile", "proxy", addFile("proxyCa"), "SSL Proxy: CA certificates (PEM)"),
    take1("SSLProxyCACertificatePath", "proxy", addDirectory("proxyCa"), "SSL Proxy: directory of CA certificates"),
    take1("SSLProxyCARevocationCheck", "proxy", only("none"), "only 'none': revocation lists are not read"),
    take1(
      "SSLProxyCARevocationFile",
      "proxy",
      checkFile,
      `${NO_EFFECT}SSLProxyCARevocationCheck is none`,
      SWITCHED_OFF,
    ),
    take1(
      "SSLProxyCARevocationPath",
      "proxy",
      checkDirectory,
      `${NO_EFFECT}SSLProxyCARevocationCheck is none`,
      SWITCHED_OFF,
    ),
    flag("SSLProxyCheckPeerName", "proxy", "checkPeerName", "SSL Proxy: check the peer certificate's name"),
    flag("SSLProxyCheckPeerCN", "proxy", "checkPeerCn", "SSL Proxy: check the peer certificate CN"),
    flag("SSLProxyCheckPeerExpire", "proxy", "checkPeerExpire", "SSL Proxy: check the peer certificate's dates"),
    take1(
      "SSLProxyMachineCertificateFile",
      "proxy",
      setMachineFile,
      "SSL Proxy: client certificate and key (PEM)",
      ONE_IDENTITY,
    ),
    take1(
      "SSLProxyMachineCertificatePath",
      "proxy",
      setMachinePath,
      "SSL Proxy: directory of client certificates",
      ONE_IDENTITY,
    ),
    take1(
      "SSLProxyMachineCertificateChainFile",
      "proxy",
      setFile("machineChain"),
      "SSL Proxy: CA certificates of the client certificate",
    ),
  ],
  registerHooks(hooks) {
    const { hook } = hooks;
    hooks.provider(exprLookup, "SSL_", (r, rest) => (r.conn.secure ? sslVariable(r, `SSL_${rest}`) : null));
    hooks.provider(exprLookup, "ssl", sslVariable);
    hooks.provider(authz, "ssl", requireSsl);
    hooks.provider(authz, "ssl-verify-client", requireVerified);
    hook(checkConfig, (process) => {
      buildSslServers(process, ssl);
      checkOutgoing(process, scopeConfigs(process, ssl));
      checkFetchFronts(process);
    });
    hooks.provider(listenerTls, "ssl", { hostsOf: tlsHosts, watch: onRenewal });
    hook(childInit, (process, _main) => startRenewal(process, ssl));
    hook(childExit, stopRenewal);
    hook(preConnection, secureConnection);
    hook(postReadRequest, readRequest, { rank: "reallyFirst", directivesOf: ["mod_ssl"] });
    hook(checkUserId, (r) => checkUser(r, getModuleConfig(r.perDirConfig, ssl)), {
      rank: "first",
      directivesOf: ["mod_ssl"],
    });
    hook(authChecker, (r) => checkStrict(r, getModuleConfig(r.perDirConfig, ssl)), {
      rank: "first",
      directivesOf: ["mod_ssl"],
    });
    hook(accessChecker, (r) => checkAccess(r, getModuleConfig(r.perDirConfig, ssl)), { directivesOf: ["mod_ssl"] });
    hook(fixups, (r) => setVariables(r, getModuleConfig(r.perDirConfig, ssl)), { directivesOf: ["mod_ssl"] });
    hook(sslBindOutgoing, (r, url, attempt) => bindOutgoing(r, getModuleConfig(r.perDirConfig, ssl), url, attempt));
  },
});
export default ssl;

type Key = keyof SslConfig & string;
type Answer = string | undefined;

function setEngine(cmd: CommandContext, arg: string): Answer {
  const value = arg.toLowerCase();
  if (value === "optional") return "SSLEngine optional is not supported: no client asks for TLS by an Upgrade";
  if (value !== "on" && value !== "off") return "Argument must be On, Off, or Optional";
  cmd.set("engine", value);
  cmd.set("engineAt", cmd.directive);
  return undefined;
}

function fileOf(cmd: CommandContext, path: string): PemAt | string {
  return located(cmd, readPem(cmd.directive.name, cmd.resolvePath(path), cmd.host.files!));
}

function located(cmd: CommandContext, file: PemFile | string): PemAt | string {
  return typeof file === "string" ? file : { ...file, at: cmd.directive };
}

/** Joins the files of outer scopes. */
function pushFile(key: Key) {
  return (cmd: CommandContext, path: string): Answer => {
    const file = fileOf(cmd, path);
    if (typeof file === "string") return file;
    cmd.push(key, file);
    return undefined;
  };
}

function setFile(key: Key) {
  return (cmd: CommandContext, path: string): Answer => {
    const file = fileOf(cmd, path);
    if (typeof file === "string") return file;
    cmd.set(key, file);
    return undefined;
  };
}

function checkFile(cmd: CommandContext, path: string): Answer {
  const file = fileOf(cmd, path);
  return typeof file === "string" ? file : undefined;
}

function checkDirectory(cmd: CommandContext, path: string): Answer {
  const files = readPemDirectory(cmd.directive.name, cmd.resolvePath(path));
  return typeof files === "string" ? files : undefined;
}

function setRenegBuffer(_cmd: CommandContext, arg: string): Answer {
  return /^\d+$/.test(arg) ? undefined : "Invalid size for SSLRenegBufferSize";
}

/** A file and a directory may stand beside each other in one scope. */
function addFile(key: Key) {
  return (cmd: CommandContext, path: string): Answer => addAuthorities(cmd, key, fileOf(cmd, path));
}

function addDirectory(key: Key) {
  return (cmd: CommandContext, path: string): Answer =>
    addAuthorities(cmd, key, located(cmd, readPemDirectory(cmd.directive.name, cmd.resolvePath(path))));
}

function addAuthorities(cmd: CommandContext, key: Key, file: PemAt | string): Answer {
  if (typeof file === "string") return file;
  if (certificateTexts(file.text).length === 0)
    return `${cmd.directive.name}: there is no certificate in '${file.path}'`;
  cmd.push(key, file);
  return undefined;
}

function setProtocols(key: "protocols" | "proxyProtocols") {
  return (cmd: CommandContext, args: string): Answer => {
    const words = splitWords(args, 1).map((word) => word.text);
    if (words.length === 0) return `${cmd.directive.name} requires at least one argument`;
    const parsed = parseProtocols(cmd.directive.name, words);
    if (typeof parsed === "string") return parsed;
    cmd.set(key, parsed);
    cmd.set(`${key}At`, cmd.directive);
    return undefined;
  };
}

/** `SSLCipherSuite LIST` or `SSLCipherSuite SSL|TLSv1.3 LIST` */
function setCiphers(key: "ciphers" | "proxyCiphers") {
  return (cmd: CommandContext, first: string, second?: string): Answer => {
    const { name } = cmd.directive;
    if (cmd.scope.kind === "location")
      return `${name} in <${cmd.scope.section}> needs a renegotiation, which the runtimes do not have: set it for the <VirtualHost>`;
    cmd.set("ciphersAt", cmd.directive);
    if (second === undefined || first.toLowerCase() === "ssl") {
      cmd.set(key, second ?? first);
      return undefined;
    }
    if (first.toLowerCase() !== "tlsv1.3") return `procotol '${first}' not supported`;
    const suites = second.split(":");
    const unknown = suites.find((suite) => !TLS13_SUITES.includes(suite));
    if (unknown !== undefined) return `${name}: '${unknown}' is no suite of TLSv1.3 that the runtimes have`;
    cmd.set(`${key}13`, second);
    return undefined;
  };
}

function verifyMode(cmd: CommandContext, arg: string, key: Key): Answer {
  const word = arg.toLowerCase();
  const mode = word === "off" ? "none" : word === "on" ? "require" : VERIFY_MODES.find((known) => known === word);
  if (mode === undefined) return `${cmd.directive.name}: Invalid argument '${arg}'`;
  cmd.set(key, mode);
  return undefined;
}

function setVerifyClient(cmd: CommandContext, arg: string): Answer {
  if (cmd.scope.kind !== "server")
    return `SSLVerifyClient in <${cmd.scope.section}> needs a renegotiation, which the runtimes do not have: set it for the <VirtualHost>`;
  cmd.set("verifyClientAt", cmd.directive);
  return verifyMode(cmd, arg, "verifyClient");
}

function depth(cmd: CommandContext, arg: string, key: Key): Answer {
  if (!/^\d+$/.test(arg)) return `${cmd.directive.name}: Invalid argument '${arg}'`;
  cmd.set(key, Number(arg));
  return undefined;
}

function setVerifyDepth(cmd: CommandContext, arg: string): Answer {
  if (cmd.scope.kind !== "server")
    return `SSLVerifyDepth in <${cmd.scope.section}> needs a renegotiation, which the runtimes do not have: set it for the <VirtualHost>`;
  return depth(cmd, arg, "verifyDepth");
}

function setProxyVerify(cmd: CommandContext, arg: string): Answer {
  return verifyMode(cmd, arg, "proxyVerify");
}

function setProxyDepth(cmd: CommandContext, arg: string): Answer {
  return depth(cmd, arg, "proxyVerifyDepth");
}

function setSessionCache(_cmd: CommandContext, arg: string): Answer {
  if (/^(none|nonenotnull|(shmcb|dbm|dc|memcache|redis)(:|$))/i.test(arg)) return undefined;
  const name = arg.split(":", 1)[0];
  return `'${name}' session cache not supported (known names: none, nonenotnull, shmcb, dbm, dc, memcache, redis).`;
}

function setSessionTimeout(cmd: CommandContext, arg: string): Answer {
  if (!/^\d+$/.test(arg)) return "SSLSessionCacheTimeout: Invalid argument";
  cmd.set("sessionTimeout", Number(arg));
  return undefined;
}

function addRequire(cmd: CommandContext, text: string): void {
  const parsed = parseSslExpr(text);
  if ("error" in parsed) throw new ArgumentError(`SSLRequire: ${parsed.error}`, parsed);
  cmd.push("require", parsed.expr);
}

function setSniPolicy(cmd: CommandContext, arg: string): Answer {
  const value = arg.toLowerCase();
  if (!["strict", "secure", "authonly", "insecure"].includes(value)) return `Invalid SSLVHostSNIPolicy '${arg}'`;
  cmd.set("sniPolicy", value);
  return undefined;
}

function addOption(cmd: CommandContext, word: string): Answer {
  const sign = /^[+-]/.exec(word)?.[0] ?? "";
  const name = word.slice(sign.length);
  const known = OPTION_NAMES.find((option) => option.toLowerCase() === name.toLowerCase());
  if (known === undefined) return `SSLOptions: Illegal option '${name}'`;
  // Words without a sign begin anew once a line.
  const before = (cmd.raw.options as { sign: string }[] | undefined)?.at(-1);
  const goesOn = before !== undefined && cmd.raw.optionsLine === cmd.directive.line;
  if (sign === "" && !goesOn) cmd.push("options", { name: null, sign: "" });
  cmd.raw.optionsLine = cmd.directive.line;
  cmd.push("options", { name: known, sign: sign === "-" ? "-" : "+" });
  return undefined;
}

function setRandomSeed(_cmd: CommandContext, context: string, source: string, bytes?: string): Answer {
  if (!/^(startup|connect)$/i.test(context)) return `SSLRandomSeed: invalid context: \`${context}'`;
  if (source.toLowerCase() === "builtin" && bytes !== undefined)
    return "SSLRandomSeed: byte specification not allowed for builtin seed source";
  return undefined;
}

function setPassPhraseDialog(cmd: CommandContext, arg: string): Answer {
  const program = /^exec:(.*)$/i.exec(arg)?.[1];
  if (program !== undefined && cmd.host.files?.stat(cmd.resolvePath(program), true)?.kind !== "file")
    return `SSLPassPhraseDialog: file '${cmd.resolvePath(program)}' does not exist`;
  return /^(builtin$|exec:|\|)/i.test(arg) ? undefined : "SSLPassPhraseDialog: Invalid argument";
}

/** A directive of which only the value is there that switches it off. */
function only(value: string) {
  return (cmd: CommandContext, arg: string): Answer =>
    arg.toLowerCase() === value ? undefined : `${cmd.directive.name} ${arg} is not supported: only ${value}`;
}

function setMachineFile(cmd: CommandContext, path: string): Answer {
  return setMachine(cmd, fileOf(cmd, path));
}

function setMachinePath(cmd: CommandContext, path: string): Answer {
  return setMachine(cmd, located(cmd, readPemDirectory(cmd.directive.name, cmd.resolvePath(path))));
}

function setMachine(cmd: CommandContext, file: PemAt | string): Answer {
  if (typeof file === "string") return file;
  const { name } = cmd.directive;
  if (keyText(file.text) === null) return `${name}: there is no private key in '${file.path}'`;
  if ((file.text.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----/g) ?? []).length > 1)
    return `${name}: several client certificates are not supported: '${file.path}' has more than one private key`;
  if (certificateTexts(file.text).length === 0) return `${name}: there is no certificate in '${file.path}'`;
  cmd.set("machine", file);
  return undefined;
}
