/**
 * mod_proxy_ftp: ftp:// backends. Files and listings are read; nothing is written.
 * Source: httpd modules/proxy/mod_proxy_ftp.c
 */
import {
  authorityOf,
  canonHandler,
  canonicalizePath,
  DECLINED,
  defineModule,
  getModuleConfig,
  keepsEncodedSlashes,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  parseUrl,
  proxyError,
  type RequestRec,
  type Status,
  schemeHandler,
  traceIsOff,
} from "../../modules/mod.ts";
import { ftpConfig } from "./config.ts";
import { FtpExchange } from "./exchange.ts";
import { loginOf } from "./login.ts";
import { isSendable, parseFtpPath } from "./path.ts";

const proxyFtp = defineModule({
  name: "mod_proxy_ftp",
  config: ftpConfig,
  needs: ["sockets"],
  commands: ({ flag, take1 }) => [
    flag(
      "ProxyFtpListOnWildcard",
      "any",
      "listOnWildcard",
      "whether wildcard characters in a path list the files instead of getting one, On by default",
    ),
    flag(
      "ProxyFtpEscapeWildcards",
      "any",
      "escapeWildcards",
      "whether wildcard characters in paths are escaped for the FTP server, On by default",
    ),
    take1("ProxyFtpDirCharset", "any", "dirCharset", "the character set of FTP listings"),
  ],
  registerHooks(hooks) {
    hooks.hook(canonHandler, canonicalize);
    hooks.hook(schemeHandler, ftpHandler);
  },
});
export default proxyFtp;

/** canon_handler: what would be a command of its own is refused before anybody connects. */
function canonicalize(r: RequestRec, url: string): Status {
  const match = /^(ftp:\/\/(?:([^@/]*)@)?[^/]*)(.*)$/is.exec(url);
  if (match === null) return DECLINED;
  const [, origin, userinfo = "", path] = match as unknown as [string, string, string | undefined, string];
  const parsed = parseUrl(origin);
  if ("error" in parsed || !isSendable(userinfo) || /%(?![0-9a-f]{2})/i.test(r.args ?? "")) return 400;
  const encoded = canonicalizePath(path === "" ? "/" : path, keepsEncodedSlashes(r));
  if (typeof encoded === "number") return encoded;
  if (!isSendable(encoded)) return 400;
  const user = userinfo === "" ? "" : `${userinfo}@`;
  const query = r.args === null ? "" : `?${r.args}`;
  r.filename = `proxy:ftp://${user}${authorityOf(parsed)}${encoded}${query}`;
  return OK;
}

function ftpHandler(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Status | Promise<Status> {
  if (url.scheme !== "ftp") return DECLINED;
  if (r.method !== "GET" && r.method !== "HEAD") {
    r.headersOut.set("Allow", traceIsOff(r) ? "" : "TRACE");
    return 501;
  }
  // Once more: a balancer has made the URL of a member without asking us.
  const path = parseFtpPath(url.target);
  if (typeof path === "string") return path === "" ? 400 : proxyError(r, 400, path);
  const login = loginOf(r, url.userinfo ?? "");
  if (login === null) return proxyError(r, 400, "user credentials contained invalid character");
  const conf = getModuleConfig(r.perDirConfig, proxyFtp);
  return new FtpExchange(r, worker, url, attempt, conf, path, login).run();
}
