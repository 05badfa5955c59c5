/**
 * `check FILE`: answers for a configuration, directive by directive.
 */
import { checkTarget } from "./check_target.ts";
import { optionsOf, parseCommandLine } from "./command_line.ts";
import { ConfigError } from "./config/directive.ts";
import { ConfigWatch, type Finding, type Verdict } from "./config/watch.ts";
import { getModuleConfig, type Module } from "./core/module.ts";
import type { ProcessRec } from "./core/records.ts";
import { type LoadOptions, loadConfig } from "./mpm/load.ts";
import { balancerName } from "./proxy/balancer.ts";
import { definitionsOf } from "./proxy/definitions.ts";
import proxy from "./proxy/mod_proxy.ts";
import { getProxyServerState } from "./proxy/server_state.ts";
import core from "./server/mod_core.ts";

/** EX_CONFIG of sysexits.h */
const EX_CONFIG = 78;

const VERDICTS: readonly Verdict[] = ["honoured", "differs", "no effect", "skipped", "unknown", "wrong"];

export interface Report {
  readonly file: string;
  readonly findings: readonly Finding[];
  readonly count: Readonly<Record<Verdict, number>>;
  /** What the configuration as a whole makes the error log say. */
  readonly log: readonly string[];
  /** There is a Listen; without one it does not start by itself. */
  readonly listens: boolean;
  /** 0: all is as in httpd; 1: it starts, and something differs or has no effect; 78: it does not start. */
  readonly exit: number;
}

/** `check [--json] FILE`, `check --target NAME FILE` */
export async function check(args: readonly string[], modules: readonly Module[]): Promise<number | null> {
  if (args[0] === "--target") return checkTarget(args, modules);
  const line = parseCommandLine(args, { json: false });
  const file = line?.file ?? line?.words[0];
  if (line === null || file === undefined || line.words.length > (line.file === null ? 1 : 0)) return null;
  const report = await checkConfiguration(optionsOf(line, file, modules));
  console.log(line.long.has("json") ? reportJson(report) : reportText(report));
  return report.exit;
}

/** Reads a configuration to its end, whatever is wrong with it. Builds nothing, opens no port. */
export async function checkConfiguration(options: LoadOptions): Promise<Report> {
  const watch = new ConfigWatch();
  const log: string[] = [];
  // Without time and process.
  const write = (line: string) => void log.push(line.trimEnd().replace(/^\[.*?\] (\[.*?\]) \[pid.*?\] /, "$1 "));
  let listens = true;
  try {
    const loaded = await loadConfig({ ...options, watch, seams: { openErrorLog: () => ({ write }) } }, 0);
    listens = getModuleConfig(loaded.process.servers[0]!.config, core).listen.length > 0;
    noteUnserved(loaded.process, watch);
    loaded.logs.release();
  } catch (error) {
    if (!(error instanceof ConfigError) && !watch.failed) throw error;
    if (error instanceof ConfigError) watch.refused(error);
  }
  const findings = watch.findings();
  const count = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  for (const { verdict } of findings) count[verdict]++;
  const exit = count.unknown + count.wrong > 0 ? EX_CONFIG : count.differs + count["no effect"] > 0 ? 1 : 0;
  return { file: options.file, findings, count, log, listens, exit };
}

/** Notes what httpd says only to clients: rules that lead to a balancer without members. */
function noteUnserved(process: ProcessRec, watch: ConfigWatch): void {
  for (const server of process.servers) {
    for (const { kind, url, directive } of definitionsOf(server, proxy)) {
      if (kind !== "balancer" || directive.name.toLowerCase() !== "proxypass") continue;
      const balancer = getProxyServerState(server)?.balancers.get(balancerName(url));
      if (balancer === undefined || balancer.members.length > 0) continue;
      watch.warned(
        directive,
        `${balancer.name} has no members: until some are added, its requests are answered with 503`,
      );
    }
  }
}

/** One line for each directive, "FILE:LINE: verdict: NAME: notes", then a summary. */
export function reportText({ file, findings, count, log, listens, exit }: Report): string {
  const lines = findings.map(({ file, line, verdict, name, notes }) => {
    const parts = [
      file === "" ? "" : `${file}:${line}`,
      verdict,
      sectionName(name),
      notes.join("; ").replaceAll("\n", " "),
    ];
    return parts.filter((part) => part !== "").join(": ");
  });
  const many = (n: number, what: string) => (n === 0 ? [] : [`${n} ${what}`]);
  const summary = [
    ...many(count.honoured, "honoured"),
    ...many(count.differs, "honoured with a difference"),
    ...many(count["no effect"], "without effect here"),
    ...many(count.skipped, "skipped by a condition"),
    ...many(count.unknown, "unknown"),
    ...many(count.wrong, "wrong"),
  ];
  const starts = listens ? "starts" : "would start if it had a Listen";
  const verdict =
    exit === EX_CONFIG ? "does not start" : exit === 0 ? `${starts}, as in httpd` : `${starts}, see above`;
  return [...lines, ...log, "", `${file}: ${verdict}. ${summary.join(", ") || "nothing in it"}.`].join("\n");
}

/** The same for programs. */
export function reportJson({ file, findings, count, log, listens, exit }: Report): string {
  const directives = findings.map(({ file, line, column, name, verdict, notes }) => ({
    file,
    line,
    column,
    directive: sectionName(name),
    verdict,
    notes,
  }));
  return JSON.stringify({ file, exit, count, listens, directives, log }, null, 2);
}

function sectionName(name: string): string {
  return name.startsWith("<") ? `${name}>` : name;
}
