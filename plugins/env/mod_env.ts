/**
 * mod_env: SetEnv, PassEnv, UnsetEnv. They act after mapping and before the content is made, and never replace what
 * SetEnvIf has set.
 * Source: httpd modules/metadata/mod_env.c
 */
import {
  byteString,
  type CommandContext,
  DECLINED,
  defineModule,
  fixups,
  getModuleConfig,
  HeaderTable,
  OK,
  type RequestRec,
  type Status,
  z,
} from "../../modules/mod.ts";

/** A variable set, or, without a value, removed. */
interface EnvChange {
  readonly name: string;
  readonly value: string | null;
}

const env = defineModule({
  name: "mod_env",
  config: z.object({ vars: z.array(z.custom<EnvChange>()).default([]).transform(varsOf) }),
  append: ["vars"],
  commands: ({ take12, iterate }) => [
    take12("SetEnv", "any", setEnv, "an environment variable name and optional value to pass to CGI."),
    iterate("PassEnv", "any", passEnv, "a list of environment variables to pass to CGI."),
    iterate("UnsetEnv", "any", unsetEnv, "a list of variables to remove from the CGI environment."),
  ],
  registerHooks({ hook }) {
    hook(fixups, setVariables, { directivesOf: ["mod_env"] });
  },
});
export default env;

function setEnv(cmd: CommandContext, name: string, value = ""): void {
  if (name.includes("=")) {
    cmd.warn("AH10032", "Spurious usage of '=' in an environment variable name. 'SetEnv A B' expected instead?");
  }
  cmd.push("vars", { name: byteString(name), value: byteString(value) });
}

function passEnv(cmd: CommandContext, name: string): void {
  const value = cmd.host.env(name);
  if (value === undefined) cmd.warn("AH01506", `PassEnv variable ${name} was undefined`);
  else cmd.push("vars", { name: byteString(name), value: byteString(value) });
}

function unsetEnv(cmd: CommandContext, name: string): void {
  cmd.push("vars", { name: byteString(name), value: null });
}

function varsOf(changes: readonly EnvChange[]): HeaderTable {
  const vars = new HeaderTable();
  for (const { name, value } of changes) {
    if (value === null) vars.unset(name);
    else vars.set(name, value);
  }
  return vars;
}

function setVariables(r: RequestRec): Status {
  const { vars } = getModuleConfig(r.perDirConfig, env);
  if (vars.size === 0) return DECLINED;
  for (let i = 0; i < vars.size; i++) {
    const name = vars.nameAt(i);
    if (r.getEnv(name) === undefined) r.setEnv(name, vars.valueAt(i));
  }
  return OK;
}
