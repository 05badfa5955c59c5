/**
 * Directives of httpd that sluice has not, so that the error can say more than "misspelled".
 */
const NOT_YET: Readonly<Record<string, string>> = {
  mod_ssl: "SSL* SSLProxy*",
  mod_headers: "Header RequestHeader",
  mod_setenvif: "SetEnvIf SetEnvIfNoCase SetEnvIfExpr BrowserMatch BrowserMatchNoCase",
  mod_env: "SetEnv PassEnv UnsetEnv",
  mod_dir: "DirectoryIndexRedirect",
  mod_log_config: "LogFormat CustomLog TransferLog GlobalLog BufferedLogs",
  mod_authz_core: "Require AuthzSendForbiddenOnFailure AuthMerging <RequireAll <RequireAny <RequireNone",
  mod_access_compat: "Order Allow Deny Satisfy",
  mod_auth_basic: "AuthType AuthName AuthUserFile AuthGroupFile AuthBasic*",
  mod_remoteip: "RemoteIP*",
  mod_status: "ExtendedStatus ProxyStatus SeeRequestTail",
  mod_proxy_hcheck: "ProxyHC*",
  mod_heartbeat: "Heartbeat*",
  mod_http2: "Protocols ProtocolsHonorOrder H2*",
  mod_proxy_connect: "AllowCONNECT",
  mod_proxy_wstunnel: "ProxyWebsocket*",
  "the core": "ErrorDocument ErrorLogFormat <If <ElseIf <Else <Limit <LimitExcept RLimit* Options AllowOverride",
  "the children":
    "StartServers ServerLimit ThreadsPerChild ThreadLimit MinSpareThreads MaxSpareThreads MaxRequestWorkers MaxConnectionsPerChild GracefulShutdownTimeout ListenBacklog ScoreBoardFile",
  "mod_proxy as a forward proxy": "ProxyRemote ProxyRemoteMatch ProxyBlock NoProxy ProxyDomain ProxySourceAddress",
};

/** A sentence on why a directive of httpd is refused; undefined if httpd has no such directive. */
export function notYet(name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const [module, names] of Object.entries(NOT_YET)) {
    for (const entry of names.toLowerCase().split(" ")) {
      const bare = entry.replace(/^</, "");
      const hit = bare.endsWith("*") ? wanted.startsWith(bare.slice(0, -1)) && bare.length > 2 : wanted === bare;
      if (hit) return `${name} belongs to ${module}, which sluice does not have yet`;
    }
  }
  return undefined;
}
