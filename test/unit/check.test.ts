/** `check`: what becomes of each directive, whatever is wrong with the others. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkConfiguration, reportJson, reportText } from "../../modules/check.ts";
import { standardModules } from "../support/modules.ts";

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-check-"));
});
after(() => rmSync(dir, { recursive: true }));

function check(text: string, name = "httpd.conf") {
  const file = join(dir, name);
  writeFileSync(file, text);
  return checkConfiguration({ file, serverRoot: dir, defines: [], before: [], after: [], modules: standardModules });
}

/** "LINE verdict NAME" of each, without those that are honoured. */
async function told(text: string, name?: string): Promise<string[]> {
  const { findings } = await check(text, name);
  return findings
    .filter(({ verdict }) => verdict !== "honoured")
    .map(({ line, verdict, name, notes }) => `${line} ${verdict} ${name}: ${notes.join("; ")}`);
}

test("a configuration that is honoured to the letter ends with 0", async () => {
  const report = await check(
    "Listen 80\n<VirtualHost *:80>\nServerName a\nProxyPass / http://127.0.0.1:1/\n</VirtualHost>",
  );
  assert.equal(report.exit, 0);
  assert.deepEqual(
    report.findings.map(({ line, verdict, name }) => `${line} ${verdict} ${name}`),
    ["1 honoured Listen", "2 honoured <VirtualHost", "3 honoured ServerName", "4 honoured ProxyPass"],
  );
});

test("a difference is named where it depends on the arguments, too, and ends with 1", async () => {
  assert.deepEqual(await told("Timeout 500ms\nTimeout 5\nProxyPass / http://127.0.0.1:1/ retry=5min"), [
    "1 differs Timeout: the unit counts; httpd drops it and takes seconds",
    "3 differs ProxyPass: retry=5min: the unit counts; httpd drops it",
  ]);
  assert.equal((await check("Timeout 500ms")).exit, 1);
});

test("<IfModule> knows a module by its file or its symbol, as httpd does, and by nothing else", async () => {
  const names = (text: string) => told(`<IfModule ${text}>\nServerNam x\n</IfModule>`);
  const known = "mod_proxy.c proxy_module core.c core_module http_core.c http_module event.c mpm_event_module".split(
    " ",
  );
  for (const name of known) assert.match((await names(name)).join(), /unknown ServerNam/, name);
  for (const name of "mod_proxy proxy proxy.c mod_core.c mod_http.c mod_mpm_event.c event_module worker.c".split(" "))
    assert.doesNotMatch((await names(name)).join(), /unknown/, name);
});

test("what has no effect comes with its reason, in <Directory> all of it", async () => {
  assert.deepEqual(
    await told("Options None\n<Directory />\nRequire all granted\n</Directory>\nLoadModule cgi_module m/mod_cgi.so"),
    [
      "1 no effect Options: about files, of which sluice serves none",
      "2 no effect <Directory: about files, of which sluice serves none",
      "3 no effect Require: in <Directory>, which applies to no request of a proxy",
      "5 no effect LoadModule: sluice has no mod_cgi",
    ],
  );
});

test("it goes on after every kind of error, and ends with 78", async () => {
  const text = [
    "ProxyPas / http://127.0.0.1:1/",
    "CacheEnable disk /",
    "KeepAlive perhaps",
    "Include nowhere.conf",
    "</Location>",
    "<Location />",
    "Listen 80",
    "Require all granted",
    "</Locatoin>",
    "LoadModule own_module ./gone.ts",
    "<IfVersion = x>",
    "</IfVersion>",
    "<Proxy balancer://a>",
    "ProxySet lbmethod=none",
    "</Proxy>",
    "ServerName",
    "<If true>",
  ].join("\n");
  const seen = await told(text);
  assert.deepEqual(
    seen.map((line) => line.replaceAll(dir, "DIR")),
    [
      "1 unknown ProxyPas: did you mean ProxyPass?",
      "2 unknown CacheEnable: CacheEnable belongs to mod_cache: sluice does not have it",
      "3 wrong KeepAlive: KeepAlive must be On or Off",
      "4 wrong Include: Could not open configuration file DIR/nowhere.conf: No such file or directory",
      "5 wrong : </Location> without matching <Location> section",
      "7 wrong Listen: Listen not allowed in <Location> context",
      "9 wrong : Expected </Location> but saw </Locatoin>",
      "10 wrong LoadModule: Cannot load DIR/gone.ts into server: No such file or directory; LoadModule own_module: a plug-in is a TypeScript or JavaScript module",
      "11 wrong <IfVersion: Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor and patch are numbers.",
      "14 wrong ProxySet: ProxySet: unknown lbmethod lbmethod=none; balancer://a; there are byrequests, bytraffic, bybusyness, heartbeat, random, p2c, ewma, hash",
      "16 wrong ServerName: ServerName takes one argument, The hostname and port of the server",
      `17 wrong <If: DIR/httpd.conf:17: <If> was not closed.`,
    ],
  );
  assert.equal((await check(text)).exit, 78);
});

test("a condition that does not hold is told, and is nobody's fault", async () => {
  assert.deepEqual(await told("<IfModule mod_deflate.c>\nAddOutputFilterByType DEFLATE text/html\n</IfModule>"), [
    "1 skipped <IfModule: does not hold: what it contains is not read",
  ]);
  assert.equal((await check("<IfDefine X>\nBogus\n</IfDefine>")).exit, 0);
});

test("included files, in YAML too, have their own names and lines", async () => {
  writeFileSync(join(dir, "more.yaml"), "timeout: 5\nbogus: 1\n");
  const { findings } = await check("Include more.yaml\nKeepAlive On");
  assert.deepEqual(
    findings.map(({ file, line, verdict }) => `${file.slice(dir.length + 1)}:${line} ${verdict}`),
    ["httpd.conf:1 honoured", "httpd.conf:2 honoured", "more.yaml:1 honoured", "more.yaml:2 unknown"],
  );
});

test("a warning is told with its directive", async () => {
  const { findings } = await check("ServerName ${NOBODY}.test");
  assert.deepEqual(findings[0]!.notes, ["Config variable ${NOBODY} is not defined"]);
});

test("as text it is one line each and a summary; as JSON the same", async () => {
  const report = await check("KeepAlive On\nOptions All\nBogus 1");
  const lines = reportText(report).replaceAll(dir, "DIR").split("\n");
  assert.deepEqual(lines, [
    "DIR/httpd.conf:1: honoured: KeepAlive",
    "DIR/httpd.conf:2: no effect: Options: about files, of which sluice serves none",
    "DIR/httpd.conf:3: unknown: Bogus: no directive of httpd that sluice knows of",
    "",
    "DIR/httpd.conf: does not start. 1 honoured, 1 without effect here, 1 unknown.",
  ]);
  const json = JSON.parse(reportJson(report));
  assert.equal(json.exit, 78);
  assert.deepEqual(json.directives[1], {
    file: report.file,
    line: 2,
    column: 1,
    directive: "Options",
    verdict: "no effect",
    notes: ["about files, of which sluice serves none"],
  });
});

test("what httpd tells clients alone is noted: schemes without a module, balancers without members, units that are none", async () => {
  const about = async (text: string) => (await check(`Listen 80\n${text}`)).findings.at(-1)!;
  const ajp = await about("ProxyPass / ajp://127.0.0.1:8009/");
  assert.equal(ajp.verdict, "no effect");
  assert.deepEqual(ajp.notes, ["sluice has no mod_proxy_ajp: requests that go to ajp:// are answered with 500"]);
  const empty = await about("ProxyPass / balancer://none/");
  assert.equal(empty.verdict, "honoured");
  assert.deepEqual(empty.notes, [
    "balancer://none has no members: until some are added, its requests are answered with 503",
  ]);
  assert.deepEqual((await about("ProxyPass / http://127.0.0.1:1/ retry=abc")).notes, [
    "retry=abc is read as 0, as by httpd: units are ms, s, min and h",
  ]);
  assert.deepEqual((await about("ProxyPass / http://127.0.0.1:1/ timeout=500ms")).notes, [
    "timeout=500ms: the unit counts; httpd drops it",
  ]);
});

test("without a Listen it would start if it had one", async () => {
  const report = await check("ProxyPass / http://127.0.0.1:1/");
  assert.deepEqual([report.listens, report.exit], [false, 0]);
  assert.match(reportText(report), /: would start if it had a Listen, as in httpd\. 1 honoured\.$/);
});

test("a wrong parameter comes with its column, and with what to write instead", async () => {
  const hint = async (text: string) =>
    (await check(text)).findings.filter(({ verdict }) => verdict === "wrong")[0]!.notes[1];
  const member = (word: string) => hint(`<Proxy balancer://a>\nBalancerMember http://127.0.0.1:1 ${word}\n</Proxy>`);
  assert.equal(await member("lodfactor=2"), "did you mean loadfactor?");
  assert.equal(await member("stickysession=A"), "stickysession is a parameter of balancers");
  assert.equal(
    await hint("<Proxy balancer://a>\nBalancerMember ulr=http://127.0.0.1:1\n</Proxy>"),
    "ulr: did you mean url?",
  );
  assert.match((await member("foo=1"))!, /^there are loadfactor, retry, .*hcuri/);
  const set = (word: string) => hint(`<Proxy balancer://a>\nProxySet ${word}\n</Proxy>`);
  assert.equal(await set("lbmethod=byrequest"), "did you mean byrequests?");
  assert.match((await set("lbmethod=mine"))!, /^there are byrequests, bytraffic, /);
  assert.equal(await set("retry=5"), "retry is a parameter of members");
  assert.equal(await hint("<Location />\nRequire vald-user\n</Location>"), "did you mean valid-user?");
});
