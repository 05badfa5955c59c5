/** What of the listeners a reload cannot do. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newListeners, takesRestart } from "../../../modules/mpm/listen_changes.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

const read = (text: string) => new TestGeneration(text, new VirtualClock()).process;

describe("a reload", () => {
  for (const [before, after, refused] of [
    ["Listen 80", "Listen 80\nListen 127.0.0.1:81", null],
    ["Listen 80\nListen 81", "Listen 81", null],
    ["Listen 127.0.0.1:80", "Listen 127.0.0.2:80", null],
    ["Listen [::1]:80", "Listen 0.0.0.0:80", null],
    ["Listen unix:/a", "Listen unix:/b", null],
    ["Listen 80", "Listen 127.0.0.1:80", "Listen 127.0.0.1:80: in place of Listen [::]:80"],
    ["Listen 127.0.0.1:80", "Listen 80", "Listen [::]:80: in place of Listen 127.0.0.1:80"],
    ["Listen 127.0.0.1:80", "Listen 0.0.0.0:80", "Listen 0.0.0.0:80: in place of Listen 127.0.0.1:80"],
    ["Listen 80", "Listen 80\nFront fetch", "Listen [::]:80: from Front net to Front fetch"],
    ["Listen unix:/a\nFront fetch", "Listen unix:/a", "Listen /a: from Front fetch to Front net"],
    ["Listen 80\nListen 81\nFront fetch 81", "Listen 81\nFront fetch", null],
    // Such a configuration cannot be started either: the system says so.
    ["Listen 80", "Listen 80\nListen 127.0.0.1:80", null],
  ] as const) {
    it(`from ${before} to ${after}: ${refused ?? "made"}`.replaceAll("\n", ", "), () =>
      assert.deepEqual(
        takesRestart(read(before), read(after)).map((text) => text.replace(/(?: it)? takes a restart, .*/, "")),
        refused === null ? [] : [refused],
      ),
    );
  }

  it("opens what was not open", () =>
    assert.deepEqual(
      newListeners(read("Listen 80\nListen unix:/a"), read("Listen 80\nListen unix:/b\nListen 81")).map(
        ({ unix, port }) => unix || port,
      ),
      ["/b", 81],
    ));
});
