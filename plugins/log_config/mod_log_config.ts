/**
 * mod_log_config: access logs. LogFormat is compiled when the configuration is built; a request costs one string.
 * Source: httpd modules/loggers/mod_log_config.c, mod_logio.c
 */
import {
  ArgumentError,
  type CommandContext,
  checkConfig,
  childExit,
  DECLINED,
  defineModule,
  type Expr,
  fileError,
  getModuleConfig,
  logFolderError,
  logTransaction,
  OK,
  openLogs,
  type ProcessRec,
  parseExpr,
  postConfig,
  type RequestRec,
  requestSubject,
  type ServerRec,
  type Status,
  z,
} from "../../modules/mod.ts";
import { compileFormat, type LogFormat } from "./format.ts";
import { jsonFormat } from "./json.ts";
import { LogWriter } from "./writer.ts";

/** `LogFormat FORMAT NICKNAME`. */
interface NamedFormat {
  /** Lower case. */
  readonly name: string;
  readonly format: string;
}

/** One CustomLog, TransferLog or GlobalLog. */
interface LogSpec {
  readonly target: string;
  /** A format or its nickname; null: that of the last LogFormat without a nickname. */
  readonly format: string | null;
  readonly when: Condition | null;
  /** Its nickname is the main server's, whatever a virtual host calls by that name. */
  readonly global: boolean;
  readonly file: string;
  readonly line: number;
}

type Condition = (r: RequestRec) => boolean;

/** A log of a server, ready to be written. */
interface Log {
  readonly when: Condition | null;
  readonly format: LogFormat;
  readonly writer: LogWriter;
}

const COMMON = '%h %l %u %t "%r" %>s %b';
/** Of those that the distributed httpd.conf defines, so that a configuration of a few lines can name them. */
const FORMATS: Readonly<Record<string, string>> = {
  clf: COMMON,
  common: COMMON,
  combined: `${COMMON} "%{Referer}i" "%{User-Agent}i"`,
};

/** How late a line of an only child may be, without and with BufferedLogs. */
const SOON_MS = 100;
const BUFFERED_MS = 5000;

const logConfig = defineModule({
  name: "mod_log_config",
  config: z.object({
    formats: z.array(z.custom<NamedFormat>()).default([]),
    defaultFormat: z.string().default(COMMON),
    /** Of one server: those of a virtual host stand in for the main server's. */
    logs: z.array(z.custom<LogSpec>()).default([]),
    globalLogs: z.array(z.custom<LogSpec>()).default([]),
    buffered: z.boolean().default(false),
    trackTtfb: z.boolean().default(false),
  }),
  append: ["formats"],
  commands: ({ flag, take1, take12, take23 }) => [
    take12("LogFormat", "server", addFormat, "a log format string (see docs) and an optional format name"),
    take23(
      "CustomLog",
      "server",
      (cmd, target, format, clause) => addLog(cmd, "logs", target, format, clause),
      'a file name, a custom log format string or format name, and an optional "env=" or "expr=" clause (see docs)',
    ),
    take23(
      "GlobalLog",
      "global",
      (cmd, target, format, clause) => addLog(cmd, "globalLogs", target, format, clause),
      "Same as CustomLog, but forces virtualhosts to inherit the log",
    ),
    take1(
      "TransferLog",
      "server",
      (cmd, target) => addLog(cmd, "logs", target, null, undefined),
      "the filename of the access log",
    ),
    flag("BufferedLogs", "global", "buffered", "Enable Buffered Logging (experimental)", {
      differs: "lines are written within 5 s, and within 300 ms without it",
    }),
    flag("LogIOTrackTTFB", "server", "trackTtfb", "Set to 'ON' to enable tracking time to first byte"),
  ],
  needs: ["files"],
  registerHooks({ hook }) {
    hook(checkConfig, checkTargets);
    hook(openLogs, openFiles);
    hook(postConfig, makeLogs);
    hook(logTransaction, writeLogs, { directivesOf: ["mod_log_config"] });
    hook(childExit, flushLogs, { rank: "last" });
  },
});
export default logConfig;

function addFormat(cmd: CommandContext, format: string, name?: string): string | undefined {
  const compiled = compileFormat(format);
  if (typeof compiled === "string") return compiled;
  if (name === undefined) cmd.set("defaultFormat", format);
  else {
    const entry: NamedFormat = { name: name.toLowerCase(), format };
    cmd.push("formats", entry);
  }
  return undefined;
}

function addLog(
  cmd: CommandContext,
  key: "logs" | "globalLogs",
  target: string,
  format: string | null,
  clause: string | undefined,
): string | undefined {
  if (format !== null) {
    const compiled = compileFormat(format);
    if (typeof compiled === "string") return compiled;
  }
  const when = clause === undefined ? null : conditionOf(clause);
  if (typeof when === "string") return when;
  const { file, line } = cmd.directive;
  const spec: LogSpec = { target, format, when, global: key === "globalLogs", file, line };
  cmd.push(key, spec);
  return undefined;
}

/** `env=NAME`, `env=!NAME`, `expr=EXPRESSION`; or what is wrong with it. */
function conditionOf(clause: string): Condition | string {
  const env = /^env=(!?)(.*)$/is.exec(clause);
  if (env !== null) {
    const name = env[2]!;
    if (name === "") return "missing environment variable name";
    const wanted = env[1] === "";
    return (r) => (r.getEnv(name) !== undefined) === wanted;
  }
  if (!/^expr=/i.test(clause)) return "error in condition clause";
  const parsed = parseExpr(clause.slice(5));
  if ("error" in parsed) throw new ArgumentError(parsed.error, parsed);
  const expr: Expr<boolean> = parsed.expr;
  return (r) => expr.evaluate(requestSubject(r));
}

/** A log whose folder is not there is a configuration error, not one of the first request. */
function checkTargets(generation: ProcessRec): void {
  for (const server of generation.servers) {
    for (const { target, file, line } of specsOf(server, generation)) {
      const folder = generation.missingLogFolder(target);
      if (folder !== null) {
        throw logFolderError(
          `AH02297: Cannot access directory '${folder}' for log file '${target}' defined at ${file}:${line}`,
        );
      }
    }
  }
}

function specsOf(server: ServerRec, generation: ProcessRec): readonly LogSpec[] {
  const main = getModuleConfig(generation.servers[0]!.config, logConfig);
  return [...getModuleConfig(server.config, logConfig).logs, ...main.globalLogs];
}

function openFiles(generation: ProcessRec): void {
  for (const server of generation.servers) {
    for (const { target } of specsOf(server, generation)) {
      try {
        generation.openLog(target);
      } catch (error) {
        throw fileError(error as Error, `AH00649: could not open transfer log file ${target}.`);
      }
    }
  }
}

function makeLogs(generation: ProcessRec, _previous: ProcessRec | null): void {
  const { buffered } = getModuleConfig(generation.servers[0]!.config, logConfig);
  for (const server of generation.servers) {
    const { trackTtfb } = getModuleConfig(server.config, logConfig);
    const logs: Log[] = [];
    for (const spec of specsOf(server, generation)) {
      const format = formatOf(spec.global ? generation.servers[0]! : server, spec);
      const sink = generation.openLog(spec.target);
      const delayMs = buffered ? BUFFERED_MS : sink.gathers ? 0 : SOON_MS;
      const writer = LogWriter.of(sink, generation.wheel, delayMs, spec.target, generation.log);
      logs.push({ when: spec.when, format, writer });
      if (format === jsonFormat || (format.timed && trackTtfb)) generation.takesTimes = true;
    }
    if (logs.length > 0) server.state[logConfig.index] = logs;
  }
}

/** A nickname's format, or the text as a format. The virtual host's nicknames come after those of the main server. */
function formatOf(server: ServerRec, spec: LogSpec): LogFormat {
  const conf = getModuleConfig(server.config, logConfig);
  const text = spec.format ?? conf.defaultFormat;
  const name = text.toLowerCase();
  const named = conf.formats.findLast((format) => format.name === name)?.format;
  if (named === undefined && name === "json") return jsonFormat;
  const compiled = compileFormat(named ?? FORMATS[name] ?? text);
  if (typeof compiled === "string") throw new Error(compiled); // it compiled when it was read
  return compiled;
}

function writeLogs(r: RequestRec): Status {
  const logs = r.server.state[logConfig.index] as readonly Log[] | undefined;
  if (logs === undefined) return DECLINED;
  let last = r;
  while (last.next !== null) last = last.next;
  for (let i = 0; i < logs.length; i++) {
    const { when, format, writer } = logs[i]!;
    if (when === null || when(r)) writer.write(format.line(last, r));
  }
  return OK;
}

function flushLogs(generation: ProcessRec): void {
  for (const server of generation.servers) {
    for (const { writer } of (server.state[logConfig.index] as readonly Log[] | undefined) ?? []) writer.flush();
  }
}
