/** What the stock configurations of httpd and of distributions have is read; what httpd refuses of it is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildServers } from "../../../modules/config/build.ts";
import { ConfigError } from "../../../modules/config/directive.ts";
import { readRaw } from "../../../modules/config/read_raw.ts";
import { nodeHost } from "../../../modules/mpm/host.ts";
import unixd from "../../../modules/mpm/mod_unixd.ts";
import core from "../../../modules/server/mod_core.ts";

function read(conf: string): { error: string; warnings: string[] } {
  const warnings: string[] = [];
  const host = {
    resolvePath: (path: string) => path,
    warn: (ah: string, message: string) => void warnings.push(`${ah}: ${message}`),
    hasModule: () => true,
    host: nodeHost,
  };
  try {
    buildServers(readRaw("x.conf", `${conf}\n`), [core, unixd], host);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { error: error.message, warnings };
  }
  return { error: "", warnings };
}

const STOCK = `
Mutex file:/var/lock default
User #33
Group #33
HostnameLookups Off
AcceptFilter http none
EnableMMAP off
EnableSendfile On
AccessFileName .htaccess
CoreDumpDirectory /tmp
CacheRoot /var/cache/apache2/mod_cache_disk
CacheDirLevels 2
CacheDisable /x
DAVLockDB /var/lock/DAVLock
ProxyHTMLLinks img src longdesc usemap
ProxyHTMLEvents onclick ondblclick
FileETag MTime Size
ContentDigest Off
UserDir disabled root
AddHandler cgi-script .cgi .pl
AddOutputFilter INCLUDES .shtml
LanguagePriority en ca cs
ForceLanguagePriority Prefer Fallback
IndexOptions FancyIndexing VersionSort HTMLTable NameWidth=* Charset=UTF-8
IndexIgnore .??* *~ *# RCS
AddIcon /icons/binary.gif .bin .exe
AddIconByEncoding (CMP,/icons/compressed.gif) x-compress x-gzip
AddDescription "tar archive" .tar
DefaultIcon /icons/unknown.gif
HeaderName HEADER.html
ScriptSock cgisock
<Directory />
  Options +ExecCGI -MultiViews +SymLinksIfOwnerMatch
  AllowOverride AuthConfig Options=Indexes Nonfatal=All
  AllowOverrideList None
  <Files "x">
    Options None
  </Files>
</Directory>
<FilesMatch "^\\.ht">
  AcceptPathInfo Default
</FilesMatch>`;

test("a stock configuration is read without a word", () => {
  assert.deepEqual(read(STOCK), { error: "", warnings: [] });
});

test("arguments that httpd refuses are refused in its words", () => {
  for (const [conf, error] of [
    ["Options Foo", "Illegal option Foo"],
    ["Options +Indexes FollowSymLinks", "Either all Options must start with + or -, or no Option may."],
    ["AllowOverride All", "AllowOverride not allowed here"],
    ["<Directory />\nAllowOverride Foo\n</Directory>", "Illegal override option Foo"],
    ["<Location />\nAccessFileName a\n</Location>", "AccessFileName not allowed in <Location> context"],
    ["FileETag Foo", "Unknown keyword 'Foo' for FileETag directive"],
    ["EnableMMAP foo", "parameter must be 'on' or 'off'"],
    ["HostnameLookups foo", "parameter must be 'on', 'off', or 'double'"],
    ["ContentDigest foo", "ContentDigest must be On or Off"],
    ["User nobody-has-this-name", "bad user name nobody-has-this-name"],
    ["Group nobody-has-this-name", "bad group name nobody-has-this-name"],
    ["<VirtualHost *:80>\nUser #33\n</VirtualHost>", "User cannot occur within <VirtualHost> section"],
  ] as const) {
    assert.equal(read(conf).error, error, conf);
  }
});

test("what would have an effect is refused", () => {
  assert.match(read("User #0").error, /does not serve requests as root/);
  assert.match(read("Suexec On").error, /suEXEC/);
});

test("what is useless where it stands is warned of", () => {
  assert.deepEqual(read("<Location />\nAllowOverride All\n</Location>").warnings, [
    "AH00114: Useless use of AllowOverride in line 2 of x.conf.",
  ]);
  assert.deepEqual(read("NameVirtualHost *:80").warnings, [
    "AH00548: NameVirtualHost has no effect and will be removed in the next release",
  ]);
});
