/** The commands that ask a running server, as a person or a script uses them. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Backend, freePort, Gate, ok, startBackend } from "../support/backend.ts";
import { connectClient, fetchOnce } from "../support/client.ts";
import { currentRuntime, SLOW, type Sluice, startSluice } from "../support/sluice.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM = currentRuntime === "deno" ? ["run", "-A", "--no-check", "mod.ts"] : ["mod.ts"];

let a: Backend;
let b: Backend;
let held = new Gate();
let sluice: Sluice;

const conf = `
  Listen 127.0.0.1:PORT
  ServerName localhost
  <Proxy "balancer://app">
    BalancerMember "URL_A" route=a retry=1h
    BalancerMember "URL_B" route=b
    ProxySet growth=1 stickysession=SID
  </Proxy>
  <Proxy "balancer://other">
    BalancerMember "URL_A" route=x
  </Proxy>
  <Location "/api">
    SetHandler sluice-api
    Require local
  </Location>
  <Location "/token">
    SetHandler sluice-api
    Require expr "%{HTTP:Authorization} == 'Bearer open sesame'"
  </Location>
  <Location "/login">
    SetHandler sluice-api
    AuthType Basic
    AuthName "api"
    AuthUserFile "DIR/users"
    Require valid-user
  </Location>
  ProxyPass "/api" "!"
  ProxyPass "/token" "!"
  ProxyPass "/login" "!"
  ProxyPass "/other" "balancer://other/"
  ProxyPass "/" "balancer://app/"
`;

before(async () => {
  a = await startBackend((request) => (request.target === "/hold" ? [held.step, ok("a")] : ok("a")));
  b = await startBackend(ok("b"));
  // htpasswd -s, of "amy" and "pass word".
  sluice = await startSluice(conf.replaceAll("URL_A", a.url).replaceAll("URL_B", b.url), {
    files: { users: "amy:{SHA}U0aq2YHWEQQVv7yaPpPE+jyz9Q0=\n".replace(/\{.*/, `${sha("pass word")}\n`) },
  });
});

after(async () => {
  await sluice?.stop();
  await a?.stop();
  await b?.stop();
});

function sha(password: string): string {
  const made = spawnSync("openssl", ["dgst", "-sha1", "-binary"], { input: password });
  return `{SHA}${made.stdout.toString("base64")}`;
}

function start(words: readonly string[], location = "api"): ChildProcess {
  return spawn(process.execPath, [...PROGRAM, ...words], {
    cwd: ROOT,
    env: { ...process.env, SLUICE_API: `http://127.0.0.1:${sluice.port}/${location}`, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(words: readonly string[], location?: string) {
  const child = start(words, location);
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (bytes) => (stdout += bytes));
  child.stderr!.on("data", (bytes) => (stderr += bytes));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

/** What a command shows of the one member that it is about. */
async function json(...words: string[]) {
  const { code, stdout, stderr } = await run([...words, "--json"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Resolves with what was printed once it has the text. */
function until(child: ChildProcess, text: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    child.stdout!.on("data", (bytes) => {
      printed += bytes;
      if (text.test(printed)) resolve(printed);
    });
    child.on("close", () => reject(new Error(`ended without ${text}: ${printed}`)));
  });
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.on("close", resolve));
  process.kill(child.pid!, "SIGINT");
  await ended;
}

const served = async (count = 4): Promise<string> => {
  let texts = "";
  for (let i = 0; i < count; i++) texts += (await fetchOnce(sluice.port, "/")).text;
  return texts;
};

test("status and members: tables, and the API's state with --json", SLOW, async () => {
  const status = await run(["status"]);
  assert.match(status.stdout, /^BALANCER +METHOD +USABLE +BUSY +ELECTED\nbalancer:\/\/app +byrequests +2 of 2 /);
  const members = await run(["members", "app"]);
  assert.match(members.stdout, new RegExp(`^BALANCER +MEMBER .*\napp +${a.url} +a +1\\.00 +0 +50\\.0% .* ok\napp`));
  const { balancers } = await json("status");
  assert.deepEqual(
    balancers.map(({ name }: { name: string }) => name),
    ["balancer://app", "balancer://other"],
  );
  assert.equal((await json("members", "other")).balancers.length, 1);
});

test("drain keeps sessions, with --wait until none is left; enable takes it back", SLOW, async () => {
  held = new Gate();
  await using session = await connectClient(sluice.port);
  void session.send("GET /hold HTTP/1.1\r\nHost: x\r\nCookie: SID=1.a\r\n\r\n");
  await held.reached();
  const child = start(["drain", "app", "a", "--wait"]);
  await sluice.untilLog("draining false -> true");
  assert.equal(await served(), "bbbb");
  assert.equal((await fetchOnce(sluice.port, "/", "Cookie: SID=1.a")).text, "a");
  assert.match((await run(["members", "app"])).stdout, /draining, 1 at hand/);
  assert.equal(child.exitCode, null);
  const printed = until(child, /draining, drained/);
  held.open();
  await printed;
  assert.equal((await json("enable", "app", "a")).status, "Init Ok ");
  assert.match(await served(), /a/);
});

test("disable by host:port, enable by URL: traffic follows", SLOW, async () => {
  assert.equal((await json("disable", "app", `127.0.0.1:${a.port}`)).settings.disabled, true);
  assert.equal(await served(), "bbbb");
  assert.match((await run(["status"])).stdout, /\n {2}http:\S+ {2}disabled, drained\n/);
  assert.equal((await json("enable", "app", a.url)).settings.disabled, false);
  assert.match(await served(), /a/);
});

test("add, remove, and what is refused with a reason and exit code 1", SLOW, async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const added = await json("add", "balancer://app", url, "--route", "c", "--factor", "2.5");
  assert.deepEqual([added.status, added.settings.route, added.settings.loadFactor], ["Init Dis ", "c", 2.5]);
  for (const [words, reason] of [
    [["add", "app", url], /serves .* already/],
    [["add", "app", "http://127.0.0.1:9"], /no room/],
    [["add", "app", "nonsense"], /./],
    [["add", "app", url, "--factor", "x"], /loadFactor/],
    [["remove", "b"], /is in the configuration/],
    [["recover", "b"], /is not in error/],
    [["drain", "nobody"], /no member is called nobody: there are http/],
    [["drain", "app", "x"], /no member of balancer:\/\/app is called x/],
    [["disable", a.url], /may be any of: app .*, other /],
    [["members", "nothing"], /there is no balancer:\/\/nothing/],
  ] as const) {
    const { code, stderr } = await run(words);
    assert.equal(code, 1, words.join(" "));
    assert.match(stderr, reason);
    assert.doesNotMatch(stderr, /Usage|\n\s+at /);
  }
  assert.match((await run(["remove", "c"])).stdout, /done, change \d+/);
  assert.equal((await json("members", "app")).balancers[0].members.length, 2);
});

test("recover ends an error", SLOW, async () => {
  const port = a.port;
  await a.stop();
  for (let i = 0; i < 3; i++) await fetchOnce(sluice.port, "/");
  assert.match((await run(["status", "app"])).stdout, /http:\S+ {2}error until \d\d:\d\d:\d\dZ: \S/);
  a = await startBackend(ok("a"), { port });
  assert.equal((await run(["recover", "app", "a"])).code, 0);
  assert.match(await served(), /a/);
});

test("who may: token, password, 401 and 403 with exit code 77", SLOW, async () => {
  const token = await run(["status"], "token");
  assert.deepEqual([token.code, /refuses: 403/.test(token.stderr)], [77, true]);
  assert.equal((await run(["status", "--token", "open sesame"], "token")).code, 0);
  assert.equal((await run(["status", "-H", "Authorization: Bearer open sesame"], "token")).code, 0);
  const login = await run(["status"], "login");
  assert.deepEqual([login.code, /asks who you are/.test(login.stderr)], [77, true]);
  const address = `http://amy:pass%20word@127.0.0.1:${sluice.port}/login`;
  assert.equal((await run(["status", "--api", address])).code, 0);
  await run(["drain", "app", "b", "--api", address]);
  await sluice.untilLog(/draining false -> true, by amy from 127\.0\.0\.1, api/);
  await run(["enable", "app", "b"]);
});

test(
  "nobody there: exit code 69; another server, or no address: 1; a wrong command line: the usage",
  SLOW,
  async () => {
    const nobody = await run(["status", "--api", `http://127.0.0.1:${await freePort()}/api`]);
    assert.equal(nobody.code, 69);
    assert.match(nobody.stderr, /^sluice: nothing answers at http:\/\/127\.0\.0\.1:\d+\/api: is the server running/);
    const other = await run(["status", "--api", `http://127.0.0.1:${sluice.port}/`]);
    assert.deepEqual([other.code, /is no sluice-api/.test(other.stderr)], [1, true]);
    assert.equal((await run(["status", "--api", "127.0.0.1"])).code, 1);
    for (const words of [
      ["drain"],
      ["add", "app"],
      ["status", "--wait"],
      ["members", "--nonsense"],
      ["status", "a", "b"],
    ]) {
      const { code, stderr } = await run(words);
      assert.deepEqual([code, /Usage: sluice/.test(stderr)], [1, true], words.join(" "));
    }
  },
);

test("watch, to a pipe: a line for each change; it goes on after a reload", SLOW, async () => {
  const child = start(["watch", "app"]);
  try {
    await until(child, new RegExp(`Z balancer://app ${a.url} ok\n.*Z balancer://app ${b.url} ok\n`));
    const drained = until(child, new RegExp(`balancer://app ${a.url} draining, drained\n`));
    await run(["drain", "app", "a"]);
    await drained;
    const again = until(child, new RegExp(`- no connection [^\n]*\n[\\s\\S]*balancer://app ${a.url} ok\n`));
    sluice.signal("SIGUSR1"); // takes back what was changed
    await again;
  } finally {
    await end(child);
  }
});

test("watch --json: the state whenever it is another one", SLOW, async () => {
  const child = start(["watch", "--json"]);
  try {
    const first = (await until(child, /\n/)).split("\n")[0]!;
    assert.equal(JSON.parse(first).balancers[0].name, "balancer://app");
  } finally {
    await end(child);
  }
});

test("watch, to a terminal: a table that is drawn again, and the screen as it was", SLOW, async (t) => {
  if (spawnSync("script", ["--version"]).status !== 0) return t.skip("there is no script(1) to make a terminal");
  const command = [process.execPath, ...PROGRAM, "watch", "app"].join(" ");
  const child = spawn("script", ["-qec", `stty cols 100 rows 10; exec ${command}`, "/dev/null"], {
    cwd: ROOT,
    env: { ...process.env, SLUICE_API: `http://127.0.0.1:${sluice.port}/api` },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (bytes) => (printed += bytes));
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    await until(child, /balancer:\/\/app {2}byrequests(?:[\s\S]* 0\/s){4}/);
  } finally {
    child.stdin.write("\x03");
    await ended;
  }
  assert.match(printed, /\x1b\[\?1049h\x1b\[\?25l[\s\S]*\x1b\[\?25h\x1b\[\?1049l\s*$/);
  const lines = printed.replace(/\x1b\[[?\d]*[A-Za-z]/g, "\n").split(/[\r\n]+/);
  assert.deepEqual(
    lines.filter((line) => line.length > 100),
    [],
  );
});
