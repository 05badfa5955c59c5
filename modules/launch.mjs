#!/usr/bin/env node
/**
 * What `npx sluice` runs. npm knows only Node, and sluice needs Bun or Deno: this finds one and hands the command
 * line to it. The search: SLUICE_RUNTIME, then bun and deno on PATH (npx puts node_modules/.bin there), then Bun by npx.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

// The package has no TypeScript: Deno runs none below node_modules.
const source = fileURLToPath(new URL("../mod.ts", import.meta.url));
const program = existsSync(source) ? source : fileURLToPath(new URL("../dist/mod.js", import.meta.url));
const args = process.argv.slice(2);
const [command, ...before] = runtime();

// Never a detached child: a terminal's Ctrl-C reaches both, a supervisor's signal only us, so that one is passed on.
const child = spawn(command, [...before, program, ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGWINCH", "SIGUSR2"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`sluice: cannot start ${command}: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else process.exit(code ?? 1);
});

function runtime() {
  const wanted = process.env.SLUICE_RUNTIME;
  for (const name of wanted ? [wanted] : ["bun", "deno"]) {
    if (spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0) {
      return /deno(\.exe)?$/.test(name) ? [name, "run", "-A", "--quiet"] : [name];
    }
    if (wanted) {
      console.error(`sluice: SLUICE_RUNTIME is ${wanted}, which does not run`);
      process.exit(1);
    }
  }
  console.error("sluice: neither bun nor deno is on PATH; running bun from npm (npx --package=bun@1.4.4)");
  return ["npx", "--yes", "--package=bun@1.4.4", "--", "bun"];
}
