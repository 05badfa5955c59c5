/**
 * The program: httpd's command line.
 * Source: httpd server/main.c, server/mpm_unix.c (ap_signal_server); docs/man/httpd.8
 */
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { checkTarget } from "./check.ts";
import { ConfigError, formatConfigError } from "./config/directive.ts";
import { levelRank } from "./core/error_log.ts";
import { getModuleConfig, type Module } from "./core/module.ts";
import { demo } from "./demo.ts";
import { describeModules, describeVhosts, listDirectives, listIncludes, VERSION_TEXT } from "./dump.ts";
import * as sluice from "./mod.ts";
import { type LoadOptions, loadConfig } from "./mpm/load.ts";
import { describeUser } from "./mpm/mod_unixd.ts";
import { pidFileOf, readPid, SingleChild } from "./mpm/single.ts";
import type { Loaded } from "./server/load.ts";
import core from "./server/mod_core.ts";
import { convertFile, printSchema } from "./tools.ts";

const PROGRAM = "sluice";

const USAGE = `Usage: ${PROGRAM} [-D name] [-d directory] [-f file]
              [-C "directive"] [-c "directive"]
              [-k start|restart|graceful|graceful-stop|stop]
              [-v] [-V] [-h] [-l] [-L] [-t] [-T] [-S] [-M] [-X]
       ${PROGRAM} convert FILE      print a configuration in the other language
       ${PROGRAM} schema            print the JSON Schema of the YAML form
       ${PROGRAM} check --target container|fly|vercel-bun|deno-deploy|edge FILE
                              say what the host cannot give
Options:
  -D name            : define a name for use in <IfDefine name> directives
  -d directory       : specify an alternate initial ServerRoot
  -f file            : specify the configuration file
  -C "directive"     : process directive before reading config files
  -c "directive"     : process directive after reading config files
  -e level           : show startup errors of level (see LogLevel)
  -E file            : log startup errors to file
  -v                 : show version number
  -V                 : show compile settings
  -h                 : list available command line options (this page)
  -l                 : list compiled in modules
  -L                 : list available configuration directives
  -t -D DUMP_VHOSTS  : show parsed vhost settings
  -t -D DUMP_RUN_CFG : show parsed run settings
  -S                 : a synonym for -t -D DUMP_VHOSTS -D DUMP_RUN_CFG
  -t -D DUMP_MODULES : show all loaded modules
  -M                 : a synonym for -t -D DUMP_MODULES
  -t -D DUMP_INCLUDES: show all included configuration files
  -t                 : run syntax check for config files
  -T                 : start without DocumentRoot(s) check
  -X                 : debug mode (only one worker, do not detach)`;

interface CommandLine {
  file: string | null;
  serverRoot: string | null;
  defines: string[];
  before: string[];
  after: string[];
  signal: string | null;
  flags: Set<string>;
  startLevel: string | null;
  startLog: string | null;
}

/** Runs the program on a command line; resolves with its exit code. */
export async function main(args: readonly string[], modules: readonly Module[]): Promise<number> {
  if (args[0] === "schema" && args.length === 1) return printSchema(modules);
  if (args[0] === "convert") return args.length === 2 ? convertFile(args[1]!, modules) : usage();
  if (args[0] === "check") {
    try {
      return (await checkTarget(args.slice(1), modules)) ?? usage();
    } catch (error) {
      return configFailure(error);
    }
  }
  const line = parse(args);
  if (line === null) return usage();
  if (line.flags.has("h")) return usage();
  if (line.flags.has("v")) return print(VERSION_TEXT.short);
  if (line.flags.has("V")) return print(VERSION_TEXT.long);
  if (line.flags.has("l")) return print(`Compiled in modules:\n${modules.map((m) => `  ${m.name}.c`).join("\n")}`);
  if (line.flags.has("L") && line.file === null) return print(listDirectives(modules));
  if (line.startLevel !== null && levelRank(line.startLevel) === undefined) return usage();
  if (line.file === null) {
    if (args.length === 0) return demo(modules);
    console.error(`${PROGRAM}: -f FILE is needed: there is no configuration at a fixed place`);
    return 1;
  }
  const options = optionsOf(line, line.file, modules);
  nameOurselves();
  let loaded: Loaded;
  try {
    loaded = await loadConfig(options, 0);
  } catch (error) {
    return configFailure(error);
  }
  if (dumps(line, loaded, options)) return 0;
  if (line.flags.has("t")) {
    console.error("Syntax OK");
    return 0;
  }
  return line.signal === null ? serve(loaded, options, args) : control(line.signal, loaded, options, args, line);
}

/** Plug-ins import "sluice", wherever they are: Deno finds it by the import map in deno.json, Bun so. */
function nameOurselves(): void {
  if (!("Bun" in globalThis)) return;
  Bun.plugin({
    name: "sluice",
    setup: (build) => void build.module("sluice", () => ({ exports: sluice, loader: "object" })),
  });
}

/** Serves until it is told to end. */
async function serve(loaded: Loaded, options: LoadOptions, args: readonly string[]): Promise<number> {
  const child = new SingleChild(loaded, options, [PROGRAM, ...args].join(" "));
  if (!(await child.start())) return 1;
  return child.ended;
}

/** Null: no such option, or one without its value. Options may be joined, as in -tf FILE. */
function parse(args: readonly string[]): CommandLine | null {
  const line: CommandLine = {
    file: null,
    serverRoot: null,
    defines: [],
    before: [],
    after: [],
    signal: null,
    flags: new Set(),
    startLevel: null,
    startLog: null,
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!/^-./.test(arg)) return null;
    for (let at = 1; at < arg.length; at++) {
      const option = arg[at]!;
      if ("vVhlLtTSMX".includes(option)) {
        line.flags.add(option);
        continue;
      }
      if (!"fdDCckeE".includes(option)) return null;
      const value = at + 1 < arg.length ? arg.slice(at + 1) : args[++i];
      if (value === undefined) return null;
      if (!setOption(line, option, value)) return null;
      break;
    }
  }
  return line;
}

function setOption(line: CommandLine, option: string, value: string): boolean {
  switch (option) {
    case "f":
      line.file = value;
      return true;
    case "d":
      line.serverRoot = value;
      return true;
    case "D":
      line.defines.push(value);
      return true;
    case "C":
      line.before.push(value);
      return true;
    case "c":
      line.after.push(value);
      return true;
    case "e":
      line.startLevel = value;
      return true;
    case "E":
      line.startLog = value;
      return true;
    default:
      line.signal = value;
      return ["start", "stop", "restart", "graceful", "graceful-stop"].includes(value);
  }
}

function optionsOf(line: CommandLine, name: string, modules: readonly Module[]): LoadOptions {
  const root = line.serverRoot === null ? null : resolve(line.serverRoot);
  const file = isAbsolute(name) ? name : resolve(root ?? process.cwd(), name);
  return {
    file,
    serverRoot: root ?? resolve(file, ".."),
    defines: line.defines,
    before: line.before,
    after: line.after,
    modules,
    startLog: line.startLog ?? undefined,
    startRank: line.startLevel === null ? undefined : levelRank(line.startLevel),
  };
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

/** -L, -S, -M, -t -D DUMP_...: prints what was asked for; false if nothing was. */
function dumps(line: CommandLine, loaded: Loaded, options: LoadOptions): boolean {
  const asked = (name: string, flag: string) => line.flags.has(flag) || line.defines.includes(name);
  const texts: string[] = [];
  if (line.flags.has("L")) texts.push(listDirectives(loaded.process.modules));
  if (asked("DUMP_VHOSTS", "S")) texts.push(describeVhosts(loaded.process));
  if (asked("DUMP_RUN_CFG", "S")) texts.push(describeRun(loaded, line));
  if (asked("DUMP_MODULES", "M")) texts.push(describeModules(loaded.process.modules, options.modules));
  if (asked("DUMP_INCLUDES", "")) texts.push(listIncludes(loaded));
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
  loaded: Loaded,
  options: LoadOptions,
  args: readonly string[],
  line: CommandLine,
): Promise<number> {
  const path = pidFileOf(loaded.process);
  if (path === null) {
    console.error(`${PROGRAM}: -k needs a PidFile or a ServerRoot in the configuration`);
    return 1;
  }
  const pid = readPid(path);
  const running = pid !== null && isAlive(pid);
  if (action === "start") {
    if (running) return print(`${PROGRAM} (pid ${pid}) already running`);
    return start(loaded, options, args, line);
  }
  if (!running) {
    if (action === "stop" || action === "graceful-stop") {
      return print(pid === null ? `${PROGRAM} (no pid file) not running` : `${PROGRAM} (pid ${pid}?) not running`);
    }
    console.log(`${PROGRAM} not running, trying to start`);
    return start(loaded, options, args, line);
  }
  const signals = { stop: "SIGTERM", restart: "SIGHUP", graceful: "SIGUSR1", "graceful-stop": "SIGWINCH" } as const;
  process.kill(pid, signals[action as keyof typeof signals]);
  return 0;
}

/** -k start goes to the background, unless -X or -D FOREGROUND. */
async function start(
  loaded: Loaded,
  options: LoadOptions,
  args: readonly string[],
  line: CommandLine,
): Promise<number> {
  const foreground =
    line.flags.has("X") || ["FOREGROUND", "NO_DETACH", "ONE_PROCESS", "DEBUG"].some((d) => line.defines.includes(d));
  if (foreground) return serve(loaded, options, args);
  const sink = openSync("/dev/null", "r+");
  const runtime = "Deno" in globalThis ? ["run", "-A", "--quiet", process.argv[1]!] : [process.argv[1]!];
  const child = spawn(process.execPath, [...runtime, ...args, "-D", "FOREGROUND"], {
    detached: true,
    stdio: ["ignore", sink, "pipe"],
  });
  // What keeps it from starting is shown here; later it must not hold the terminal, or the pipe, that we were given.
  child.stderr!.pipe(process.stderr, { end: false });
  const path = pidFileOf(loaded.process)!;
  return new Promise((done) => {
    const look = setInterval(() => {
      if (readPid(path) !== child.pid) return;
      clearInterval(look);
      child.stderr!.destroy();
      child.unref();
      done(0);
    }, 20);
    child.on("exit", (code) => {
      clearInterval(look);
      done(code ?? 1);
    });
  });
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

function usage(): number {
  console.error(USAGE);
  return 1;
}
