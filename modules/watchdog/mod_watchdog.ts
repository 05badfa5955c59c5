/**
 * mod_watchdog: work that no request asks for, at intervals; what must not be done twice, by one child.
 * Source: httpd modules/core/mod_watchdog.c
 */

import { parseInterval } from "../config/units.ts";
import type { CommandContext } from "../core/command.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { ProcessRec, ServerRec } from "../core/records.ts";
import * as z from "../core/schema.ts";
import { OK } from "../core/status.ts";
import { childExit, childInit, postConfig } from "../server/hooks.ts";
import { leadership, watchdogExit, watchdogInit, watchdogNeed, watchdogStep } from "./hooks.ts";
import { Watchdog, type WatchdogName } from "./watchdog.ts";

const LEAST_MS = 100;
const NAMES: readonly WatchdogName[] = ["_singleton_", "_default_"];

const watchdog = defineModule({
  name: "mod_watchdog",
  config: z.object({ intervalMs: z.number().default(1000) }),
  needs: ["timers"],
  commands: ({ take1 }) => [take1("WatchdogInterval", "global", setIntervalMs, "Watchdog interval in seconds")],
  registerHooks({ hook }) {
    // Before the modules build what their watchdogs look at.
    hook(postConfig, (_process, previous) => stopWatchdogs(previous), { rank: "reallyFirst" });
    hook(childInit, startWatchdogs, { rank: "last" });
    hook(childExit, stopWatchdogs, { rank: "first" });
  },
});
export default watchdog;

/** How to end what a generation runs. */
const running = new WeakMap<ProcessRec, (() => void)[]>();

function setIntervalMs(cmd: CommandContext, arg: string): string | undefined {
  const ms = parseInterval(arg, "s");
  if (ms === undefined) return "Unparse-able WatchdogInterval setting";
  if (ms < LEAST_MS) return "Invalid WatchdogInterval: minimal value 100ms";
  cmd.set("intervalMs", ms);
  return undefined;
}

function startWatchdogs(process: ProcessRec, _main: ServerRec): void {
  const { hooks, providers } = process;
  const { intervalMs } = getModuleConfig(process.servers[0]!.config, watchdog);
  const ends: (() => void)[] = [];
  running.set(process, ends);
  for (const name of NAMES) {
    if (watchdogNeed.run(hooks, process, name) !== OK) continue;
    const lead = () => {
      const one = new Watchdog(name, process);
      ends.push(() => {
        one.stop();
        watchdogExit.run(hooks, one);
      });
      watchdogInit.run(hooks, one);
      if (!watchdogStep.isEmpty(hooks)) one.every("watchdog_step", intervalMs, () => watchdogStep.run(hooks, one));
    };
    const election = name === "_singleton_" ? providers.lookup(leadership, "children") : undefined;
    if (election === undefined) lead();
    else ends.push(election.campaign(process, name, lead));
  }
}

/** A generation that another one replaces stops its watchdogs, although it may still serve: two would do the work twice. */
function stopWatchdogs(process: ProcessRec | null): void {
  if (process === null) return;
  const ends = running.get(process) ?? [];
  running.delete(process);
  for (const end of ends) end();
}
