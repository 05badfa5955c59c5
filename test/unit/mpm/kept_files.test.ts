import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { KeptFiles } from "../../../modules/mpm/kept_files.ts";

test("a secret that root read counts until it is another one, and for who builds what was read then, always", {
  skip: process.geteuid?.() !== 0,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "sluice-kept-"));
  await chmod(dir, 0o711);
  const path = join(dir, "key");
  await writeFile(path, "one", { mode: 0o600 });
  const files = new KeptFiles();
  assert.equal(files.read(path), "one");
  try {
    process.seteuid!(65_534);
    assert.equal(files.read(path), "one");
    process.seteuid!(0);
    await writeFile(path, "another");
    process.seteuid!(65_534);
    assert.throws(() => files.read(path), { code: "EACCES", changed: true });
    files.asRead = true;
    assert.equal(files.read(path), "one");
  } finally {
    process.seteuid!(0);
    await rm(dir, { recursive: true });
  }
});
