import assert from "node:assert/strict";
import { test } from "node:test";
import { buildServers } from "../../modules/config/build.ts";
import { readRaw } from "../../modules/config/read_raw.ts";
import type { ProcessRec } from "../../modules/core/records.ts";
import { describeVhosts, dumpConfig } from "../../modules/dump.ts";
import { nodeHost } from "../../modules/mpm/host.ts";
import type { Loaded } from "../../modules/server/load.ts";
import core from "../../modules/server/mod_core.ts";

test("describeVhosts() prints what httpd 2.4.71 prints for the same file", () => {
  const servers = buildServers(
    readRaw(
      "x.conf",
      `ServerName main.test:8080
<VirtualHost *:18091>
  ServerName a.test
  ServerAlias b.test *.c.test
</VirtualHost>
<VirtualHost *:18091 127.0.0.1:18092>
  ServerName d.test:99
  ServerAlias e.test e?.test
</VirtualHost>
<VirtualHost 127.0.0.1:18092 [::1]:18092>
  ServerName https://f.test
</VirtualHost>
<VirtualHost 127.0.0.2:18091>
  ServerName only.test
  ServerAlias alias.only
</VirtualHost>
<VirtualHost 127.0.0.3>
  ServerName noport.test
</VirtualHost>
<VirtualHost _default_:18093>
  ServerName def.test
</VirtualHost>
<VirtualHost *>
  ServerName star.test
</VirtualHost>
<VirtualHost 127.0.0.1:*>
  ServerName anyport.test
</VirtualHost>
<VirtualHost 127.0.0.1:18092>
  ServerName last.test
</VirtualHost>
<VirtualHost *:2 *:3>
  ServerName two.test
</VirtualHost>
<VirtualHost *:18091>
  ServerName g.test
</VirtualHost>
`,
    ),
    [core],
    { resolvePath: (path) => path, warn: () => {}, hasModule: () => true, host: nodeHost },
  );
  assert.equal(
    describeVhosts({ servers } as unknown as ProcessRec),
    `VirtualHost configuration:
[::1]:18092            f.test (x.conf:10)
127.0.0.3:8080         noport.test (x.conf:17)
127.0.0.2:18091        only.test (x.conf:13)
127.0.0.1:*            anyport.test (x.conf:26)
127.0.0.1:18092        is a NameVirtualHost
         default server d.test (x.conf:6)
         port 18092 namevhost d.test (x.conf:6)
                 alias e.test
                 wild alias e?.test
         port 18092 namevhost f.test (x.conf:10)
         port 18092 namevhost last.test (x.conf:29)
*:18093                def.test (x.conf:20)
*:*                    star.test (x.conf:23)
*:3                    two.test (x.conf:32)
*:2                    two.test (x.conf:32)
*:18091                is a NameVirtualHost
         default server a.test (x.conf:2)
         port 18091 namevhost a.test (x.conf:2)
                 alias b.test
                 wild alias *.c.test
         port 18091 namevhost d.test (x.conf:6)
                 alias e.test
                 wild alias e?.test
         port 18091 namevhost g.test (x.conf:35)`,
  );
});

test("dumpConfig() prints what httpd 2.4.71 prints for the same file", () => {
  const tree = readRaw(
    "a.conf",
    `ServerName localhost

<Location "/x">
   Require all denied
   <If "true">
     Require all granted
   </If>
</Location>
<VirtualHost *:9999>
  servername  a.test
  ProxyPass "/bar"   "http://127.0.0.1:81/"   timeout=5
</VirtualHost>
`,
  );
  const included = readRaw("b.conf", "\nKeepAlive On\n");
  const process = { modules: [core] } as unknown as ProcessRec;
  assert.equal(
    dumpConfig({ tree: [tree[0]!, ...included, ...tree.slice(1)], process } as unknown as Loaded),
    `# In file: a.conf
#   1:
ServerName localhost
# In file: b.conf
#   2:
KeepAlive On
# In file: a.conf
#   3:
<Location "/x">
  #   4:
  Require all denied
  #   5:
  <If "true">
    #   6:
    Require all granted
  </If>
</Location>
#   9:
<VirtualHost *:9999>
  #  10:
  ServerName a.test
  #  11:
  ProxyPass "/bar"   "http://127.0.0.1:81/"   timeout=5
</VirtualHost>`,
  );
});
