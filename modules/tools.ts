/**
 * The commands beside the server: convert and schema.
 */
import { commandsByName } from "./config/build.ts";
import { toHttpd, toYaml } from "./config/convert.ts";
import { ConfigError, formatConfigError } from "./config/directive.ts";
import { httpdComments, readRaw, yamlComments } from "./config/read_raw.ts";
import { readYaml } from "./config/read_yaml.ts";
import { jsonSchema } from "./config/schema.ts";
import type { Module } from "./core/module.ts";
import { configFiles } from "./mpm/files.ts";

/** `schema`: the JSON Schema of the YAML form. */
export function printSchema(modules: readonly Module[]): number {
  console.log(JSON.stringify(jsonSchema(modules.flatMap((module) => module.commands)), null, 2));
  return 0;
}

/** `convert FILE`: httpd.conf as YAML, YAML as httpd.conf. */
export function convertFile(path: string, modules: readonly Module[]): number {
  const commands = commandsByName(modules);
  const find = (name: string) => commands.get(name.toLowerCase())?.command;
  try {
    const text = configFiles.readFile(path);
    const isYaml = /\.ya?ml$/i.test(path);
    const out = isYaml
      ? toHttpd(
          readYaml(path, text, (name) => find(name)?.kind === "section"),
          find,
          yamlComments(text),
        )
      : toYaml(readRaw(path, text), find, httpdComments(text));
    console.log(out.replace(/\n$/, ""));
    return 0;
  } catch (error) {
    if (error instanceof ConfigError) console.error(formatConfigError(error, "sluice"));
    else console.error(`sluice: Could not open configuration file ${path}: ${(error as Error).message}`);
    return 1;
  }
}
