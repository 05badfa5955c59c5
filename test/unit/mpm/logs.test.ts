/** Log files and programs. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { QUEUE_CHARS } from "../../../modules/mpm/log_file.ts";
import { closeLogs, LogSet, reopenLogs } from "../../../modules/mpm/logs.ts";
import { splitCommand } from "../../../modules/mpm/piped_log.ts";

const dir = mkdtempSync(join(tmpdir(), "sluice-logs-"));
after(() => rmSync(dir, { recursive: true }));
const read = (name: string): string => readFileSync(join(dir, name), "utf8");
const logSet = (): LogSet => new LogSet((path) => join(dir, path));

describe("LogSet", () => {
  it("opens a file once, however many logs and generations write to it; the last one closes it", async () => {
    const [one, two] = [logSet(), logSet()];
    const sink = one.openLog("shared.log");
    assert.equal(one.openLog("shared.log"), sink);
    assert.equal(two.openLog("shared.log"), sink);
    one.release();
    sink.write("still open\n");
    two.release();
    assert.notEqual(logSet().openLog("shared.log"), sink);
    await closeLogs();
    assert.equal(read("shared.log"), "still open\n");
  });

  it("says what is in the way of a file", () => {
    for (const target of ["", "new.log", "|program", "syslog:user"]) assert.equal(logSet().missingFolder(target), null);
    assert.equal(logSet().missingFolder("none/new.log"), join(dir, "none/"));
  });
});

describe("a log file", () => {
  it("is written in order, and anew after it was renamed", async () => {
    const sink = logSet().openLog("a.log");
    sink.write("1\n");
    sink.write("2\n");
    renameSync(join(dir, "a.log"), join(dir, "a.old"));
    reopenLogs();
    // What waits goes where it was meant to go; from the next line on it is the new file.
    const written = Promise.withResolvers<void>();
    setImmediate(function look() {
      if (read("a.old") === "1\n2\n" && existsSync(join(dir, "a.log"))) written.resolve();
      else setImmediate(look);
    });
    await written.promise;
    sink.write("3\n");
    await closeLogs();
    assert.deepEqual([read("a.old"), read("a.log")], ["1\n2\n", "3\n"]);
  });

  it("drops and counts what a disk cannot take, and goes on", async () => {
    const sink = logSet().openLog("b.log");
    const line = `${"x".repeat(999)}\n`;
    const lines = Math.floor(QUEUE_CHARS / 1000);
    for (let i = 0; i < lines + 5; i++) sink.write(line); // nothing is written before this function ends but the first
    const dropped = sink.takeDropped!();
    assert.ok(dropped >= 3 && dropped <= 5, `${dropped}`);
    assert.equal(sink.takeDropped!(), 0);
    await closeLogs();
    assert.equal(read("b.log").length, (lines + 5 - dropped) * 1000);
  });
});

describe("splitCommand()", () => {
  it("splits at blanks, minds quotes, and leaves |$ to a shell", () => {
    assert.deepEqual(splitCommand("|rotatelogs -l /a/b.%Y 86400"), ["rotatelogs", "-l", "/a/b.%Y", "86400"]);
    assert.deepEqual(splitCommand(`||p 'a "b' "c 'd" e\\ f`), ["p", 'a "b', "c 'd", "e f"]);
    assert.deepEqual(splitCommand("|$cat > x; y"), ["/bin/sh", "-c", "cat > x; y"]);
  });
});
