/** Programs of tests die with the test that started them, however it ends. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { within } from "./message.ts";
import { currentRuntime, SLOW } from "./sluice.ts";

const WAIT_MS = 20_000;

const dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Runs tests in a runner of their own. `started` resolves with the pid of the program that they start. */
function runTests(name: string, tests: string): { runner: ChildProcess; started: Promise<number> } {
  const file = join(dir, `${name}.test.ts`);
  const support = fileURLToPath(new URL("sluice.ts", import.meta.url));
  writeFileSync(
    file,
    `import { test } from "node:test";
import { writeFileSync } from "node:fs";
import { startSluice } from ${JSON.stringify(support)};
const pidFile = ${JSON.stringify(pidFile(name))};
const start = async () => {
  const sluice = await startSluice("Listen 127.0.0.1:PORT\\nServerName localhost");
  writeFileSync(pidFile, String(sluice.pid));
};
const forEver = () => new Promise((resolve) => setTimeout(resolve, 600_000));
${tests}`,
  );
  const words = currentRuntime === "deno" ? ["test", "-A", "--no-check", "--quiet", file] : ["test", file];
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  const runner = spawn(process.execPath, words, { cwd, stdio: "ignore" });
  return { runner, started: within(pidOf(name), () => "the program", WAIT_MS) };
}

const pidFile = (name: string): string => join(dir, `${name}.pid`);

async function pidOf(name: string): Promise<number> {
  for (;;) {
    try {
      const pid = Number(readFileSync(pidFile(name), "utf8"));
      if (pid > 0) return pid;
    } catch {
      // not yet
    }
    await turn();
  }
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("a program dies when the time of its test is over, while the tests go on", SLOW, async () => {
  // Two, as Bun lets the next test fail for the one before.
  const { runner, started } = runTests(
    "timeout",
    `test("hangs", { timeout: 3000 }, async () => { await start(); await forEver(); });
for (const name of ["one", "two"]) test(name, { timeout: 600_000 }, forEver);`,
  );
  try {
    await within(gone(await started), () => "the end of the program", WAIT_MS);
    assert.equal(runner.exitCode, null);
  } finally {
    runner.kill("SIGKILL");
  }
});

test("a program dies with a runner that is killed", SLOW, async () => {
  const { runner, started } = runTests(
    "killed",
    'test("hangs", { timeout: 600_000 }, async () => { await start(); await forEver(); });',
  );
  try {
    const pid = await started;
    runner.kill("SIGKILL");
    await within(gone(pid), () => "the end of the program", WAIT_MS);
  } finally {
    runner.kill("SIGKILL");
  }
});
