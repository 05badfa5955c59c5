/**
 * Directives of httpd that sluice has not, so that the error can say more than "misspelled".
 */
const NOT_YET: Readonly<Record<string, string>> = {
  "mod_ssl's revocation, stapling and SRP, and its use of OpenSSL itself":
    "SSLCARevocation* SSLProxyCARevocation* SSLStapling* SSLOCSP* SSLSRP* SSLOpenSSLConfCmd SSLSessionTicketKeyFile SSLRequire SSLRenegBufferSize",
  mod_authz_core: "<AuthzProviderAlias",
  mod_authn_core: "<AuthnProviderAlias",
  mod_auth_digest: "AuthDigest*",
  mod_auth_form: "AuthForm*",
  mod_http2: "H2*",
  mod_proxy_connect: "AllowCONNECT",
  "the core": "RLimit* RegexDefaultOptions MaxRanges MaxRangeOverlaps MaxRangeReversals",
  mod_filter:
    "AddOutputFilterByType FilterDeclare FilterProvider FilterChain FilterProtocol FilterTrace SetOutputFilter SetInputFilter",
  mod_deflate: "Deflate*",
  mod_dir: "DirectoryIndexRedirect",
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
