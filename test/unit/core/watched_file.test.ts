import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostFiles } from "../../../modules/core/host.ts";
import { describeFileError, WatchedFile } from "../../../modules/core/watched_file.ts";

class OneFile implements HostFiles {
  text: string | null = "one";
  changes = 0;
  reads = 0;

  stat(): null {
    return null;
  }

  version(): string {
    if (this.text === null) throw Object.assign(new Error("gone"), { code: "ENOENT" });
    return String(this.changes);
  }

  read(): string {
    this.reads++;
    return this.text!;
  }
}

test("WatchedFile.current() reads again when the file has changed, and only then", () => {
  const files = new OneFile();
  const file = new WatchedFile("/f", (text) => text.toUpperCase());
  assert.deepEqual([file.current(files), file.current(files), files.reads], ["ONE", "ONE", 1]);
  files.text = "two";
  files.changes++;
  assert.deepEqual([file.current(files), file.current(files), files.reads], ["TWO", "TWO", 2]);
});

test("WatchedFile.current() throws while there is no file, and reads it when it is back", () => {
  const files = new OneFile();
  const file = new WatchedFile("/f", (text) => text);
  file.current(files);
  files.text = null;
  assert.throws(
    () => file.current(files),
    (error) => describeFileError(error) === "(2)No such file or directory",
  );
  files.text = "back";
  files.changes++;
  assert.equal(file.current(files), "back");
  assert.throws(() => file.current(null), /no files/);
});

test("WatchedFile.current() does not keep what could not be parsed", () => {
  const files = new OneFile();
  const file = new WatchedFile("/f", (text) => JSON.parse(text) as unknown);
  assert.throws(() => file.current(files));
  assert.throws(() => file.current(files));
  assert.equal(files.reads, 2);
});
