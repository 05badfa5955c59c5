/** The program: a configuration file, a command line, signals, exit codes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../modules/command_line.ts";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { type ResponseMessage, within } from "../support/message.ts";
import { currentRuntime, runSluice, SLOW, startSluice } from "../support/sluice.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const conf = (name: string): string => join(root, "test/conf", name);

let one: Backend;
let two: Backend;
let dir: string;

before(async () => {
  one = await startBackend((request) => ok(`one ${request.target}`, `X-Host: ${request.field("host")}`));
  two = await startBackend((request) => ok(`two ${request.target}`, `X-Host: ${request.field("host")}`));
  dir = mkdtempSync(join(tmpdir(), "sluice-program-"));
});

after(async () => {
  await one.stop();
  await two.stop();
  rmSync(dir, { recursive: true });
});

interface Run {
  exit: number | null;
  stdout: string;
  stderr: string;
}

/** The program with this command line alone. Output goes to files: a server in the background holds pipes open. */
async function run(...args: string[]): Promise<Run> {
  const command = currentRuntime === "deno" ? ["run", "-A", "mod.ts"] : ["mod.ts"];
  const at = mkdtempSync(join(dir, "run-"));
  const out = openSync(join(at, "out"), "w");
  const err = openSync(join(at, "err"), "w");
  const child = spawn(process.execPath, [...command, ...args], { cwd: root, stdio: ["ignore", out, err] });
  const exit = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  closeSync(out);
  closeSync(err);
  return { exit, stdout: readFileSync(join(at, "out"), "utf8"), stderr: readFileSync(join(at, "err"), "utf8") };
}

const get = (port: number, host: string, target = "/"): Promise<ResponseMessage> =>
  fetchOnce(port, target, `Host: ${host}`);

const SITES_CONF = () => `
Listen 127.0.0.1:PORT
ServerName localhost
<Proxy "balancer://shop">
    BalancerMember "${one.url}"
</Proxy>
<VirtualHost *:PORT>
    ServerName shop.test
    ServerAlias www.shop.test *.shop.test
    ProxyPreserveHost On
    ProxyPass "/" "balancer://shop/"
</VirtualHost>
<VirtualHost *:PORT>
    ServerName api.test
    <Location "/v1/">
        ProxyPass "${two.url}/"
        ProxyPassReverse "${two.url}/"
    </Location>
</VirtualHost>
`;

const SITES_YAML = () => `
listen: 127.0.0.1:PORT
serverName: localhost
proxy:
  "balancer://shop":
    balancerMember: { url: "${one.url}" }
virtualHost:
  - "*:PORT":
      serverName: shop.test
      serverAlias: www.shop.test *.shop.test
      proxyPreserveHost: true
      proxyPass: / balancer://shop/
  - "*:PORT":
      serverName: api.test
      location:
        /v1/:
          proxyPass: ${two.url}/
          proxyPassReverse: ${two.url}/
`;

for (const syntax of ["httpd", "yaml"] as const) {
  test(`virtual hosts by name and <Location> with ProxyPass, from a file in ${syntax} syntax`, SLOW, async () => {
    await using sluice = await startSluice(syntax === "yaml" ? SITES_YAML() : SITES_CONF(), { syntax });
    const seen = async (host: string, target: string) => {
      const r = await get(sluice.port, host, target);
      return [r.status, r.status === 200 ? r.text : "", r.field("x-host")];
    };
    assert.deepEqual(await seen("shop.test", "/a"), [200, "one /a", "shop.test"]);
    assert.deepEqual(await seen("WWW.Shop.Test:80", "/a?b"), [200, "one /a?b", "WWW.Shop.Test:80"]);
    assert.deepEqual(await seen("x.shop.test", "/"), [200, "one /", "x.shop.test"]);
    assert.deepEqual(await seen("nobody.test", "/"), [200, "one /", "nobody.test"]);
    assert.deepEqual(await seen("api.test", "/v1/users"), [200, "two /users", two.authority]);
    assert.deepEqual(await seen("api.test", "/v2/users"), [404, "", undefined]);
    assert.equal(await sluice.stop(), 0);
  });
}

const passTo = (backend: Backend): string => `
  Listen 127.0.0.1:PORT
  ServerName localhost
  PidFile "DIR/sluice.pid"
  ProxyPass "/" "${backend.url}/"
`;

test(
  "SIGUSR1 switches backends without failing a request: new connections, keep-alive, one in flight",
  SLOW,
  async () => {
    await using sluice = await startSluice(passTo(one));
    const gate = new Gate();
    one.routes = { ...one.routes, "/slow": [gate.step, ok("slow one")] };
    await using slow = await connectClient(sluice.port);
    const inFlight = slow.get("/slow");
    await gate.reached();

    let running = true;
    const texts = new Set<string>();
    const note = (response: ResponseMessage): void => {
      assert.deepEqual([response.status, response.complete], [200, true]);
      texts.add(response.text.slice(0, 3));
    };
    const fresh = async (): Promise<void> => {
      while (running) note(await fetchOnce(sluice.port, "/x"));
    };
    const kept = async (): Promise<void> => {
      while (running) {
        await using client = await connectClient(sluice.port);
        for (let i = 0; running; i++) {
          let response: ResponseMessage;
          try {
            response = await client.get("/x");
          } catch (error) {
            // An idle connection may close under a request: HTTP's own race, seen as an end without any answer, and asked again.
            assert.ok(i > 0 && client.responses.length === i, (error as Error).message);
            break;
          }
          note(response);
          if (response.field("connection") === "close") break;
        }
      }
    };
    const streams = [fresh(), fresh(), kept(), kept()];
    const failed = Promise.all(streams).then(() => {});
    const seen = async (text: string, times: number): Promise<void> => {
      for (let i = 0; i < times || !texts.has(text); i++) await fetchOnce(sluice.port, "/x").then(note);
    };
    try {
      await Promise.race([failed, seen("one", 20)]);
      sluice.writeConf(passTo(two));
      sluice.signal("SIGUSR1");
      await Promise.race([failed, sluice.untilLog(/AH00493[\s\S]*AH00489/)]);
      await Promise.race([failed, seen("two", 20)]);
    } finally {
      running = false;
    }
    await failed;
    assert.deepEqual([...texts].sort(), ["one", "two"]);
    gate.open();
    assert.equal((await inFlight).text, "slow one");
    await slow.untilEnded();
    one.routes = { "*": one.routes["*"]! };
    assert.equal(await sluice.stop(), 0);
  },
);

test(
  "SIGUSR1 with a broken file: the reason is in the log, nothing changes; the next good file is taken",
  SLOW,
  async () => {
    await using sluice = await startSluice(passTo(one));
    sluice.writeConf(`${passTo(two)}\nBogus on`);
    sluice.signal("SIGUSR1");
    const line = await sluice.untilLog(/the configuration is broken, nothing was changed: .*/);
    assert.match(line[0], /AH00526: Syntax error on line 8 of .*httpd\.conf: .*Invalid command 'Bogus'/);
    assert.equal((await fetchOnce(sluice.port, "/x")).text, "one /x");
    sluice.writeConf(passTo(two));
    sluice.signal("SIGHUP");
    await sluice.untilLog(/AH00494[\s\S]*AH00489/);
    assert.equal((await fetchOnce(sluice.port, "/x")).text, "two /x");
    assert.equal(await sluice.stop(), 0);
  },
);

test("SIGUSR1 leaves no debugger open", {
  ...SLOW,
  skip: currentRuntime === "bun" && "only Deno opens one",
}, async () => {
  await using sluice = await startSluice(passTo(one));
  // Deno hears the signal from half a second after its start on; before, there would be nothing to see.
  let reloads = 1;
  const opened = async (): Promise<boolean> => {
    sluice.signal("SIGUSR1");
    reloads++;
    while (sluice.errorLog.split("AH00489").length <= reloads) await new Promise((resolve) => setTimeout(resolve, 5));
    return sluice.stderr.includes("Debugger listening on ws://127.0.0.1:9229/");
  };
  const cycle = async (): Promise<void> => {
    while (!(await opened()));
    while (listens(sluice.pid, 9229)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await within(cycle(), () => "the debugger to be opened and closed");
  assert.equal(await sluice.stop(), 0);
});

test("SIGTERM and SIGINT: at once, exit code 0, the pid file is removed", SLOW, async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const gate = new Gate();
    one.routes = { ...one.routes, "/slow": [gate.step, ok("slow")] };
    const sluice = await startSluice(passTo(one));
    assert.equal((await sluice.untilFile("sluice.pid", /\d+/))[0], String(sluice.pid));
    await using client = await connectClient(sluice.port);
    const cut = assert.rejects(client.get("/slow"), /before response 0/);
    await gate.reached();
    sluice.signal(signal);
    await sluice.exited;
    await cut;
    gate.open();
    assert.equal(sluice.file("sluice.pid"), "");
    assert.match(sluice.errorLog, new RegExp(`AH00491: caught ${signal}, shutting down`));
    assert.equal(await sluice.stop(), 0);
  }
  one.routes = { "*": one.routes["*"]! };
});

test("SIGWINCH: takes nothing new, the request in flight is answered, then exit code 0", SLOW, async () => {
  await using sluice = await startSluice(passTo(one));
  const gate = new Gate();
  one.routes = { ...one.routes, "/slow": [gate.step, ok("slow")] };
  await using idle = await connectClient(sluice.port);
  assert.equal((await idle.get("/x")).status, 200);
  await using client = await connectClient(sluice.port);
  const answer = client.get("/slow");
  await gate.reached();
  sluice.signal("SIGWINCH");
  await idle.untilEnded();
  idle.end();
  await assert.rejects(connectClient(sluice.port), /ECONNREFUSED/);
  assert.equal(sluice.exit, null);
  gate.open();
  const response = await answer;
  assert.deepEqual([response.text, response.field("connection")], ["slow", "close"]);
  client.end();
  assert.equal(await sluice.exited, 0);
  one.routes = { "*": one.routes["*"]! };
});

test("a port in use: exit code 1, AH00072", SLOW, async () => {
  const sluice = await runSluice(`Listen ${one.authority}\nServerName localhost`);
  assert.equal(sluice.exit, 1);
  assert.ok(
    sluice.stderr.includes(
      `(98)Address already in use: AH00072: make_sock: could not bind to address ${one.authority}\n` +
        "no listening sockets available, shutting down\n",
    ),
    sluice.stderr,
  );
  await sluice.stop();
});

/** Whether that process listens on the port of 127.0.0.1; those of other tests may, too. */
function listens(pid: number, port: number): boolean {
  const place = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === place && fields[3] === "0A")
    .map((fields) => `socket:[${fields[9]}]`);
  return readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`)));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

const GOOD = [
  "1-basic",
  "2-sticky-failover-health",
  "3-sticky-two-names",
  "4-hardened",
  "5-virtual-host-status",
  "7-mistakes",
];
/** What sluice does not have yet is refused by name. A module that comes takes its line away, to GOOD in the end. */
const REFUSED: Record<string, [line: number, text: string]> = {
  "6-tls": [6, "SSLCertificateFile: file '/etc/ssl/certs/example.com.crt' does not exist or is empty"],
};

test("-t: configurations of tutorials that pass", SLOW, async () => {
  for (const name of GOOD) {
    const { exit, stderr } = await run("-t", "-f", conf(`${name}.conf`));
    assert.equal(exit, 0, stderr);
    assert.match(stderr, /(^|\n)Syntax OK\n$/);
  }
  const { stderr } = await run("-tf", conf("7-mistakes.conf"));
  assert.match(stderr, /Stickysession is no directive of httpd: read as ProxySet stickysession=JSESSIONID \(.*:9\)/);
  assert.match(stderr, /MaxRequestPerChild is no directive .*MaxConnectionsPerChild at server level is meant/);
});

test("-t: configurations of tutorials that are refused, naming the directive", SLOW, async () => {
  for (const [name, [line, text]] of Object.entries(REFUSED)) {
    const path = conf(`${name}.conf`);
    const { exit, stdout, stderr } = await run("-t", "-f", path);
    assert.deepEqual([exit, stdout], [1, ""], name);
    assert.ok(stderr.startsWith(`AH00526: Syntax error on line ${line} of ${path}:\n${text}`), stderr);
  }
});

test("-t: a file that is not there", SLOW, async () => {
  const { exit, stderr } = await run("-t", "-f", join(dir, "none.conf"));
  assert.equal(exit, 1);
  assert.match(stderr, /Could not open configuration file .*none\.conf: No such file or directory/);
});

test("-v -V -l -L -M -h", SLOW, async () => {
  assert.match((await run("-v")).stdout, /^Server version: sluice\/\d+\.\d+\.\d+ /);
  assert.match((await run("-V")).stdout, new RegExp(`Runtime: +${currentRuntime}`, "i"));
  assert.match((await run("-l")).stdout, /^Compiled in modules:\n {2}mod_core\.c\n.* {2}mod_proxy_http\.c\n/s);
  assert.match((await run("-L")).stdout, /\nProxyPass \(mod_proxy\.c\)\n\t.+\n\tAllowed in /);
  assert.match((await run("-M", "-f", conf("1-basic.conf"))).stdout, /^Loaded Modules:\n.* proxy_module \(static\)\n/s);
  for (const args of [["-k", "dance"], ["-f"], ["serve"]]) assert.equal(parseCommandLine(args), null, args.join(" "));
  const { exit, stdout, stderr } = await run("-h");
  assert.deepEqual([exit, stdout], [1, ""]);
  assert.match(stderr, /^Usage: sluice .*\n[\s\S]*--watch .*\n$/);
  assert.equal((await run("--help")).stderr, stderr);
  assert.equal((await run("status", "--help")).stderr, stderr);
});

test("-S: names, addresses, where they stand", SLOW, async () => {
  const file = join(root, "examples/virtual-hosts.conf");
  const { exit, stdout } = await run("-S", "-f", file);
  assert.equal(exit, 0);
  const at = (name: string) => {
    const text = readFileSync(file, "utf8").split("\n");
    const server = text.findIndex((line) => line.includes(`ServerName ${name}`));
    return `${name} (${file}:${text.findLastIndex((line, i) => i < server && line.startsWith("<VirtualHost")) + 1})`;
  };
  assert.ok(
    stdout.startsWith(
      `VirtualHost configuration:\n*:8080                 is a NameVirtualHost\n         default server ${at("shop.test")}\n` +
        `         port 8080 namevhost ${at("shop.test")}\n                 alias www.shop.test\n` +
        `                 wild alias *.shop.test\n         port 8080 namevhost ${at("api.test")}\n`,
    ),
    stdout,
  );
  assert.match(stdout, /\nServerRoot: "/);
});

test("-D -C -c -d: defines, directives before and after the file, where relative names begin", SLOW, async () => {
  writeFileSync(join(dir, "part.conf"), "ServerName part.test\n");
  writeFileSync(
    join(dir, "d.conf"),
    "Listen 127.0.0.1:1\n<IfDefine Extra>\nInclude part.conf\n</IfDefine>\nServerAdmin ${Who}\n",
  );
  const both = ["-d", dir, "-f", "d.conf", "-C", "Define Who me"];
  assert.match((await run(...both, "-t", "-D", "Extra")).stderr, /Syntax OK/);
  const included = (await run(...both, "-D", "Extra", "-t", "-D", "DUMP_INCLUDES")).stdout;
  assert.match(included, /\(\*\) .*d\.conf\n {4}\(3\) .*part\.conf\n/);
  assert.doesNotMatch((await run(...both, "-t", "-D", "DUMP_INCLUDES")).stdout, /part\.conf/);
  const bad = await run(...both, "-t", "-c", "Bogus on");
  assert.equal(bad.exit, 1);
  assert.match(bad.stderr, /Invalid command 'Bogus'/);
});

test("-k start, start again, graceful, stop, stop again, over the PidFile", SLOW, async () => {
  const sluice = await startSluice(passTo(one)); // for its ports and its directory
  const { port, confFile } = sluice;
  const k = (action: string) => run("-f", confFile, "-k", action);
  assert.match((await k("start")).stdout, new RegExp(`sluice \\(pid ${sluice.pid}\\) already running`));
  assert.deepEqual((await k("graceful")).exit, 0);
  await sluice.untilLog(/AH00493[\s\S]*AH00489/);
  assert.deepEqual((await k("stop")).exit, 0);
  assert.equal(await sluice.exited, 0);
  assert.match((await k("stop")).stdout, /not running/);

  const started = await k("start");
  assert.equal(started.exit, 0, started.stderr);
  assert.equal((await fetchOnce(port, "/x")).text, "one /x");
  assert.notEqual(sluice.file("sluice.pid").trim(), String(sluice.pid));
  const pid = Number(sluice.file("sluice.pid"));
  assert.deepEqual((await k("graceful-stop")).exit, 0);
  for (let alive = true; alive; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      process.kill(pid, 0);
    } catch {
      alive = false;
    }
  }
  assert.equal(sluice.file("sluice.pid"), "");
  await sluice.stop();
});

test(
  "-k start: standard error is the error log's file then; a program that dies takes nobody along",
  SLOW,
  async () => {
    await using sluice = await runSluice(
      `Listen 127.0.0.1:PORT\nServerName a\nPidFile DIR/pid\nErrorLog DIR/error.log\nCustomLog "|$read line; echo enough >&2" "%U"`,
      { args: ["-k", "start"] },
    );
    assert.deepEqual([sluice.exit, sluice.stderr], [0, ""]);
    const pid = Number(sluice.file("pid"));
    try {
      await fetchOnce(sluice.port, "/x");
      for (let i = 0; !sluice.errorLog.includes("AH00106") && i < 100; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.match(
        sluice.errorLog,
        /^enough\nAH00106: piped log program '\|\$read .*' failed unexpectedly \(exit 0\)$/m,
      );
      assert.equal((await fetchOnce(sluice.port, "/y")).status, 404);
    } finally {
      process.kill(pid);
    }
  },
);

test("-k start: what keeps it from starting is on standard error, and in the error log", SLOW, async () => {
  await using taken = await startSluice("Listen 127.0.0.1:PORT\nServerName a");
  await using sluice = await runSluice(
    `Listen 127.0.0.1:${taken.port}\nServerName a\nPidFile DIR/pid\nErrorLog DIR/error.log`,
    { args: ["-k", "start"], files: { "error.log": "of yesterday\n" } },
  );
  assert.equal(sluice.exit, 1);
  assert.match(sluice.stderr, /^\(98\)Address already in use: AH00072: [\s\S]*AH00015: Unable to open logs\n$/);
  assert.equal(sluice.errorLog, `of yesterday\n${sluice.stderr}`);
});

test("-k with a broken file sends no signal", SLOW, async () => {
  await using sluice = await startSluice(passTo(one));
  sluice.writeConf("Bogus on");
  const { exit, stderr } = await run("-f", sluice.confFile, "-k", "stop");
  assert.equal(exit, 1);
  assert.match(stderr, /Invalid command 'Bogus'/);
  assert.equal((await fetchOnce(sluice.port, "/x")).text, "one /x");
});

test("schema prints JSON, convert goes there and back", SLOW, async () => {
  const schema = JSON.parse((await run("schema")).stdout) as { $schema: string; $defs: object };
  assert.match(schema.$schema, /json-schema\.org/);
  const source = join(root, "examples/virtual-hosts.conf");
  const yaml = await run("convert", source);
  assert.equal(yaml.exit, 0);
  writeFileSync(join(dir, "c.yaml"), yaml.stdout);
  const back = await run("convert", join(dir, "c.yaml"));
  assert.equal(back.exit, 0);
  writeFileSync(join(dir, "c.conf"), back.stdout);
  const place = (text: string) => text.replace(/\(.*:\d+\)|ServerRoot.*/g, "");
  const dumps = await Promise.all([source, join(dir, "c.yaml"), join(dir, "c.conf")].map((f) => run("-S", "-f", f)));
  assert.equal(place(dumps[1]!.stdout), place(dumps[0]!.stdout));
  assert.equal(place(dumps[2]!.stdout), place(dumps[0]!.stdout));
  const none = await run("convert", join(dir, "none.conf"));
  assert.deepEqual([none.exit, none.stdout], [1, ""]);
});

test("-t and -S open no log; what they warn of is on standard error", SLOW, async () => {
  const conf = join(dir, "warns.conf");
  const log = join(dir, "never.log");
  writeFileSync(conf, `Listen 127.0.0.1:1\nServerName a\nErrorLog ${log}\nSetEnv X "\${NOBODY}"\n`);
  for (const option of ["-t", "-S"]) {
    const { exit, stderr } = await run(option, "-f", conf);
    assert.equal(exit, 0);
    assert.equal(stderr.match(/AH00111: Config variable \$\{NOBODY\} is not defined/g)?.length, 1);
    assert.equal(existsSync(log), false);
  }
  const elsewhere = await run("-t", "-E", join(dir, "none", "start.log"), "-f", conf);
  assert.equal(elsewhere.exit, 0);
  assert.match(elsewhere.stderr, /^\(2\)No such file or directory: AH00086: sluice: could not open error log file /);
});

test(
  "what a module warns of as it checks the configuration is said once, however many children there are",
  SLOW,
  async () => {
    const plugin = `import { checkConfig, defineModule } from "sluice";
    export default defineModule({ name: "mod_warns", registerHooks(hooks) {
      hooks.hook(checkConfig, (process) => process.log.warn("warns", "", "take care"));
    } });`;
    const conf = "Listen 127.0.0.1:PORT\nServerName a\nStartServers 2\nLoadModule warns_module ./warns.ts";
    await using checked = await runSluice(conf, { args: ["-t"], files: { "warns.ts": plugin } });
    assert.equal(checked.stderr.match(/take care/g)?.length, 1, checked.stderr);
    await using sluice = await startSluice(conf, { files: { "warns.ts": plugin } });
    await sluice.untilLog("2 children serve");
    assert.equal(sluice.errorLog.match(/take care/g)?.length, 1);
  },
);

test("a pid file that cannot be written keeps the server from starting, as in httpd", SLOW, async () => {
  await using sluice = await runSluice("Listen 127.0.0.1:PORT\nServerName a\nPidFile DIR");
  const lines = [
    `(21)Is a directory: AH00099: could not create ${sluice.dir}`,
    `AH00100: sluice: could not log pid to file ${sluice.dir}`,
  ];
  assert.deepEqual([sluice.exit, sluice.stderr], [1, `${lines.join("\n")}\n`]);
});

test("a wrong command line: the usage, and last what is wrong", SLOW, async () => {
  const wrong: readonly (readonly [words: string[], reason: string])[] = [
    [["-Z"], "there is no option -Z"],
    [["--bogus"], "there is no option --bogus"],
    [["-f"], "-f wants a value"],
    [["site.conf"], "site.conf is neither an option nor a command: -f FILE names a configuration"],
    [["-f", "x", "-k", "kill"], "-k takes start, restart, graceful, graceful-stop, stop, not kill"],
    [["-f", "x", "-e", "loud"], "-e takes a level of LogLevel, not loud"],
  ];
  for (const [words, reason] of wrong) {
    const { exit, stdout, stderr } = await run(...words);
    assert.deepEqual([exit, stdout], [1, ""], words.join(" "));
    assert.match(stderr, /^Usage: sluice /);
    assert.equal(stderr.trimEnd().split("\n").at(-1), `sluice: ${reason}`);
  }
  assert.match((await run("--version")).stdout, /^Server version: sluice/);
});
