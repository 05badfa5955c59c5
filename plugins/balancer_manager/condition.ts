/** A member's state in one word: page and command line colour by it. */
import type { MemberState } from "../../modules/mod.ts";

export type Condition = "error" | "disabled" | "draining" | "standby" | "ok";

/** What is wrong comes before what somebody wants. */
export function conditionOf({ observed, settings }: MemberState): Condition {
  if (observed.error !== null || (observed.check !== null && !observed.panic)) return "error";
  if (settings.disabled || settings.stopped) return "disabled";
  if (settings.draining) return "draining";
  return settings.standby || settings.spare ? "standby" : "ok";
}
