/**
 * `check --target`: what a configuration asks for and a host cannot give, before it is deployed.
 */
import { resolve } from "node:path";
import { formatConfigError } from "./config/directive.ts";
import type { Module } from "./core/module.ts";
import { unmetNeeds } from "./embed/capabilities.ts";
import { isTarget, targets } from "./embed/targets.ts";
import { loadConfig } from "./mpm/load.ts";

/** `check --target NAME FILE`; null: that is no such command line. @throws ConfigError */
export async function checkTarget(args: readonly string[], modules: readonly Module[]): Promise<number | null> {
  const [flag, name, path] = args;
  if (args.length !== 3 || flag !== "--target" || name === undefined || path === undefined) return null;
  if (!isTarget(name)) {
    console.error(`sluice: there is no target ${name}; there are ${Object.keys(targets).join(", ")}`);
    return 1;
  }
  const file = resolve(path);
  const options = { file, serverRoot: resolve(file, ".."), defines: [], before: [], after: [], modules };
  const { tree, process, logs } = await loadConfig(options, 0);
  logs.release();
  const errors = unmetNeeds(tree, process.modules, name);
  for (const error of errors) console.error(formatConfigError(error, "sluice"));
  if (errors.length === 0) console.log(`${path}: ${name} gives all that it needs (${targets[name].source})`);
  return errors.length === 0 ? 0 : 1;
}
