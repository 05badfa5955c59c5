/**
 * mod_proxy_hcheck: members are asked at intervals whether they are well, apart from the traffic.
 * Source: httpd modules/proxy/mod_proxy_hcheck.c
 */
import {
  ArgumentError,
  type CommandContext,
  checkConfig,
  DECLINED,
  defaultHealthCheck,
  defineModule,
  getModuleConfig,
  healthCheck,
  healthContext,
  OK,
  type ProcessRec,
  parseExpr,
  parseHealthParam,
  postConfig,
  type Status,
  splitWords,
  sslBindOutgoing,
  type Watchdog,
  type WatchdogName,
  watchdogExit,
  watchdogInit,
  watchdogNeed,
  z,
} from "../../modules/mod.ts";
import { inheritVerdicts } from "./inherit.ts";
import { balancersOf, Schedule } from "./schedule.ts";

const TICK_MS = 100;
/** While nothing is checked: the manager may turn a check on. */
const IDLE_TICK_MS = 1000;
const MAX_EXPR_NAME = 15;

const hcheck = defineModule({
  name: "mod_proxy_hcheck",
  config: z.object({
    /** ProxyHCTPsize; 0: one after the other. */
    probesAtOnce: z.number().default(16),
  }),
  needs: ["sockets", "timers"],
  commands: ({ raw, params, take1 }) => [
    params("ProxyHCTemplate", "any", ["name"], addTemplate, "Health check template"),
    raw("ProxyHCExpr", "any", addExpr, "Define a health check condition ruleset expression"),
    take1("ProxyHCTPsize", "global", setProbesAtOnce, "Set size of health check thread pool"),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, checkMembers, { rank: "last" });
    hook(postConfig, takeOver, { rank: "last" });
    hook(watchdogNeed, needsChecks);
    hook(watchdogInit, startChecks);
    hook(watchdogExit, stopChecks);
  },
});
export default hcheck;

const schedules = new WeakMap<Watchdog, Schedule>();

function addTemplate(cmd: CommandContext, words: readonly string[]): string | undefined {
  const [name, ...settings] = words;
  if (name === undefined) return "Missing template name for ProxyHCTemplate";
  const context = healthContext(cmd.server);
  const template = { ...defaultHealthCheck(), method: "TCP" as const };
  for (const word of settings) {
    const equals = word.indexOf("=");
    if (equals < 0) return "Invalid ProxyHCTemplate parameter. Parameter must be in the form 'key=value'";
    const error = parseHealthParam(template, word.slice(0, equals).toLowerCase(), word.slice(equals + 1), context);
    if (error !== null) return `ProxyHCTemplate: ${error} ${word}; ${name}`;
  }
  context.templates.set(name.toLowerCase(), template);
  return undefined;
}

function addExpr(cmd: CommandContext, args: string): string | undefined {
  const name = splitWords(args, 1)[0]?.text ?? "";
  if (name === "") return "Missing expression name for ProxyHCExpr";
  if (name.length > MAX_EXPR_NAME) return `Expression name limited to ${MAX_EXPR_NAME} characters`;
  const written = splitExpr(args.replace(/^\s*("[^"]*"|'[^']*'|\S+)\s*/, ""));
  if (written.text === "") return "Missing expression for ProxyHCExpr";
  if (written.rest !== "") return "error: extra parameter(s)";
  const parsed = parseExpr(written.text);
  if ("error" in parsed)
    throw new ArgumentError(`Could not parse expression "${written.text}": ${parsed.error}`, parsed);
  healthContext(cmd.server).exprs.set(name.toLowerCase(), parsed.expr);
  return undefined;
}

/** {EXPR} with braces in pairs, or a word. Source: httpd ap_getword_conf2 */
function splitExpr(args: string): { text: string; rest: string } {
  if (!args.startsWith("{")) {
    const [first, second] = splitWords(args, 1);
    return { text: first?.text ?? "", rest: second?.text ?? "" };
  }
  let depth = 0;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "{") depth++;
    if (args[i] === "}" && --depth === 0) return { text: args.slice(1, i), rest: args.slice(i + 1).trim() };
  }
  return { text: args.slice(1), rest: "" };
}

function setProbesAtOnce(cmd: CommandContext, arg: string): string | undefined {
  const count = Number(/^\s*[+-]?\d+/.exec(arg)?.[0] ?? 0);
  if (count < 0) return "Invalid ProxyHCTPsize parameter. Parameter must be >= 0";
  cmd.set("probesAtOnce", count);
  return undefined;
}

/** check_config: what is asked for can be done. @throws Error */
function checkMembers(process: ProcessRec): void {
  for (const balancer of balancersOf(process)) {
    for (const { check, name, scheme } of balancer.members) {
      const { method, provider } = check?.params ?? defaultHealthCheck();
      if (method === "PROVIDER" && process.providers.lookup(healthCheck, provider) === undefined) {
        throw new Error(`BalancerMember ${name} hcmethod=PROVIDER:${provider}: no module provides this health check`);
      }
      const needsTls = /^(https|wss)$/.test(scheme) && !/^(NONE|TCP|PROVIDER)$/.test(method);
      if (needsTls && sslBindOutgoing.isEmpty(process.hooks))
        throw new Error(`BalancerMember ${name} hcmethod=${method}: no module speaks TLS to backends`);
    }
  }
}

/** post_config. */
function takeOver(process: ProcessRec, previous: ProcessRec | null): void {
  if (previous !== null) inheritVerdicts(process, previous);
}

function needsChecks(process: ProcessRec, name: WatchdogName): Status {
  return name === "_singleton_" && balancersOf(process).length > 0 ? OK : DECLINED;
}

function startChecks(watchdog: Watchdog): void {
  const { process } = watchdog;
  if (needsChecks(process, watchdog.name) !== OK) return;
  const { probesAtOnce } = getModuleConfig(process.servers[0]!.config, hcheck);
  const schedule = new Schedule(process, Math.max(1, probesAtOnce));
  schedules.set(watchdog, schedule);
  const checked = balancersOf(process).some((balancer) =>
    balancer.members.some(({ check }) => check !== null && check.params.method !== "NONE"),
  );
  schedule.tick();
  watchdog.every("mod_proxy_hcheck", checked ? TICK_MS : IDLE_TICK_MS, () => schedule.tick());
}

function stopChecks(watchdog: Watchdog): void {
  schedules.get(watchdog)?.stop();
  schedules.delete(watchdog);
}
