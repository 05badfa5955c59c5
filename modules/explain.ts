/**
 * `explain METHOD URL`: the command.
 */
import { optionsOf, parseCommandLine } from "./command_line.ts";
import type { Module } from "./core/module.ts";
import { explain } from "./explain/explain.ts";
import { tell, tellText } from "./explain/tell.ts";

/** `explain METHOD URL [-H "Name: value"]... [--from IP] [--to IP:PORT] [--json] -f FILE`. @throws ConfigError */
export async function explainCommand(args: readonly string[], modules: readonly Module[]): Promise<number | null> {
  const line = parseCommandLine(args, { json: false, from: true, to: true });
  const [method, url, ...more] = line?.words ?? [];
  if (line === null || line.file === null || method === undefined || url === undefined || more.length > 0) return null;
  const question = { method, url, headers: line.headers, from: line.long.get("from"), to: line.long.get("to") };
  const told = tell(await explain(optionsOf(line, line.file, modules), question));
  console.log(line.long.has("json") ? JSON.stringify(told, null, 2) : tellText(told));
  return 0;
}
