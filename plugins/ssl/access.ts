/**
 * What mod_ssl has to say of each request: whether this connection may ask this host, and what others learn of it.
 * Source: httpd modules/ssl/ssl_engine_kernel.c ssl_hook_ReadReq, ssl_hook_Access, ssl_hook_UserCheck, ssl_hook_Fixup
 */
import {
  type AuthzCheck,
  type AuthzProvider,
  clientAddress,
  DECLINED,
  type Expr,
  ExprFailure,
  OK,
  type RequestRec,
  requestSubject,
  type ServerRec,
  type Status,
} from "../../modules/mod.ts";
import type { SslConfig } from "./config.ts";
import { type SslConn, sslConnOf } from "./connection.ts";
import { fetchConn } from "./fetch_front.ts";
import { oneLine } from "./names.ts";
import { sslServerOf } from "./server.ts";
import { setSslEnv, sslVariable } from "./vars.ts";

/** post_read_request */
export function readRequest(r: RequestRec): Status {
  const conn = sslConnOf(r.conn);
  if (conn === undefined) {
    fetchConn(r);
    return DECLINED;
  }
  if (conn.tls === null) {
    r.conn.closing = true;
    r.errorNotes =
      "You're speaking plain HTTP to an SSL-enabled server port. Instead use the HTTPS scheme to access this URL, please.";
    return 400;
  }
  return checkHost(r, conn, conn.tls.serverName);
}

/** The host that is asked for against the one that the handshake was with. */
function checkHost(r: RequestRec, conn: SslConn, sni: string): Status {
  const log = (ah: string, text: string): void => r.log.error("ssl", ah, text, { client: clientAddress(r.conn) });
  if (sni !== "" && r.hostname === "") {
    log("AH02031", `Hostname ${sni} provided via SNI, but no hostname provided in HTTP request`);
    return 400;
  }
  if (sni === "" && r.conn.vhosts.length > 1) {
    if (conn.ssl.conf.strictSni || sslServerOf(r.server)?.conf.strictSni) {
      log("AH02033", "No hostname was provided via SNI for a name based virtual host");
      return 403;
    }
  }
  if (r.server === conn.met || sni === r.hostname) return DECLINED;
  if (compatible(conn.ssl.conf.sniPolicy, conn.met, r.server)) return DECLINED;
  const how = sni === "" ? `${conn.met.hostname} (default host as no SNI was provided)` : `${sni} provided via SNI`;
  log(
    "AH02032",
    `Hostname ${how} and hostname ${r.hostname} provided via HTTP have no compatible SSL setup for policy '${conn.ssl.conf.sniPolicy}'`,
  );
  return 421;
}

/** Whether a request for `asked` may come over a connection that was made with `met`. */
function compatible(policy: SslConfig["sniPolicy"], met: ServerRec, asked: ServerRec): boolean {
  if (policy === "insecure") return true;
  const a = sslServerOf(met)?.conf;
  const b = sslServerOf(asked)?.conf;
  if (policy === "strict" || a === undefined || b === undefined) return false;
  const paths = (files: SslConfig["ca"]): string => files.map((file) => file.path).join("\n");
  const sameClients =
    a.verifyClient === b.verifyClient && a.verifyDepth === b.verifyDepth && paths(a.ca) === paths(b.ca);
  if (policy === "authonly") return sameClients;
  return (
    sameClients &&
    a.protocols.min === b.protocols.min &&
    a.protocols.max === b.protocols.max &&
    a.ciphers === b.ciphers &&
    a.ciphers13 === b.ciphers13 &&
    paths(a.certFiles) === paths(b.certFiles) &&
    paths(a.keyFiles) === paths(b.keyFiles)
  );
}

/** How much is asked of clients. */
const DEMAND = { none: 0, optional: 1, optional_no_ca: 1, require: 2 } as const;

/** access_checker */
export function checkAccess(r: RequestRec, conf: SslConfig): Status {
  const conn = sslConnOf(r.conn);
  // What another host than that of the handshake asks of clients can be asked for no more.
  if (conn !== undefined && DEMAND[conf.verifyClient] > DEMAND[conn.ssl.conf.verifyClient]) {
    r.log.error("ssl", "AH02225", "Re-negotiation request failed: a handshake is never repeated", {
      client: clientAddress(r.conn),
    });
    return 403;
  }
  if (conf.requireSsl && !r.conn.secure) {
    r.setNote(FORBIDDEN_NOTE, "1");
    r.log.error("ssl", "AH02219", `access to ${r.filename || r.uri} failed, reason: SSL connection required`, r);
    return 403;
  }
  if (r.conn.secure) for (const expr of conf.require) if (!isFulfilled(r, expr)) return 403;
  if (conf.userName !== "" && !conf.options.has("FakeBasicAuth")) takeUserName(r, conf);
  return DECLINED;
}

/** SSLRequire */
function isFulfilled(r: RequestRec, expr: Expr<boolean>): boolean {
  const what = r.filename || r.uri;
  try {
    if (expr.evaluate(requestSubject(r))) return true;
    const text = `Access to ${what} denied for ${r.useragentIp} (requirement expression not fulfilled)`;
    r.log.info("ssl", "AH02266", text, r);
    r.log.info("ssl", "AH02228", `Failed expression: ${expr.text}`, r);
    r.log.error("ssl", "AH02229", `access to ${what} failed, reason: SSL requirement expression not fulfilled`, r);
  } catch (error) {
    if (!(error instanceof ExprFailure)) throw error;
    const text = `access to ${what} failed, reason: Failed to execute SSL requirement expression: ${error.message}`;
    r.log.error("ssl", "AH02265", text, r);
  }
  r.setNote(FORBIDDEN_NOTE, "1");
  return false;
}

/** SSLUserName */
function takeUserName(r: RequestRec, conf: SslConfig): void {
  const user = sslVariable(r, conf.userName);
  if (user) r.user = user;
}

/** What SSLRequireSSL and SSLRequire forbid is forbidden though another condition would suffice: StrictRequire. */
const FORBIDDEN_NOTE = "ssl-access-forbidden";

/** auth_checker */
export function checkStrict(r: RequestRec, conf: SslConfig): Status {
  return conf.options.has("StrictRequire") && r.getNote(FORBIDDEN_NOTE) !== undefined ? 403 : DECLINED;
}

/** check_user_id: FakeBasicAuth makes a user of the client's certificate, for those who ask for a password. */
export function checkUser(r: RequestRec, conf: SslConfig): Status {
  if (checkStrict(r, conf) !== DECLINED) return 403;
  if (r.prev !== null) return DECLINED;
  const given = basicCredentials(r.headersIn.get("Authorization"));
  // Nobody gets in by a name that stands in a certificate.
  if (given?.startsWith("/") && given.slice(given.indexOf(":") + 1) === "password") {
    r.log.error("ssl", "AH02035", `Encountered FakeBasicAuth spoof: ${given.split(":", 1)[0]}`, r);
    return 403;
  }
  const client = sslConnOf(r.conn)?.client ?? null;
  if (client === null || !conf.options.has("FakeBasicAuth") || r.user !== null) return DECLINED;
  r.headersIn.set("Authorization", `Basic ${btoa(`${oneLine(client.fields.subject)}:password`)}`);
  return DECLINED;
}

/** "user:password"; null: there is none. */
function basicCredentials(field: string | undefined): string | null {
  const encoded = /^Basic[ \t]+(\S+)/i.exec(field ?? "")?.[1];
  if (encoded === undefined) return null;
  try {
    return atob(encoded);
  } catch {
    return null;
  }
}

/** Require ssl */
export const requireSsl: AuthzProvider = withoutArguments("ssl", (r) => r.conn.secure);

/** Require ssl-verify-client */
export const requireVerified: AuthzProvider = withoutArguments(
  "ssl-verify-client",
  (r) => sslConnOf(r.conn)?.verified === "SUCCESS",
);

function withoutArguments(name: string, holds: (r: RequestRec) => boolean): AuthzProvider {
  const check: AuthzCheck = (r) => (holds(r) ? "granted" : "denied");
  return { parse: (args) => (args.trim() === "" ? check : `'Require ${name}' does not take arguments`) };
}

/** fixups */
export function setVariables(r: RequestRec, conf: SslConfig): Status {
  const conn = sslConnOf(r.conn);
  if (conn === undefined || conn.tls === null) return DECLINED;
  if (conf.userName !== "") takeUserName(r, conf);
  r.setEnv("HTTPS", "on");
  if (conn.tls.serverName !== "") r.setEnv("SSL_TLS_SNI", conn.tls.serverName);
  const { options } = conf;
  const standard = options.has("StdEnvVars");
  const certificates = options.has("ExportCertData");
  if (standard || certificates) setSslEnv(r, conn, standard, certificates);
  return OK;
}
