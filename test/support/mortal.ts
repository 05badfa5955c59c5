/**
 * Programs that tests start: none outlives the test that started it, or this process, however either ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { afterEach, beforeEach } from "node:test";

/** Those that run, and what to do once they were killed. */
const running = new Map<ChildProcess, () => void>();
/** Those of the test that runs. What is started before the tests is for all of them. */
let ofTest: Set<ChildProcess> | null = null;

beforeEach(() => {
  ofTest = new Set();
});

// Whoever is left now belongs to a test whose time is over: it hangs, and will not stop it.
afterEach(() => {
  for (const child of ofTest ?? []) slay(child);
  ofTest = null;
});

// On Deno this does not come in tests.
process.on("exit", () => {
  for (const child of running.keys()) slay(child);
});

/** @param slain it was killed here, and is no more */
export function mortal(child: ChildProcess, slain: () => void): void {
  if (child.pid === undefined) return;
  running.set(child, slain);
  ofTest?.add(child);
  reap("+", child.pid);
  child.on("exit", () => {
    running.delete(child);
    ofTest?.delete(child);
    reap("-", child.pid!);
  });
}

/** Not `child.kill`, after which Deno 2.9.5 reports the signal as the cause of any exit, whatever the exit code was. */
export function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(child.pid, signal);
  } catch {
    // it has ended by itself
  }
}

function slay(child: ChildProcess): void {
  const slain = running.get(child);
  if (slain === undefined) return;
  running.delete(child);
  kill(child, "SIGKILL");
  slain();
}

/** Is told of each program, and kills those that are left when this process is gone, and with it the pipe. */
const REAPER = `trap "" INT TERM HUP
pids=" "
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done`;

let reaper: ChildProcess | null = null;

function reap(sign: "+" | "-", pid: number): void {
  if (reaper === null) {
    if (running.size === 0) return;
    const started = spawn("sh", ["-c", REAPER], { stdio: ["pipe", "ignore", "ignore"] });
    reaper = started;
    started.unref();
    started.stdin.on("error", () => {});
    // Bun kills all children of a test whose time is over, this one too.
    started.on("exit", () => {
      if (reaper === started) reaper = null;
    });
    for (const child of running.keys()) started.stdin.write(`+ ${child.pid}\n`);
  } else reaper.stdin!.write(`${sign} ${pid}\n`);
}
