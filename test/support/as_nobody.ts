/**
 * A program: what a KeptFiles says of a secret that root has read, to root and then to nobody, before and after it is another one.
 * A process has one effective user: changed in the tests' own, tests beside it would lose their files.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { KeptFiles } from "../../modules/mpm/kept_files.ts";

const NOBODY = 65_534;

const dir = mkdtempSync(join(tmpdir(), "sluice-kept-"));
chmodSync(dir, 0o711);
const path = join(dir, "key");
writeFileSync(path, "one", { mode: 0o600 });
const files = new KeptFiles();
const said: unknown[] = [files.read(path)];
process.seteuid!(NOBODY);
said.push(files.read(path));
process.seteuid!(0);
writeFileSync(path, "another");
process.seteuid!(NOBODY);
try {
  files.read(path);
} catch (error) {
  const { code, changed } = error as { code?: string; changed?: boolean };
  said.push({ code, changed });
}
files.asRead = true;
said.push(files.read(path));
process.seteuid!(0);
rmSync(dir, { recursive: true });
console.log(JSON.stringify(said));
