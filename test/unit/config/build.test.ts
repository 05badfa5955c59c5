import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { defineModule, getModuleConfig, type Module } from "../../../modules/mod.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

describe("buildServers()", () => {
  it("tells every module that defines a directive, as HeartbeatStorage is two modules' in httpd", () => {
    const made = ["mod_a", "mod_b"].map((name) =>
      defineModule({
        name,
        config: z.object({ path: z.string().default("") }),
        commands: ({ take1 }) => [take1("SharedPath", "global", "path", "a path")],
      }),
    );
    const g = new TestGeneration("SharedPath /x", new VirtualClock(), made as unknown as Module[]);
    const { config } = g.process.servers[0]!;
    assert.deepEqual(
      made.map((module) => getModuleConfig(config, module).path),
      ["/x", "/x"],
    );
  });
});
