/**
 * mod_authn_core: AuthType and AuthName.
 * Source: httpd modules/aaa/mod_authn_core.c
 */

import { ArgumentError, type CommandContext } from "../core/command.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import * as z from "../core/schema.ts";
import { OK, type Status } from "../core/status.ts";
import { textOrExpr } from "./auth.ts";
import type { Expr } from "./expr.ts";
import { requestSubject } from "./expr_subject.ts";
import { checkUserId } from "./hooks.ts";

const authnCore = defineModule({
  name: "mod_authn_core",
  config: z.object({
    authType: z.custom<Expr<string>>().optional(),
    authName: z.custom<Expr<string>>().optional(),
  }),
  commands: ({ take1 }) => [
    take1("AuthType", "dir", setText("authType"), 'an HTTP authorization type (e.g., "Basic")'),
    take1("AuthName", "dir", setText("authName"), 'the authentication realm (e.g. "Members Only")'),
  ],
  registerHooks({ hook }) {
    hook(checkUserId, nobodyAuthenticates, { rank: "last" });
  },
});
export default authnCore;

function setText(key: "authType" | "authName") {
  return (cmd: CommandContext, text: string): string | undefined => {
    const value = textOrExpr(text);
    if ("error" in value)
      throw new ArgumentError(`Cannot parse expression '${text}' in ${cmd.directive.name}: ${value.error}`, value);
    cmd.set(key, value);
    return undefined;
  };
}

/** What `AuthType` says of the request; null: nothing, or None. */
export function authTypeOf(r: RequestRec): string | null {
  const { authType } = getModuleConfig(r.perDirConfig, authnCore);
  if (authType === undefined) return null;
  const type = authType.evaluate(requestSubject(r));
  return type.toLowerCase() === "none" ? null : type;
}

/** The realm, fit to stand between quotes; null: there is none. */
export function authNameOf(r: RequestRec): string | null {
  const { authName } = getModuleConfig(r.perDirConfig, authnCore);
  return authName === undefined ? null : escapeQuotes(authName.evaluate(requestSubject(r)));
}

/** What is escaped already stays. Source: ap_escape_quotes */
function escapeQuotes(text: string): string {
  return text.replace(/\\([\s\S])|"/g, (both, escaped: string | undefined) => (escaped === undefined ? '\\"' : both));
}

function nobodyAuthenticates(r: RequestRec): Status {
  const type = authTypeOf(r);
  if (type === null) return OK;
  r.log.error("authn_core", "AH01796", `AuthType ${type} configured without corresponding module`, r);
  return 500;
}
