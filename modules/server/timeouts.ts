/** How long the core lets one read or write take. */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import core from "./mod_core.ts";

/** `Timeout`, in milliseconds. @default 60000 */
export function serverTimeoutMs(r: RequestRec): number {
  return getModuleConfig(r.server.config, core).timeoutMs;
}
