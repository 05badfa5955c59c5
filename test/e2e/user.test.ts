/** `User`, and what is opened before the rights of root are given up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchOnce } from "../support/client.ts";
import { runSluice, SLOW, startSluice } from "../support/sluice.ts";
import { askTls, pem } from "../support/tls.ts";

const AS_ROOT = { ...SLOW, skip: process.geteuid?.() !== 0 };
/** Logs are in a folder that the server's user must not enter, as /var/log/apache2 of Debian. */
const SHELL = 'for conf; do :; done; dir=$(dirname "$conf"); chmod 711 "$dir"; mkdir -m 700 "$dir/logs"; exec "$@"';

for (const children of [1, 2]) {
  test(`User: logs in a folder of root's are written by ${children}, and by who comes later`, AS_ROOT, async () => {
    const conf = `
      Listen 127.0.0.1:PORT
      ServerName localhost
      StartServers ${children}
      MaxConnectionsPerChild ${children === 1 ? 0 : 9}
      User nobody
      PidFile DIR/pid
      LogLevel info
      ErrorLog DIR/logs/error.log
      CustomLog DIR/logs/access.log "%U"
      CustomLog "|$cat >> DIR/logs/piped.log" "%U"`;
    await using sluice = await startSluice(conf, { shell: SHELL });
    await sluice.untilFile("logs/error.log", "resuming normal operations");
    // Until one of several has had its share; the others have not then.
    const replaced = () => children === 1 || sluice.file("logs/error.log").includes("another takes its place");
    for (let i = 0; i < 5 || !replaced(); i++) await fetchOnce(sluice.port, "/x", "Host: a");
    if (children > 1) await sluice.untilFile("logs/error.log", /child \d serves now[\s\S]*has ended/);
    for (let i = 0; i < 3; i++) await fetchOnce(sluice.port, "/later", "Host: a");
    await sluice.untilFile("logs/access.log", /(\/later\n[\s\S]*){3}/);
    await sluice.untilFile("logs/piped.log", /(\/later\n[\s\S]*){3}/);
    sluice.signal("SIGUSR1");
    await sluice.untilFile("logs/error.log", /SIGUSR1 received[\s\S]*resuming normal operations/);
    await fetchOnce(sluice.port, "/after", "Host: a");
    await sluice.untilFile("logs/access.log", "/after\n");
    assert.doesNotMatch(sluice.file("logs/error.log"), /EACCES|cannot start/);
  });
}

test("User: the program of an error log is root's, whenever its first line comes", AS_ROOT, async () => {
  const conf = `
    Listen 127.0.0.1:PORT
    ServerName localhost
    User nobody
    PidFile DIR/pid
    ErrorLog DIR/logs/error.log
    <VirtualHost *:PORT>
      ServerName a
      ErrorLog "|$cat >> DIR/logs/host.log"
      ProxyPass / http://127.0.0.1:PORT2/
    </VirtualHost>`;
  await using sluice = await startSluice(conf, { shell: SHELL });
  await sluice.untilFile("logs/error.log", "resuming normal operations");
  assert.equal((await fetchOnce(sluice.port, "/x", "Host: a")).status, 503);
  await sluice.untilFile("logs/host.log", "AH01114");
});

test("User: a child more, or another one, needs no right to bind what root had bound", AS_ROOT, async () => {
  // Of no other test, and below 1024.
  const where = { host: "Deno" in globalThis ? "127.0.22.2" : "127.0.22.1", port: 81 };
  const conf = (children: number) => `
    Listen ${where.host}:${where.port}
    ServerName localhost
    StartServers ${children}
    MaxConnectionsPerChild 9
    User nobody
    LogLevel info
    ErrorLog DIR/error.log`;
  // The configuration is read again, by nobody.
  const shell = 'for conf; do :; done; chmod 711 "$(dirname "$conf")"; touch "$(dirname "$conf")/error.log"; exec "$@"';
  await using sluice = await startSluice(conf(1), { shell, ready: where });
  await sluice.untilLog("1 child serves");
  sluice.writeConf(conf(3));
  sluice.signal("SIGUSR1");
  await sluice.untilLog("3 children serve");
  const replaced = () => sluice.errorLog.includes("another takes its place");
  while (!replaced()) assert.equal((await fetchOnce(where, "/", "Host: a")).status, 404);
  sluice.signal("SIGUSR1");
  await sluice.untilLog(/child \d has ended/);
  for (let i = 0; i < 9; i++) assert.equal((await fetchOnce(where, "/", "Host: a")).status, 404);
  assert.doesNotMatch(sluice.errorLog, /cannot start|could not bind/);
});

for (const children of [1, 2]) {
  test(
    `User: a key that only root may read is read once, ${children} children; another one is refused`,
    AS_ROOT,
    async () => {
      const conf = (more: string) => `
      Listen 127.0.0.1:PORT
      ServerName localhost
      StartServers ${children}
      MaxConnectionsPerChild ${children === 1 ? 0 : 9}
      User nobody
      LogLevel info
      ErrorLog DIR/error.log
      SSLEngine on
      SSLCertificateFile DIR/server.pem
      SSLCertificateKeyFile DIR/server.key
      ${more}`;
      const shell =
        'for conf; do :; done; dir=$(dirname "$conf"); chmod 711 "$dir"; touch "$dir/error.log"; chmod 600 "$dir/server.key"; exec "$@"';
      const files = { "server.pem": pem("a.pem"), "server.key": pem("a.key") };
      await using sluice = await startSluice(conf(""), { shell, files });
      await sluice.untilLog(children === 1 ? "AH00489" : "children serve");
      const serves = async () => assert.match(await askTls(sluice.port, "localhost"), /^HTTP\/1\.1 404 /);
      const reload = async (more: string, told: RegExp) => {
        sluice.writeConf(conf(more));
        sluice.signal("SIGUSR1");
        await sluice.untilLog(told);
        await serves();
      };
      await reload("Header set X-More 1", /added: Header[\s\S]*AH00489/);
      const replaced = () => children === 1 || sluice.errorLog.includes("another takes its place");
      while (!replaced()) await serves();
      if (children > 1) await sluice.untilLog(/child \d has ended/);
      await serves();
      sluice.writeFile("server.key", pem("b.key"));
      const refused = "server\\.key': it has changed since root read it, and User may not: \\(13\\)Permission denied";
      await sluice.untilLog(new RegExp(`certificates stay as they were: '.*${refused}`));
      await reload(
        "Header set X-More 2",
        new RegExp(`nothing was changed: .*SSLCertificateKeyFile: file '.*${refused}`),
      );
      assert.doesNotMatch(sluice.errorLog, /cannot start/);
    },
  );
}

test("an access log that cannot be opened keeps the server from starting, as in httpd", SLOW, async () => {
  await using sluice = await runSluice("Listen 127.0.0.1:PORT\nServerName a\nCustomLog DIR common");
  assert.equal(sluice.exit, 1);
  assert.equal(
    sluice.stderr,
    `(21)Is a directory: AH00649: could not open transfer log file ${sluice.dir}.\nAH00015: Unable to open logs\n`,
  );
});
