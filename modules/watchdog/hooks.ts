/**
 * The hooks of mod_watchdog, and who leads among the children.
 * Source: httpd modules/core/mod_watchdog.h
 */
import { runFirst, runVoid } from "../core/hooks.ts";
import { providerGroup } from "../core/providers.ts";
import type { ProcessRec } from "../core/records.ts";
import type { Watchdog, WatchdogName } from "./watchdog.ts";

/** Does anything need this watchdog? OK: yes. It does not run otherwise. */
export const watchdogNeed = runFirst<[process: ProcessRec, name: WatchdogName]>("watchdog_need");
/** It starts to run in this child: join it by `watchdog.every`. */
export const watchdogInit = runVoid<[watchdog: Watchdog]>("watchdog_init");
/** Every `WatchdogInterval`. */
export const watchdogStep = runVoid<[watchdog: Watchdog]>("watchdog_step");
/** It stopped; nothing that joined it is called again. End what still runs. */
export const watchdogExit = runVoid<[watchdog: Watchdog]>("watchdog_exit");

/** Which of the children runs a singleton. */
export interface Leadership {
  /** Calls `lead` when this child leads: at once, or after the child that leads is gone. Answers how to step down. */
  campaign(process: ProcessRec, name: WatchdogName, lead: () => void): () => void;
}

/** Filled, as "children", by whoever starts several children; without a provider the only child leads. */
export const leadership = providerGroup<Leadership>("leadership");
