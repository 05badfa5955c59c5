/**
 * Directives of httpd that sluice has not, so that the error can say more than "misspelled".
 */
const NOT_YET: Readonly<Record<string, string>> = {
  mod_ssl: "SSLSRP* SSLOpenSSLConfCmd SSLSessionTicketKeyFile",
  mod_authz_core: "<AuthzProviderAlias",
  mod_authn_core: "<AuthnProviderAlias",
  mod_auth_digest: "AuthDigest*",
  mod_auth_form: "AuthForm*",
  mod_proxy_connect: "AllowCONNECT",
  "the core": "RegexDefaultOptions",
  mod_filter:
    "AddOutputFilterByType FilterDeclare FilterProvider FilterChain FilterProtocol FilterTrace SetOutputFilter SetInputFilter",
  mod_deflate: "Deflate*",
  "mod_proxy as a forward proxy": "ProxyRemote ProxyRemoteMatch ProxyBlock NoProxy ProxyDomain ProxySourceAddress",
};

/** Modules that are not planned, and those of others that configurations name. A later row is asked after an earlier one. */
const NEVER: Readonly<Record<string, string>> = {
  mod_file_cache: "CacheFile MMapFile",
  mod_cache: "Cache*",
  mod_dav: "DAV*",
  mod_dbd: "DBD*",
  mod_ldap: "LDAP*",
  mod_authnz_ldap: "AuthLDAP*",
  mod_session: "Session*",
  mod_xml2enc: "xml2*",
  mod_actions: "Action Script",
  mod_allowmethods: "AllowMethods",
  mod_authn_anon: "Anonymous*",
  mod_authn_dbd: "AuthDBDUser*",
  mod_authn_dbm: "AuthDBMUserFile AuthDBMType",
  mod_authn_socache: "AuthnCache*",
  mod_authnz_fcgi: "AuthnzFcgi*",
  mod_authz_dbd: "AuthzDBD*",
  mod_authz_dbm: "AuthDBMGroupFile AuthzDBMType",
  mod_brotli: "Brotli*",
  mod_buffer: "BufferSize",
  mod_cern_meta: "Meta*",
  mod_cgi: "CGIScriptTimeout",
  mod_charset_lite: "Charset*",
  mod_dialup: "ModemStandard",
  mod_dumpio: "DumpIO*",
  mod_echo: "ProtocolEcho",
  mod_expires: "Expires*",
  mod_ext_filter: "ExtFilter*",
  mod_ident: "IdentityCheck*",
  mod_imagemap: "Imap*",
  mod_include: "XBitHack SSI*",
  mod_info: "AddModuleInfo",
  mod_log_debug: "LogMessage",
  mod_log_forensic: "ForensicLog",
  mod_lua: "Lua*",
  mod_md: "MD*",
  mod_mime: "ModMimeUsePathInfo",
  mod_proxy_express: "ProxyExpress*",
  mod_proxy_fcgi: "ProxyFCGI*",
  mod_proxy_html: "ProxyHTML*",
  mod_proxy_scgi: "ProxySCGI*",
  mod_ratelimit: "RateLimit*",
  mod_reflector: "ReflectorHeader",
  mod_request: "KeptBodySize",
  mod_sed: "OutputSed InputSed",
  mod_socache_memcache: "MemcacheConnTTL",
  mod_socache_redis: "RedisConnPoolTTL RedisTimeout",
  mod_speling: "CheckSpelling CheckCaseOnly CheckBasenameMatch",
  mod_substitute: "Substitute*",
  mod_suexec: "SuexecUserGroup",
  mod_usertrack:
    "CookieExpires CookieDomain CookieStyle CookieTracking CookieName CookieSameSite CookieSecure CookieHttpOnly",
  mod_vhost_alias: "VirtualDocumentRoot VirtualDocumentRootIP VirtualScriptAlias VirtualScriptAliasIP",
  mod_so: "LoadFile",
  mod_unixd: "ChrootDir",
  "the core of httpd": "Protocol Port",
  "the MPMs of httpd": "ListenTCPDeferAccept",
  "mod_auth_openidc, a module of others": "OIDC* OAuth*",
  "mod_auth_mellon, a module of others": "Mellon*",
  "mod_evasive, a module of others": "DOS*",
  "mod_fcgid, a module of others": "Fcgid*",
  "mod_jk, a module of others": "Jk*",
  "mod_pagespeed, a module of others": "ModPagespeed*",
  "mod_passenger, a module of others": "Passenger*",
  "mod_perl, a module of others": "Perl* <Perl",
  "mod_php, a module of others": "php_value php_flag php_admin_value php_admin_flag PHPIniDir",
  "mod_proxy_cluster, a module of others": "EnableMCPMReceive EnableMCMPReceive ManagerBalancerName AdvertiseFrequency",
  "mod_qos, a module of others": "QS_*",
  "mod_security, a module of others": "Sec* Security*",
  "mod_shib, a module of others": "Shib*",
  "mod_wsgi, a module of others": "WSGI*",
  "mod_xsendfile, a module of others": "XSendFile*",
};

/** A sentence on why a directive of httpd is refused; undefined if httpd has no such directive. */
export function notYet(name: string): string | undefined {
  const later = ownerOf(NOT_YET, name);
  if (later !== undefined) return `${name} belongs to ${later}: sluice does not have it yet`;
  const owner = ownerOf(NEVER, name);
  return owner === undefined ? undefined : `${name} belongs to ${owner}: sluice does not have it`;
}

function ownerOf(table: Readonly<Record<string, string>>, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const [module, names] of Object.entries(table)) {
    for (const entry of names.toLowerCase().split(" ")) {
      const bare = entry.replace(/^</, "");
      const hit = bare.endsWith("*") ? wanted.startsWith(bare.slice(0, -1)) && bare.length > 2 : wanted === bare;
      if (hit) return module;
    }
  }
  return undefined;
}
