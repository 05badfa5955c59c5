/**
 * The program: httpd's command line.
 * Source: httpd server/main.c, server/mpm_unix.c (ap_signal_server); docs/man/httpd.8
 */
import { fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { type CommandLine, optionsOf, PROGRAM, parseCommandLine, USAGE } from "./command_line.ts";
import { ConfigError, formatConfigError } from "./config/directive.ts";
import { levelRank } from "./core/error_log.ts";
import { getModuleConfig, type Module } from "./core/module.ts";
import type { ProcessRec } from "./core/records.ts";
import { loadAll, type Shipped } from "./core/shipped.ts";
import * as sluice from "./mod.ts";
import type { StartOptions } from "./mpm/children.ts";
import { isLogFile } from "./mpm/logs.ts";
import { describeUser } from "./mpm/mod_unixd.ts";
import { type FirstPlan, loadFirst, Parent, pidFileOf, readPid } from "./mpm/parent.ts";
import type { Loaded } from "./server/load.ts";
import core from "./server/mod_core.ts";

/** A command beside the server. Answers an exit code; null: the command line is wrong. */
type Tool = (args: readonly string[], modules: readonly Module[]) => Promise<number | null>;
/** One of a plug-in's: it asks a running server, so that no module is loaded for it. */
type Command = (args: readonly string[]) => Promise<number | null>;
// Here as below: who serves does not load what answers and ends.
const TOOLS: Readonly<Record<string, Tool>> = {
  check: async (args, modules) => (await import("./check.ts")).check(args, modules),
  config: async (args, modules) => (await import("./effective.ts")).configCommand(args, modules),
  explain: async (args, modules) => (await import("./explain.ts")).explainCommand(args, modules),
};

/**
 * Runs the program on a command line; resolves with its exit code.
 * @param program what a thread runs to become a child of it; without it there is one child
 * @param more commands of plug-ins
 */
export async function main(
  args: readonly string[],
  modules: Shipped,
  program?: string,
  more: Readonly<Record<string, Command>> = {},
): Promise<number> {
  // sluice status --help
  if (args[1] === "--help") return usage();
  if (args[0] === "schema" && args.length === 1)
    return (await import("./tools.ts")).printSchema(await loadAll(modules));
  if (args[0] !== undefined && Object.hasOwn(more, args[0])) {
    return (await more[args[0]]!(args.slice(1))) ?? usage();
  }
  if (args[0] !== undefined && Object.hasOwn(TOOLS, args[0])) {
    nameOurselves();
    try {
      return (await TOOLS[args[0]]!(args.slice(1), await loadAll(modules))) ?? usage();
    } catch (error) {
      return configFailure(error);
    }
  }
  if (args[0] === "convert") {
    return args.length === 2 ? (await import("./tools.ts")).convertFile(args[1]!, await loadAll(modules)) : usage();
  }
  let wrong = "";
  const line = parseCommandLine(
    args.map((arg) => (arg === "--help" ? "-h" : arg === "--version" ? "-v" : arg)),
    null,
    (reason) => {
      wrong = reason;
    },
  );
  if (line === null) return usage(wrong);
  if (line.flags.has("h")) return usage();
  if (line.flags.has("v")) return print((await import("./dump.ts")).VERSION_TEXT.short);
  if (line.flags.has("V")) return print((await import("./dump.ts")).VERSION_TEXT.long);
  if (line.flags.has("l")) return print(`Compiled in modules:\n${modules.map((m) => `  ${m.name}.c`).join("\n")}`);
  if (line.flags.has("L") && line.file === null) {
    return print((await import("./dump.ts")).listDirectives(await loadAll(modules)));
  }
  if (line.startLevel !== null && levelRank(line.startLevel) === undefined) {
    return usage(`-e takes a level of LogLevel, not ${line.startLevel}`);
  }
  if (line.file === null) {
    if (args.length === 0) return (await import("./demo.ts")).demo(modules);
    console.error(`${PROGRAM}: -f FILE is needed: there is no configuration at a fixed place`);
    return 1;
  }
  const options = {
    ...optionsOf(line, line.file, dumped(line) ? await loadAll(modules) : modules),
    program: line.flags.has("X") ? undefined : program,
    reloadOnChange: line.flags.has("watch"),
    logsClosed: line.flags.has("t") || dumped(line),
  };
  nameOurselves();
  let first: FirstPlan;
  try {
    first = await loadFirst(options);
  } catch (error) {
    return configFailure(error);
  }
  if (dumped(line) && (await dump(line, first.loaded, options))) return 0;
  if (line.flags.has("t")) {
    console.error("Syntax OK");
    return 0;
  }
  return line.signal === null ? serve(first, options, args) : control(line.signal, first, options, args, line);
}

/** Plug-ins import "sluice", wherever they are: Deno finds it by the import map in deno.json, Bun so. */
export function nameOurselves(): void {
  if (!("Bun" in globalThis)) return;
  Bun.plugin({
    name: "sluice",
    setup: (build) => void build.module("sluice", () => ({ exports: sluice, loader: "object" })),
  });
}

/** Serves until it is told to end. */
async function serve(first: FirstPlan, options: StartOptions, args: readonly string[]): Promise<number> {
  const parent = new Parent(first, options, [PROGRAM, ...args].join(" "));
  if (!(await parent.start())) return 1;
  return parent.ended;
}

function configFailure(error: unknown): number {
  if (error instanceof ConfigError) {
    console.error(formatConfigError(error, PROGRAM));
    return 1;
  }
  const { code, message } = error as { code?: string; message: string };
  if (code === undefined) throw error;
  console.error(message.startsWith("(") ? message : `${PROGRAM}: ${message}`); // those of httpd begin with the errno
  console.error("AH00014: Configuration check failed");
  return 1;
}

/** Something is asked for that answers without serving. */
function dumped(line: CommandLine): boolean {
  return ["L", "S", "M"].some((flag) => line.flags.has(flag)) || line.defines.some((name) => name.startsWith("DUMP_"));
}

/** -L, -S, -M, -t -D DUMP_...: prints what was asked for; false if nothing was. */
async function dump(line: CommandLine, loaded: Loaded, options: StartOptions): Promise<boolean> {
  const { describeModules, describeVhosts, dumpConfig, listDirectives, listIncludes } = await import("./dump.ts");
  const asked = (name: string, flag: string) => line.flags.has(flag) || line.defines.includes(name);
  const texts: string[] = [];
  if (line.flags.has("L")) texts.push(listDirectives(loaded.process.modules));
  if (asked("DUMP_VHOSTS", "S")) texts.push(describeVhosts(loaded.process));
  if (asked("DUMP_RUN_CFG", "S")) texts.push(describeRun(loaded, line));
  if (asked("DUMP_MODULES", "M")) texts.push(describeModules(loaded.process.modules, options.modules));
  if (asked("DUMP_INCLUDES", "")) texts.push(listIncludes(loaded));
  if (asked("DUMP_CONFIG", "")) texts.push(dumpConfig(loaded));
  if (texts.length === 0) return false;
  print(texts.join("\n"));
  return true;
}

function describeRun(loaded: Loaded, line: CommandLine): string {
  const pid = pidFileOf(loaded.process);
  const conf = getModuleConfig(loaded.process.servers[0]!.config, core);
  const dumps = line.flags.has("S") ? ["DUMP_VHOSTS", "DUMP_RUN_CFG"] : [];
  return [
    `ServerRoot: "${loaded.process.serverRoot}"`,
    ...(conf.documentRoot === "" ? [] : [`Main DocumentRoot: "${conf.documentRoot}"`]),
    ...(conf.errorLog === "" ? [] : [`Main ErrorLog: "${resolve(loaded.process.serverRoot, conf.errorLog)}"`]),
    ...(pid === null ? [] : [`PidFile: "${pid}"`]),
    ...[...dumps, ...loaded.defined].map((name) => `Define: ${name}`),
    ...describeUser(loaded.process),
  ].join("\n");
}

/** -k: speaks to a running server through its pid file. The configuration was read, so a broken one sends no signal. */
async function control(
  action: string,
  first: FirstPlan,
  options: StartOptions,
  args: readonly string[],
  line: CommandLine,
): Promise<number> {
  const path = pidFileOf(first.loaded.process);
  if (path === null) {
    console.error(`${PROGRAM}: -k needs a PidFile or a ServerRoot in the configuration`);
    return 1;
  }
  const pid = readPid(path);
  const running = pid !== null && isAlive(pid);
  if (action === "start") {
    if (running) return print(`${PROGRAM} (pid ${pid}) already running`);
    return start(first, options, args, line);
  }
  if (!running) {
    if (action === "stop" || action === "graceful-stop") {
      return print(pid === null ? `${PROGRAM} (no pid file) not running` : `${PROGRAM} (pid ${pid}?) not running`);
    }
    console.log(`${PROGRAM} not running, trying to start`);
    return start(first, options, args, line);
  }
  const signals = { stop: "SIGTERM", restart: "SIGHUP", graceful: "SIGUSR1", "graceful-stop": "SIGWINCH" } as const;
  process.kill(pid, signals[action as keyof typeof signals]);
  return 0;
}

/** -k start goes to the background, unless -X or -D FOREGROUND. */
async function start(
  first: FirstPlan,
  options: StartOptions,
  args: readonly string[],
  line: CommandLine,
): Promise<number> {
  const foreground =
    line.flags.has("X") || ["FOREGROUND", "NO_DETACH", "ONE_PROCESS", "DEBUG"].some((d) => line.defines.includes(d));
  if (foreground) return serve(first, options, args);
  const runtime = "Deno" in globalThis ? ["run", "-A", "--quiet", process.argv[1]!] : [process.argv[1]!];
  const { spawn } = await import("node:child_process");
  // It must not hold the terminal, or the pipe, that we were given.
  const nowhere = openSync("/dev/null", "r+");
  const log = errorLogFile(first.loaded.process);
  const errors = log === null ? null : openSync(log, "a+");
  const before = errors === null ? 0 : fstatSync(errors).size;
  const child = spawn(process.execPath, [...runtime, ...args, "-D", "FOREGROUND"], {
    detached: true,
    stdio: ["ignore", nowhere, errors ?? "pipe"],
  });
  // What keeps it from starting is shown here.
  child.stderr?.pipe(process.stderr, { end: false });
  const path = pidFileOf(first.loaded.process)!;
  return new Promise((done) => {
    const look = setInterval(() => {
      if (readPid(path) !== child.pid) return;
      clearInterval(look);
      child.stderr?.destroy();
      child.unref();
      done(0);
    }, 20);
    child.on("exit", (code) => {
      clearInterval(look);
      if (errors !== null) process.stderr.write(readFrom(errors, before));
      done(code ?? 1);
    });
  });
}

/** The main error log's file, which is also the standard error of who is in the background; null: it is no file. */
function errorLogFile(generation: ProcessRec): string | null {
  const { errorLog } = getModuleConfig(generation.servers[0]!.config, core);
  return isLogFile(errorLog) ? resolve(generation.serverRoot, errorLog) : null;
}

function readFrom(fd: number, offset: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, offset));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

function print(text: string): number {
  console.log(text);
  return 0;
}

/** @param wrong comes last: the options fill a screen */
function usage(wrong = ""): number {
  console.error(wrong === "" ? USAGE : `${USAGE}\n${PROGRAM}: ${wrong}`);
  return 1;
}
