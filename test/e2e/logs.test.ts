/** Logs of the program: files, programs, syslog, rotation, the end. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { runSluice, SLOW, type Sluice, startSluice } from "../support/sluice.ts";

let backend: Backend;
before(async () => {
  backend = await startBackend(() => ok("fine"));
});
after(() => backend.stop());

const conf = (logs: string): string => `
  Listen 127.0.0.1:PORT
  ServerName localhost
  PidFile DIR/pid
  ${logs}
  ProxyPass "/b/" "${backend.url}/"
  ProxyPass "/down/" "http://127.0.0.1:1/"`;
const get = (sluice: Sluice, target: string) => fetchOnce(sluice.port, target, "Host: a");

test("a line is in the file soon after its request, and all are there after SIGTERM", SLOW, async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-access-"));
  await using sluice = await startSluice(conf(`CustomLog "DIR/access.log" "%>s %U"\nCustomLog "${dir}/kept" "%U"`));
  await get(sluice, "/b/1");
  await sluice.untilFile("access.log", "200 /b/1\n");
  for (let i = 0; i < 20; i++) await get(sluice, `/b/${i}`);
  assert.equal(await sluice.stop(), 0);
  assert.equal(readFileSync(join(dir, "kept"), "utf8").split("\n").length, 22);
  rmSync(dir, { recursive: true });
});

test("SIGUSR1 after a file was renamed: lines go to the new one, and the error log's, too", SLOW, async () => {
  await using sluice = await startSluice(conf('CustomLog "DIR/access.log" "%U"'));
  await get(sluice, "/b/old");
  await sluice.untilFile("access.log", "/b/old\n");
  for (const name of ["access.log", "error.log"]) renameSync(join(sluice.dir, name), join(sluice.dir, `${name}.1`));
  sluice.signal("SIGUSR1");
  await sluice.untilFile("error.log", "resuming normal operations");
  await get(sluice, "/b/new");
  await sluice.untilFile("access.log", "/b/new\n");
  assert.deepEqual([sluice.file("access.log.1"), sluice.file("access.log")], ["/b/old\n", "/b/new\n"]);
});

test("a program gets the lines, has an end with the server, and is started anew when it dies", SLOW, async () => {
  const logger = "|$echo $$ >> DIR/pids; cat >> DIR/piped.log; echo ended >> DIR/pids";
  await using sluice = await startSluice(conf(`CustomLog "${logger}" "%U"\nErrorLog "|/bin/sh DIR/errors.sh"`), {
    files: { "errors.sh": "cat > DIR/piped_errors.log" },
  });
  await get(sluice, "/b/1");
  await sluice.untilFile("piped.log", "/b/1\n");
  await sluice.untilFile("piped_errors.log", "resuming normal operations");
  const [, pid] = await sluice.untilFile("pids", /^(\d+)\n/);
  process.kill(Number(pid), "SIGKILL");
  await sluice.untilFile("pids", /^\d+\n(ended\n)?\d+\n/);
  await get(sluice, "/b/2");
  await sluice.untilFile("piped.log", "/b/2\n");
  assert.match(sluice.stderr, /AH00106: piped log program '\|\$echo .*' failed unexpectedly/);
});

test("syslog: facility, severity and tag", SLOW, async () => {
  const bin = mkdtempSync(join(tmpdir(), "sluice-bin-"));
  mkdirSync(join(bin, "bin"));
  const logger = join(bin, "bin", "logger");
  writeFileSync(logger, `#!/bin/sh\necho "$@" > ${bin}/args\ncat > ${bin}/lines\n`);
  chmodSync(logger, 0o755);
  const options = { env: { PATH: `${join(bin, "bin")}:${process.env.PATH}` } };
  await using sluice = await startSluice(conf("ErrorLog syslog:local1:web\nLogLevel error"), options);
  await get(sluice, "/down/");
  const inBin = join("..", bin.split("/").at(-1)!);
  await sluice.untilFile(join(inBin, "args"), "--prio-prefix --tag web\n");
  // local1 is 17, error 3: 17 * 8 + 3. No time: syslog has its own.
  await sluice.untilFile(join(inBin, "lines"), /^<139>\[proxy_http:error\] \[pid \d+:tid \d+\] \[client .*AH01114: /m);
  rmSync(bin, { recursive: true });
});

test("-t: a log whose folder is not there; no file is made and no program started", SLOW, async () => {
  const bad = await runSluice(conf('CustomLog "DIR/none/access.log" common'), { args: ["-t"] });
  assert.equal(bad.exit, 1);
  assert.match(
    bad.stderr,
    /^\(2\)No such file or directory: AH02297: Cannot access directory '.*\/none\/' for log file '.*\/none\/access\.log' defined at .*:\d+\nAH00014: Configuration check failed/,
  );
  await bad.stop();
  const worse = await runSluice(conf('ErrorLog "DIR/none/error.log"'), { args: ["-t"] });
  assert.match(
    worse.stderr,
    /^\(2\)No such file or directory: AH02291: Cannot access directory '.*\/none\/' for main error log\nAH00014: Configuration check failed\n$/,
  );
  await worse.stop();
  const good = await runSluice(conf('CustomLog "DIR/access.log" common\nCustomLog "|$touch DIR/started" common'), {
    args: ["-t"],
  });
  assert.equal(good.exit, 0, good.stderr);
  assert.deepEqual(
    ["access.log", "started"].filter((name) => existsSync(join(good.dir, name))),
    [],
  );
  await good.stop();
});

test("-e: the level of the start, and of the server where no LogLevel says otherwise", SLOW, async () => {
  const tutorial = "Stickysession X";
  const warned = conf(`<Proxy "balancer://x">\nBalancerMember "${backend.url}"\n${tutorial}\n</Proxy>`);
  for (const [args, expected] of [
    [[], [true, true]],
    [
      ["-e", "error"],
      [false, true],
    ],
    [
      ["-e", "crit"],
      [false, false],
    ],
  ] as const) {
    await using sluice = await startSluice(warned, { args });
    await get(sluice, "/down/");
    await get(sluice, "/b/");
    const log = sluice.errorLog;
    assert.deepEqual(
      [log.includes("Stickysession is no directive"), log.includes("AH01114")],
      expected,
      args.join(" "),
    );
  }
  await using sluice = await startSluice(`${warned}\nLogLevel warn`, { args: ["-e", "debug"] });
  await get(sluice, "/b/");
  assert.doesNotMatch(sluice.errorLog, /:debug\]/);
});
