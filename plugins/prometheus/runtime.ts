/** What the program runs on. */
import process from "node:process";

const name = "Deno" in globalThis ? "deno" : "bun";

export const runtime = {
  name,
  version: (process.versions as Readonly<Record<string, string | undefined>>)[name] ?? "",
};
