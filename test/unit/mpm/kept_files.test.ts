import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../support/as_nobody.ts", import.meta.url));

test("a secret that root read counts until it is another one, and for who builds what was read then, always", {
  skip: process.geteuid?.() !== 0,
}, () => {
  const command = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet", program] : [program];
  const said = execFileSync(process.execPath, command, { encoding: "utf8" });
  assert.deepEqual(JSON.parse(said), ["one", "one", { code: "EACCES", changed: true }, "one"]);
});
