/**
 * The command line: httpd's options, and those of the commands beside the server.
 * Source: httpd server/main.c; docs/man/httpd.8
 */
import { isAbsolute, resolve } from "node:path";
import { levelRank } from "./core/error_log.ts";
import type { Shipped } from "./core/shipped.ts";
import type { LoadOptions } from "./mpm/load.ts";

export const PROGRAM = "sluice";

export const USAGE = `Usage: ${PROGRAM} [-D name] [-d directory] [-f file]
              [-C "directive"] [-c "directive"]
              [-k start|restart|graceful|graceful-stop|stop]
              [-v] [-V] [-h] [-l] [-L] [-t] [-T] [-S] [-M] [-X]
       ${PROGRAM} check [--json] FILE
                              what becomes of each directive; exit code 0: all as in httpd,
                              1: some differ or have no effect, 78: it does not start
       ${PROGRAM} check --target container|fly|vercel-bun|deno-deploy|edge FILE
                              say what the host cannot give
       ${PROGRAM} config --effective FILE --vhost NAME [--yaml | --json] URL
                              what of a configuration applies to a URL
       ${PROGRAM} explain METHOD URL [-H "Name: value"]... [--from IP] [--to IP:PORT] [--json] -f FILE
                              the way of a request, without sending anything
       ${PROGRAM} status | members | watch [BALANCER]
                              the balancers of a running server, by its sluice-api; watch goes on
       ${PROGRAM} drain [--wait] | enable | disable | remove | recover [BALANCER] MEMBER
       ${PROGRAM} add BALANCER URL [--enabled] [--route NAME] [--factor N]
                              change them. MEMBER is a URL, host:port or route. All of these take --json,
                              --api http://HOST:PORT/LOCATION, --token TOKEN, -H "Name: value", or have
                              SLUICE_API and SLUICE_TOKEN. Exit code 69: nothing answers, 77: not allowed
       ${PROGRAM} convert FILE      print a configuration in the other language
       ${PROGRAM} schema            print the JSON Schema of the YAML form
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
  -t -D DUMP_CONFIG  : show the directives that were read
  -t                 : run syntax check for config files
  -T                 : start without DocumentRoot(s) check
  -X                 : debug mode (only one worker, do not detach)
  --watch            : read the configuration anew whenever a file of it changes`;

const ACTIONS = ["start", "restart", "graceful", "graceful-stop", "stop"];

/** What a command line says. */
export interface CommandLine {
  file: string | null;
  serverRoot: string | null;
  defines: string[];
  before: string[];
  after: string[];
  signal: string | null;
  flags: Set<string>;
  startLevel: string | null;
  startLog: string | null;
  /** Of the commands beside the server: their words, and their own options. */
  words: string[];
  long: Map<string, string>;
  /** -H */
  headers: string[];
}

/** Options of the commands beside the server, and whether a value follows. */
export type LongOptions = Readonly<Record<string, boolean>>;

/**
 * Null: no such option, or one without its value. Options may be joined, as in -tf FILE.
 * @param own of a command beside the server: it takes words, -H, and these after "--"
 * @param wrong is told what is wrong
 */
export function parseCommandLine(
  args: readonly string[],
  own: LongOptions | null = null,
  wrong: (reason: string) => void = () => {},
): CommandLine | null {
  const refuse = (reason: string): null => {
    wrong(reason);
    return null;
  };
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
    words: [],
    long: new Map(),
    headers: [],
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (own !== null && arg.startsWith("--")) {
      const name = arg.slice(2);
      if (!Object.hasOwn(own, name)) return refuse(`there is no option ${arg}`);
      const value = own[name] ? args[++i] : "";
      if (value === undefined) return refuse(`${arg} wants a value`);
      line.long.set(name, value);
      continue;
    }
    if (own !== null && !arg.startsWith("-")) {
      line.words.push(arg);
      continue;
    }
    if (arg === "--watch") {
      line.flags.add("watch");
      continue;
    }
    if (!/^-./.test(arg)) return refuse(`${arg} is neither an option nor a command: -f FILE names a configuration`);
    if (arg.startsWith("--")) return refuse(`there is no option ${arg}`);
    for (let at = 1; at < arg.length; at++) {
      const option = arg[at]!;
      if (own === null && "vVhlLtTSMX".includes(option)) {
        line.flags.add(option);
        continue;
      }
      if (!(own === null ? "fdDCckeE" : "fdDCcH").includes(option)) return refuse(`there is no option -${option}`);
      const value = at + 1 < arg.length ? arg.slice(at + 1) : args[++i];
      if (value === undefined) return refuse(`-${option} wants a value`);
      if (!setOption(line, option, value)) return refuse(`-k takes ${ACTIONS.join(", ")}, not ${value}`);
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
    case "H":
      line.headers.push(value);
      return true;
    case "e":
      line.startLevel = value;
      return true;
    case "E":
      line.startLog = value;
      return true;
    default:
      line.signal = value;
      return ACTIONS.includes(value);
  }
}

/** What is to be loaded. */
export function optionsOf(line: CommandLine, name: string, modules: Shipped): LoadOptions {
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
